/**
 * The few words that a run's thread and its caller share. They lie in shared memory because a worker that simulates does not
 * read messages.
 */

const CANCEL = 0;
const TAKEN = 1;
const WORDS = 2;

/** Reports that may be on their way at once: more would only make a slow reader lag further behind. */
const MAX_UNDERWAY = 3;

/** Longest sleep before looking again, in milliseconds; a wake-up comes by itself. */
const LOOK_AGAIN_MS = 100;

/** Both sides' view of the shared words. */
export class RunSignals {
  private readonly words: Int32Array;

  /** @param memory of the other side; left out by the side that makes it */
  constructor(readonly memory = new SharedArrayBuffer(WORDS * Int32Array.BYTES_PER_ELEMENT)) {
    this.words = new Int32Array(memory);
  }

  /** Caller: the run is to stop. */
  cancel(): void {
    Atomics.store(this.words, CANCEL, 1);
    Atomics.notify(this.words, TAKEN);
  }

  /** Worker: has the run been asked to stop? */
  get cancelled(): boolean {
    return Atomics.load(this.words, CANCEL) === 1;
  }

  /** Caller: one more report has been dealt with. */
  taken(): void {
    Atomics.add(this.words, TAKEN, 1);
    Atomics.notify(this.words, TAKEN);
  }

  /** Worker: sleeps while the reader is too far behind, unless the run is to stop. @param posted reports so far */
  waitForReader(posted: number): void {
    for (;;) {
      const taken = Atomics.load(this.words, TAKEN);
      if (posted - taken < MAX_UNDERWAY || this.cancelled) return;
      Atomics.wait(this.words, TAKEN, taken, LOOK_AGAIN_MS);
    }
  }
}
