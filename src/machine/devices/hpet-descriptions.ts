/** What the registers of an HPET mean (IA-PC HPET Specification 1.0a, 2.3). */
import { flag, number } from '../../trace/vocabulary/bit-fields';
import { inHalves, type RegisterDescriptions } from '../registers';

/** By register name. */
export const hpetDescriptions: RegisterDescriptions = {
  GCAP_ID: {
    meaning: 'Capabilities (2.3.4).',
    fields: [
      number('revision', 0, 7),
      number('last timer', 8, 12),
      flag('64 bits', 13),
      flag('legacy replacement', 15),
      number('vendor', 16, 31),
      number('period, fs', 32, 63),
    ],
  },
  GEN_CONF: {
    meaning: 'General configuration (2.3.5).',
    fields: [flag('enable (ENABLE_CNF)', 0), flag('legacy replacement (LEG_RT_CNF)', 1)],
  },
  GINTR_STA: {
    meaning: 'Interrupts of level-triggered timers that are active (2.3.6).',
    fields: [flag('timer 0', 0), flag('timer 1', 1), flag('timer 2', 2)],
  },
  MAIN_CNT: { meaning: 'Main counter (2.3.7).' },
  TIM_CONF: {
    meaning: 'Configuration and capabilities of a timer (2.3.8).',
    fields: [
      flag('level (INT_TYPE_CNF)', 1),
      flag('interrupts (INT_ENB_CNF)', 2),
      flag('periodic (TYPE_CNF)', 3),
      flag('can be periodic (PER_INT_CAP)', 4),
      flag('64 bits (SIZE_CAP)', 5),
      flag('value set (VAL_SET_CNF)', 6),
      flag('32 bits (32MODE_CNF)', 8),
      number('input of the I/O APIC (INT_ROUTE_CNF)', 9, 13),
      flag('by messages (FSB_EN_CNF)', 14),
      flag('messages can be had (FSB_INT_DEL_CAP)', 15),
      number('inputs that can be had (INT_ROUTE_CAP)', 32, 63),
    ],
  },
  TIM_COMP: { meaning: 'Comparator of a timer; of a periodic one the next match (2.3.9).' },
  TIM_FSB_ROUTE: { meaning: 'Message of a timer (2.3.10): there are none.' },
};

/** By the names of their halves, as software accesses them. */
export const hpetHalves: RegisterDescriptions = inHalves(hpetDescriptions);
