/**
 * What the parts of a virtio device (Virtual I/O Device specification, version 1.3) have to do with each other:
 *
 *     transport (pci/, mmio) → VirtioDevice (status, features, configuration) → a type (net, blk, console, rng)
 *                                        └→ a queue for each virtqueue ←┘
 *
 * A queue moves the driver's buffers and knows no type; a type knows buffers and no ring format; neither knows a transport. What
 * takes time is asked for and answered later: whoever asks keeps plain data alone, so that a device can be saved at any moment.
 */
import type { DeviceBus } from '../../bus';
import type { NetworkPort } from '../../link/wire';
import type { HardwareState, Migratable, RunState } from '../../snapshot';

/** A contiguous part of a buffer, in guest-physical memory. Its end is below 2^53. */
export interface Segment {
  readonly address: number;
  readonly length: number;
}

/** A buffer that the driver has made available (2.6, "descriptor chain"): plain data, which a type may keep. */
export interface Chain {
  /** Split: index of its first descriptor (2.7.13). Packed: its buffer ID (2.8.5). */
  readonly id: number;
  /** Packed: descriptors that it takes in the ring (2.8.5); an indirect one takes 1. Split: 1. */
  readonly slots: number;
  /** What the device reads, which stands first (2.6.4.2). */
  readonly readable: readonly Segment[];
  /** What the device writes. */
  readonly writable: readonly Segment[];
}

/** Bytes of a part of a chain. */
export function lengthOf(segments: readonly Segment[]): number {
  return segments.reduce((sum, { length }) => sum + length, 0);
}

/**
 * One virtqueue as a type has it. Chains are answered in the order of the ring; several may be in a type's hands. Answers come by
 * `VirtioType.onChain` and `onTransfer`, never within the call. After a reset no answer of before comes.
 *
 * A chain that breaks the rules (a loop, a descriptor outside memory, too long) is no answer: the device as a whole then needs a
 * reset (2.1.2, DEVICE_NEEDS_RESET), and the type's `stopped` is called.
 */
export interface DeviceQueue {
  readonly index: number;
  /** The driver has enabled it, the device runs, and nobody has asked to reset it. */
  readonly running: boolean;
  /**
   * Asks for the next available buffer: `onChain` with it. When there is none, notifications by the driver are enabled, the ring is
   * looked at once more (2.7.10, 2.8.10), and `onChain(queue, undefined)` tells that it is empty; `VirtioType.notified` comes when the
   * driver has added something. Where the ring is polled (`DeviceBus.polling`) it is told to be empty without that, and `notified`
   * comes when something is in it, or when the polling is over: asked then, the queue enables notifications. One such question at a
   * time.
   */
  fetch(): void;
  /** Gives fetched chains back unused, the last ones first: the next `fetch` answers them again. */
  unfetch(count: number): void;
  /**
   * Reads bytes of the chain's readable part: `onTransfer(queue, tag, bytes)`.
   * @param offset from the begin of that part; offset and length lie within it
   * @param tag whatever the type needs to know the transfer by: a whole number from 0 to 2^31 - 1
   */
  read(chain: Chain, offset: number, length: number, tag: number): void;
  /** Writes into the chain's writable part: `onTransfer(queue, tag, no bytes)`. @param bytes not to be changed afterwards */
  write(chain: Chain, offset: number, bytes: Uint8Array, tag: number): void;
  /** Marks a chain as used with what has been written to it; the driver does not see it before `flush`. */
  push(chain: Chain, written: number): void;
  /** Shows the driver what was pushed, all at once, and notifies it if it wants that (2.7.7, 2.8.9). */
  flush(): void;
}

/** What a type gets of the device around it. */
export interface TypeHost {
  /** Time, events and trace: of whoever does the data plane's work. Its DMA is the queues' business. */
  readonly bus: DeviceBus;
  readonly queues: readonly DeviceQueue[];
  /** Whether a feature bit has been negotiated: false before FEATURES_OK. */
  has(feature: number): boolean;
  /** The type's configuration has changed by itself: another generation, and a configuration change notification. */
  configurationChanged(): void;
  /** The device cannot go on before it is reset (2.1.2). @param why for the trace: a reason number of the type's */
  needsReset(why: number): void;
}

/** One device type (section 5 of the specification): what it offers and what it does with buffers. */
export interface VirtioType<
  H extends HardwareState = HardwareState,
  R extends RunState = RunState,
> extends Migratable<H, R> {
  /** Where its cable is plugged in; absent: it has no network. */
  readonly network?: NetworkPort;
  /** Virtio device ID: 1 network, 2 block, 3 console, 4 entropy. */
  readonly deviceId: number;
  /** 24-bit PCI class code of the function that carries it. */
  readonly classCode: number;
  /** Offered feature bits of the type (0 to 23 and 50 to 127); the transport's and the queues' are the device's. */
  readonly features: readonly number[];
  /** Largest size of each virtqueue, a power of 2; names of the queues for the trace: `rx0`, `tx0`, `requests`. */
  readonly queueSpecs: readonly { readonly name: string; readonly size: number }[];
  /** Bytes of the configuration space as the driver reads it now (2.5); what lies outside reads as 0. */
  readonly configuration: Uint8Array;
  /**
   * The driver writes a byte of it; one that it may not write does nothing.
   * @param legacy it does so by the legacy interface
   */
  writeConfiguration(offset: number, byte: number, legacy: boolean): void;
  /** Whether the type accepts this set of features of its own (2.2.2); the device refuses FEATURES_OK otherwise. */
  accepts(has: (feature: number) => boolean): boolean;
  /** DRIVER_OK: the type may ask its queues from now on. */
  started(): void;
  /** Nothing in its hands means anything any more: the device was reset, or needs a reset. */
  stopped(): void;
  /** One queue was reset (2.6.1): chains and transfers of it mean nothing any more. */
  queueStopped(queue: number): void;
  /** The driver has notified the queue, or something may be in it: since it began to run, or since it was polled. */
  notified(queue: number): void;
  onChain(queue: number, chain: Chain | undefined): void;
  /** A transfer has ended, with the bytes of a read. */
  onTransfer(queue: number, tag: number, bytes: Uint8Array): void;
  /** A time that the type has asked `TypeHost.bus` for. */
  onEvent(kind: number, arg: number): void;
}

/** How a used-buffer or configuration notification reaches the driver: the transport's. */
export interface VirtioNotifier {
  /** @param via whose bus carries it: QEMU's thread or a worker of the kernel */
  usedBuffers(queue: number, via: DeviceBus): void;
  configurationChanged(via: DeviceBus): void;
}

/** What a queue gets from the device that it belongs to. */
export interface QueueHost {
  /** Its DMA and its trace. A transaction's tag is a serial number times `QUEUE_TAG_STEP` plus the queue's index. */
  readonly bus: DeviceBus;
  /** PCI requester ID of its transactions; 0 on a transport without. */
  requester(): number;
  /** Whether a feature bit has been negotiated. */
  has(feature: number): boolean;
  /** Answers to the type. */
  onChain(queue: number, chain: Chain | undefined): void;
  onTransfer(queue: number, tag: number, bytes: Uint8Array): void;
  /** The queue was polled: something may be in it. */
  onPolled(queue: number): void;
  /** The driver is to be notified; the queue has already found out that it wants to be. */
  notifyDriver(queue: number): void;
  /** The driver broke a rule: the device needs a reset. @param why one of `QueueFault` */
  broken(queue: number, why: number): void;
}

/** Where a driver has put a virtqueue, as the transport was told (4.1.4.3, 4.2.2): addresses below 2^53. */
export interface QueueLayout {
  readonly size: number;
  /** Descriptor area, driver area, device area (2.7, 2.8). Legacy: computed from one page number (2.7.2). */
  readonly descriptors: number;
  readonly driver: number;
  readonly device: number;
}

/** A virtqueue's engine as the device drives it, and the type uses it. */
export interface Virtqueue extends DeviceQueue, Migratable {
  /** Begins to work on rings that lie there. The packed format is told by feature RING_PACKED. */
  start(layout: QueueLayout): void;
  /** Forgets everything: what is in flight ends without effect. */
  reset(): void;
  /** The driver notified. @param data of NOTIFICATION_DATA (2.9), otherwise undefined */
  kicked(data: number | undefined): void;
  /** The end of a transaction of this queue. */
  onDma(tag: number, result: Uint8Array | string): void;
}

/** Tags of a queue's transactions: the queue's index in the low bits. */
export const QUEUE_TAG_STEP = 64;
