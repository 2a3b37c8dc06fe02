/** What a controller is made with. */

/** Times in nanoseconds that the controller and its medium spend on a command, beside those of its DMA. */
export interface NvmeTiming {
  /** From the command to the first byte that was read. */
  readNanoseconds: number;
  /** Until the bytes are on the medium; with the write cache on, until they are in the cache. */
  writeNanoseconds: number;
  /** A flush of the write cache. */
  flushNanoseconds: number;
  /** A command that does not touch the medium. */
  controllerNanoseconds: number;
  /** From CC.EN to CSTS.RDY. */
  enableNanoseconds: number;
  /** From CC.SHN to the end of the shutdown. */
  shutdownNanoseconds: number;
}

/**
 * 10 microseconds for reads and writes of 4 KiB are what Intel specifies as typical for its Optane SSD DC P4800X ("<10 us", seen
 * from the host). All others are assumptions: a memory without erase blocks has little to flush, and the firmware of a
 * controller needs about a microsecond for a command of its own.
 */
export const USUAL_TIMING: NvmeTiming = {
  readNanoseconds: 10_000,
  writeNanoseconds: 10_000,
  flushNanoseconds: 10_000,
  controllerNanoseconds: 1_000,
  enableNanoseconds: 100_000,
  shutdownNanoseconds: 100_000,
};

/** Construction of an `Nvme`. */
export interface NvmeOptions {
  /** Size of its one namespace in bytes, a multiple of `blockSize`. */
  size: number;
  /** What the namespace holds at first; absent: zeros. */
  image?: Uint8Array | undefined;
  /** Bytes of a logical block: 512 or 4096. */
  blockSize: 512 | 4096;
  /** I/O queues of each kind, 1 to 64. Each completion queue can have an MSI-X vector of its own. */
  queues: number;
  /** At most 20 characters of ASCII; two controllers of a machine need different ones. */
  serial: string;
  timing?: Partial<NvmeTiming>;
}
