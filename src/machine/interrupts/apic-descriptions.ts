/** What the registers of a local APIC mean (SDM vol. 3, chapter 10), and the entries of an I/O APIC (82093AA data sheet, 3.2.4). */
import { choice, flag, number } from '../../trace/vocabulary/bit-fields';
import type { BitField } from '../../trace/vocabulary/kind-row';
import type { RegisterDescriptions } from '../registers';

const deliveryModes = ['fixed', 'lowest priority', 'SMI', 'reserved', 'NMI', 'INIT', 'start-up', 'ExtINT'];
const vector = number('vector', 0, 7);
const delivery = choice('delivery mode', 8, 10, deliveryModes);
const pending = flag('delivery pending', 12);
const masked = flag('masked', 16);
const local: readonly BitField[] = [
  vector,
  delivery,
  pending,
  flag('active low', 13),
  flag('remote IRR', 14),
  flag('level', 15),
  masked,
];

/** By register name. */
export const lapicDescriptions: RegisterDescriptions = {
  ID: { meaning: 'Local APIC ID (10.4.6).' },
  VERSION: {
    meaning: 'Version (10.4.8).',
    fields: [number('version', 0, 7), number('last LVT entry', 16, 23)],
  },
  TPR: { meaning: 'Task priority (10.8.3.1).', fields: [number('sub-class', 0, 3), number('class', 4, 7)] },
  PPR: {
    meaning: 'Processor priority (10.8.3.1).',
    fields: [number('sub-class', 0, 3), number('class', 4, 7)],
  },
  LDR: { meaning: 'Logical destination (10.6.2.2).' },
  DFR: { meaning: 'Destination format (10.6.2.2).', fields: [number('model', 28, 31)] },
  SVR: {
    meaning: 'Spurious-interrupt vector (10.9).',
    fields: [vector, flag('enabled', 8), flag('no focus processor', 9)],
  },
  ESR: {
    meaning: 'Errors since the last write (10.5.3).',
    fields: [flag('send illegal vector', 5), flag('receive illegal vector', 6), flag('illegal register', 7)],
  },
  ICR_LOW: {
    meaning: 'Interrupt command (10.6.1).',
    fields: [
      vector,
      delivery,
      choice('destination mode', 11, 11, ['physical', 'logical']),
      pending,
      flag('assert', 14),
      flag('level', 15),
      choice('shorthand', 18, 19, ['none', 'self', 'all', 'all but self']),
    ],
  },
  ICR_HIGH: { meaning: 'Destination of the interrupt command.', fields: [number('destination', 24, 31)] },
  LVT_TIMER: {
    meaning: 'Timer (10.5.1, 10.5.4).',
    fields: [
      vector,
      pending,
      masked,
      choice('mode', 17, 18, ['one-shot', 'periodic', 'TSC deadline', 'reserved']),
    ],
  },
  LVT_THERMAL: { meaning: 'Thermal monitor (10.5.1).', fields: [vector, delivery, pending, masked] },
  LVT_PERF: { meaning: 'Performance counters (10.5.1).', fields: [vector, delivery, pending, masked] },
  LVT_LINT0: { meaning: 'Pin LINT0 (10.5.1).', fields: local },
  LVT_LINT1: { meaning: 'Pin LINT1 (10.5.1).', fields: local },
  LVT_ERROR: { meaning: 'Errors (10.5.1).', fields: [vector, pending, masked] },
  TIMER_INITIAL: { meaning: 'Initial count of the timer (10.5.4).' },
  TIMER_CURRENT: { meaning: 'Current count of the timer (10.5.4).' },
  TIMER_DIVIDE: {
    meaning: 'Divide configuration (10.5.4).',
    fields: [number('bits 1 and 0', 0, 1), number('bit 2', 3, 3)],
  },
};

/** Of an entry of the redirection table. */
export const redirectionFields: readonly BitField[] = [
  vector,
  delivery,
  choice('destination mode', 11, 11, ['physical', 'logical']),
  pending,
  flag('active low', 13),
  flag('remote IRR', 14),
  flag('level', 15),
  masked,
  number('destination', 56, 63),
];
