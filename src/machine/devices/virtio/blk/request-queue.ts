/**
 * One request queue. Each request in it is a small machine of its own; they do not wait for each other, and come back as their work
 * ends:
 *
 *     from the driver   header → data → work → status
 *     to the driver     header → work → data → status
 *
 * Where the header ends, where data begin and where the status is, is told by lengths alone: descriptors may be divided anywhere
 * (2.6.4). Data are moved in pieces, so that a request of 4 GiB holds no more of them than one of 32 KiB.
 */
import { Kind } from '../../../../trace/vocabulary/events';
import type { Cycles } from '../../../time/event-queue';
import { PendingEvent, type PendingEventRun } from '../../../time/pending-event';
import { lengthOf, type Chain, type DeviceQueue, type TypeHost } from '../contract';
import { BlkEvent, BlkFault, BlkStatus, Header } from './constants';
import { longAt, type Asked, type RequestKind } from './requests';

/** Requests of one queue that are worked on at once; an assumption. What the device holds of their data is bounded by it. */
export const PLACES = 64;
/** Bytes of a request that are moved at a time. */
export const PIECE = 32 * 1024;
const STATUS_BYTES = 1;

/** What it does with a request. */
type Stage = 'header' | 'out' | 'work' | 'in' | 'status';

/** What the hardware has of a request. */
export interface RequestHardware {
  place: number;
  chain: Chain;
  stage: Stage;
  asked: Asked;
  /** Bytes of its data, and how many of them have been moved. */
  length: number;
  moved: number;
  status: BlkStatus;
  /** Cycles of its work that remain; -1: it is not at work. */
  remaining: Cycles;
}

/** What the hardware has of a `RequestQueue`. */
export interface RequestQueueHardware {
  asking: boolean;
  empty: boolean;
  requests: RequestHardware[];
}

/** What the run has of it: the requests at work. */
export type RequestQueueRun = PendingEventRun[];

interface Request extends RequestHardware {
  work: PendingEvent;
}

/** The queue. */
export class RequestQueue {
  private readonly places = new Array<Request | undefined>(PLACES).fill(undefined);
  /** It has been asked for a buffer. */
  private asking = false;
  /** There was none, and no notification has come since. */
  private empty = true;

  /** @param index of its virtqueue */
  constructor(
    private readonly host: TypeHost,
    private readonly index: number,
    private readonly kinds: ReadonlyMap<number, RequestKind>,
  ) {}

  notified(): void {
    this.empty = false;
    this.fetch();
  }

  onChain(chain: Chain | undefined): void {
    this.asking = false;
    if (!chain) {
      this.empty = true;
      return;
    }
    const { host } = this;
    const readable = lengthOf(chain.readable) - Header.bytes;
    const writable = lengthOf(chain.writable) - STATUS_BYTES;
    if (readable < 0) host.needsReset(BlkFault.NoHeader);
    else if (writable < 0) host.needsReset(BlkFault.NoStatus);
    else {
      this.begin(chain, { type: 0, sector: 0, readable, writable });
      this.fetch();
    }
  }

  /** A transfer of a request has ended. */
  onTransfer(place: number, bytes: Uint8Array): void {
    const request = this.places[place];
    if (!request) return;
    if (request.stage === 'header') this.accept(request, bytes);
    else if (request.stage === 'out') this.taken(request, bytes);
    else if (request.stage === 'in') this.move(request);
    else this.giveBack(request);
  }

  /** The medium has done its work for a request. */
  onDone(place: number): void {
    const request = this.places[place];
    if (!request) return;
    request.work.came();
    this.worked(request);
  }

  stop(): void {
    for (const { work } of this.requests) work.cancel();
    this.places.fill(undefined);
    this.asking = false;
    this.empty = true;
  }

  saveHardware(): RequestQueueHardware {
    const { asking, empty } = this;
    const requests = this.requests.map(({ work, ...request }) => ({ ...request, remaining: work.remaining }));
    return { asking, empty, requests };
  }

  saveRun(): RequestQueueRun {
    return this.requests.map(({ work }) => work.save());
  }

  /** @param run absent: in another run, whose queue engine begins anew what was in flight */
  load({ asking, empty, requests }: RequestQueueHardware, run: RequestQueueRun | undefined): void {
    if (!run) this.stop();
    this.asking = asking;
    this.empty = empty;
    this.places.fill(undefined);
    requests.forEach((saved, i) => {
      const request = this.requestAt(saved);
      if (run) request.work.load(run[i]);
      else request.work.adopt(saved.remaining);
      this.places[saved.place] = request;
    });
  }

  private get requests(): Request[] {
    return this.places.filter((each) => each !== undefined);
  }

  /** Made after its type, whose queues it needs to know. */
  private get queue(): DeviceQueue {
    return this.host.queues[this.index];
  }

  private fetch(): void {
    if (this.asking || this.empty || !this.places.includes(undefined)) return;
    this.asking = true;
    this.queue.fetch();
  }

  private requestAt(state: RequestHardware): Request {
    const { bus } = this.host;
    const arg = this.index * PLACES + state.place;
    const work = new PendingEvent(bus, (time) => bus.schedule(time - bus.now(), BlkEvent.Done, arg));
    return { ...state, work };
  }

  private begin(chain: Chain, asked: Asked): void {
    const place = this.places.indexOf(undefined);
    const stage = 'header';
    const status = BlkStatus.OK;
    this.places[place] = this.requestAt({
      ...{ place, chain, stage, asked, status },
      ...{ length: 0, moved: 0, remaining: -1 },
    });
    this.queue.read(chain, 0, Header.bytes, place);
  }

  /** Its header has been read. */
  private accept(request: Request, bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const type = view.getUint32(Header.type, true);
    const sector = longAt(view, Header.sector);
    request.asked = { ...request.asked, type, sector };
    const kind = this.kinds.get(type);
    const checked = kind?.check(request.asked) ?? { status: BlkStatus.UNSUPP };
    request.length = typeof checked === 'number' ? checked : 0;
    this.host.bus.trace.instant(Kind.IoSubmit, type, request.length);
    if (typeof checked !== 'number') this.end(request, checked.status);
    else if (kind?.direction === 'out') this.move(request);
    else this.work(request);
  }

  /** The next piece of its data, or what follows all of them. */
  private move(request: Request): void {
    const { queue } = this;
    const { chain, asked, place, length, moved } = request;
    const kind = this.kinds.get(asked.type);
    const piece = Math.min(PIECE, length - moved);
    if (kind?.direction === 'out') {
      request.stage = 'out';
      if (piece > 0) queue.read(chain, Header.bytes + moved, piece, place);
      else this.work(request);
      return;
    }
    request.stage = 'in';
    if (!kind || piece === 0) {
      this.end(request, BlkStatus.OK);
      return;
    }
    request.moved += piece;
    queue.write(chain, moved, kind.give(asked, moved, piece), place);
  }

  private taken(request: Request, bytes: Uint8Array): void {
    const { asked, moved } = request;
    const status = this.kinds.get(asked.type)?.take(asked, moved, bytes) ?? BlkStatus.UNSUPP;
    request.moved += bytes.length;
    if (status === BlkStatus.OK) this.move(request);
    else this.end(request, status);
  }

  private work(request: Request): void {
    const { bus } = this.host;
    request.stage = 'work';
    const nanoseconds = this.kinds.get(request.asked.type)?.nanoseconds() ?? 0;
    const cycles = Math.round(nanoseconds * bus.cyclesPerNanosecond);
    if (cycles === 0) {
      this.worked(request);
      return;
    }
    bus.trace.span(cycles, Kind.DeviceWork, 0, 0);
    request.work.comeAt(bus.now() + cycles);
  }

  private worked(request: Request): void {
    if (this.kinds.get(request.asked.type)?.direction === 'in') this.move(request);
    else this.end(request, BlkStatus.OK);
  }

  /** Its last writable byte tells how it ended. */
  private end(request: Request, status: BlkStatus): void {
    const { chain, asked, place } = request;
    request.stage = 'status';
    request.status = status;
    this.queue.write(chain, asked.writable, Uint8Array.of(status), place);
  }

  /** The driver gets its buffer back. As written counts what is so from its begin on (2.7.8.2): the status only where no gap is before it. */
  private giveBack(request: Request): void {
    const { queue, host } = this;
    const { chain, asked, place, length, moved, status } = request;
    const filled = this.kinds.get(asked.type)?.direction === 'in' ? moved : 0;
    this.places[place] = undefined;
    host.bus.trace.instant(Kind.IoComplete, asked.type, status === BlkStatus.OK ? length : 0);
    queue.push(chain, filled === asked.writable ? filled + STATUS_BYTES : filled);
    queue.flush();
    this.fetch();
  }
}
