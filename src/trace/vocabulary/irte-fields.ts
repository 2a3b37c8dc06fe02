/**
 * What an entry of the interrupt-remapping table is made of, field by field (VT-d specification 4.x, 9.10 and 9.11). It has 128
 * bits, more than an event's arguments: they come as four dwords in two events, of which the first tells the format.
 */
import { choice, flag, number } from './bit-fields';
import type { BitField } from './kind-row';
import { present, quiet } from './table-entries';

const vector = number('vector', 16, 23);

/** By event: fields of its two arguments, a lower dword and the one above it. */
export const irteFields = {
  /** Bits 31 to 0 and 63 to 32 of one that makes a message. */
  remapped: [
    [
      present,
      quiet,
      choice('destination mode (DM)', 2, 2, ['physical', 'logical']),
      flag('one of the destination (RH)', 3),
      choice('trigger mode (TM)', 4, 4, ['edge', 'level']),
      choice('delivery mode (DLM)', 5, 7, [
        'fixed',
        'lowest priority',
        'SMI',
        'reserved',
        'NMI',
        'INIT',
        'reserved',
        'ExtINT',
      ]),
      vector,
    ],
    [number('x2APIC destination', 0, 31), number('xAPIC destination', 8, 15)],
  ],
  /** The same bits of one that posts to a descriptor. */
  posted: [
    [present, quiet, flag('urgent (URG)', 14), flag('posted (IM)', 15), vector],
    [{ name: 'descriptor, bits 31 to 6', low: 6, high: 31, format: 'pointer' }],
  ],
  /** Bits 95 to 64 and 127 to 96 of either. */
  source: [
    [
      number('source (SID)', 0, 15),
      choice('source bits that count (SQ)', 16, 17, [
        'all',
        'all but function bit 2',
        'all but function bits 2 and 1',
        'all but the function',
      ]),
      choice('source verification (SVT)', 18, 19, ['none', 'requester', 'range of buses', 'reserved']),
    ],
    [number('descriptor, bits 63 to 32', 0, 31)],
  ],
} as const satisfies Record<string, readonly [readonly BitField[], readonly BitField[]]>;
