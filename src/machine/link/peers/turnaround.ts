/** Frames that go back some time after what they answer has come. */
import type { Cycles, EventHandle, EventTarget, Scheduler } from '../../time/event-queue';
import type { RunState } from '../../snapshot';
import type { CarriedFrame } from '../lane';
import type { LinkEnd } from '../link';

/** What the hardware has of a `Turnaround`: `remaining` cycles until a frame goes back. */
export interface TurnaroundHardware {
  waiting: (CarriedFrame & { remaining: Cycles })[];
  sent: number;
}

/** What the run has of it. */
export interface TurnaroundRun extends RunState {
  waiting: { time: Cycles; event: EventHandle }[];
}

/** Holds answers back for a fixed time. Each has an event of its own, for which its owner calls `sendNext`. */
export class Turnaround {
  private waiting: (CarriedFrame & { time: Cycles; event: EventHandle })[] = [];
  private sent = 0;

  /**
   * @param owner gets the events
   * @param cycles from the arrival of a frame to the sending of its answer
   */
  constructor(
    private readonly owner: EventTarget,
    private readonly end: LinkEnd,
    private readonly scheduler: Scheduler,
    private readonly cycles: Cycles,
  ) {}

  /** Sends an answer when its time has come: at once without a turn-around time. */
  answer(frame: Uint8Array): void {
    const packet = this.sent++;
    if (this.cycles === 0) this.end.send(frame, packet);
    else this.wait(frame, packet, this.scheduler.now() + this.cycles);
  }

  /** The event of the answer that has waited for longest has come. */
  sendNext(): void {
    const next = this.waiting.shift();
    if (next) this.end.send(next.frame, next.packet);
  }

  save(): { hardware: TurnaroundHardware; run: TurnaroundRun } {
    const now = this.scheduler.now();
    const waiting = this.waiting.map(({ frame, packet, time }) => ({ frame, packet, remaining: time - now }));
    return {
      hardware: { waiting, sent: this.sent },
      run: { waiting: this.waiting.map(({ time, event }) => ({ time, event })) },
    };
  }

  load(hardware: TurnaroundHardware, run: TurnaroundRun): void {
    this.waiting = hardware.waiting.map(({ frame, packet }, i) => ({ frame, packet, ...run.waiting[i] }));
    this.sent = hardware.sent;
  }

  /** Goes on in another run. */
  adopt(hardware: TurnaroundHardware): void {
    const now = this.scheduler.now();
    for (const { event } of this.waiting) this.scheduler.cancel(event);
    this.waiting = [];
    for (const { frame, packet, remaining } of hardware.waiting) this.wait(frame, packet, now + remaining);
    this.sent = hardware.sent;
  }

  private wait(frame: Uint8Array, packet: number, time: Cycles): void {
    this.waiting.push({ frame, packet, time, event: this.scheduler.schedule(time, this.owner, 0) });
  }
}
