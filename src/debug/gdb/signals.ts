/**
 * That GDB's user wants a motion to stop, in memory shared with the thread that simulates. An interrupt is meant for one packet: it
 * must not stop the motion of a later one, nor be lost where the motion has not begun yet.
 */

/** That of run control's `InterruptFlag`. */
const INTERRUPT = 0;
const MEANT_FOR = 1;
const WORDS = 2;

export class GdbSignals {
  private readonly words: Int32Array;

  /** @param memory of the other side; left out by the side that makes it */
  constructor(readonly memory = new SharedArrayBuffer(WORDS * Int32Array.BYTES_PER_ELEMENT)) {
    this.words = new Int32Array(memory);
  }

  /** Server: the motion of a packet is to stop. @param packet its number, from 1 */
  interrupt(packet: number): void {
    Atomics.store(this.words, MEANT_FOR, packet | 0);
    Atomics.store(this.words, INTERRUPT, 1);
  }

  /** Thread: a packet is served from here on. */
  serving(packet: number): void {
    Atomics.store(this.words, INTERRUPT, 0);
    if (Atomics.load(this.words, MEANT_FOR) === (packet | 0)) Atomics.store(this.words, INTERRUPT, 1);
  }
}
