/** A host without guests, for tests of its threads: CPUs, a recorder, and threads that do what they are told. */
import { Recorder } from '../../../../src/trace/record/recorder';
import { costKeys, type Costs } from '../../../../src/vmm/cost-keys';
import { Host, type Site } from '../../../../src/vmm/host';
import { HostThread, type ThreadBody } from '../../../../src/vmm/threads/thread';

export const SLICE = 1000;
export const SWITCH = 7;
/** What a thread that wakes has less than the others at most, and what it must have less to preempt: in Linux' proportions. */
export const CREDIT = 4 * SLICE;
export const GRANULARITY = Math.ceil((4 * SLICE) / 3);
/** Tracks 0 to 7 are for a test's threads. */
const THREAD_TRACKS = 8;

export const costs: Costs = {
  ...(Object.fromEntries(Object.keys(costKeys).map((key) => [key, 10])) as Costs),
  'instruction.base': 1,
  'sched.slice': SLICE,
  'sched.switch': SWITCH,
  'sched.sleeperCredit': CREDIT,
  'sched.wakeupGranularity': GRANULARITY,
};

/** A site with so many CPUs. */
export function siteOf(cpus: number): { site: Site; recorder: Recorder } {
  const recorder = new Recorder();
  for (let i = 0; i < THREAD_TRACKS; i++)
    recorder.addTrack({ type: 'thread', name: `thread ${i}`, group: 'host', vm: -1 });
  const host = new Host(recorder, costs, 1e9);
  return { site: host.addIsland(Array.from({ length: cpus }, (_, i) => i)), recorder };
}

/** Fires events up to a time. */
export function passTo({ island }: Site, time: number): void {
  for (let next = island.queue.nextTime(); next <= time; next = island.queue.nextTime()) {
    island.standAt(next);
    island.queue.fireDue(next);
  }
  island.standAt(time);
}

/** A thread that computes without end, and gives its CPU up when it is asked to. */
export class Hog implements ThreadBody {
  readonly thread: HostThread;
  /** Times at which it got a CPU, and at which it gave it up. */
  readonly turns: { from: number; to: number; cpu: number }[] = [];
  private from = -1;

  constructor(
    private readonly site: Site,
    name: string,
    track: number,
  ) {
    this.thread = new HostThread(name, track, this);
    site.scheduler.add(this.thread);
  }

  dispatched(time: number): void {
    this.from = time;
  }

  preempt(): boolean {
    const now = this.site.island.now();
    this.turns.push({ from: this.from, to: now, cpu: this.thread.cpu });
    this.from = -1;
    this.site.scheduler.yield(this.thread, now);
    return true;
  }

  hostInterrupt(_vector: number): void {}

  /** CPU time up to a moment. */
  ran(now: number): number {
    const done = this.turns.reduce((sum, { from, to }) => sum + to - from, 0);
    return done + (this.from < 0 ? 0 : now - this.from);
  }
}
