/** Row E7: whom an interrupt by AMD's IOMMU finds, and by which way it comes: a doorbell, the guest virtual APIC log, or the next entry. */
import { describe, expect, it } from 'vitest';
import type { TraceEvent } from '../../../../src/trace/query/store';
import { Kind } from '../../../../src/trace/vocabulary/events';
import { countedRun, ofKind, trackOf, type CountedRun } from '../../../support/section-a';
import { exitsOf } from '../../../support/section-b';

const holds = ({ start, duration }: TraceEvent, time: number): boolean =>
  start <= time && time < start + duration;

/** The rows that hang on another, of a kind. */
function followers(run: CountedRun, row: TraceEvent, kind: number): TraceEvent[] {
  return run.rows.filter((each) => each.cause === row.row && each.kind === kind);
}

/** Interrupts by the IOMMU. */
const postsOf = (run: CountedRun): TraceEvent[] => ofKind(run, Kind.AvicPost, trackOf(run, 'IOMMU'));
const logOf = (run: CountedRun): number[] => run.words('e_log');

/** The first vCPU's track. */
const vcpuOf = (run: CountedRun): number => run.store.meta.tracks.find(({ type }) => type === 'vcpu')!.id;

/** Whether a row of a kind is among the causes of another. */
function reaches(run: CountedRun, row: TraceEvent, kind: number): boolean {
  for (let at: TraceEvent | undefined = row; at; at = run.rows[at.cause]) if (at.kind === kind) return true;
  return false;
}

it.each(['e7-avic', 'e7-avic-blocked'])(
  'each handler goes back to the request in the page and the message of the device: %s',
  async (name) => {
    const run = await countedRun(name);
    const [vector, ...handled] = logOf(run);
    const handlers = ofKind(run, Kind.Handler).filter(({ a }) => a === vector);
    expect(handlers).toHaveLength(handled.slice(0, 4).reduce((sum, each) => sum + each, 0));
    expect(postsOf(run)).toHaveLength(handlers.length);
    for (const handler of handlers)
      for (const kind of [Kind.AvicPost, Kind.Msi]) expect(reaches(run, handler, kind)).toBe(true);
  },
);

describe('a vCPU that sleeps', () => {
  it('is woken by an entry of the log, once for each interrupt that the guest has handled', async () => {
    const run = await countedRun('e7-avic-blocked');
    const asleep = logOf(run)[3];
    const posts = postsOf(run);
    expect(posts).toHaveLength(asleep);
    for (const post of posts) {
      expect(followers(run, post, Kind.AvicDoorbell)).toEqual([]);
      expect(followers(run, post, Kind.GaLogEntry)).toHaveLength(1);
    }
    const read = ofKind(run, Kind.GaLogRead);
    expect(read).toHaveLength(asleep);
    for (const row of read) expect(reaches(run, row, Kind.GaLogEntry)).toBe(true);
    // The first vCPU of the first VM.
    expect(new Set(read.map(({ a }) => a))).toEqual(new Set([0]));
    expect(exitsOf(run).filter(({ reason }) => reason === 'hlt')).toHaveLength(asleep);
  });
});

describe('a vCPU that runs', () => {
  it('gets a doorbell at its physical CPU for each interrupt, and nothing is logged', async () => {
    const run = await countedRun('e7-avic');
    const turns = ofKind(run, Kind.CpuThread).filter(({ a }) => a === vcpuOf(run));
    const names = new Map(run.store.meta.tracks.map(({ id, name }) => [id, name]));
    for (const post of postsOf(run)) {
      const [bell, ...others] = followers(run, post, Kind.AvicDoorbell);
      expect(others).toEqual([]);
      expect(`pCPU ${bell.b}`).toBe(names.get(turns.find((turn) => holds(turn, bell.start))!.track));
    }
    expect(ofKind(run, Kind.GaLogEntry)).toEqual([]);
  });

  it('is found by its doorbell wherever the device would interrupt the host', async () => {
    const exits: object[] = [];
    for (const affinity of [0, 1]) {
      const run = await countedRun('e7-avic', (text) =>
        text.replace('"affinity": 0', `"affinity": ${affinity}`),
      );
      expect(run.end.summary.expectations.filter(({ held }) => !held)).toEqual([]);
      exits.push(exitsOf(run).map(({ reason }) => reason));
    }
    expect(exits[0]).toEqual(exits[1]);
  });
});

describe('a vCPU that waits for a physical CPU', () => {
  it('gets neither a doorbell nor an entry of the log, and finds everything at its next turn', async () => {
    const run = await countedRun('e7-avic', (text) =>
      text
        .replace('"host": {', '"host": { "cpus": 1, "costsOverride": { "sched.slice": 30000 },')
        .replace('"ROUNDS": 8', '"ROUNDS": 64, "OFF_ROUNDS": 0')
        .replace('"PACKETS": 200', '"PACKETS": 0')
        .replace(
          /("devices": \[\{ "assign": "nic0" \}\]\s*\})/,
          '$1, { "name": "other", "cpu": { "vendor": "amd" }, "guest": { "sources": ["../drivers/spin.c"] } }',
        )
        .replace(/"when": "guests-exit", "afterMs": 200/, '"when": "time", "afterMs": 20')
        .replace(/"expect": \{[^}]*\}/, '"expect": { "interrupts.handled": 64 }'),
    );
    expect(run.end.summary.expectations.filter(({ held }) => !held)).toEqual([]);
    const waits = ofKind(run, Kind.SchedReady, vcpuOf(run));
    const posts = postsOf(run);
    const waiting = posts.filter(({ start }) => waits.some((wait) => holds(wait, start)));
    expect(waiting.length).toBeGreaterThan(0);
    expect(waiting.length).toBeLessThan(posts.length);
    for (const post of posts)
      expect(followers(run, post, Kind.AvicDoorbell)).toHaveLength(waiting.includes(post) ? 0 : 1);
    expect(ofKind(run, Kind.GaLogEntry)).toEqual([]);
  });
});

describe('a device that is not behind an IOMMU', () => {
  it('interrupts the host, whose kernel sets the vector and rings', async () => {
    const run = await countedRun('e7-avic', (text) =>
      text
        .replace('"iommu": { "model": "amd-vi" },', '')
        .replace('"affinity": 0', '"affinity": 1')
        .replace('"interrupts.posted": 216', '"interrupts.posted": 0'),
    );
    expect(run.end.summary.expectations.filter(({ held }) => !held)).toEqual([]);
    expect(ofKind(run, Kind.AvicDoorbell).length).toBeGreaterThan(0);
  });
});
