/** One direction's part of the packet buffer: whole frames, first in, first out. */

/** A frame in the buffer. */
export interface Buffered<T> {
  frame: T;
  /** Bytes that it takes up. */
  size: number;
  /** Row of what brought it here. */
  cause: number;
}

/** What the hardware has of a `PacketBuffer`. */
export interface PacketBufferHardware<T> {
  frames: T[];
  sizes: number[];
}

/** Trace rows of a `PacketBuffer`, by frame. */
export interface PacketBufferRun {
  causes: number[];
}

/** @typeParam T a frame with what is kept beside it: plain data, not changed while it is here */
export class PacketBuffer<T> {
  private entries: Buffered<T>[] = [];
  private bytes = 0;

  /** @param capacity bytes, by the present division of the packet buffer */
  constructor(private readonly capacity: () => number) {}

  get first(): Buffered<T> | undefined {
    return this.entries[0];
  }

  get empty(): boolean {
    return this.entries.length === 0;
  }

  /** Whether there is no room for a single byte more. */
  get full(): boolean {
    return !this.fits(1);
  }

  /** Whether `size` more bytes fit in. */
  fits(size: number): boolean {
    return this.bytes + size <= this.capacity();
  }

  push(entry: Buffered<T>): void {
    this.entries.push(entry);
    this.bytes += entry.size;
  }

  shift(): Buffered<T> | undefined {
    const entry = this.entries.shift();
    this.bytes -= entry?.size ?? 0;
    return entry;
  }

  clear(): void {
    this.entries = [];
    this.bytes = 0;
  }

  saveHardware(): PacketBufferHardware<T> {
    return { frames: this.entries.map(({ frame }) => frame), sizes: this.entries.map(({ size }) => size) };
  }

  saveRun(): PacketBufferRun {
    return { causes: this.entries.map(({ cause }) => cause) };
  }

  load(hardware: PacketBufferHardware<T>, run: PacketBufferRun | undefined): void {
    this.clear();
    hardware.frames.forEach((frame, i) =>
      this.push({ frame, size: hardware.sizes[i], cause: run?.causes[i] ?? 0 }),
    );
  }
}
