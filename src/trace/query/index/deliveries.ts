/** Which events name an interrupt vector, and in which way a vector came to its handler. */
import { Kind, byKind } from '../../vocabulary/events';

/** Which argument of a kind is an interrupt vector: 1 for a, 2 for b; 0: neither. */
export const vectorOf = byKind(({ group, a, b }) => {
  if (group !== 'interrupt') return 0;
  if (a?.format === 'vector') return 1;
  return b?.format === 'vector' ? 2 : 0;
});

/** How a CPU got the vector that it takes (`irq.deliver`). */
export const Delivery = {
  /** Straight from what raised it: neither the VMM nor a local APIC that the VMM emulates is between. */
  Direct: 0,
  /** The VMM put it into the VM entry (SDM vol. 3, 27.8.3). */
  Injected: 1,
  /** A local APIC took it and the processor recognised it there: a real one, or a virtual one (SDM vol. 3, 30.2). */
  Recognised: 2,
  /** Likewise, and it came there by a descriptor or a backing page in memory, without an exit (SDM vol. 3, 30.6). */
  Posted: 3,
} as const;

const injections: ReadonlySet<number> = new Set([Kind.IrqInject, Kind.NmiInject]);
const posts: ReadonlySet<number> = new Set([
  Kind.IrqPost,
  Kind.IrqNotify,
  Kind.AvicPost,
  Kind.AvicDoorbell,
]);

/** What is asked of rows. */
interface Caused {
  kindOf(row: number): number;
  /** -1: none. */
  causeOf(row: number): number;
}

/** How the vector of an `irq.deliver` came, by its cause and what caused that. */
export function deliveryOf(rows: Caused, row: number): number {
  const cause = rows.causeOf(row);
  if (cause < 0) return Delivery.Direct;
  const kind = rows.kindOf(cause);
  if (injections.has(kind)) return Delivery.Injected;
  if (posts.has(kind)) return Delivery.Posted;
  if (kind !== Kind.IrqAccept) return Delivery.Direct;
  const before = rows.causeOf(cause);
  return before >= 0 && posts.has(rows.kindOf(before)) ? Delivery.Posted : Delivery.Recognised;
}
