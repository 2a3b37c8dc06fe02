/** The register table of the physical function: every offset that means something, with its name and what accesses do. */
import { Kind } from '../../../trace/vocabulary/events';
import type { Register } from '../intel-nic/register-table';
import { Autoc, Cause, Ctrl, Eec, Fdircmd, Fdirctrl, Rdrxctl, SEC_READY, Swsm, VLVF_VALID } from './bits';
import type { IxgbeCore } from './core';
import type { Eeprom } from './eeprom';
import { eitrOffset, type InterruptUnit } from './interrupts';
import type { Mailboxes } from './mailbox';
import { MAILBOX_WORDS, POOLS, QUEUES, RECEIVE_ADDRESSES, Reg, VECTORS, VLAN_FILTERS } from './offsets';
import { PLAIN } from './plain-registers';
import { QUEUE_STRIDE, QueueReg, receiveBase, transmitBase } from './queue-registers';
import type { Receiver } from './receive';
import { statisticRegisters } from './statistic-registers';
import type { Transmitter } from './transmit';

/** What registers act on. */
export interface Parts {
  core: IxgbeCore;
  interrupts: InterruptUnit;
  receiver: Receiver;
  transmitter: Transmitter;
  mailboxes: Mailboxes;
  eeprom: Eeprom;
  /** CTRL.RST or CTRL.LRST was written. */
  reset: () => void;
}

const ALL = 0xffffffff;
/** Ring lengths are multiples of 128 bytes, up to 512 KiB; bases too (8.2.3.8.3). */
const LENGTH = 0xfff80;
const BASE_LOW = 0xffffff80;
/** Of TDWBAL: the address is of 32 bits, and bit 0 turns it on. */
const HEAD_LOW = 0xfffffffd;

type Access = Pick<Register, 'read' | 'write' | 'look'>;

/** Collects registers by offset. */
class Table {
  readonly registers = new Map<number, Register>();

  constructor(private readonly core: IxgbeCore) {}

  /** Keeps bits, and does nothing else. */
  plain(name: string, offset: number, writable = ALL): void {
    this.registers.set(offset, { name, writable });
  }

  /** Has a behaviour of its own. */
  special(name: string, offset: number, access: Access): void {
    this.registers.set(offset, { name, writable: 0, ...access });
  }

  /** Has a value that is worked out, and that reading leaves as it is. */
  computed(name: string, offset: number, value: () => number, write?: (value: number) => void): void {
    this.special(name, offset, { read: value, look: value, ...(write && { write }) });
  }

  /** The same register at another offset. */
  alias(from: number, to: number): void {
    const register = this.registers.get(to);
    if (!register) throw new RangeError(`no register at 0x${to.toString(16)} for another to be the same as`);
    const { name, writable, read, write, look } = register;
    this.registers.set(from, {
      name,
      writable: 0,
      read: read ?? (() => this.core.get(to)),
      look: look ?? (() => this.core.get(to)),
      ...((write || writable !== 0) && {
        write: write ?? ((value: number): void => this.core.set(to, (value & writable) >>> 0)),
      }),
    });
  }

  /** As many of the same, `step` bytes apart. */
  array(name: string, base: number, count: number, step = 4, writable = ALL): void {
    for (let i = 0; i < count; i++) this.plain(`${name}${i}`, base + i * step, writable);
  }
}

/** The table by offset. */
export function registerTable(parts: Parts): ReadonlyMap<number, Register> {
  const table = new Table(parts.core);
  for (const [name, offset, count, step, bits] of PLAIN)
    if (count === undefined) table.plain(name, offset, bits);
    else table.array(name, offset, count, step, bits);
  addGeneral(table, parts);
  addInterrupts(table, parts);
  addFilters(table, parts);
  addReceive(table, parts);
  addTransmit(table, parts);
  addMailboxes(table, parts);
  for (const [offset, register] of statisticRegisters(parts.core)) table.registers.set(offset, register);
  for (const { from, to, count, step, stride } of ALIASES)
    for (let i = 0; i < count; i++) table.alias(from + i * step, to + i * stride);
  return table.registers;
}

/** Registers that also stand where the 82598 had them: drivers use either place (8.2.2). */
const ALIASES = [
  { from: 0x02100, to: receiveBase(0) + QueueReg.srrctl, count: 16, step: 4, stride: QUEUE_STRIDE },
  { from: 0x02200, to: receiveBase(0) + QueueReg.dca, count: 16, step: 4, stride: QUEUE_STRIDE },
  { from: 0x05400, to: Reg.RAL, count: 32, step: 4, stride: 4 },
  { from: 0x05480, to: Reg.PSRTYPE, count: 16, step: 4, stride: 4 },
  { from: 0x05818, to: Reg.MRQC, count: 1, step: 4, stride: 4 },
  { from: 0x05c00, to: Reg.RETA, count: 32, step: 4, stride: 4 },
  { from: 0x05c80, to: Reg.RSSRK, count: 10, step: 4, stride: 4 },
] as const;

function addGeneral(table: Table, { core, eeprom, interrupts, reset, mailboxes }: Parts): void {
  const control = (value: number): void => {
    // Turning the master off takes effect at once: nothing here waits for it (5.2.5.3.2).
    core.set(Reg.CTRL, (value & ~(Ctrl.RST | Ctrl.LINK_RESET)) >>> 0);
    if ((value & (Ctrl.RST | Ctrl.LINK_RESET)) !== 0) reset();
  };
  const readControl = (): number => core.get(Reg.CTRL);
  table.special('CTRL', Reg.CTRL, { write: control });
  table.computed('CTRL_ALIAS', Reg.CTRL_ALIAS, readControl, control);
  table.computed('STATUS', Reg.STATUS, () => core.status());
  table.special('CTRL_EXT', Reg.CTRL_EXT, { write: (value) => mailboxes.controlWritten(value) });
  table.computed('LINKS', Reg.LINKS, () => core.links());
  table.special('LINKS2', Reg.LINKS2, {});
  table.special('AUTOC', Reg.AUTOC, {
    write: (value) => {
      core.set(Reg.AUTOC, (value & ~Autoc.RESTART) >>> 0);
      if ((value & Autoc.RESTART) !== 0) interrupts.raise(Cause.LINK_CHANGE);
    },
  });
  // Drivers restart the pipeline and wait until the arbitration of negotiation is in some state (8.2.3.22.25).
  table.computed('ANLP1', Reg.ANLP1, () => ARBITRATING);
  table.plain('AUTOC2', Reg.AUTOC2);
  table.plain('HLREG0', Reg.HLREG0);
  table.plain('MAXFRS', Reg.MAXFRS, 0xffff0000);
  // There is no PHY behind MDIO (the port is a backplane's): a command is done at once, and reads ones (8.2.3.22.11).
  table.special('MSCA', Reg.MSCA, { write: (value) => core.set(Reg.MSCA, (value & ~MDI_COMMAND) >>> 0) });
  table.special('MSRWD', Reg.MSRWD, { read: () => NO_PHY, write: () => undefined });
  table.special('EEC', Reg.EEC, {
    read: () => eeprom.control(core.get(Reg.EEC)),
    write: (value) => core.set(Reg.EEC, value & Eec.REQ),
  });
  table.computed(
    'EERD',
    Reg.EERD,
    () => eeprom.read(),
    (value) => eeprom.write(value),
  );
  table.special('SWSM', Reg.SWSM, {
    // Whoever reads SMBI as 0 has the semaphore (8.2.3.4.10).
    read: () => {
      const value = core.get(Reg.SWSM);
      core.set(Reg.SWSM, value | Swsm.SMBI);
      return value;
    },
    write: (value) => core.set(Reg.SWSM, value & (Swsm.SMBI | Swsm.SWESMBI)),
  });
  table.special('FWSM', Reg.FWSM, {});
  table.plain('SW_FW_SYNC', Reg.SW_FW_SYNC);
  table.plain('GCR_EXT', Reg.GCR_EXT);
  table.special('FDIRCTRL', Reg.FDIRCTRL, {
    write: (value) => {
      const ready = (value & Fdirctrl.PBALLOC) !== 0 ? Fdirctrl.INIT_DONE : 0;
      core.set(Reg.FDIRCTRL, ((value & ~Fdirctrl.INIT_DONE) | ready) >>> 0);
    },
  });
  table.special('FDIRCMD', Reg.FDIRCMD, {
    write: (value) => core.set(Reg.FDIRCMD, (value & ~Fdircmd.COMMAND) >>> 0),
  });
}

/** EITR registers: some are for vectors of virtual functions. */
const EITRS = 129;
/** ANLP1: a state of the arbitration that is not idle, in bits 19 to 16. */
const ARBITRATING = 1 << 16;
/** MSCA.MDICMD: the command has begun, and clears when it is done. */
const MDI_COMMAND = 1 << 30;
const NO_PHY = 0xffff0000;

function addInterrupts(table: Table, { interrupts }: Parts): void {
  const { vectors } = interrupts;
  table.special('EICR', Reg.EICR, {
    read: () => interrupts.readCauses(),
    look: () => interrupts.pending(),
    write: (value) => interrupts.clear(value),
  });
  table.special('EICS', Reg.EICS, {
    read: () => interrupts.pending(),
    look: () => interrupts.pending(),
    write: (value) => interrupts.set(value),
  });
  table.special('EIMS', Reg.EIMS, {
    read: () => interrupts.enabled(),
    look: () => interrupts.enabled(),
    write: (value) => interrupts.enable(value),
  });
  table.special('EIMC', Reg.EIMC, { read: () => 0, write: (value) => interrupts.disable(value) });
  table.special('EIAM', Reg.EIAM, {
    read: () => interrupts.autoMask(),
    look: () => interrupts.autoMask(),
    write: (value) => interrupts.setAutoMask(value),
  });
  table.plain('EIAC', Reg.EIAC);
  table.plain('GPIE', Reg.GPIE);
  table.array('IVAR', Reg.IVAR, QUEUES / 2);
  table.plain('IVAR_MISC', Reg.IVAR_MISC, 0xffff);
  for (let vector = 0; vector < EITRS; vector++) table.plain(`EITR${vector}`, eitrOffset(vector));
  for (let word = 0; word < VECTORS / 32; word++) {
    const at = 4 * word;
    table.special(`EICR_EX${word}`, Reg.EICR_EX + at, {
      read: () => vectors.causesOf(word),
      look: () => vectors.causesOf(word),
      write: (value) => vectors.clear(word, value),
    });
    table.special(`EICS_EX${word}`, Reg.EICS_EX + at, { write: (value) => vectors.set(word, value) });
    table.special(`EIMS_EX${word}`, Reg.EIMS_EX + at, {
      read: () => vectors.enabledOf(word),
      look: () => vectors.enabledOf(word),
      write: (value) => vectors.enable(word, value),
    });
    table.special(`EIMC_EX${word}`, Reg.EIMC_EX + at, { write: (value) => vectors.disable(word, value) });
    table.special(`EIAM_EX${word}`, Reg.EIAM_EX + at, {
      read: () => vectors.autoMaskOf(word),
      look: () => vectors.autoMaskOf(word),
      write: (value) => vectors.setAutoMask(word, value),
    });
  }
}

function addFilters(table: Table, { core }: Parts): void {
  for (const name of ['FCTRL', 'VLNCTRL', 'MCSTCTRL', 'VT_CTL', 'MRQC', 'MTQC', 'PFDTXGSWC'] as const)
    table.plain(name, Reg[name]);
  table.array('MTA', Reg.MTA, 128);
  table.array('UTA', Reg.UTA, 128);
  table.array('VFTA', Reg.VFTA, 128);
  table.array('RAL', Reg.RAL, RECEIVE_ADDRESSES, 8);
  table.array('RAH', Reg.RAH, RECEIVE_ADDRESSES, 8, 0x8000ffff);
  table.array('MPSAR', Reg.MPSAR, RECEIVE_ADDRESSES * 2);
  table.array('VMOLR', Reg.VMOLR, POOLS);
  table.array('VLVF', Reg.VLVF, VLAN_FILTERS, 4, VLVF_VALID | 0xfff);
  table.array('VLVFB', Reg.VLVFB, VLAN_FILTERS * 2);
  table.array('PFVFSPOOF', Reg.PFVFSPOOF, POOLS / 8);
  table.array('VMVIR', Reg.VMVIR, POOLS);
  table.array('VFRE', Reg.VFRE, 2);
  table.array('VFTE', Reg.VFTE, 2);
  table.array('RETA', Reg.RETA, 32);
  table.array('RSSRK', Reg.RSSRK, 10);
  table.special('LVMMC', Reg.LVMMC, {
    read: () => {
      const value = core.get(Reg.LVMMC);
      core.set(Reg.LVMMC, 0);
      return value;
    },
  });
}

function addReceive(table: Table, { core, receiver }: Parts): void {
  const { queues } = receiver;
  const thenDispatch = (offset: number, bits = ALL): Access => ({
    write: (value) => {
      core.set(offset, (value & bits) >>> 0);
      receiver.dispatch();
    },
  });
  table.special('RXCTRL', Reg.RXCTRL, thenDispatch(Reg.RXCTRL, 1));
  table.special('RDRXCTL', Reg.RDRXCTL, {
    read: () => (core.get(Reg.RDRXCTL) | Rdrxctl.DMA_IDLE) >>> 0,
    ...thenDispatch(Reg.RDRXCTL),
  });
  table.special('PFQDE', Reg.QDE, { write: (value) => core.set(Reg.QDE, receiver.queueDropWritten(value)) });
  table.special('RXMEMWRAP', Reg.RXMEMWRAP, {});
  for (let i = 0; i < 8; i++)
    table.special(`RXPBSIZE${i}`, Reg.RXPBSIZE + 4 * i, thenDispatch(Reg.RXPBSIZE + 4 * i));
  table.plain('SECRXCTRL', Reg.SECRXCTRL);
  table.computed('SECRXSTAT', Reg.SECRXSTAT, () => SEC_READY);
  table.array('RQSMR', Reg.RQSMR, 32);
  queues.forEach((queue, n) => {
    const base = receiveBase(n);
    const ring = ringOf(core, queue, base);
    table.special(`RDBAL${n}`, base + QueueReg.baseLow, ring(QueueReg.baseLow, BASE_LOW));
    table.special(`RDBAH${n}`, base + QueueReg.baseHigh, ring(QueueReg.baseHigh, ALL));
    table.special(`RDLEN${n}`, base + QueueReg.length, ring(QueueReg.length, LENGTH));
    table.special(`RDH${n}`, base + QueueReg.head, ring(QueueReg.head, 0xffff));
    table.special(`RDT${n}`, base + QueueReg.tail, { write: (value) => queue.tailWritten(value) });
    table.special(`RXDCTL${n}`, base + QueueReg.control, { write: (value) => queue.controlWritten(value) });
    table.plain(`DCA_RXCTRL${n}`, base + QueueReg.dca);
    table.special(`SRRCTL${n}`, base + QueueReg.srrctl, thenDispatch(base + QueueReg.srrctl));
    table.plain(`RSCCTL${n}`, base + QueueReg.rscctl);
  });
}

function addTransmit(table: Table, { core, transmitter }: Parts): void {
  const { queues } = transmitter;
  const thenResume = (offset: number): Access => ({
    write: (value) => {
      core.set(offset, value);
      transmitter.resume();
    },
  });
  table.special('DMATXCTL', Reg.DMATXCTL, thenResume(Reg.DMATXCTL));
  table.special('SECTXCTRL', Reg.SECTXCTRL, thenResume(Reg.SECTXCTRL));
  table.computed('SECTXSTAT', Reg.SECTXSTAT, () => SEC_READY);
  for (let i = 0; i < 8; i++)
    table.special(`TXPBSIZE${i}`, Reg.TXPBSIZE + 4 * i, thenResume(Reg.TXPBSIZE + 4 * i));
  table.array('TQSM', Reg.TQSM, 32);
  queues.forEach((queue, n) => {
    const base = transmitBase(n);
    const ring = ringOf(core, queue, base);
    table.special(`TDBAL${n}`, base + QueueReg.baseLow, ring(QueueReg.baseLow, BASE_LOW));
    table.special(`TDBAH${n}`, base + QueueReg.baseHigh, ring(QueueReg.baseHigh, ALL));
    table.special(`TDLEN${n}`, base + QueueReg.length, ring(QueueReg.length, LENGTH));
    table.special(`TDH${n}`, base + QueueReg.head, ring(QueueReg.head, 0xffff));
    table.special(`TDT${n}`, base + QueueReg.tail, { write: (value) => queue.tailWritten(value) });
    table.special(`TXDCTL${n}`, base + QueueReg.control, { write: (value) => queue.controlWritten(value) });
    table.plain(`DCA_TXCTRL${n}`, base + QueueReg.dca);
    table.plain(`TDWBAL${n}`, base + QueueReg.headLow, HEAD_LOW);
    table.plain(`TDWBAH${n}`, base + QueueReg.headHigh);
  });
}

/** Registers of a ring, which software may write before it turns the queue on only (4.6.7, 4.6.8). */
function ringOf(
  core: IxgbeCore,
  queue: { enabled: boolean; ringChanged(): void },
  base: number,
): (offset: number, mask: number) => Access {
  return (offset, mask) => ({
    write: (value) => {
      const kept = (value & mask) >>> 0;
      if (queue.enabled) core.aside(Kind.DeviceMisused, base + offset, kept);
      core.set(base + offset, kept);
      queue.ringChanged();
    },
  });
}

function addMailboxes(table: Table, { core, mailboxes }: Parts): void {
  /** Bits of it clear by writing ones. */
  const clearing = (name: string, offset: number, clears = offset): void =>
    table.special(name, offset, {
      write: (value) => core.set(clears, (core.get(clears) & ~value) >>> 0),
    });
  for (let vf = 0; vf < POOLS; vf++) {
    table.special(`PFMAILBOX${vf}`, Reg.PFMAILBOX + 4 * vf, {
      read: () => mailboxes.readPf(vf),
      look: () => mailboxes.readPf(vf),
      write: (value) => mailboxes.writePf(vf, value),
    });
    table.array(`PFMBMEM${vf}.`, Reg.PFMBMEM + 64 * vf, MAILBOX_WORDS);
  }
  for (let word = 0; word < 4; word++) {
    clearing(`PFMBICR${word}`, Reg.PFMBICR + 4 * word);
    table.plain(`PFMBIMR${word}`, Reg.PFMBIMR + 4 * word);
  }
  table.special('PFVFLRE0', Reg.VFLRE0, {});
  table.special('PFVFLRE1', Reg.VFLRE1, {});
  clearing('PFVFLREC0', Reg.VFLREC, Reg.VFLRE0);
  clearing('PFVFLREC1', Reg.VFLREC + 4, Reg.VFLRE1);
}
