/** The words that the adapter's thread shares with its client: a thread that simulates reads no messages. */

const INTERRUPT = 0;
const MOVING = 1;
const WORDS = 2;

/** What the thread is at, and so what may interrupt it. */
export const Moving = {
  /** It reads its messages. */
  Still: 0,
  /** The run goes forwards: any message interrupts it, is served, and it goes on. */
  Forward: 1,
  /** It goes through time that is known: only what ends it may, for it would have to begin anew. */
  Travel: 2,
} as const;
export type Moving = (typeof Moving)[keyof typeof Moving];

/** Requests that interrupt any motion. */
const URGENT: ReadonlySet<string> = new Set(['pause', 'cancel', 'disconnect', 'terminate', 'restart']);

/** Both sides' view of the words. The first of them is that of run control's `InterruptFlag`. */
export class DebugSignals {
  private readonly words: Int32Array;

  /** @param memory of the other side; left out by the side that makes it */
  constructor(readonly memory = new SharedArrayBuffer(WORDS * Int32Array.BYTES_PER_ELEMENT)) {
    this.words = new Int32Array(memory);
  }

  /** Whoever knows of a request that waits, once it is on its way: interrupts a motion that has to hear of it. */
  posted(command: string): void {
    if (this.interrupts(command)) Atomics.store(this.words, INTERRUPT, 1);
  }

  private interrupts(command: string): boolean {
    const moving = Atomics.load(this.words, MOVING);
    return moving === Moving.Forward || (moving === Moving.Travel && URGENT.has(command));
  }

  /** Thread: a motion begins or has ended. */
  set moving(moving: Moving) {
    Atomics.store(this.words, MOVING, moving);
  }
}
