/** What interrupts cost a run in VM exits, told apart by what each was for. */
import { isExit, Kind, kindRow } from '../vocabulary/events';
import type { TraceStore } from './store';

/** Exits that interrupts have made. */
export interface InterruptExits {
  /** Handlers that ran in guests. */
  handled: number;
  /** A vector came to the physical CPU while the guest ran there. */
  arrival: number;
  /** The guest could not take it yet, and left when it could. */
  window: number;
  /** The guest told a local APIC of the end. */
  end: number;
}

/** Reasons of exits by which a vector arrives, and by which a guest becomes ready for one; of either vendor's processors. */
export const ARRIVALS: ReadonlySet<string> = new Set(['EXTERNAL_INTERRUPT', 'interrupt']);
export const WINDOWS: ReadonlySet<string> = new Set(['INTERRUPT_WINDOW', 'vintr']);
/** #NP for a gate of a shadow IDT: the vector, and bits of the error code that tell of an event from outside (SDM vol. 3, 6.13). */
const NOT_PRESENT = { reason: 'EXCEPTION_NMI', vector: 11, external: 3 } as const;

/** Counts them, in a trace that has all rows of exits and interrupts. */
export function interruptExits(store: TraceStore): InterruptExits {
  const counts: InterruptExits = { handled: 0, arrival: 0, window: 0, end: 0 };
  for (let row = 0; row < store.rows; row++) {
    const kind = store.kindOf(row);
    if (kind === Kind.Handler) counts.handled += 1;
    else if (kind === Kind.IrqEoi && endsInExit(store, row)) counts.end += 1;
    else if (isExit(kind)) {
      const { reason = '' } = kindRow(kind);
      if (ARRIVALS.has(reason) || isShadowed(store, row, reason)) counts.arrival += 1;
      else if (WINDOWS.has(reason)) counts.window += 1;
    }
  }
  return counts;
}

function isShadowed(store: TraceStore, row: number, reason: string): boolean {
  if (reason !== NOT_PRESENT.reason) return false;
  const { a, b } = store.get(row);
  return a === NOT_PRESENT.vector && (b & NOT_PRESENT.external) === NOT_PRESENT.external;
}

/** The end hangs on the exit of an access to the local APIC, or on the access that hangs on it. */
function endsInExit(store: TraceStore, row: number): boolean {
  const { cause } = store.get(row);
  if (cause < 0) return false;
  const kind = store.kindOf(cause);
  if (isExit(kind)) return true;
  if (kindRow(kind).group !== 'register') return false;
  const before = store.get(cause).cause;
  return before >= 0 && isExit(store.kindOf(before));
}
