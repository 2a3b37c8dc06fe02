/** The registers of BAR 0 (3.1): what each reads as, and what writing it does. */
import { Kind } from '../../../trace/vocabulary/events';
import { MOST_ENTRIES, PAGE, Reg, VERSION } from './constants';
import type { NvmeCore } from './core';
import type { Interrupts } from './interrupts';
import type { Lifecycle } from './lifecycle';

/** A register of 32 bits, or half of one of 64. */
export interface Register {
  name: string;
  read: () => number;
  /** Absent: it is read-only. */
  write?: (value: number) => void;
}

/** CAP, low half (3.1.1): entries of a queue, contiguous queues only, 7.5 seconds (15 times 500 ms) until it is ready. */
const CAP_LOW = (MOST_ENTRIES - 1) | (1 << 16) | (15 << 24);
/** High half: NVM command set (bit 37), largest page (from bit 52). */
const CAP_HIGH = (1 << 5) | (PAGE.largestPower << 20);

/** All registers but the doorbells, by offset. */
export function registerTable(
  core: NvmeCore,
  lifecycle: Lifecycle,
  interrupts: Interrupts,
): ReadonlyMap<number, Register> {
  /** With MSI-X the masks are not to be touched (3.1.3). */
  const masking =
    (offset: number, change: (bits: number) => void) =>
    (bits: number): void => {
      if (interrupts.byMessage) core.aside(Kind.DeviceMisused, offset, bits);
      else change(bits);
    };
  const base = (name: string, word: number): Register => ({
    name,
    read: () => lifecycle.base(word),
    write: (value) => lifecycle.setBase(word, value),
  });
  const mask = (): number => interrupts.mask;
  return new Map<number, Register>([
    [Reg.CAP, { name: 'CAP', read: () => CAP_LOW }],
    [Reg.CAP_HIGH, { name: 'CAP_HIGH', read: () => CAP_HIGH }],
    [Reg.VS, { name: 'VS', read: () => VERSION }],
    [Reg.INTMS, { name: 'INTMS', read: mask, write: masking(Reg.INTMS, (bits) => interrupts.setMask(bits)) }],
    [
      Reg.INTMC,
      { name: 'INTMC', read: mask, write: masking(Reg.INTMC, (bits) => interrupts.clearMask(bits)) },
    ],
    [Reg.CC, { name: 'CC', read: () => lifecycle.control, write: (value) => lifecycle.setControl(value) }],
    [Reg.CSTS, { name: 'CSTS', read: () => lifecycle.status }],
    [
      Reg.AQA,
      {
        name: 'AQA',
        read: () => lifecycle.attributes,
        write: (value) => {
          lifecycle.attributes = value;
        },
      },
    ],
    [Reg.ASQ, base('ASQ', 0)],
    [Reg.ASQ_HIGH, base('ASQ_HIGH', 1)],
    [Reg.ACQ, base('ACQ', 2)],
    [Reg.ACQ_HIGH, base('ACQ_HIGH', 3)],
  ]);
}
