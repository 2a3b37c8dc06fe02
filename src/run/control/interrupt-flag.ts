/** That a motion is to end: one word of shared memory, so that another thread can set it while this one simulates. */

const WORD = 0;

export class InterruptFlag {
  private readonly words: Int32Array;

  /** @param memory at least four bytes; left out by the side that makes it */
  constructor(readonly memory = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)) {
    this.words = new Int32Array(memory);
  }

  raise(): void {
    Atomics.store(this.words, WORD, 1);
  }

  /** Whether it is raised; it is not any more afterwards. */
  take(): boolean {
    return Atomics.exchange(this.words, WORD, 0) === 1;
  }

  get raised(): boolean {
    return Atomics.load(this.words, WORD) === 1;
  }
}
