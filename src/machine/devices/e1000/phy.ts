/** The PHY behind MDIC (manual 13.4.7): the standard registers of IEEE 802.3 clause 22 with a finished autonegotiation. */
import { requireVersion } from '../../snapshot';

const Mdic = { READY: 1 << 28, INTERRUPT: 1 << 29, ERROR: 1 << 30 } as const;
const OP_WRITE = 1;
const OP_READ = 2;
const PHY_ADDRESS = 1;

/** Power-on contents: control, status, identifier, advertisement, partner ability, 1000BASE-T control and status. */
const INITIAL: readonly [number, number][] = [
  [0, 0x1140],
  [1, 0x796d],
  [2, 0x0141],
  [3, 0x0c20],
  [4, 0x0de1],
  [5, 0x01e0],
  [9, 0x0e00],
  [10, 0x3c00],
  [17, 0xac08],
];
const WRITABLE = new Set([0, 4, 9, 16, 20, 21]);
/** Control bits that clear themselves: reset and restart autonegotiation. */
const SELF_CLEARING = 0x8200;
const CONTROL_REGISTER = 0;
const CONTROL_LOOPBACK = 1 << 14;
const STATUS_REGISTER = 1;
const STATUS_LINK = 1 << 2;

/** Snapshot of a `Phy`. */
export interface PhyState {
  version: 1;
  registers: Uint16Array;
  mdic: number;
}

export class Phy {
  private readonly registers = new Uint16Array(32);
  private mdic: number = Mdic.READY;

  constructor() {
    this.reset();
  }

  reset(): void {
    this.registers.fill(0);
    for (const [at, value] of INITIAL) this.registers[at] = value;
    this.mdic = Mdic.READY;
  }

  /** What the MAC sends comes back: with the PHY on the chip this is how loopback is turned on (13.4.22, LBM). */
  get loopsBack(): boolean {
    return (this.registers[CONTROL_REGISTER] & CONTROL_LOOPBACK) !== 0;
  }

  readMdic(): number {
    return this.mdic >>> 0;
  }

  /** Does the operation at once. True when software asked for an interrupt at its end. */
  writeMdic(value: number, linkUp: boolean): boolean {
    const register = (value >> 16) & 31;
    const operation = (value >> 26) & 3;
    let result = value & ~(Mdic.READY | Mdic.ERROR);
    if (((value >> 21) & 31) !== PHY_ADDRESS) result |= Mdic.ERROR;
    else if (operation === OP_READ) result = (result & ~0xffff) | this.readRegister(register, linkUp);
    else if (operation === OP_WRITE && WRITABLE.has(register)) {
      this.registers[register] = value & 0xffff & (register === CONTROL_REGISTER ? ~SELF_CLEARING : 0xffff);
    }
    this.mdic = result | Mdic.READY;
    return (value & Mdic.INTERRUPT) !== 0;
  }

  save(): PhyState {
    return { version: 1, registers: this.registers.slice(), mdic: this.mdic };
  }

  load(state: PhyState): void {
    requireVersion('a PHY', state.version, 1);
    this.registers.set(state.registers);
    this.mdic = state.mdic;
  }

  private readRegister(register: number, linkUp: boolean): number {
    const value = this.registers[register];
    return register === STATUS_REGISTER && !linkUp ? value & ~STATUS_LINK : value;
  }
}
