/** Rows that are foreseen as a group are the same rows as when they are recorded one by one, whatever comes in between. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { CAUSE_GIVEN, CAUSE_NONE, unfoldDelta, type PatternRow } from '../../src/trace/fold';
import type { RowPattern } from '../../src/trace/model';
import { TraceStore, emptyMeta } from '../../src/trace/query/store';
import { HashCollector, hashOf } from '../../src/trace/record/hash';
import { Recorder } from '../../src/trace/record/recorder';
import { Kind } from '../../src/trace/vocabulary/events';
import { randomSource } from '../conformance/native-oracle/generate';

/** Enough for two blocks of 65 536 rows and a part of a third. */
const GROUPS = 20_000;
const VCPU = 0;
const DEVICE = 1;
/** What the access's first argument is less than the group's. */
const BASE = 0xfebc_0000;
/** As an exit qualification: the argument's low half stands above these bits. */
const QUALIFIED = 0x4b;

/** An exit to QEMU: cycles of its legs, and what ends with which row. */
const rows: PatternRow[] = [
  {
    track: VCPU,
    kind: Kind.Halted,
    offset: 0,
    duration: 90,
    cause: CAUSE_GIVEN,
    aLess: 0,
    b: true,
    endsAt: 5,
  },
  {
    track: VCPU,
    kind: Kind.UserExit,
    offset: 10,
    duration: 20,
    cause: 0,
    aShift: 16,
    aLess: -QUALIFIED,
  },
  { track: VCPU, kind: Kind.QemuHandle, offset: 30, duration: 25, cause: 0, endsAt: 4 },
  { track: DEVICE, kind: Kind.MmioRead, offset: 50, duration: 0, cause: 0, aLess: BASE, b: true },
  { track: VCPU, kind: Kind.UserEnter, offset: 55, duration: 35, cause: 0 },
  { track: VCPU, kind: Kind.GuestKernel, offset: 90, duration: 0, cause: CAUSE_NONE },
];

/** What is done at a moment besides the group; `disturb` of 0: nothing. */
class Machine {
  readonly store = new TraceStore(emptyMeta('test', 1));
  readonly collector = new HashCollector();
  recorder: Recorder;
  private readonly pattern: RowPattern | undefined;
  private time = 4_000_000_000;
  private guest = 0;
  /** A span of somebody else that stays open for a while. */
  private other = 0;
  private group: { exit: number; user: number; access: number } = { exit: 0, user: 0, access: 0 };

  constructor(
    private readonly folds: boolean,
    private readonly receiver: boolean,
    private readonly random: () => number,
  ) {
    this.recorder = new Recorder({ receiverHashes: receiver });
    this.recorder.addTrack({ type: 'vcpu', name: 'vCPU 0', group: 'vm0', vm: 0 });
    this.recorder.addTrack({ type: 'device', name: 'device', group: 'vm0', vm: 0 });
    this.pattern = this.recorder.addPattern(rows);
    this.guest = this.recorder.open(this.time, VCPU, Kind.GuestKernel, 0, 0);
  }

  /** One group, with as many disturbances as the random numbers have it. */
  exit(disturbance: number): void {
    const { recorder, random } = this;
    const start = this.time + 100 + (random() % 50);
    const a = BASE + (random() % 0x4000) * 4;
    const value = random() >>> 0;
    recorder.place = recorder.internPlace(0, random() % 5, 0);
    const cause = random() % 100;
    recorder.close(this.guest, start);
    this.time = start + 50;
    const first = this.folds && this.pattern ? recorder.foresee(this.pattern, 4, start, a, 0, cause) : 0;
    if (first === 0) this.oneByOne(start, a, cause);
    else this.group = { exit: first, user: first + 2, access: first + 3 };
    const { exit, user, access } = this.group;
    recorder.cause = access;
    if (disturbance === 1) this.disturb();
    if (recorder.foresees(exit)) recorder.answer(value);
    else {
      recorder.setArgs(access, a - BASE, value);
      recorder.setArgs(exit, a, value);
    }
    recorder.cause = exit;
    this.time = start + 55;
    if (recorder.foresees(exit)) recorder.reach(5);
    else {
      recorder.close(user, this.time);
      recorder.span(this.time, 35, VCPU, Kind.UserEnter, 0, 0);
    }
    if (disturbance === 2) this.disturb();
    this.time = start + 90;
    recorder.cause = 0;
    if (recorder.foresees(exit)) this.guest = recorder.complete();
    else {
      recorder.close(exit, this.time);
      this.guest = recorder.open(this.time, VCPU, Kind.GuestKernel, 0, 0);
    }
    if (disturbance === 3) this.disturb();
  }

  /** The end of the run: hashes of what was recorded, and of what the receiver has. */
  end(): unknown {
    const { recorder, receiver, store, collector } = this;
    recorder.finish(this.time + 1000);
    this.take();
    const hash = receiver ? collector.traceHash(store.rows) : recorder.traceHash();
    return { rows: recorder.rows, counts: recorder.counts(), hash, received: hashOf(store) };
  }

  private oneByOne(start: number, a: number, cause: number): void {
    const { recorder } = this;
    recorder.cause = cause;
    const exit = recorder.open(start, VCPU, Kind.Halted, a, 0);
    recorder.cause = exit;
    recorder.span(start + 10, 20, VCPU, Kind.UserExit, (a % 0x1_0000) * 0x1_0000 + QUALIFIED, 0);
    const user = recorder.open(start + 30, VCPU, Kind.QemuHandle, 0, 0);
    const access = recorder.instant(start + 50, DEVICE, Kind.MmioRead, a - BASE, 0);
    this.group = { exit, user, access };
  }

  private take(): void {
    const delta = this.recorder.takeDelta();
    unfoldDelta(delta);
    if (this.receiver) this.collector.add(delta);
    this.store.append(delta);
  }

  private disturb(): void {
    const { recorder, random, time, group } = this;
    switch (random() % 8) {
      case 0:
        recorder.instant(time, DEVICE, Kind.IrqRaise, random(), 0);
        return;
      case 1:
        if (this.other === 0) this.other = recorder.open(time, DEVICE, Kind.Handler, 7, 0);
        return;
      case 2:
        recorder.close(this.other, time);
        this.other = 0;
        return;
      case 3:
        recorder.setArgs(group.access, 12, random());
        return;
      case 4:
        this.take();
        return;
      case 5:
        recorder.span(time - 5, 2 ** 32 + 7, DEVICE, Kind.Handler, 1, 0);
        return;
      case 6:
        recorder.instant(time, DEVICE, Kind.IrqRaise, 2 ** 40 + 3, 0);
        return;
      default:
        recorder.load(structuredClone(recorder.save()));
    }
  }
}

it('are the same rows', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 0x7fffffff }),
      fc.constantFrom(7, 1_000, 10_000),
      fc.boolean(),
      (seed, seldom, receiver) => {
        const outcome = (folds: boolean): unknown => {
          const random = randomSource(seed);
          const machine = new Machine(folds, receiver, random);
          for (let i = 0; i < GROUPS; i++) machine.exit(random() % seldom === 0 ? 1 + (random() % 3) : 0);
          return machine.end();
        };
        expect(outcome(true)).toEqual(outcome(false));
      },
    ),
    { numRuns: 12 },
  );
}, 120_000);
