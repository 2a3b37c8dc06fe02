/** A small world for one device: RAM, an event queue, a trace kept as a list, an interrupt line. */
import type { DeviceBus, DeviceTrace } from '../../../src/machine/bus';
import { EventQueue, type EventQueueState } from '../../../src/machine/time/queue';
import type { EventTarget } from '../../../src/machine/time/event-queue';

export interface Note {
  row: number;
  time: number;
  duration: number;
  kind: number;
  a: number;
  b: number;
  cause: number;
}

export const CYCLES_PER_NANOSECOND = 3;

/** Clock, queue and trace of a test. */
export class World {
  time = 0;
  readonly tracer = { cause: 0 };
  readonly queue = new EventQueue(this.tracer, { now: () => this.time });
  readonly notes: Note[] = [];

  readonly trace: DeviceTrace = this.makeTrace();

  /** Lets time pass, firing what becomes due, each event at its own time. */
  advanceTo(time: number): void {
    while (this.queue.nextTime() <= time) {
      this.time = Math.max(this.time, this.queue.nextTime());
      this.queue.fireDue(this.time);
    }
    this.time = time;
  }

  /** Until no event is left. */
  drain(limit = 1e12): void {
    while (this.queue.nextTime() <= limit) this.advanceTo(this.queue.nextTime());
  }

  ofKind(kind: number): Note[] {
    return this.notes.filter((note) => note.kind === kind);
  }

  /** The notes that led to a note, nearest first. */
  chain(note: Note): Note[] {
    const out: Note[] = [];
    for (let row = note.cause; row !== 0; row = this.notes[row - 1].cause) out.push(this.notes[row - 1]);
    return out;
  }

  save(): { time: number; cause: number; queue: EventQueueState } {
    return { time: this.time, cause: this.tracer.cause, queue: this.queue.save() };
  }

  load(state: { time: number; cause: number; queue: EventQueueState }): void {
    this.time = state.time;
    this.tracer.cause = state.cause;
    this.queue.load(state.queue);
  }

  private makeTrace(): DeviceTrace {
    const note = (duration: number, kind: number, a: number, b: number): void => {
      const row = this.notes.length + 1;
      this.notes.push({ row, time: this.time, duration, kind, a, b, cause: this.tracer.cause });
      this.tracer.cause = row;
    };
    const { tracer } = this;
    return {
      get cause() {
        return tracer.cause;
      },
      set cause(row: number) {
        tracer.cause = row;
      },
      instant: (kind, a, b) => note(0, kind, a, b),
      span: (duration, kind, a, b) => note(duration, kind, a, b),
    };
  }
}

/** The device's bus in that world. */
export class FakeBus implements DeviceBus {
  readonly memory = new Uint8Array(1 << 20);
  readonly cyclesPerNanosecond = CYCLES_PER_NANOSECOND;
  readonly trace: DeviceTrace;
  line = false;
  /** Times at which the line rose. */
  readonly rises: number[] = [];
  readonly target: EventTarget;
  onTimer: (kind: number, arg: number) => void = () => undefined;

  constructor(
    readonly world: World,
    id = 'device',
  ) {
    this.trace = world.trace;
    this.target = { eventTargetId: id, onEvent: (kind, arg) => this.onTimer(kind, arg) };
    world.queue.register(this.target);
  }

  now(): number {
    return this.world.time;
  }

  schedule(delay: number, kind: number, arg?: number): number {
    return this.world.queue.schedule(this.now() + delay, this.target, kind, arg);
  }

  cancel(handle: number): void {
    this.world.queue.cancel(handle);
  }

  dmaRead(address: number, length: number): Uint8Array | undefined {
    return address + length <= this.memory.length ? this.memory.slice(address, address + length) : undefined;
  }

  dmaWrite(address: number, bytes: Uint8Array): boolean {
    if (address + bytes.length > this.memory.length) return false;
    this.memory.set(bytes, address);
    return true;
  }

  setInterruptLine(asserted: boolean): void {
    if (asserted && !this.line) this.rises.push(this.now());
    this.line = asserted;
  }
}
