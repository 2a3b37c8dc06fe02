/** What the registers of the teaching device `edu` mean. */
import { flag } from '../../trace/vocabulary/bit-fields';
import type { RegisterDescriptions } from '../registers';

const causes = [flag('factorial', 0), flag('DMA', 8)];
/** Registers that only take what is written. */
export const WRITE_ONLY: readonly string[] = ['IRQ_RAISE', 'IRQ_ACK'];

/** What its registers mean (docs/specs/edu of QEMU, "MMIO area spec"). */
export const eduDescriptions: RegisterDescriptions = {
  ID: { meaning: 'Identification: version in the two upper bytes, EDH in the lowest.' },
  LIVENESS: { meaning: 'Gives back what was written with all bits inverted.' },
  FACTORIAL: { meaning: 'Takes a number, gives its factorial modulo 2^32 once it is computed.' },
  STATUS: {
    meaning: 'Status of the factorial.',
    fields: [flag('computing', 0), flag('interrupt after it', 7)],
  },
  IRQ_STATUS: { meaning: 'Causes that are pending.', fields: causes },
  IRQ_RAISE: { meaning: 'Raises the causes that are written.', fields: causes },
  IRQ_ACK: { meaning: 'Takes back the causes that are written.', fields: causes },
  DMA_SOURCE: { meaning: 'Where a transfer reads, bits 31 to 0: the buffer is at 40000H.' },
  DMA_SOURCE_HIGH: { meaning: 'Where a transfer reads, bits 63 to 32.' },
  DMA_DESTINATION: { meaning: 'Where a transfer writes, bits 31 to 0.' },
  DMA_DESTINATION_HIGH: { meaning: 'Where a transfer writes, bits 63 to 32.' },
  DMA_COUNT: { meaning: 'Bytes of a transfer.' },
  DMA_COUNT_HIGH: { meaning: 'Bytes of a transfer, bits 63 to 32: none is so long.' },
  DMA_COMMAND: {
    meaning: 'Begins a transfer.',
    fields: [flag('run', 0), flag('to memory', 1), flag('interrupt after it', 2)],
  },
  DMA_COMMAND_HIGH: { meaning: 'Upper half of the command: nothing.' },
  SCRATCH: { meaning: "Memory that keeps what is written; not in QEMU's device." },
};
