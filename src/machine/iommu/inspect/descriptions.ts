/** What the registers of a remapping unit mean (VT-d specification 4.1, 11.4; 10.4 in earlier revisions). */
import { choice, flag, number, pointer } from '../../../trace/vocabulary/bit-fields';
import type { BitField } from '../../../trace/vocabulary/kind-row';
import { inHalves, type RegisterDescription, type RegisterDescriptions } from '../../registers';

const globalFlags = [
  flag('compatibility format (CFI)', 23),
  flag('interrupt table taken (SIRTP)', 24),
  flag('interrupt remapping (IRE)', 25),
  flag('queued invalidation (QIE)', 26),
  flag('root table taken (SRTP)', 30),
  flag('translation (TE)', 31),
];
const granularities = ['reserved', 'global', 'domain', 'device or page'];
const queuePlace = [number('offset in the queue', 4, 18)];
const eventControl = [flag('pending (IP)', 30), flag('masked (IM)', 31)];

const eventRegisters = (
  prefix: string,
  what: string,
  sections: string,
): Record<string, RegisterDescription> => ({
  [`${prefix}CTL`]: { meaning: `${what}: control (${sections}).`, fields: eventControl },
  [`${prefix}DATA`]: { meaning: `${what}: data of the message.`, fields: [number('data', 0, 15)] },
  [`${prefix}ADDR`]: { meaning: `${what}: address of the message, bits 31 to 2.` },
  [`${prefix}UADDR`]: { meaning: `${what}: address of the message, bits 63 to 32.` },
});

/** Registers of 32 bits. */
const words: RegisterDescriptions = {
  VER: { meaning: 'Version (10.4.1).', fields: [number('minor', 0, 3), number('major', 4, 7)] },
  GCMD: { meaning: 'Global command (10.4.4).', fields: globalFlags },
  GSTS: { meaning: 'Global status (10.4.5).', fields: globalFlags },
  FSTS: {
    meaning: 'Fault status (10.4.9).',
    fields: [
      flag('overflow (PFO)', 0),
      flag('pending (PPF)', 1),
      flag('invalidation queue error (IQE)', 4),
      flag('invalidation completion error (ICE)', 5),
      flag('invalidation time-out (ITE)', 6),
      number('first record (FRI)', 8, 15),
    ],
  },
  ...eventRegisters('FE', 'Fault event', '10.4.10'),
  PMEN: {
    meaning: 'Protected memory (10.4.16).',
    fields: [flag('status (PRS)', 0), flag('enable (EPM)', 31)],
  },
  PLMBASE: { meaning: 'Protected memory below 4 GiB: base (10.4.17).' },
  PLMLIMIT: { meaning: 'Protected memory below 4 GiB: limit (10.4.18).' },
  ICS: { meaning: 'A wait descriptor has completed (10.4.24).', fields: [flag('complete (IWC)', 0)] },
  ...eventRegisters('IE', 'Invalidation event', '10.4.25'),
  FRCD_0: { meaning: 'Fault record, bits 31 to 0: address of the page (10.4.14).' },
  FRCD_1: { meaning: 'Fault record, bits 63 to 32: address of the page, or index of an interrupt.' },
  FRCD_2: {
    meaning: 'Fault record, bits 95 to 64.',
    fields: [number('source (SID)', 0, 15), flag('has a PASID (PP)', 31)],
  },
  FRCD_3: {
    meaning: 'Fault record, bits 127 to 96.',
    fields: [
      number('reason (FR)', 0, 7),
      number('PASID (PV)', 8, 27),
      choice('address type (AT)', 28, 29, ['untranslated', 'translation request', 'translated', 'reserved']),
      choice('request (T)', 30, 30, ['write', 'read']),
      flag('recorded (F)', 31),
    ],
  },
};

/** Registers of 64 bits. */
const longs: RegisterDescriptions = {
  CAP: {
    meaning: 'What the unit can do (10.4.2).',
    fields: [
      number('domains, 4 + 2 n bits (ND)', 0, 2),
      flag('protected memory below 4 GiB (PLMR)', 5),
      flag('protected memory above (PHMR)', 6),
      flag('caching mode (CM)', 7),
      number('second-stage levels (SAGAW)', 8, 12),
      number('address bits, less one (MGAW)', 16, 21),
      flag('zero-length reads (ZLR)', 22),
      number('fault records at, 16 bytes (FRO)', 24, 33),
      number('large pages of the second stage (SSLPS)', 34, 37),
      flag('page-selective invalidation (PSI)', 39),
      number('fault records, less one (NFR)', 40, 47),
      number('largest address mask (MAMV)', 48, 53),
      flag('write draining (DWD)', 54),
      flag('read draining (DRD)', 55),
      flag('1 GiB pages of the first stage (FS1GP)', 56),
      flag('posted interrupts (PI)', 59),
      flag('five levels of the first stage (FS5LP)', 60),
    ],
  },
  ECAP: {
    meaning: 'What the unit can do beyond that (10.4.3).',
    fields: [
      flag('coherent walks (C)', 0),
      flag('queued invalidation (QI)', 1),
      flag('device TLBs (DT)', 2),
      flag('interrupt remapping (IR)', 3),
      flag('x2APIC destinations (EIM)', 4),
      flag('pass-through (PT)', 6),
      flag('snoop control (SC)', 7),
      number('IOTLB registers at, 16 bytes (IRO)', 8, 17),
      number('largest handle mask (MHMV)', 20, 23),
      flag('nested translation (NEST)', 26),
      number('bits of a PASID, less one (PSS)', 35, 39),
      flag('PASIDs (PASID)', 40),
      flag('scalable mode (SMTS)', 43),
      flag('second-stage accessed and dirty (SSADS)', 45),
      flag('second stage of scalable mode (SSTS)', 46),
      flag('first stage (FSTS)', 47),
    ],
  },
  RTADDR: {
    meaning: 'Root table (10.4.6).',
    fields: [
      choice('mode (TTM)', 10, 11, ['legacy', 'scalable', 'reserved', 'abort']),
      pointer('address (RTA)', 12, 51),
    ],
  },
  CCMD: {
    meaning: 'Context command (10.4.7).',
    fields: [
      number('domain (DID)', 0, 15),
      number('source (SID)', 16, 31),
      number('function mask (FM)', 32, 33),
      choice('done (CAIG)', 59, 60, granularities),
      choice('granularity (CIRG)', 61, 62, granularities),
      flag('invalidate (ICC)', 63),
    ],
  },
  PHMBASE: { meaning: 'Protected memory above 4 GiB: base (10.4.19).' },
  PHMLIMIT: { meaning: 'Protected memory above 4 GiB: limit (10.4.20).' },
  IQH: {
    meaning: 'Invalidation queue head: the descriptor that is worked on (10.4.21).',
    fields: queuePlace,
  },
  IQT: { meaning: 'Invalidation queue tail: behind the last descriptor (10.4.22).', fields: queuePlace },
  IQA: {
    meaning: 'Invalidation queue address (10.4.23).',
    fields: [
      number('size, 2^n pages (QS)', 0, 2),
      choice('descriptors (DW)', 11, 11, ['128 bits', '256 bits']),
      pointer('address (IQA)', 12, 51),
    ],
  },
  IQERCD: {
    meaning: 'Invalidation queue error record.',
    fields: [
      choice('queue error (IQEI)', 0, 3, [
        'none',
        'tail beyond the queue',
        'descriptor could not be read',
        'type',
        'reserved field set',
        'width',
        'tail not aligned',
      ]),
    ],
  },
  IRTA: {
    meaning: 'Interrupt-remapping table (10.4.29).',
    fields: [
      number('size, 2^(n+1) entries (S)', 0, 3),
      flag('x2APIC destinations (EIME)', 11),
      pointer('address (IRTA)', 12, 51),
    ],
  },
  IVA: {
    meaning: 'Invalidate address, written before an IOTLB command (10.4.8.2).',
    fields: [number('address mask (AM)', 0, 5), flag('leaves only (IH)', 6), pointer('address', 12, 51)],
  },
  IOTLB: {
    meaning: 'IOTLB command (10.4.8.1).',
    fields: [
      number('domain (DID)', 32, 47),
      flag('drain writes (DW)', 48),
      flag('drain reads (DR)', 49),
      choice('done (IAIG)', 57, 58, granularities),
      choice('granularity (IIRG)', 60, 61, granularities),
      flag('invalidate (IVT)', 63),
    ],
  },
};

/** By register name; registers of 64 bits by those of their halves. */
export const iommuDescriptions: RegisterDescriptions = { ...words, ...inHalves(longs) };

/** Bits of what the IOTLB and the structure caches keep. */
export const cachedRights: readonly BitField[] = [flag('read', 0), flag('write', 1), flag('dirty', 2)];
