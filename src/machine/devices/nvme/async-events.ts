/** Asynchronous events (5.2): requests that wait for something to be told, and what there is to tell. */
import type { Completions } from './completions';
import { Admin, Event, Feature, Log, MOST_EVENT_REQUESTS, TEMPERATURE } from './constants';
import type { Features } from './features';
import { Status } from './status';

/** Something that has happened, as the first word of the completion tells it. */
export interface AsyncEvent {
  type: number;
  information: number;
  /** The log page that has more of it; reading it lets further events of its type come. */
  log: number;
}

/** What the hardware has of it. */
export interface AsyncEventsHardware {
  requests: number[];
  waiting: AsyncEvent[];
  /** Types that were told and whose log page was not read yet. */
  told: number[];
}

/** Events that are kept for requests to come; more are lost. */
const MOST_WAITING = 16;
/** Bit of the asynchronous event configuration: temperature (5.21.1.11, the bits of the critical warning). */
const WARN_TEMPERATURE = 1 << 1;

/** Requests and events, each waiting for the other. */
export class AsyncEvents {
  /** Command identifiers of the requests. */
  private requests: number[] = [];
  private waiting: AsyncEvent[] = [];
  private told: number[] = [];

  constructor(
    private readonly completions: Completions,
    private readonly features: Features,
  ) {}

  /** Whether one more request is allowed. */
  get full(): boolean {
    return this.requests.length >= MOST_EVENT_REQUESTS;
  }

  /** A driver wants to be told of the next event. */
  request(command: number): void {
    this.requests.push(command);
    this.tell();
  }

  /**
   * Takes a request back.
   * @returns false when there is none such
   */
  abort(command: number): boolean {
    const at = this.requests.indexOf(command);
    if (at < 0) return false;
    this.requests.splice(at, 1);
    this.complete(command, Status.AbortRequested, 0);
    return true;
  }

  /** A driver wrote a doorbell as it must not. */
  badDoorbell(information: number): void {
    this.happened({ type: Event.Error.type, information, log: Log.Error });
  }

  /** Limits or configuration have changed: the temperature may be beyond them. */
  checkTemperature(): void {
    const { over, under } = this.features.limits;
    const wanted = (this.features.get(Feature.AsyncEvents) & WARN_TEMPERATURE) !== 0;
    if (wanted && (TEMPERATURE >= over || TEMPERATURE <= under))
      this.happened({ type: Event.Health.type, information: Event.Health.temperature, log: Log.Health });
  }

  /** A log page was read, and not only looked at. */
  logRead(log: number): void {
    this.told = this.told.filter((type) => (type === Event.Error.type ? Log.Error : Log.Health) !== log);
    this.tell();
  }

  reset(): void {
    this.requests = [];
    this.waiting = [];
    this.told = [];
  }

  save(): AsyncEventsHardware {
    const { requests, waiting, told } = this;
    return { requests: [...requests], waiting: waiting.map((event) => ({ ...event })), told: [...told] };
  }

  load({ requests, waiting, told }: AsyncEventsHardware): void {
    this.requests = [...requests];
    this.waiting = waiting.map((event) => ({ ...event }));
    this.told = [...told];
  }

  private happened(event: AsyncEvent): void {
    if (this.waiting.length < MOST_WAITING) this.waiting.push(event);
    this.tell();
  }

  /** Completes requests by events, one of each type until its log page is read. */
  private tell(): void {
    for (;;) {
      const at = this.waiting.findIndex(({ type }) => !this.told.includes(type));
      const command = this.requests[0];
      if (at < 0 || command === undefined) return;
      const [{ type, information, log }] = this.waiting.splice(at, 1);
      this.requests.shift();
      this.told.push(type);
      this.complete(command, Status.Success, type | (information << 8) | (log << 16));
    }
  }

  private complete(command: number, status: number, result: number): void {
    this.completions.add(0, { sq: 0, command, status, result, opcode: Admin.AsyncEvent, bytes: -1 });
  }
}
