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

export class Dma {
  private inFlight: (Transfer & { tag: number })[] = [];
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
    return this.inFlight.some((transfer) => transfer.channel === channel);
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
    const at = this.inFlight.findIndex((transfer) => transfer.tag === tag);
    if (at < 0) return;
    const [transfer] = this.inFlight.splice(at, 1);
    this.ends[transfer.channel](result);
  }

  /** Forgets what is in flight on a channel. */
  forget(...channels: number[]): void {
    this.inFlight = this.inFlight.filter((transfer) => !channels.includes(transfer.channel));
  }

  saveHardware(): DmaHardware {
    return this.inFlight.map(({ tag: _, ...transfer }) => transfer);
  }

  saveRun(): DmaRun {
    return { serial: this.serial, tags: this.inFlight.map(({ tag }) => tag) };
  }

  /** @param run absent: the transactions are begun anew on this device's port; present: the port's own snapshot has them */
  load(hardware: DmaHardware, run: DmaRun | undefined): void {
    this.inFlight = [];
    if (!run) {
      for (const transfer of hardware) this.begin(transfer, 0);
      return;
    }
    this.serial = run.serial;
    this.inFlight = hardware.map((transfer, i) => ({ ...transfer, tag: run.tags[i] }));
  }

  private begin(transfer: Transfer, cause: number): void {
    const { dma, trace } = this.core.bus;
    const tag = ++this.serial;
    const requester = this.core.pci.requester();
    const before = trace.cause;
    this.inFlight.push({ ...transfer, tag });
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
