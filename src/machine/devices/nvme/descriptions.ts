/** What the registers of an NVMe controller mean (3.1), and the parts of entries of its queues (4.2, 4.6). */
import { choice, flag, number, pointer } from '../../../trace/vocabulary/bit-fields';
import type { BitField } from '../../../trace/vocabulary/kind-row';
import type { RegisterDescriptions } from '../../registers';
import { Admin, Io } from './constants';

/** By register name. */
export const descriptions: RegisterDescriptions = {
  CAP: {
    meaning: 'What the controller can do, bits 31 to 0 (3.1.1).',
    fields: [
      number('entries of a queue, less one (MQES)', 0, 15),
      flag('contiguous queues only (CQR)', 16),
      number('arbitration (AMS)', 17, 18),
      number('longest start, 500 ms (TO)', 24, 31),
    ],
  },
  CAP_HIGH: {
    meaning: 'What the controller can do, bits 63 to 32 (3.1.1).',
    fields: [
      number('doorbell stride (DSTRD)', 0, 3),
      flag('subsystem reset (NSSRS)', 4),
      number('command sets (CSS)', 5, 12),
      number('smallest page (MPSMIN)', 16, 19),
      number('largest page (MPSMAX)', 20, 23),
    ],
  },
  VS: {
    meaning: 'Version of the specification (3.1.2).',
    fields: [number('tertiary', 0, 7), number('minor', 8, 15), number('major', 16, 31)],
  },
  INTMS: { meaning: 'Vectors of the pin that are masked; ones mask (3.1.3).' },
  INTMC: { meaning: 'Vectors of the pin that are masked; ones take the mask away (3.1.4).' },
  CC: {
    meaning: 'Controller configuration (3.1.5).',
    fields: [
      flag('enable (EN)', 0),
      number('command set (CSS)', 4, 6),
      number('page, 4 KiB times a power of two (MPS)', 7, 10),
      number('arbitration (AMS)', 11, 13),
      choice('shutdown (SHN)', 14, 15, ['none', 'normal', 'abrupt', 'reserved']),
      number('submission entry, power of two (IOSQES)', 16, 19),
      number('completion entry, power of two (IOCQES)', 20, 23),
    ],
  },
  CSTS: {
    meaning: 'Controller status (3.1.6).',
    fields: [
      flag('ready (RDY)', 0),
      flag('fatal (CFS)', 1),
      choice('shutdown (SHST)', 2, 3, ['none', 'under way', 'complete', 'reserved']),
      flag('subsystem was reset (NSSRO)', 4),
      flag('paused (PP)', 5),
    ],
  },
  AQA: {
    meaning: 'Sizes of the admin queues (3.1.8).',
    fields: [
      number('submission entries, less one (ASQS)', 0, 11),
      number('completion entries, less one (ACQS)', 16, 27),
    ],
  },
  ASQ: {
    meaning: 'Admin submission queue, bits 31 to 0 (3.1.9).',
    fields: [pointer('base (ASQB)', 12, 31)],
  },
  ASQ_HIGH: { meaning: 'Admin submission queue, bits 63 to 32 (3.1.9).' },
  ACQ: {
    meaning: 'Admin completion queue, bits 31 to 0 (3.1.10).',
    fields: [pointer('base (ACQB)', 12, 31)],
  },
  ACQ_HIGH: { meaning: 'Admin completion queue, bits 63 to 32 (3.1.10).' },
  SQTDBL: {
    meaning: 'Doorbell: behind the last command that the driver has written (3.1.16).',
    fields: [number('tail (SQT)', 0, 15)],
  },
  CQHDBL: {
    meaning: 'Doorbell: the next completion that the driver looks at (3.1.17).',
    fields: [number('head (CQH)', 0, 15)],
  },
};

/** The upper half of a completion's last word (4.6.1). */
export const completionStatus: readonly BitField[] = [
  number('phase (P)', 0, 0),
  number('status code (SC)', 1, 8),
  choice('type of the code (SCT)', 9, 11, ['generic', 'command specific', 'media']),
  flag('more (M)', 14),
  flag('do not retry (DNR)', 15),
];

const namesOf = (opcodes: Readonly<Record<string, number>>): ReadonlyMap<number, string> =>
  new Map(Object.entries(opcodes).map(([name, opcode]) => [opcode, name]));

/** Names of commands by their opcodes. */
export const commandNames = { admin: namesOf(Admin), io: namesOf(Io) } as const;
