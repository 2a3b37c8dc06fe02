/**
 * The one queue of future events: a binary heap over typed columns, in the total order (time, priority, sequence).
 * Scheduling and firing allocate nothing, so that a device may schedule at register-access rate.
 */
import { SnapshotError, requireVersion } from '../snapshot';
import type { Cycles, EventHandle, EventTarget, Scheduler } from './event-queue';

/** A handle is `sequence * SLOTS + slot`: found without a table, and never reused since the sequence never is. */
const SLOTS = 2 ** 20;
const FIRST_CAPACITY = 64;

/** One event that has not fired. */
export interface SavedEvent {
  time: Cycles;
  priority: number;
  handle: EventHandle;
  target: string;
  kind: number;
  arg: number;
  cause: number;
}

/** Snapshot of an `EventQueue`; events stand in the order in which they will fire. */
export interface EventQueueState {
  version: 1;
  sequence: number;
  slots: number;
  free: number[];
  events: SavedEvent[];
}

/** Implements `Scheduler`; owned by the run loop, which calls `nextTime` and `fireDue`. */
export class EventQueue implements Scheduler {
  private readonly targets: EventTarget[] = [];
  private readonly targetIndex = new Map<string, number>();
  private sequence = 0;
  /** Columns by slot. `position` is the slot's index in the heap, -1 when the slot is free. */
  private time = new Float64Array(FIRST_CAPACITY);
  private order = new Float64Array(FIRST_CAPACITY);
  private arg = new Float64Array(FIRST_CAPACITY);
  private priority = new Int32Array(FIRST_CAPACITY);
  private kind = new Int32Array(FIRST_CAPACITY);
  private target = new Int32Array(FIRST_CAPACITY);
  private cause = new Float64Array(FIRST_CAPACITY);
  private position = new Int32Array(FIRST_CAPACITY).fill(-1);
  private heap = new Int32Array(FIRST_CAPACITY);
  private size = 0;
  private slots = 0;
  private free: number[] = [];
  private firingTime: Cycles = -1;
  /** Time of the first event. Asked several times for each exit of a guest: a field, so that the engine inlines the answer. */
  private first: Cycles = Infinity;
  /** The target scheduled to last, and its index: most often it is the next one too. */
  private lastTarget: EventTarget | undefined;
  private lastIndex = -1;

  /**
   * @param tracer whose `cause` is kept with each event and set while it fires; `place` is 0 then: an event is nobody's instruction
   * @param clock answers `now()`
   */
  constructor(
    private readonly tracer: { cause: number; place: number },
    private readonly clock: { now(): Cycles },
  ) {}

  now(): Cycles {
    return this.clock.now();
  }

  /** Makes a target known, before it is scheduled to or named by a snapshot. A second target of the same id throws. */
  register(target: EventTarget): void {
    const known = this.targetIndex.get(target.eventTargetId);
    if (known !== undefined && this.targets[known] !== target) {
      throw new Error(
        `two event targets are called '${target.eventTargetId}': give each unit an id of its own`,
      );
    }
    if (known !== undefined) return;
    this.lastTarget = undefined;
    this.targetIndex.set(target.eventTargetId, this.targets.length);
    this.targets.push(target);
  }

  /** As `Scheduler.schedule`. A time already past is taken as the present instant (while firing: the fired event's). */
  schedule(time: Cycles, target: EventTarget, kind: number, arg = 0, priority = 0): EventHandle {
    const index = target === this.lastTarget ? this.lastIndex : this.indexOf(target);
    if (index < 0) {
      throw new Error(`event target '${target.eventTargetId}' is not registered with the event queue`);
    }
    if (!Number.isSafeInteger(time)) {
      throw new RangeError(
        `event of '${target.eventTargetId}' scheduled at ${time}: not a whole number of cycles`,
      );
    }
    const earliest = this.firingTime >= 0 ? this.firingTime : this.clock.now();
    const slot = this.free.pop() ?? this.newSlot();
    const order = ++this.sequence;
    this.fill(slot, time < earliest ? earliest : time, priority, order, index, kind, arg, this.tracer.cause);
    return order * SLOTS + slot;
  }

  cancel(handle: EventHandle): void {
    if (handle <= 0) return;
    const slot = handle % SLOTS;
    if (slot >= this.slots || this.position[slot] < 0 || this.order[slot] !== (handle - slot) / SLOTS) return;
    this.removeAt(this.position[slot]);
    this.release(slot);
  }

  /** True while the event has neither fired nor been cancelled. */
  pending(handle: EventHandle): boolean {
    if (handle <= 0) return false;
    const slot = slotOf(handle);
    return slot < this.slots && this.position[slot] >= 0 && this.order[slot] === (handle - slot) / SLOTS;
  }

  /** Time of the first event; Infinity when there is none. */
  nextTime(): Cycles {
    return this.first;
  }

  /** Number of events that have not fired. */
  get length(): number {
    return this.size;
  }

  /**
   * Fires every event with time ≤ `now`, in order, among them those scheduled meanwhile; returns how many. The tracer's
   * cause is afterwards what it was before.
   *
   * @param stop looked at after each event: while it is wanted the rest has to wait for another call
   */
  fireDue(now: Cycles, stop?: { readonly wanted: boolean }): number {
    if (this.first > now) return 0;
    const causeBefore = this.tracer.cause;
    let fired = 0;
    try {
      while (this.size > 0) {
        const slot = this.heap[0];
        const time = this.time[slot];
        if (time > now) break;
        const target = this.targets[this.target[slot]];
        const kind = this.kind[slot];
        const arg = this.arg[slot];
        this.tracer.cause = this.cause[slot]!;
        this.tracer.place = 0;
        this.firingTime = time;
        this.removeAt(0);
        this.release(slot);
        fired += 1;
        target.onEvent(kind, arg, time);
        if (stop?.wanted) break;
      }
    } finally {
      this.firingTime = -1;
      this.tracer.cause = causeBefore;
    }
    return fired;
  }

  save(): EventQueueState {
    const inOrder = [...this.heap.subarray(0, this.size)].sort((x, y) => (this.before(x, y) ? -1 : 1));
    return {
      version: 1,
      sequence: this.sequence,
      slots: this.slots,
      free: [...this.free],
      events: inOrder.map((slot) => ({
        time: this.time[slot],
        priority: this.priority[slot],
        handle: this.order[slot] * SLOTS + slot,
        target: this.targets[this.target[slot]].eventTargetId,
        kind: this.kind[slot],
        arg: this.arg[slot],
        cause: this.cause[slot],
      })),
    };
  }

  /** Takes a snapshot's events instead of the present ones. All targets it names must be registered. */
  load(state: EventQueueState): void {
    requireVersion('the event queue', state.version, 1);
    for (const event of state.events) {
      if (!this.targetIndex.has(event.target)) {
        throw new SnapshotError(
          `snapshot has an event for '${event.target}', which this machine does not have`,
        );
      }
    }
    this.size = 0;
    this.first = Infinity;
    while (this.time.length < state.slots) this.grow();
    this.position.fill(-1);
    this.sequence = state.sequence;
    this.slots = state.slots;
    this.free = [...state.free];
    for (const event of state.events) {
      const slot = slotOf(event.handle);
      const order = (event.handle - slot) / SLOTS;
      const target = this.targetIndex.get(event.target)!;
      this.fill(slot, event.time, event.priority, order, target, event.kind, event.arg, event.cause);
    }
  }

  private indexOf(target: EventTarget): number {
    const index = this.targetIndex.get(target.eventTargetId) ?? -1;
    this.lastTarget = target;
    this.lastIndex = index;
    return index;
  }

  private fill(
    slot: number,
    time: number,
    priority: number,
    order: number,
    target: number,
    kind: number,
    arg: number,
    cause: number,
  ): void {
    this.time[slot] = time;
    this.priority[slot] = priority;
    this.order[slot] = order;
    this.target[slot] = target;
    this.kind[slot] = kind;
    this.arg[slot] = arg;
    this.cause[slot] = cause;
    const at = this.size++;
    this.heap[at] = slot;
    this.position[slot] = at;
    this.siftUp(at);
    this.first = this.time[this.heap[0]];
  }

  private newSlot(): number {
    if (this.slots === SLOTS) throw new RangeError(`more than ${SLOTS} events are scheduled at once`);
    if (this.slots === this.time.length) this.grow();
    return this.slots++;
  }

  private release(slot: number): void {
    this.position[slot] = -1;
    this.free.push(slot);
  }

  private grow(): void {
    const capacity = this.time.length * 2;
    this.time = enlarged(new Float64Array(capacity), this.time);
    this.order = enlarged(new Float64Array(capacity), this.order);
    this.arg = enlarged(new Float64Array(capacity), this.arg);
    this.cause = enlarged(new Float64Array(capacity), this.cause);
    this.priority = enlarged(new Int32Array(capacity), this.priority);
    this.kind = enlarged(new Int32Array(capacity), this.kind);
    this.target = enlarged(new Int32Array(capacity), this.target);
    this.heap = enlarged(new Int32Array(capacity), this.heap);
    this.position = enlarged(new Int32Array(capacity).fill(-1), this.position);
  }

  /** True when slot `x` fires before slot `y`. */
  private before(x: number, y: number): boolean {
    const tx = this.time[x];
    const ty = this.time[y];
    if (tx !== ty) return tx < ty;
    const px = this.priority[x];
    const py = this.priority[y];
    return px !== py ? px < py : this.order[x] < this.order[y];
  }

  private put(at: number, slot: number): void {
    this.heap[at] = slot;
    this.position[slot] = at;
  }

  private siftUp(from: number): void {
    const slot = this.heap[from];
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.before(slot, this.heap[parent])) break;
      this.put(at, this.heap[parent]);
      at = parent;
    }
    this.put(at, slot);
  }

  private siftDown(from: number): void {
    const slot = this.heap[from];
    let at = from;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= this.size) break;
      if (child + 1 < this.size && this.before(this.heap[child + 1], this.heap[child])) child += 1;
      if (!this.before(this.heap[child], slot)) break;
      this.put(at, this.heap[child]);
      at = child;
    }
    this.put(at, slot);
  }

  private removeAt(at: number): void {
    this.size -= 1;
    if (at !== this.size) {
      this.put(at, this.heap[this.size]);
      this.siftUp(at);
      this.siftDown(at);
    }
    this.first = this.size === 0 ? Infinity : this.time[this.heap[0]];
  }
}

/** Multiplying by a power of two is exact, and cheaper than the remainder of a number above 2^31. */
function slotOf(handle: EventHandle): number {
  return handle - Math.floor(handle * (1 / SLOTS)) * SLOTS;
}

function enlarged<T extends Float64Array | Int32Array>(bigger: T, old: T): T {
  bigger.set(old);
  return bigger;
}
