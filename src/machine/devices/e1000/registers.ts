/** The register table: every offset of BAR 0 that means something, with its name and what accesses do. */
import { Kind } from '../../../trace/vocabulary/events';
import type { Register } from '../intel-nic/register-table';
import { Cause, CAUSE_MASK, Ctrl, Reg, Stat, STATISTICS, WAKE_UP_TABLES } from './constants';
import type { E1000Core } from './core';
import type { Eeprom } from './eeprom';
import { RECEIVE_ADDRESSES } from './filter';
import type { InterruptUnit } from './interrupts';
import type { Phy } from './phy';
import type { Receiver } from './receive';
import type { Transmitter } from './transmit';

/** What registers act on. */
export interface Parts {
  core: E1000Core;
  interrupts: InterruptUnit;
  transmitter: Transmitter;
  receiver: Receiver;
  eeprom: Eeprom;
  phy: Phy;
  /** CTRL.RST was written. */
  reset: () => void;
}

const ALL = 0xffffffff;
/** Ring lengths are multiples of 128 bytes, up to 1 MiB. */
const LENGTH = 0xfff80;
const BASE_LOW = 0xfffffff0;

/** Registers that do nothing here but keep their bits. */
const PLAIN: readonly [keyof typeof Reg, number][] = [
  ['CTRL_EXT', ALL],
  ['FLA', ALL],
  ['FCAL', ALL],
  ['FCAH', 0xffff],
  ['FCT', 0xffff],
  ['VET', 0xffff],
  ['FCTTV', 0xffff],
  ['TIPG', 0x3fffffff],
  ['AIT', 0xffff],
  ['LEDCTL', ALL],
  ['FCRTL', ALL],
  ['FCRTH', ALL],
  ['RADV', 0xffff],
  ['RSRPD', 0xfff],
  ['TADV', 0xffff],
  ['TIDV', 0xffff],
  ['TSPMT', ALL],
  ['RXCSUM', 0x7ff],
  ['WUC', ALL],
  ['WUFC', ALL],
  ['WUS', ALL],
  ['MANC', ALL],
  ['SWSM', ALL],
  ['ITR', 0xffff],
  ['IPAV', ALL],
  // Where the packet buffer's FIFOs stand is for diagnosis (13.8): nothing here follows them, or what is written to them.
  ['RDFH', 0x1fff],
  ['RDFT', 0x1fff],
  ['RDFHS', 0x1fff],
  ['RDFTS', 0x1fff],
  ['RDFPC', 0x1fff],
  ['TDFH', 0x7ff],
  ['TDFT', 0x7ff],
  ['TDFHS', 0x1fff],
  ['TDFTS', 0x1fff],
  ['TDFPC', 0x1fff],
];

/** The table by offset. */
export function registerTable(parts: Parts): ReadonlyMap<number, Register> {
  const table = new Map<number, Register>();
  for (const [name, writable] of PLAIN) table.set(Reg[name], { name, writable });
  for (const [offset, register] of active(parts)) table.set(offset, register);
  addStatistics(table, parts.core);
  addArray(table, 'MTA', Reg.MTA, 128);
  addArray(table, 'VFTA', Reg.VFTA, 128);
  for (const [name, { at, step, entries, bits }] of Object.entries(WAKE_UP_TABLES))
    for (let i = 0; i < entries; i++) table.set(at + i * step, { name: `${name}${i}`, writable: bits });
  for (let i = 0; i < RECEIVE_ADDRESSES; i++) {
    table.set(Reg.RAL0 + i * 8, { name: `RAL${i}`, writable: ALL });
    table.set(Reg.RAL0 + i * 8 + 4, { name: `RAH${i}`, writable: 0x8003ffff });
  }
  return table;
}

/** The registers that describe a ring, with the bits that they keep. */
const RING_REGISTERS = {
  transmit: [
    ['TDBAL', BASE_LOW],
    ['TDBAH', ALL],
    ['TDLEN', LENGTH],
    ['TDH', 0xffff],
  ],
  receive: [
    ['RDBAL', BASE_LOW],
    ['RDBAH', ALL],
    ['RDLEN', LENGTH],
    ['RDH', 0xffff],
  ],
} as const;

/** A register of which software keeps some bits, and whose change has an effect. */
function stored(core: E1000Core, name: keyof typeof Reg, mask: number, changed: () => void): Entry {
  const write = (value: number): void => {
    core.set(Reg[name], (value & mask) >>> 0);
    changed();
  };
  return [Reg[name], { name, writable: mask, write }];
}

/** A register with a behaviour of its own. */
function special(name: keyof typeof Reg, access: Pick<Register, 'read' | 'write' | 'look'>): Entry {
  return [Reg[name], { name, writable: 0, ...access }];
}

/** A register whose value is worked out, which reading leaves as it is. */
function computed(name: keyof typeof Reg, value: () => number, write?: (value: number) => void): Entry {
  return special(name, { read: value, look: value, ...(write && { write }) });
}

type Entry = [number, Register];

/** Registers whose access has an effect. */
function active(parts: Parts): Entry[] {
  const { core, interrupts, transmitter, receiver, eeprom, phy, reset } = parts;
  const { storer } = receiver;
  return [
    special('CTRL', { write: (value) => writeControl(parts, reset, value) }),
    computed('STATUS', () => core.status()),
    computed(
      'EECD',
      () => eeprom.readEecd(),
      (value) => void (eeprom.writeEecd(value) || core.aside(Kind.DeviceIgnored, Reg.EECD, value)),
    ),
    computed(
      'EERD',
      () => eeprom.readEerd(),
      (value) => eeprom.writeEerd(value),
    ),
    computed(
      'MDIC',
      () => phy.readMdic(),
      (value) => void (phy.writeMdic(value, core.linkUp) && interrupts.raise(Cause.MDAC)),
    ),
    special('ICR', { read: () => interrupts.readCauses(), write: (value) => interrupts.clear(value) }),
    // Write-only by the manual; the hardware shows the causes without clearing them, and drivers read them there.
    computed(
      'ICS',
      () => core.get(Reg.ICR),
      (value) => interrupts.raise(value & CAUSE_MASK),
    ),
    special('IMS', { write: (value) => setMask(parts, core.get(Reg.IMS) | (value & CAUSE_MASK)) }),
    special('IMC', { read: () => 0, write: (value) => setMask(parts, core.get(Reg.IMS) & ~value) }),
    computed(
      'PBA',
      () => (core.packetBuffer().transmit / 1024) * 0x10000 + core.get(Reg.PBA),
      (value) => core.set(Reg.PBA, value & 0x7f),
    ),
    special('RCTL', { write: (value) => storer.controlWritten(value & 0x07ffffff) }),
    special('TCTL', { write: (value) => transmitter.controlWritten(value & 0x03fffffa) }),
    special('RDT', { write: (value) => storer.tailWritten(value) }),
    special('TDT', { write: (value) => transmitter.tailWritten(value) }),
    special('RDTR', { write: (value) => interrupts.receiveDelayWritten(value) }),
    stored(core, 'RXDCTL', ALL, () => storer.resume()),
    stored(core, 'TXDCTL', ALL, () => transmitter.resume()),
    ...RING_REGISTERS.transmit.map(([name, mask]) => ringRegister(core, name, mask, transmitter)),
    ...RING_REGISTERS.receive.map(([name, mask]) => ringRegister(core, name, mask, storer)),
  ];
}

/** Software may write these before it turns the direction on only (13.4.28, 13.4.39). */
function ringRegister(
  core: E1000Core,
  name: keyof typeof Reg,
  mask: number,
  owner: { enabled: boolean; ringChanged(): void },
): Entry {
  return stored(core, name, mask, () => {
    if (owner.enabled) core.aside(Kind.DeviceMisused, Reg[name], core.get(Reg[name]));
    owner.ringChanged();
  });
}

function writeControl(parts: Parts, reset: () => void, value: number): void {
  const { core, interrupts, phy, transmitter } = parts;
  if ((value & Ctrl.RST) !== 0) {
    reset();
    return;
  }
  if ((value & Ctrl.PHY_RST) !== 0) phy.reset();
  const wasUp = core.linkUp;
  core.set(Reg.CTRL, value & ~Ctrl.PHY_RST);
  if (core.linkUp === wasUp) return;
  interrupts.raise(Cause.LSC);
  transmitter.resume();
}

function setMask({ core, interrupts }: Parts, mask: number): void {
  core.set(Reg.IMS, mask);
  interrupts.update();
}

function addStatistics(table: Map<number, Register>, core: E1000Core): void {
  const names = new Map<number, string>(Object.entries(Stat).map(([name, offset]) => [offset, name]));
  ['127', '255', '511', '1023', '1522'].forEach((limit, i) => {
    names.set(Stat.PRC64 + 4 + i * 4, `PRC${limit}`);
    names.set(Stat.PTC64 + 4 + i * 4, `PTC${limit}`);
  });
  const lows = new Set<number>([Stat.GORCL, Stat.GOTCL, Stat.TORL, Stat.TOTL]);
  for (let offset: number = STATISTICS.first; offset <= STATISTICS.last; offset += 4) {
    const read = (): number => {
      const value = core.get(offset);
      if (lows.has(offset)) return value;
      core.set(offset, 0);
      if (lows.has(offset - 4)) core.set(offset - 4, 0);
      return value;
    };
    table.set(offset, { name: names.get(offset) ?? `STAT${offset.toString(16)}`, writable: 0, read });
  }
}

function addArray(table: Map<number, Register>, name: string, base: number, words: number): void {
  for (let i = 0; i < words; i++) table.set(base + i * 4, { name: `${name}${i}`, writable: ALL });
}
