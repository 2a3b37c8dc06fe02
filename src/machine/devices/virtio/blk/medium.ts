/** The disk behind a block device: what it holds, and what it takes to reach it. */
import { BlockImage } from '../../storage/block-image';
import { ID_BYTES, SECTOR } from './constants';

/** Nanoseconds that the medium spends on a request, beside the transfers. */
export interface BlkTiming {
  readNanoseconds: number;
  /** Until the bytes are in the cache. */
  writeNanoseconds: number;
  /** A flush of the cache; also what a write through it takes more. */
  flushNanoseconds: number;
}

/** Construction of a `VirtioBlk`. */
export interface VirtioBlkOptions {
  /** Size of the disk in bytes, a multiple of `blockSize`. */
  size: number;
  /** What it holds at first; absent: zeros. */
  image?: Uint8Array | undefined;
  /** Bytes of a logical block: 512 or 4096. Requests have to be of whole ones. */
  blockSize: 512 | 4096;
  /** Request queues, 1 to 64; with more than one the device offers MQ. */
  queues: number;
  readOnly: boolean;
  /** At most 20 characters of ASCII; two disks of a machine need different ones. */
  serial: string;
  timing: BlkTiming;
}

/** The disk. Places and lengths are in sectors of 512 bytes. */
export class Medium {
  readonly image: BlockImage;
  /** Its name: not terminated where it is as long as it may be (5.2.6). */
  readonly id = new Uint8Array(ID_BYTES);

  constructor(readonly options: VirtioBlkOptions) {
    this.image = new BlockImage(options.size, options.image);
    for (let i = 0; i < Math.min(ID_BYTES, options.serial.length); i++)
      this.id[i] = options.serial.charCodeAt(i);
  }

  get sectors(): number {
    return this.options.size / SECTOR;
  }

  /** Whether these are whole blocks on the disk. A sector may be any 64-bit number, which is not exact from 2^53 on. */
  holds(sector: number, sectors: number): boolean {
    const block = this.options.blockSize / SECTOR;
    return sector % block === 0 && sectors % block === 0 && sector + sectors <= this.sectors;
  }
}
