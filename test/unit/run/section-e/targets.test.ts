/** Whom an interrupt of a device finds: a vCPU that sleeps, that waits for a physical CPU, that has moved, or another CPU altogether. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { TraceEvent } from '../../../../src/trace/query/store';
import { Kind } from '../../../../src/trace/vocabulary/events';
import { HostVector } from '../../../../src/vmm/threads/host-interrupts';
import { countedRun, ofKind, trackOf, type CountedRun } from '../../../support/section-a';
import { exitsOf } from '../../../support/section-b';

/** What is behind each interrupt that the IOMMU posts. */
interface Post {
  row: TraceEvent;
  /** The notification that follows it. */
  notification: TraceEvent | undefined;
}

function postsOf(run: CountedRun): Post[] {
  const notifications = ofKind(run, Kind.IrqNotify);
  return ofKind(run, Kind.IrqPost, trackOf(run, 'IOMMU')).map((row) => ({
    row,
    notification: notifications.find(({ cause }) => cause === row.row),
  }));
}

/** The first vCPU's track. */
function vcpuOf(run: CountedRun): number {
  return run.store.meta.tracks.find(({ type }) => type === 'vcpu')!.id;
}

const holds = ({ start, duration }: TraceEvent, time: number): boolean =>
  start <= time && time < start + duration;

/** Spans in which the first vCPU waits for a physical CPU. */
function waitsOf(run: CountedRun): TraceEvent[] {
  return ofKind(run, Kind.SchedReady, vcpuOf(run));
}

/** Whether a row of a kind is among the causes of another. */
function reaches(run: CountedRun, row: TraceEvent, kind: number): boolean {
  for (let at: TraceEvent | undefined = row; at; at = run.rows[at.cause]) if (at.kind === kind) return true;
  return false;
}

/** Cycles that a vCPU which waits goes on waiting after each post. */
function delaysOf(run: CountedRun): number[] {
  const waits = waitsOf(run);
  return postsOf(run).flatMap(({ row: { start } }) => {
    const wait = waits.find((each) => holds(each, start));
    return wait ? [wait.start + wait.duration - start] : [];
  });
}

describe('a vCPU that sleeps', () => {
  it('is woken by the wake-up vector, once for each interrupt that the guest has handled', async () => {
    const run = await countedRun('e6-posted-blocked');
    const asleep = run.words('e_log')[3];
    const posts = postsOf(run);
    expect(posts).toHaveLength(asleep);
    expect(posts.map(({ notification }) => notification?.a)).toEqual(
      Array.from({ length: asleep }, () => HostVector.PostedWakeUp),
    );
    const accepted = ofKind(run, Kind.IrqAccept).filter(({ a }) => a === HostVector.PostedWakeUp);
    expect(accepted.map(({ cause }) => cause)).toEqual(posts.map(({ notification }) => notification?.row));
    expect(exitsOf(run).filter(({ reason }) => reason === 'HLT')).toHaveLength(asleep);
  });
});

describe('a vCPU that waits for a physical CPU', () => {
  let plain: CountedRun;
  let urgent: CountedRun;

  beforeAll(async () => {
    plain = await countedRun('e6-posted-preempted');
    urgent = await countedRun('e6-posted-urgent');
  });

  it('is not notified, and one that runs is', () => {
    const waits = waitsOf(plain);
    const posts = postsOf(plain);
    const waiting = posts.filter(({ row }) => waits.some((wait) => holds(wait, row.start)));
    expect(posts).toHaveLength(plain.words('e_log')[1]);
    expect(waiting.length).toBeGreaterThan(0);
    expect(waiting.length).toBeLessThan(posts.length);
    for (const post of posts)
      expect(post.notification?.a).toBe(waiting.includes(post) ? undefined : HostVector.PostedInterrupt);
  });

  it('is notified by the wake-up vector of what is urgent', () => {
    const waits = waitsOf(urgent);
    const posts = postsOf(urgent);
    const waiting = posts.filter(({ row }) => waits.some((wait) => holds(wait, row.start)));
    expect(posts).toHaveLength(urgent.words('e_log')[1]);
    expect(waiting.length).toBeGreaterThan(0);
    for (const post of posts)
      expect(post.notification?.a).toBe(
        waiting.includes(post) ? HostVector.PostedWakeUp : HostVector.PostedInterrupt,
      );
  });

  it('gets a CPU earlier for what is urgent', () => {
    expect(Math.max(...delaysOf(urgent))).toBeLessThan(Math.min(...delaysOf(plain)));
  });
});

it.each(['e6-posted-iommu', 'e6-posted-blocked', 'e6-posted-preempted', 'e6-posted-urgent'])(
  'each handler goes back to the post and the message of the device: %s',
  async (name) => {
    const run = await countedRun(name);
    const vector = run.words('e_log')[0];
    const handlers = ofKind(run, Kind.Handler).filter(({ a }) => a === vector);
    expect(handlers.length).toBeGreaterThan(0);
    for (const handler of handlers)
      for (const kind of [Kind.IrqPost, Kind.Msi]) expect(reaches(run, handler, kind)).toBe(true);
  },
);

describe('a vCPU that moves', () => {
  it('is notified at the physical CPU that it has by then', async () => {
    const run = await countedRun('e6-posted-preempted', (text) =>
      text
        .replace('"cpus": 1', '"cpus": 2')
        .replace(
          '{ "name": "other"',
          '{ "name": "third", "guest": { "sources": ["../drivers/spin.c"] } }, $&',
        ),
    );
    const vcpu = vcpuOf(run);
    const turns = ofKind(run, Kind.CpuThread).filter(({ a }) => a === vcpu);
    const names = new Map(run.store.meta.tracks.map(({ id, name }) => [id, name]));
    const notified = postsOf(run).flatMap(({ notification }) => (notification ? [notification] : []));
    const where = notified.map(({ start }) => turns.find((turn) => holds(turn, start))?.track);
    expect(new Set(where).size).toBe(2);
    expect(notified.map(({ b }) => `pCPU ${b}`)).toEqual(where.map((track) => names.get(track!)));
  });
});

describe('a vector that the guest has masked', () => {
  const SAMPLE = 'e0-msix-masked-assigned';
  /** The first word of what its guest has counted. */
  const roundsOf = (run: CountedRun): number => run.words('masked_log')[0];

  it('is remapped to the kernel, and posted by nobody until QEMU sends it', async () => {
    const run = await countedRun(SAMPLE, (text) =>
      text
        .replace('"host": {', '$& "iommu": { "model": "vt-d" },')
        .replace('"name": "vm0",', '$& "interrupts": "posted",'),
    );
    expect(run.end.summary.expectations.filter(({ held }) => !held)).toEqual([]);
    expect(ofKind(run, Kind.IrqRemap)).toHaveLength(roundsOf(run));
    expect(postsOf(run)).toEqual([]);
    expect(run.end.summary.interrupts.posted).toBe(roundsOf(run));
  });

  it('is no vector of the physical CPU that the guest would take', async () => {
    const run = await countedRun(SAMPLE, (text) =>
      text
        .replace('"name": "vm0",', '$& "interrupts": "eli", "apic": "x2apic",')
        .replace('"ROUNDS": 4', '$&, "TL_X2APIC": 1'),
    );
    expect(run.end.summary.expectations.filter(({ held }) => !held)).toEqual([]);
    expect(run.end.summary.interrupts.injected).toBe(roundsOf(run));
  });
});

describe('the physical CPU that a device interrupts', () => {
  const at =
    (cpu: number) =>
    (text: string): string =>
      text.replace(/"affinity": \d/, `"affinity": ${cpu}`).replace(/"expect": \{[^}]*\}/, '"expect": {}');

  it.each([
    // The host's handler makes the guest leave that runs on its CPU, and no other.
    ['e5-posted', 0, { EXTERNAL_INTERRUPT: 1 }],
    ['e5-posted', 1, {}],
    // A vector that comes to another CPU is not the guest's: the host injects it, and its end leaves.
    ['e3-eli', 0, {}],
    ['e3-eli', 1, { EXCEPTION_NMI: 1, MSR_WRITE: 1 }],
    // The IOMMU goes by the descriptor.
    ['e6-posted-iommu', 0, {}],
    ['e6-posted-iommu', 1, {}],
  ] as const)('%s at CPU %d', async (name, cpu, each) => {
    const run = await countedRun(name, at(cpu));
    const [running, off, , streaming] = run.words('e_log').slice(1);
    const handled = running + off + streaming;
    const first = run.rows.find(({ kind, a }) => kind === Kind.Mark && a === 0)!.row;
    const found: Record<string, number> = {};
    for (const { reason, row } of exitsOf(run))
      if (row.row > first && !['VMCALL', 'IO_INSTRUCTION'].includes(reason))
        found[reason] = (found[reason] ?? 0) + 1;
    const expected = Object.entries(each).map(([reason, n]) => [reason, n * handled]);
    expect(found).toEqual(Object.fromEntries(expected));
  });
});
