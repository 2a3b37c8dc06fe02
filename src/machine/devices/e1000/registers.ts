/** The register table: every offset of BAR 0 that means something, with its name and what accesses do. */
import { CAUSE_MASK, Ctrl, Reg, Stat, STATISTICS } from './constants';
import type { E1000Core } from './core';
import type { Eeprom } from './eeprom';
import { RECEIVE_ADDRESSES } from './filter';
import type { InterruptUnit } from './interrupts';
import type { Phy } from './phy';
import type { Receiver } from './receive';
import type { Transmitter } from './transmit';
import { Cause } from './constants';

/** One register. Absent `read` gives what is stored; absent `write` stores the writable bits. */
export interface Register {
  name: string;
  /** Bits that a plain write stores; 0 for a read-only register. */
  writable: number;
  read?: () => number;
  write?: (value: number) => void;
}

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
  ['PBA', 0xff],
  ['FCRTL', ALL],
  ['FCRTH', ALL],
  ['RDBAL', BASE_LOW],
  ['RDBAH', ALL],
  ['RDLEN', LENGTH],
  ['RDH', 0xffff],
  ['RXDCTL', ALL],
  ['RADV', 0xffff],
  ['RSRPD', 0xfff],
  ['TDBAL', BASE_LOW],
  ['TDBAH', ALL],
  ['TDLEN', LENGTH],
  ['TDH', 0xffff],
  ['TXDCTL', ALL],
  ['TADV', 0xffff],
  ['TSPMT', ALL],
  ['RXCSUM', 0x7ff],
  ['WUC', ALL],
  ['WUFC', ALL],
  ['WUS', ALL],
  ['MANC', ALL],
  ['RCTL', 0x07ffffff],
  ['ITR', 0xffff],
];

/** The table by offset. */
export function registerTable(parts: Parts): ReadonlyMap<number, Register> {
  const table = new Map<number, Register>();
  for (const [name, writable] of PLAIN) table.set(Reg[name], { name, writable });
  for (const [offset, register] of active(parts)) table.set(offset, register);
  addStatistics(table, parts.core);
  addArray(table, 'MTA', Reg.MTA, 128);
  addArray(table, 'VFTA', Reg.VFTA, 128);
  for (let i = 0; i < RECEIVE_ADDRESSES; i++) {
    table.set(Reg.RAL0 + i * 8, { name: `RAL${i}`, writable: ALL });
    table.set(Reg.RAL0 + i * 8 + 4, { name: `RAH${i}`, writable: 0x8003ffff });
  }
  return table;
}

/** Registers whose access has an effect. */
function active({
  core,
  interrupts,
  transmitter,
  receiver,
  eeprom,
  phy,
  reset,
}: Parts): [number, Register][] {
  return [
    [
      Reg.CTRL,
      { name: 'CTRL', writable: 0, write: (value) => writeControl(core, interrupts, phy, reset, value) },
    ],
    [Reg.STATUS, { name: 'STATUS', writable: 0, read: () => core.status() }],
    [
      Reg.EECD,
      { name: 'EECD', writable: 0, read: () => eeprom.readEecd(), write: (value) => eeprom.writeEecd(value) },
    ],
    [
      Reg.EERD,
      { name: 'EERD', writable: 0, read: () => eeprom.readEerd(), write: (value) => eeprom.writeEerd(value) },
    ],
    [
      Reg.MDIC,
      {
        name: 'MDIC',
        writable: 0,
        read: () => phy.readMdic(),
        write: (value) => void (phy.writeMdic(value, core.linkUp) && interrupts.raise(Cause.MDAC)),
      },
    ],
    [
      Reg.ICR,
      {
        name: 'ICR',
        writable: 0,
        read: () => interrupts.readCauses(),
        write: (value) => interrupts.clear(value),
      },
    ],
    [
      Reg.ICS,
      { name: 'ICS', writable: 0, read: () => 0, write: (value) => interrupts.raise(value & CAUSE_MASK) },
    ],
    [
      Reg.IMS,
      {
        name: 'IMS',
        writable: 0,
        write: (value) => setMask(core, interrupts, core.get(Reg.IMS) | (value & CAUSE_MASK)),
      },
    ],
    [
      Reg.IMC,
      {
        name: 'IMC',
        writable: 0,
        read: () => 0,
        write: (value) => setMask(core, interrupts, core.get(Reg.IMS) & ~value),
      },
    ],
    [
      Reg.TCTL,
      {
        name: 'TCTL',
        writable: 0,
        write: (value) => {
          core.set(Reg.TCTL, value & 0x03fffffa);
          transmitter.kick();
        },
      },
    ],
    [Reg.TDT, { name: 'TDT', writable: 0, write: (value) => transmitter.tailWritten(value) }],
    [Reg.RDT, { name: 'RDT', writable: 0, write: (value) => receiver.tailWritten(value) }],
    [
      Reg.RDTR,
      { name: 'RDTR', writable: 0, write: (value) => writeDelay(core, interrupts, Reg.RDTR, value) },
    ],
    [
      Reg.TIDV,
      { name: 'TIDV', writable: 0, write: (value) => writeDelay(core, interrupts, Reg.TIDV, value) },
    ],
  ];
}

function writeControl(
  core: E1000Core,
  interrupts: InterruptUnit,
  phy: Phy,
  reset: () => void,
  value: number,
): void {
  if ((value & Ctrl.RST) !== 0) {
    reset();
    return;
  }
  if ((value & Ctrl.PHY_RST) !== 0) phy.reset();
  const wasUp = core.linkUp;
  core.set(Reg.CTRL, value & ~Ctrl.PHY_RST);
  if (core.linkUp !== wasUp) interrupts.raise(Cause.LSC);
}

function setMask(core: E1000Core, interrupts: InterruptUnit, mask: number): void {
  core.set(Reg.IMS, mask);
  interrupts.update();
}

function writeDelay(core: E1000Core, interrupts: InterruptUnit, offset: number, value: number): void {
  core.set(offset, value & 0x8000ffff);
  interrupts.flush(offset);
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
