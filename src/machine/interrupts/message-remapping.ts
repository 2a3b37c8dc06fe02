/** What stands between those who write interrupt messages and the local APICs: an interrupt-remapping unit. */
import type { RequesterId } from '../bus';
import type { Cycles } from '../time/event-queue';
import type { InterruptMessage } from './message';

/** What becomes of an interrupt request, and how long it takes to find that out. */
export type RemappedMessage =
  /** It goes on to the local APICs. Its destination has 32 bits: what meant everybody by 8 bits has all of them set. */
  | { outcome: 'message'; message: InterruptMessage; cycles: Cycles }
  /**
   * It is in a posted-interrupt descriptor. The notification event is what goes on to the local APICs; undefined when the
   * descriptor says that nobody is to be notified.
   */
  | { outcome: 'posted'; notification: InterruptMessage | undefined; cycles: Cycles }
  /** It is refused, for one of the unit's fault reasons (VT-d: 20H to 27H). */
  | { outcome: 'blocked'; reason: number; cycles: Cycles }
  /** It was none: what no local APIC heeds without the unit either (`decodeMsi`). */
  | { outcome: 'ignored'; cycles: Cycles };

/** Translates what bus masters and IOAPICs write as interrupt messages. */
export interface MessageRemapping {
  /**
   * Decides about one message now; a posted one is in its descriptor at the return. What goes on is on its way for `cycles`:
   * whoever asks delivers it only then.
   * @param address of interrupts (`isMsiAddress`)
   * @param data 32 bits
   */
  remap(requester: RequesterId, address: number, data: number): RemappedMessage;
}
