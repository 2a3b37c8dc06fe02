/**
 * The memory type range registers of a CPU (SDM vol. 3, 12.11). No cache is simulated, so that nothing follows from them: firmware
 * and operating systems program them, copy them from CPU to CPU and read them back.
 */
import {
  requireVersion,
  type Checkpoint,
  type HardwareState,
  type Migratable,
  type RunState,
} from '../snapshot';
import { PHYSICAL_BITS } from './core/state/layout';

/** Ranges with a base and a mask, and the registers of fixed ranges: of 64 KiB, of 16 KiB and of 4 KiB (12.11.2.2). */
const VARIABLE_RANGES = 8;
const FIXED_RANGES = [0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f];
const FIRST_VARIABLE = 0x200;
const CAPABILITIES = 0xfe;
const DEFAULT_TYPE = 0x2ff;

/** IA32_MTRRCAP: how many variable ranges there are; fixed ranges and write-combining exist (12.11.1). */
const CAPABILITY_BITS = VARIABLE_RANGES | (1 << 8) | (1 << 10);
/** Memory types that can be set: UC, WC, WT, WP, WB (table 12-8). */
const TYPES: readonly number[] = [0, 1, 4, 5, 6];
const WRITE_BACK = 6;
/** IA32_MTRR_DEF_TYPE: a type, FE and E. */
const DEFAULT_WRITABLE = 0xcff;
const ENABLED = 0xc00;
/** IA32_MTRR_PHYSBASEn: a type and an address; IA32_MTRR_PHYSMASKn: V and an address. */
const BASE_LOW_WRITABLE = 0xffff_f0ff;
const MASK_LOW_WRITABLE = 0xffff_f800;
const ADDRESS_HIGH = 2 ** (PHYSICAL_BITS - 32) - 1;

/** The registers that can be written, in the order of the state. */
const REGISTERS: readonly number[] = [
  DEFAULT_TYPE,
  ...FIXED_RANGES,
  ...Array.from({ length: 2 * VARIABLE_RANGES }, (_, index) => FIRST_VARIABLE + index),
];
const placeOf: ReadonlyMap<number, number> = new Map(REGISTERS.map((index, place) => [index, 2 * place]));

/** What the hardware has of `Mtrrs`; the run has nothing of them. */
export interface MtrrHardware extends HardwareState {
  version: 1;
  /** Low and high half of each register. */
  values: Uint32Array;
}

/** The registers of one CPU. INIT leaves them alone. */
export class Mtrrs implements Migratable<MtrrHardware> {
  private readonly values = new Uint32Array(2 * REGISTERS.length);

  /** @param byFirmware a firmware has run that nobody sees, and has set all memory to be written back */
  constructor(private readonly byFirmware: boolean) {
    this.powerUp();
  }

  /** Two halves of a register; undefined: it is none of these. */
  read(index: number): { low: number; high: number } | undefined {
    if (index === CAPABILITIES) return { low: CAPABILITY_BITS, high: 0 };
    const place = placeOf.get(index);
    return place === undefined ? undefined : { low: this.values[place], high: this.values[place + 1] };
  }

  /** False: WRMSR raises #GP, or it is none of these. */
  write(index: number, low: number, high: number): boolean {
    const place = placeOf.get(index);
    if (place === undefined || !allowed(index, low, high)) return false;
    this.values[place] = low;
    this.values[place + 1] = high;
    return true;
  }

  /** After power-up no range is enabled (12.11.5); a firmware enables them. */
  powerUp(): void {
    this.values.fill(0);
    if (!this.byFirmware) return;
    this.values[0] = ENABLED | WRITE_BACK;
    this.values.fill(WRITE_BACK * 0x01010101, 2, 2 + 2 * FIXED_RANGES.length);
  }

  save(): Checkpoint<MtrrHardware, RunState> {
    return { hardware: { version: 1, values: this.values.slice() }, run: {} };
  }

  load({ hardware }: Checkpoint<MtrrHardware, RunState>): void {
    this.adopt(hardware);
  }

  adopt({ version, values }: MtrrHardware): void {
    requireVersion('the MTRRs', version, 1);
    this.values.set(values);
  }
}

/** Reserved bits and memory types raise #GP (12.11.2). */
function allowed(index: number, low: number, high: number): boolean {
  if (index === DEFAULT_TYPE) return high === 0 && (low & ~DEFAULT_WRITABLE) === 0 && isType(low);
  if (FIXED_RANGES.includes(index))
    return [low, high].every((half) => [0, 8, 16, 24].every((bit) => isType(half >>> bit)));
  if (high > ADDRESS_HIGH) return false;
  if ((index & 1) === 1) return (low & ~MASK_LOW_WRITABLE) === 0;
  return (low & ~BASE_LOW_WRITABLE) === 0 && isType(low);
}

function isType(byte: number): boolean {
  return TYPES.includes(byte & 0xff);
}
