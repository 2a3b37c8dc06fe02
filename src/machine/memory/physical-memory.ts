/** Guest RAM as devices and loaders see it: physical addresses from 0 to `size`. */
export interface PhysicalMemory {
  /** Bytes of RAM; a multiple of 4096. */
  readonly size: number;
  /** True when the whole range lies in RAM. */
  contains(address: number, length: number): boolean;
  /**
   * A copy of the bytes. Throws RangeError outside RAM: callers check first.
   * @param by who reads, as the trace names it, for whoever watches memory
   */
  read(address: number, length: number, by?: string): Uint8Array;
  /** As `read`, for a reader outside the machine, of whom nobody is told. Absent: nobody watches, so that `read` tells nobody. */
  look?(address: number, length: number): Uint8Array;
  /** Writes, marks the pages dirty and forgets translated code on them. Throws RangeError outside RAM. */
  write(address: number, bytes: Uint8Array, by?: string): void;
}
