import { describe, expect, it } from 'vitest';
import { Kind } from '../../../../src/trace/vocabulary/events';
import { TraceStore } from '../../../../src/trace/query/store';
import type { Recorder } from '../../../../src/trace/record/recorder';
import { HostLock } from '../../../../src/vmm/threads/lock';
import { HostThread, type ThreadBody } from '../../../../src/vmm/threads/thread';
import { Work, type Step, type StepTarget } from '../../../../src/vmm/threads/work';
import { Worker, type JobTarget } from '../../../../src/vmm/threads/worker';
import { emptyMeta } from '../../../../src/trace/query/store';
import { passTo, siteOf } from './world';

const TAKE = 30;

/** A device whose jobs make steps, and that notes when their effects come. */
class Device implements JobTarget, StepTarget {
  readonly jobTargetId = 'device';
  readonly stepTargetId = 'device/steps';
  readonly effects: { step: number; time: number }[] = [];

  constructor(
    private readonly now: () => number,
    private readonly lock: HostLock,
  ) {}

  onJob(kind: number, cycles: number): void {
    for (let i = 0; i < kind; i++) {
      this.lock.owner?.work.add({ target: this.stepTargetId, cycles, kind: i, a: 0, b: 0, c: 0, cause: 0 });
    }
  }

  begin(step: Step): number {
    return step.cause;
  }

  finish(step: Step): void {
    this.effects.push({ step: step.kind, time: this.now() });
  }
}

/** Another thread that wants the lock. */
class Other implements ThreadBody {
  readonly thread: HostThread;
  readonly work: Work;
  gotAt = -1;

  constructor(
    private readonly site: ReturnType<typeof siteOf>['site'],
    private readonly lock: HostLock,
    targets: Map<string, StepTarget>,
  ) {
    this.thread = new HostThread('other', 5, this);
    const clock = { now: () => site.island.now(), advance: () => undefined, resumed: () => undefined };
    this.work = new Work('other', site.island, site.tracer, clock, undefined, targets, () => undefined);
    site.scheduler.add(this.thread);
    lock.register(this);
  }

  /** Runs, and asks for the lock at once. */
  dispatched(time: number): void {
    if (this.lock.owner === this || this.lock.acquire(this, time)) this.gotAt = time;
  }

  release(): void {
    this.lock.release(this.site.island.now());
  }

  preempt(): boolean {
    return true;
  }
  hostInterrupt(): void {}
}

function setUp(cpus = 2): {
  site: ReturnType<typeof siteOf>['site'];
  recorder: Recorder;
  lock: HostLock;
  worker: Worker;
  device: Device;
  other: Other;
} {
  const { site, recorder } = siteOf(cpus);
  const targets = new Map<string, StepTarget>();
  const lock = new HostLock(site.scheduler, site.tracer, 0);
  const worker = new Worker(site.island, site.scheduler, site.tracer, {
    name: 'worker',
    track: 1,
    takeCycles: TAKE,
    lock,
    targets,
  });
  const device = new Device(() => site.island.now(), lock);
  targets.set(device.stepTargetId, device);
  worker.register(device);
  return { site, recorder, lock, worker, device, other: new Other(site, lock, targets) };
}

/** Has something done at a time. */
function at({ island }: ReturnType<typeof siteOf>['site'], time: number, work: () => void): void {
  const target = { eventTargetId: 'test', onEvent: work };
  island.queue.register(target);
  island.queue.schedule(time, target, 0);
}

describe('a worker thread', () => {
  it('does one job after the other, each step at its own time', () => {
    const { site, worker, device } = setUp();
    worker.post(device, 3, 100);
    worker.post(device, 1, 40);
    passTo(site, 10_000);
    const first = TAKE + 100;
    const second = first + 200 + TAKE + 40;
    expect(device.effects).toEqual([
      { step: 0, time: first },
      { step: 1, time: first + 100 },
      { step: 2, time: first + 200 },
      { step: 0, time: second },
    ]);
  });

  it('lets what is due in the midst of its work come first', () => {
    const { site, worker, device } = setUp();
    const seen: number[] = [];
    const watcher = {
      eventTargetId: 'watcher',
      onEvent: () => void seen.push(device.effects.length),
    };
    site.island.queue.register(watcher);
    worker.post(device, 2, 100);
    site.island.queue.schedule(TAKE + 99, watcher, 0);
    site.island.queue.schedule(TAKE + 101, watcher, 0);
    passTo(site, 10_000);
    expect(seen).toEqual([0, 1]);
  });

  it('holds its lock while it is at a job, and another waits as long and no longer', () => {
    const { site, worker, device, other, recorder } = setUp();
    worker.post(device, 2, 100);
    at(site, TAKE + 50, () => site.scheduler.wake(other.thread));
    passTo(site, 10_000);
    expect(other.gotAt).toBe(TAKE + 200);
    recorder.finish(10_000);
    const store = new TraceStore(emptyMeta('test', 1e9));
    store.append(recorder.takeDelta());
    const waits = Array.from({ length: store.rows }, (_, row) => store.get(row)).filter(
      ({ kind }) => kind === Kind.LockWait,
    );
    expect(waits.map(({ start, duration }) => [start, duration])).toEqual([[TAKE + 50, 150]]);
  });

  it('waits for the lock that another holds', () => {
    const { site, worker, device, other } = setUp();
    site.scheduler.wake(other.thread);
    passTo(site, 10);
    worker.post(device, 1, 100);
    passTo(site, 500);
    expect(device.effects).toEqual([]);
    other.release();
    passTo(site, 1_000);
    expect(device.effects).toEqual([{ step: 0, time: 600 }]);
  });

  it('is not woken out of its wait for the lock by another job', () => {
    const { site, worker, device, other } = setUp(3);
    site.scheduler.wake(other.thread);
    passTo(site, 10);
    worker.post(device, 1, 100);
    passTo(site, 200);
    worker.post(device, 1, 50);
    passTo(site, 500);
    expect(device.effects).toEqual([]);
    other.release();
    passTo(site, 1_000);
    expect(device.effects.map(({ time }) => time)).toEqual([600, 600 + TAKE + 50]);
  });

  it('goes on from a snapshot in the midst of a step', () => {
    const whole = setUp();
    const { site, worker, lock } = whole;
    // Something else to be done: a worker stops in its midst for nothing less.
    at(site, TAKE + 150, () => undefined);
    worker.post(whole.device, 3, 100);
    passTo(site, TAKE + 149);
    const rows = whole.recorder.save();
    const saved = [
      site.island.save(),
      site.island.queue.save(),
      site.scheduler.save(),
      worker.save(),
      lock.save(),
    ] as const;
    const fresh = setUp();
    at(fresh.site, 0, () => undefined);
    fresh.recorder.load(rows);
    fresh.site.island.load(saved[0]);
    fresh.site.island.queue.load(saved[1]);
    fresh.site.scheduler.load(saved[2]);
    fresh.worker.load(saved[3]);
    fresh.lock.load(saved[4]);
    passTo(whole.site, 10_000);
    passTo(fresh.site, 10_000);
    expect(fresh.device.effects).toEqual(whole.device.effects.slice(1));
    expect(fresh.worker.save()).toEqual(whole.worker.save());
  });
});
