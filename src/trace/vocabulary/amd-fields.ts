/**
 * What entries of AMD's tables of interrupts are made of, field by field: those of its IOMMU (AMD I/O Virtualization Technology
 * specification, 48882, 2.2.2 and 2.2.5) and of the AVIC (AMD64 vol. 2, 15.29). They have more bits than an event's arguments, and come
 * as dwords, two in an event.
 */
import type { BitField } from './kind-row';
import { choice, flag, number } from './bit-fields';

const address = (name: string, low: number, high: number): BitField => ({
  name,
  low,
  high,
  format: 'pointer',
});
const remapEnabled = flag('enabled (RemapEn)', 0);
const quiet = flag('faults not recorded (SupIOPF)', 1);
const guestMode = flag('of a guest (GuestMode)', 7);

/** By event: fields of its two arguments, a lower dword and the one above it. */
export const amdFields = {
  /** Bits 159 to 128 and 191 to 160 of a device table entry. */
  deviceEntry: [
    [
      flag('valid (IV)', 0),
      number('entries as a power of 2 (IntTabLen)', 1, 4),
      address('table, bits 31 to 6', 6, 31),
    ],
    [
      number('table, bits 51 to 32', 0, 19),
      flag('INIT passes', 24),
      flag('ExtINT passes', 25),
      flag('NMI passes', 26),
      choice('fixed and arbitrated (IntCtl)', 28, 29, ['aborted', 'pass', 'remapped', 'reserved']),
    ],
  ],
  /** Bits 31 to 0 and 63 to 32 of an entry that makes a message. */
  irteRemapped: [
    [
      remapEnabled,
      quiet,
      choice('interrupt type (IntType)', 2, 4, [
        'fixed',
        'arbitrated',
        'reserved',
        'reserved',
        'reserved',
        'reserved',
        'reserved',
        'reserved',
      ]),
      flag('EOI requested (RqEoi)', 5),
      choice('destination mode (DM)', 6, 6, ['physical', 'logical']),
      guestMode,
      number('destination, bits 23 to 0', 8, 31),
    ],
    [],
  ],
  /** The same bits of one that leads to a backing page. */
  irteGuest: [
    [
      remapEnabled,
      quiet,
      flag('logged where it does not run (GALogIntr)', 2),
      flag('runs (IsRun)', 6),
      guestMode,
      number('physical CPU, bits 23 to 0', 8, 31),
    ],
    [number('tag (GATag)', 0, 31)],
  ],
  /** Bits 95 to 64 and 127 to 96 of either. */
  irteUpper: [
    [number('vector', 0, 7), address('backing page, bits 31 to 12', 12, 31)],
    [number('backing page, bits 51 to 32', 0, 19), number('destination, bits 31 to 24', 24, 31)],
  ],
  /** Bits 31 to 0 and 63 to 32 of an entry of the physical APIC ID table. */
  avicPhysical: [
    [number('physical CPU', 0, 11), address('backing page, bits 31 to 12', 12, 31)],
    [number('backing page, bits 51 to 32', 0, 19), flag('runs (IR)', 30), flag('valid (V)', 31)],
  ],
} as const satisfies Record<string, readonly [readonly BitField[], readonly BitField[]]>;

/** Of an entry of the logical APIC ID table. */
export const avicLogicalFields: readonly BitField[] = [
  number('physical APIC ID of the guest', 0, 7),
  flag('valid (V)', 31),
];
