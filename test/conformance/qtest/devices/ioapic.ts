/** The IOAPIC: its registers, its inputs as edges and levels, and the ends of interrupts by its EOI register. */
import { IOAPIC_BASE, IOAPIC_PINS } from '../../../../src/machine/interrupts/ioapic';
import type { Allowance, Judge, QtestDevice } from '../device';
import type { Random } from '../random';
import type { Operation, Step } from '../script';

const SELECT = IOAPIC_BASE;
const DATA = IOAPIC_BASE + 0x10;
const EOI = IOAPIC_BASE + 0x40;
const FIRST_ENTRY = 0x10;
/** The first inputs are the board's own: timer, cascade and clock change them. */
const FIRST_PIN = 9;
const Entry = { mode: 0x700, logical: 0x800, remoteIrr: 0x4000, level: 0x8000 } as const;
/** Of an entry's halves. */
const RESERVED_HIGH = 0x00ffffff;
const RESERVED_LOW = 0xfffe0000;
const LOWEST_VECTOR = 0x10;

const write = (at: number, value: number): Operation => ({ op: 'write', size: 4, at, value });
const read = (at: number): Operation => ({ op: 'read', size: 4, at });

/** One thing that software or a device does. */
function turn(random: Random): Operation[] {
  const pin = random.between(FIRST_PIN, IOAPIC_PINS - 1);
  const low = FIRST_ENTRY + 2 * pin;
  switch (random.below(10)) {
    case 0:
    case 1: {
      // What one local APIC with identifier 0 accepts, most of the time: anything else is sent to nobody.
      const plain = !random.oneIn(6);
      const vector = plain ? random.between(LOWEST_VECTOR, 0x18) : random.below(256);
      const bits = random.pick([0, 0x2000, 0x8000, 0xa000, 0x8000, 0x18000, 0x10000]);
      const entry = plain ? vector | bits : (random.word() & 0x1ffff) | vector;
      const high = plain ? random.pick([0, 0, 0xff000000]) : random.word();
      return [write(SELECT, low + 1), write(DATA, high), write(SELECT, low), write(DATA, entry >>> 0)];
    }
    case 2:
    case 3:
      return [write(SELECT, low + random.below(2)), read(DATA)];
    case 4:
    case 5:
    case 6:
      return [{ op: 'line', of: 'ioapic', line: pin, asserted: random.oneIn(2) }];
    case 7:
      return [write(EOI, random.between(LOWEST_VECTOR, 0x18))];
    case 8:
      return [write(SELECT, random.below(256)), random.oneIn(3) ? write(DATA, random.word()) : read(DATA)];
    default:
      return [
        random.oneIn(2) ? read(SELECT) : { op: 'read', size: 4, at: IOAPIC_BASE + 4 * random.below(32) },
      ];
  }
}

/** Follows the redirection table for what decides whether a local APIC has accepted a level. */
class Follower {
  private select = 0;
  private readonly low = new Uint32Array(IOAPIC_PINS).fill(0x10000);
  private readonly high = new Uint32Array(IOAPIC_PINS);
  private readonly asserted = new Set<number>();
  /** QEMU may have a level other than the input's: it keeps none for an entry that is an edge. */
  private readonly stale = new Set<number>();
  /** Of these the input has changed since, while the entry was a level: QEMU knows it again. */
  private readonly changed = new Set<number>();
  /** A message of the entry may have found no local APIC. */
  private readonly unaccepted = new Set<number>();

  follow({ operation, qemu, trapline }: Step): Allowance[] {
    if (operation.op === 'line') this.driven(operation.line, operation.asserted);
    if (operation.op === 'write' && operation.at === SELECT) this.select = operation.value & 0xff;
    const pin = (this.select - FIRST_ENTRY) >> 1;
    if (pin < 0 || pin >= IOAPIC_PINS) return [];
    if (operation.op === 'write' && operation.at === DATA) this.written(pin, operation.value);
    if (operation.op !== 'read' || operation.at !== DATA) return [];
    if ((this.select & 1) !== 0) return [{ difference: 'reserved bits', value: RESERVED_HIGH }];
    const allowed: Allowance[] = [{ difference: 'reserved bits', value: RESERVED_LOW }];
    const add = (difference: string): void =>
      void allowed.push({ difference, value: RESERVED_LOW | Entry.remoteIrr });
    if (this.unaccepted.has(pin)) add('acceptance');
    if (this.stale.has(pin)) add('levels of edges');
    if (qemu.value === trapline.value && this.plain(pin)) {
      this.unaccepted.delete(pin);
      if (this.changed.has(pin)) this.stale.delete(pin);
    }
    return allowed;
  }

  private written(pin: number, value: number): void {
    const registers = (this.select & 1) === 0 ? this.low : this.high;
    registers[pin] = value;
    if (!this.plain(pin)) this.unaccepted.add(pin);
    if ((this.low[pin] & Entry.level) === 0) this.lost(pin);
  }

  private driven(pin: number, asserted: boolean): void {
    if (asserted === this.asserted.has(pin)) return;
    if (asserted) this.asserted.add(pin);
    else this.asserted.delete(pin);
    if ((this.low[pin] & Entry.level) === 0) this.lost(pin);
    else this.changed.add(pin);
  }

  private lost(pin: number): void {
    this.stale.add(pin);
    this.changed.delete(pin);
  }

  /** Fixed, to the only processor by its identifier or to all, with a vector that can be accepted. */
  private plain(pin: number): boolean {
    const destination = this.high[pin] >>> 24;
    const odd = (this.low[pin] & (Entry.mode | Entry.logical)) !== 0;
    return !odd && (this.low[pin] & 0xff) >= LOWEST_VECTOR && (destination === 0 || destination === 0xff);
  }
}

function judge(): Judge {
  const follower = new Follower();
  return (step) => follower.follow(step);
}

export const ioapic: QtestDevice = {
  name: 'ioapic',
  qemu: [],
  models: [],
  lines: 0xffffff & ~((1 << FIRST_PIN) - 1),
  differences: {
    acceptance: {
      qemu: 'sets Remote IRR when it sends a level, whether or not a local APIC takes it',
      trapline: 'sets it when a local APIC has accepted the interrupt',
      section: '82093AA 3.2.4, bit 14',
    },
    'reserved bits': {
      qemu: 'keeps what is written to the reserved bits of an entry',
      trapline: 'reads them as zeros',
      section: '82093AA 3.2.4, bits 55 to 17',
    },
    'levels of edges': {
      qemu: 'does not follow the level of an input whose entry is an edge, and takes a level entry there for what it was',
      trapline: 'services the level that the input has when the entry becomes level-triggered',
      section: '82093AA 3.2.4, bits 14 and 15',
    },
  },
  prologue: [],
  begin: (random) => () => turn(random),
  judge,
};
