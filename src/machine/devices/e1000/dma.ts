/**
 * The device's side of its DMA: at most one transaction in flight on each of six channels. Reset forgets what is in flight;
 * its end, which comes all the same, is known by its tag and ignored.
 */
import type { DmaFault, DmaResult } from '../../bus';
import type { E1000Core } from './core';

/** What a transaction is for. */
export const Channel = {
  TransmitFetch: 0,
  TransmitData: 1,
  TransmitWriteBack: 2,
  ReceiveFetch: 3,
  ReceiveData: 4,
  ReceiveWriteBack: 5,
} as const;
const CHANNELS = 6;
/** A tag is `serial * TAG_STEP + channel`: its end is found without a search, and a later one is greater. */
const TAG_STEP = 8;

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

const IGNORED: DmaEnd = () => undefined;

/** No transaction is in flight on a channel. */
const IDLE = 0;

/** The transactions of one device. */
export class Dma {
  /** By channel: the transaction in flight, and its tag. */
  private readonly transfers = new Array<Transfer | undefined>(CHANNELS).fill(undefined);
  private readonly tags = new Array<number>(CHANNELS).fill(IDLE);
  private serial = 0;
  private readonly ends: DmaEnd[] = new Array<DmaEnd>(CHANNELS).fill(IGNORED);

  constructor(private readonly core: E1000Core) {}

  /** Who is told of a channel's ends. */
  onEnd(channel: number, end: DmaEnd): void {
    this.ends[channel] = end;
  }

  /** Whether the function may begin a transaction now. A change is told to the device, which then goes on. */
  get allowed(): boolean {
    return this.core.pci.busMaster();
  }

  busy(channel: number): boolean {
    return this.tags[channel] !== IDLE;
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
    const channel = tag % TAG_STEP;
    if (this.tags[channel] !== tag) return;
    this.forget(channel);
    this.ends[channel](result);
  }

  /** Forgets what is in flight on a channel. */
  forget(channel: number): void {
    this.tags[channel] = IDLE;
    this.transfers[channel] = undefined;
  }

  saveHardware(): DmaHardware {
    return this.inFlight.map(({ transfer }) => transfer);
  }

  saveRun(): DmaRun {
    return { serial: this.serial, tags: this.inFlight.map(({ tag }) => tag) };
  }

  /** @param run absent: the transactions are begun anew on this device's port; present: the port's own snapshot has them */
  load(hardware: DmaHardware, run: DmaRun | undefined): void {
    for (let channel = 0; channel < CHANNELS; channel++) this.forget(channel);
    if (!run) {
      for (const transfer of hardware) this.begin(transfer, 0);
      return;
    }
    this.serial = run.serial;
    hardware.forEach((transfer, i) => this.keep(transfer, run.tags[i]));
  }

  /** In the order in which they were begun. */
  private get inFlight(): { transfer: Transfer; tag: number }[] {
    return this.transfers
      .flatMap((transfer, channel) => (transfer ? [{ transfer, tag: this.tags[channel] }] : []))
      .sort((a, b) => a.tag - b.tag);
  }

  private keep(transfer: Transfer, tag: number): void {
    this.transfers[transfer.channel] = transfer;
    this.tags[transfer.channel] = tag;
  }

  private begin(transfer: Transfer, cause: number): void {
    const { dma, trace } = this.core.bus;
    const tag = ++this.serial * TAG_STEP + transfer.channel;
    const requester = this.core.pci.requester();
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
