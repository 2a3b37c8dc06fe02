/**
 * The block device (Virtual I/O Device specification 1.3, section 5.2): reads, writes, flushes, discards, writes of zeroes and the
 * device's name, on one or several request queues. A write is in the cache of the disk when it has ended, or on the medium, as the
 * driver has chosen; which of them it is costs time and nothing else, for nothing here ever loses its power.
 *
 * Where the specification leaves a choice:
 *
 * | what                                             | here                                                        |
 * |--------------------------------------------------|-------------------------------------------------------------|
 * | a request without a header, or without a status  | the device needs a reset                                    |
 * | data that are no whole logical blocks            | VIRTIO_BLK_S_IOERR, as in QEMU                              |
 * | DISCARD, WRITE_ZEROES that were not negotiated   | VIRTIO_BLK_S_UNSUPP                                         |
 * | more ranges than the configuration says          | VIRTIO_BLK_S_UNSUPP, as in QEMU                             |
 * | one of several ranges is wrong                   | none of them is done                                        |
 * | what was discarded                               | reads as zeros                                              |
 * | FLUSH that was not negotiated                    | done at once: there is no cache then                        |
 * | the length of a buffer that was used             | what was written without a gap from its begin on (2.7.8.2)  |
 */
import { requireVersion, type Checkpoint, type HardwareState, type RunState } from '../../../snapshot';
import type { BlockImageHardware } from '../../storage/block-image';
import type { Chain, TypeHost, VirtioType } from '../contract';
import {
  BlkFeature,
  Config,
  LONGEST_SEGMENT,
  MOST_RANGES,
  MOST_RANGE_SECTORS,
  MOST_SEGMENTS,
  QUEUE_SIZE,
  SECTOR,
} from './constants';
import { Medium, type VirtioBlkOptions } from './medium';
import { PLACES, RequestQueue, type RequestQueueHardware, type RequestQueueRun } from './request-queue';
import { requestKinds } from './requests';

/** What the hardware has. */
export interface VirtioBlkHardware extends HardwareState {
  version: 1;
  image: BlockImageHardware;
  /** The field of the configuration that the driver has written; null: it has not. */
  writeback: number | null;
  queues: RequestQueueHardware[];
}

/** What the run has of it. */
export interface VirtioBlkRun extends RunState {
  queues: RequestQueueRun[];
}

/** The device type. */
export class VirtioBlk implements VirtioType<VirtioBlkHardware, VirtioBlkRun> {
  readonly deviceId = 2;
  /** As QEMU: a SCSI controller. */
  readonly classCode = 0x010000;
  readonly features: readonly number[];
  readonly queueSpecs: readonly { readonly name: string; readonly size: number }[];
  private readonly medium: Medium;
  private readonly queues: readonly RequestQueue[];
  private chosen: number | null = null;

  /** @throws RangeError when the image is larger than the disk */
  constructor(
    private readonly host: TypeHost,
    options: VirtioBlkOptions,
  ) {
    this.medium = new Medium(options);
    this.features = featuresOf(options);
    const numbers = Array.from({ length: options.queues }, (_, i) => i);
    this.queueSpecs = numbers.map((index) => ({ name: `requests${index}`, size: QUEUE_SIZE }));
    const kinds = requestKinds({
      medium: this.medium,
      has: (feature) => host.has(feature),
      writeback: () => this.writeback,
    });
    this.queues = numbers.map((index) => new RequestQueue(host, index, kinds));
  }

  get configuration(): Uint8Array {
    const { size, blockSize, queues } = this.medium.options;
    const bytes = new Uint8Array(Config.bytes);
    const view = new DataView(bytes.buffer);
    view.setBigUint64(Config.capacity, BigInt(size / SECTOR), true);
    view.setUint32(Config.sizeMax, LONGEST_SEGMENT, true);
    view.setUint32(Config.segMax, MOST_SEGMENTS, true);
    view.setUint32(Config.blockSize, blockSize, true);
    // A physical block is a logical one, and none is better than another: the rest of the topology is 0.
    bytes[Config.writeback] = this.writebackField;
    view.setUint16(Config.queues, queues, true);
    view.setUint32(Config.maxDiscardSectors, MOST_RANGE_SECTORS, true);
    view.setUint32(Config.maxDiscardSegments, MOST_RANGES, true);
    view.setUint32(Config.discardAlignment, blockSize / SECTOR, true);
    view.setUint32(Config.maxZeroesSectors, MOST_RANGE_SECTORS, true);
    view.setUint32(Config.maxZeroesSegments, MOST_RANGES, true);
    bytes[Config.zeroesMayUnmap] = 1;
    return bytes;
  }

  /** The driver chooses between writeback and write through (5.2.5). */
  writeConfiguration(offset: number, byte: number): void {
    if (offset === Config.writeback && this.host.has(BlkFeature.CONFIG_WCE)) this.chosen = byte === 0 ? 0 : 1;
  }

  accepts(): boolean {
    return true;
  }

  started(): void {
    // Requests are looked for when `notified` tells of them.
  }

  stopped(): void {
    this.chosen = null;
    for (const queue of this.queues) queue.stop();
  }

  queueStopped(queue: number): void {
    this.queues[queue].stop();
  }

  notified(queue: number): void {
    this.queues[queue].notified();
  }

  onChain(queue: number, chain: Chain | undefined): void {
    this.queues[queue].onChain(chain);
  }

  onTransfer(queue: number, tag: number, bytes: Uint8Array): void {
    this.queues[queue].onTransfer(tag, bytes);
  }

  onEvent(_kind: number, arg: number): void {
    this.queues[Math.floor(arg / PLACES)]?.onDone(arg % PLACES);
  }

  save(): Checkpoint<VirtioBlkHardware, VirtioBlkRun> {
    const { medium, chosen, queues } = this;
    return {
      hardware: {
        version: 1,
        image: medium.image.save().hardware,
        writeback: chosen,
        queues: queues.map((each) => each.saveHardware()),
      },
      run: { queues: queues.map((each) => each.saveRun()) },
    };
  }

  load({ hardware, run }: Checkpoint<VirtioBlkHardware, VirtioBlkRun>): void {
    this.restore(hardware, run);
  }

  adopt(hardware: VirtioBlkHardware): void {
    this.restore(hardware, undefined);
  }

  private restore(hardware: VirtioBlkHardware, run: VirtioBlkRun | undefined): void {
    requireVersion('a virtio block device', hardware.version, 1);
    this.medium.image.adopt(hardware.image);
    this.chosen = hardware.writeback;
    this.queues.forEach((each, i) => each.load(hardware.queues[i], run?.queues[i]));
  }

  /** Without FLUSH the driver could not make anything lasting: it begins with 0 then (5.2.5.2). */
  private get writebackField(): number {
    const { host, chosen } = this;
    if (chosen !== null) return chosen;
    return host.has(BlkFeature.CONFIG_WCE) && !host.has(BlkFeature.FLUSH) ? 0 : 1;
  }

  /** Whether a write has ended when it is in the cache (5.2.6.2). */
  private get writeback(): boolean {
    const { host } = this;
    return host.has(BlkFeature.CONFIG_WCE) ? this.writebackField !== 0 : host.has(BlkFeature.FLUSH);
  }
}

/** A disk that is not written to has nothing to discard. */
function featuresOf({ readOnly, queues }: VirtioBlkOptions): number[] {
  const f = BlkFeature;
  return [
    ...[f.SIZE_MAX, f.SEG_MAX, f.BLK_SIZE, f.FLUSH, f.TOPOLOGY, f.CONFIG_WCE],
    ...(readOnly ? [f.RO] : [f.DISCARD, f.WRITE_ZEROES]),
    ...(queues > 1 ? [f.MQ] : []),
  ];
}
