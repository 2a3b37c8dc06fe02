/** Frames that have passed the links of a run, on their way from the run to whoever keeps them. */

/** Frames in the order of their times. */
export interface FrameBatch {
  /** By frame: position of its link in the scenario. */
  link: Uint32Array;
  /** By frame: simulated time in cycles at which it had wholly passed. */
  time: Float64Array;
  /** By frame: its bytes. */
  length: Uint32Array;
  /** The frames themselves, one behind the other, from the destination address on and without check sequence. */
  bytes: Uint8Array;
}

/** A batch without any. */
export const NO_FRAMES: FrameBatch = {
  link: new Uint32Array(0),
  time: new Float64Array(0),
  length: new Uint32Array(0),
  bytes: new Uint8Array(0),
};

const FIRST_BYTES = 64 * 1024;

/** Collects frames until they are taken. */
export class FrameLog {
  private frames: { link: number; time: number; at: number; length: number }[] = [];
  private buffer = new Uint8Array(FIRST_BYTES);
  private used = 0;

  /** Bytes that wait to be taken. */
  get bytes(): number {
    return this.used;
  }

  /** Takes a copy of a frame. */
  add(link: number, time: number, frame: Uint8Array): void {
    const { length } = frame;
    if (this.used + length > this.buffer.length) {
      const larger = new Uint8Array(Math.max(2 * this.buffer.length, this.used + length));
      larger.set(this.buffer.subarray(0, this.used));
      this.buffer = larger;
    }
    this.buffer.set(frame, this.used);
    this.frames.push({ link, time, at: this.used, length });
    this.used += length;
  }

  /**
   * What there is, without taking it, in the order of time. Parts of a machine that have nothing to do with each other run one
   * after the other for a while: their frames come in another order.
   */
  peek(): FrameBatch {
    const frames = [...this.frames].sort((x, y) => x.time - y.time);
    const bytes = new Uint8Array(this.used);
    let filled = 0;
    for (const { at, length } of frames) {
      bytes.set(this.buffer.subarray(at, at + length), filled);
      filled += length;
    }
    return {
      link: Uint32Array.from(frames, ({ link }) => link),
      time: Float64Array.from(frames, ({ time }) => time),
      length: Uint32Array.from(frames, ({ length }) => length),
      bytes,
    };
  }

  /** Takes all that there is. */
  take(): FrameBatch {
    const batch = this.peek();
    this.frames = [];
    this.used = 0;
    return batch;
  }

  /** Has exactly these frames waiting. */
  load(batch: FrameBatch): void {
    this.frames = [];
    this.used = 0;
    for (const { link, time, frame } of framesOf(batch)) this.add(link, time, frame);
  }
}

/** The frames of a batch, one by one. */
export function* framesOf({
  link,
  time,
  length,
  bytes,
}: FrameBatch): Generator<{ link: number; time: number; frame: Uint8Array }> {
  let at = 0;
  for (let i = 0; i < link.length; i++) {
    yield { link: link[i], time: time[i], frame: bytes.subarray(at, at + length[i]) };
    at += length[i];
  }
}
