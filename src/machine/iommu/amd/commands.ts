/** Commands of AMD's IOMMU (48882, 2.4): 128 bits in a ring of memory, the kind in bits 63 to 60. */
import { addressIn, isSet, type Words } from '../words';

/** Bytes of a command. */
export const COMMAND_BYTES = 16;

/** Kinds by number. */
export const Opcode = {
  CompletionWait: 1,
  InvalidateDeviceEntry: 2,
  InvalidatePages: 3,
  InvalidateIotlbPages: 4,
  InvalidateInterruptTable: 5,
  PrefetchPages: 6,
  InvalidateAll: 8,
} as const;

/** What a command asks for. */
export type AmdCommand =
  | {
      kind: 'wait';
      /** Where a dword pair is stored once all before it is done; undefined: nowhere. */
      store: { address: number; low: number; high: number } | undefined;
      /** Whether ComWaitInt is set then. */
      interrupts: boolean;
    }
  | { kind: 'device-entry'; device: number }
  | { kind: 'interrupt-table'; device: number }
  | { kind: 'all' }
  /** About translations of DMA, of which this unit has none. */
  | { kind: 'pages' };

const OPCODE_SHIFT = 28;
const DEVICE_MASK = 0xffff;
const STORE_HIGH = 0xfffff;
const Wait = { Store: 0, Interrupt: 1 } as const;
const STORE_ALIGNMENT_BITS = 3;

const device = ([w0]: Words): number => w0 & DEVICE_MASK;
const pages = (): AmdCommand => ({ kind: 'pages' });

const decoders: Readonly<Record<number, (words: Words) => AmdCommand>> = {
  [Opcode.CompletionWait]: ([w0, w1, low, high]) => ({
    kind: 'wait',
    store: isSet(w0, Wait.Store)
      ? { address: addressIn(w0, w1 & STORE_HIGH, STORE_ALIGNMENT_BITS), low, high }
      : undefined,
    interrupts: isSet(w0, Wait.Interrupt),
  }),
  [Opcode.InvalidateDeviceEntry]: (words) => ({ kind: 'device-entry', device: device(words) }),
  [Opcode.InvalidateInterruptTable]: (words) => ({ kind: 'interrupt-table', device: device(words) }),
  [Opcode.InvalidatePages]: pages,
  [Opcode.InvalidateIotlbPages]: pages,
  [Opcode.PrefetchPages]: pages,
  [Opcode.InvalidateAll]: () => ({ kind: 'all' }),
};

/** What the four dwords of a command ask for; undefined: there is no such command. */
export function decodeCommand(words: Words): AmdCommand | undefined {
  return decoders[words[1] >>> OPCODE_SHIFT]?.(words);
}

/** INVALIDATE_INTERRUPT_TABLE or INVALIDATE_DEVTAB_ENTRY of a function. */
export function encodeInvalidation(
  opcode: typeof Opcode.InvalidateDeviceEntry | typeof Opcode.InvalidateInterruptTable,
  deviceId: number,
): number[] {
  return [deviceId, opcode * 2 ** OPCODE_SHIFT, 0, 0];
}

/** COMPLETION_WAIT that stores a number below 2^32. */
export function encodeWait(address: number, data: number): number[] {
  const high = Math.floor(address / 2 ** 32) + Opcode.CompletionWait * 2 ** OPCODE_SHIFT;
  return [(address % 2 ** 32) + 2 ** Wait.Store, high, data, 0];
}
