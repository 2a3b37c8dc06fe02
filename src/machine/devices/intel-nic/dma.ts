/**
 * A controller's side of its DMA: transactions on channels, each for one purpose of one queue, that end in the order in which they
 * were begun. Reset forgets what is in flight; its end, which comes all the same, is known by its tag and ignored.
 */
import type { DeviceBus, DmaFault, DmaResult, RequesterId } from '../../bus';

/** A PCI function as the bus master of some channels. */
export interface BusMaster {
  readonly bus: DeviceBus;
  requester(): RequesterId;
  /** Whether the function may begin a transaction (command register, bus master). */
  busMaster(): boolean;
}

/** A transaction in flight. */
export interface Transfer {
  channel: number;
  address: number;
  length: number;
  /** Of a write. */
  bytes?: Uint8Array;
}

/** Transactions in flight, in the order in which they were begun. */
export type DmaHardware = Transfer[];

/** What the run knows them by. */
export interface DmaRun {
  /** Tags given out so far: one is never used again. */
  serial: number;
  /** By the order of `DmaHardware`. */
  tags: number[];
}

/** What follows the end of a channel's transaction: with the bytes of a read, none of a write, or a fault. */
export type DmaEnd = (result: DmaResult) => void;

/** A transaction in flight and what the port knows it by. */
interface InFlight {
  transfer: Transfer;
  tag: number;
}

/** The transactions of one device. */
export class Dma {
  /** By channel, the oldest first. */
  private readonly inFlight: InFlight[][];
  private serial = 0;
  private readonly ends: (DmaEnd | undefined)[] = [];
  /** A tag is `serial * tagStep + channel`: its end is found without a search, and a later one is greater. */
  private readonly tagStep: number;

  /** @param masterOf the function that a channel's next transaction is of */
  constructor(
    channels: number,
    private readonly masterOf: (channel: number) => BusMaster,
  ) {
    this.inFlight = Array.from({ length: channels }, () => []);
    this.tagStep = 2 ** Math.ceil(Math.log2(channels));
  }

  /** Who is told of a channel's ends. */
  onEnd(channel: number, end: DmaEnd): void {
    this.ends[channel] = end;
  }

  /** Whether a transaction may begin on a channel now. A change is told to the device, which then goes on. */
  allowed(channel: number): boolean {
    return this.masterOf(channel).busMaster();
  }

  busy(channel: number): boolean {
    return this.inFlight[channel].length > 0;
  }

  /** Begins a read for the reason of row `cause`. */
  read(channel: number, address: number, length: number, cause: number): void {
    this.begin({ channel, address, length }, cause);
  }

  /** Begins a write for the reason of row `cause`. @param bytes not to be changed afterwards */
  write(channel: number, address: number, bytes: Uint8Array, cause: number): void {
    this.begin({ channel, address, length: bytes.length, bytes }, cause);
  }

  /** A transaction of the port has ended. */
  ended(tag: number, result: DmaResult): void {
    const channel = tag % this.tagStep;
    const inFlight = this.inFlight[channel];
    if (inFlight[0]?.tag !== tag) return;
    inFlight.shift();
    this.ends[channel]?.(result);
  }

  /** Forgets what is in flight on a channel. */
  forget(channel: number): void {
    this.inFlight[channel].length = 0;
  }

  saveHardware(): DmaHardware {
    return this.inOrder().map(({ transfer }) => transfer);
  }

  saveRun(): DmaRun {
    return { serial: this.serial, tags: this.inOrder().map(({ tag }) => tag) };
  }

  /** @param run absent: the transactions are begun anew on this device's port; present: the port's own snapshot has them */
  load(hardware: DmaHardware, run: DmaRun | undefined): void {
    for (const inFlight of this.inFlight) inFlight.length = 0;
    if (!run) {
      for (const transfer of hardware) this.begin(transfer, 0);
      return;
    }
    this.serial = run.serial;
    hardware.forEach((transfer, i) => this.keep(transfer, run.tags[i]));
  }

  /** In the order in which they were begun. */
  private inOrder(): InFlight[] {
    return this.inFlight.flat().sort((a, b) => a.tag - b.tag);
  }

  private keep(transfer: Transfer, tag: number): void {
    this.inFlight[transfer.channel].push({ transfer, tag });
  }

  private begin(transfer: Transfer, cause: number): void {
    const master = this.masterOf(transfer.channel);
    const { dma, trace } = master.bus;
    const tag = ++this.serial * this.tagStep + transfer.channel;
    const requester = master.requester();
    const before = trace.cause;
    this.keep(transfer, tag);
    trace.cause = cause;
    if (transfer.bytes) dma.write(requester, transfer.address, transfer.bytes, tag);
    else dma.read(requester, transfer.address, transfer.length, tag);
    trace.cause = before;
  }
}

/** True for the result of a transaction that was not done. */
export function isFault(result: DmaResult): result is DmaFault {
  return typeof result === 'string';
}
