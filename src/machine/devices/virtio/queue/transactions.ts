/**
 * The transactions of one virtqueue, by what they are for. The port ends them in the order in which they were begun, so that a
 * read that is begun after a write sees what was written. Reset forgets what is in flight: its end is known by its tag and ignored.
 */
import { QUEUE_TAG_STEP, type QueueHost } from '../contract';

/** What a transaction is for. */
export const Lane = {
  /** Finding the next available buffer. */
  Supply: 0,
  /** Telling the driver whether the device wants to be notified: nothing follows its end. */
  Suppression: 1,
  /** Showing used buffers, and finding out whether the driver wants to be notified. */
  Used: 2,
  /** Bytes of buffers. */
  Transfer: 3,
  /** Looking for available buffers in place of being notified: it ends in no order with the others. */
  Poll: 4,
} as const;
export type Lane = (typeof Lane)[keyof typeof Lane];

/** A part of guest memory. */
export interface MemoryRange {
  readonly address: number;
  readonly length: number;
}

/** Bytes that are to stand somewhere. Not to be changed. */
export interface MemoryWrite {
  readonly address: number;
  readonly bytes: Uint8Array;
}

/** Bytes as they stood somewhere when they were read. Not to be changed. */
export interface MemorySeen {
  readonly address: number;
  readonly seen: Uint8Array;
}

/** A transaction in flight. */
export interface Flight extends MemoryRange {
  readonly lane: Lane;
  /** Of a write. */
  readonly bytes?: Uint8Array;
  /** Of a watch (`BusyPolling.watch`). */
  readonly seen?: Uint8Array;
}

/** What the run knows transactions by. */
export interface FlightsRun {
  /** Tags given out so far: none is used again. */
  serial: number;
  /** By the order of what is in flight. */
  tags: number[];
}

/** The transactions of one queue. */
export class Transactions {
  /** In the order in which they were begun. */
  private flights: { flight: Flight; tag: number }[] = [];
  private serial = 0;

  constructor(
    private readonly index: number,
    private readonly host: QueueHost,
  ) {}

  read(lane: Lane, { address, length }: MemoryRange): void {
    this.begin({ lane, address, length });
  }

  write(lane: Lane, { address, bytes }: MemoryWrite): void {
    this.begin({ lane, address, length: bytes.length, bytes });
  }

  /** Where nobody polls it is a read. */
  watch(lane: Lane, { address, seen }: MemorySeen): void {
    this.begin({ lane, address, length: seen.length, seen });
  }

  /** What the ended transaction was for; undefined of one that was forgotten. */
  ended(tag: number): Lane | undefined {
    const at = this.flights.findIndex((each) => each.tag === tag);
    return at < 0 ? undefined : this.flights.splice(at, 1)[0].flight.lane;
  }

  forgetAll(): void {
    this.flights = [];
  }

  saveHardware(): Flight[] {
    return this.flights.map(({ flight }) => flight);
  }

  saveRun(): FlightsRun {
    return { serial: this.serial, tags: this.flights.map(({ tag }) => tag) };
  }

  /** @param run absent: the transactions are begun anew on this host's port; present: the port's own snapshot has them */
  load(flights: readonly Flight[], run: FlightsRun | undefined): void {
    this.forgetAll();
    if (!run) {
      for (const flight of flights) this.begin(flight);
      return;
    }
    this.serial = run.serial;
    this.flights = flights.map((flight, i) => ({ flight, tag: run.tags[i] }));
  }

  private begin(flight: Flight): void {
    const { host } = this;
    const { trace, dma, polling } = host.bus;
    this.serial += 1;
    const tag = this.serial * QUEUE_TAG_STEP + this.index;
    this.flights.push({ flight, tag });
    const { cause } = trace;
    if (flight.bytes) dma.write(host.requester(), flight.address, flight.bytes, tag);
    else if (flight.seen && polling) polling.watch(host.requester(), flight.address, flight.seen, tag);
    else dma.read(host.requester(), flight.address, flight.length, tag);
    trace.cause = cause;
  }
}
