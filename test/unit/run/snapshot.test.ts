/** What a snapshot refuses, how small it is, and that a run goes back in its own session or on in a worker. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { RunJob } from '../../../src/protocol/run';
import { RunSession } from '../../../src/run/session';
import { SnapshotError, snapshotBytes, type RunSnapshot } from '../../../src/run/snapshot';
import { startRun } from '../../../src/run/start';
import { hashOf } from '../../../src/trace/record/hash';
import { Journey, freely, type Outcome } from '../../support/journeys';
import { environment, jobOf, sample } from '../../support/runs';

let job: RunJob;
let other: RunJob;
let reference: Outcome;
beforeAll(async () => {
  job = await jobOf(sample('b7-e1000-emulated'));
  other = await jobOf(sample('timer'));
  reference = freely(job);
});

/** A snapshot in the midst of the run, as another program would get it. */
function midway(): RunSnapshot {
  const session = new RunSession(job);
  session.runTo(Math.floor(reference.summary.cycles / 2));
  return structuredClone(session.snapshot());
}

describe('a session', () => {
  it('goes back and forth between its snapshots, and ends as it would have', () => {
    const journey = new Journey(job);
    const { session } = journey;
    const snapshots: RunSnapshot[] = [];
    for (let part = 1; part < 6; part++) {
      session.runTo(Math.floor((reference.summary.cycles * part) / 6));
      journey.takeDelta();
      snapshots.push(session.snapshot(snapshots.at(-1)));
    }
    for (const index of [1, 4, 0, 3]) {
      const snapshot = snapshots[index];
      if (!snapshot) throw new Error('no snapshot');
      session.rewind(snapshot);
      expect(session.progress()).toMatchObject({
        cycles: snapshot.cycles,
        guestInstructions: snapshot.instructions,
        events: snapshot.recorder.rows,
      });
      session.runTo(snapshot.cycles + 100_000);
      if (index === 0) journey.takeDelta();
    }
    while (session.step());
    const { serial: _, ...outcome } = journey.end();
    // What was printed before a rewind is printed again.
    expect(outcome).toEqual({ ...reference, serial: undefined });
  });

  it('saves only what has changed on top of another snapshot', () => {
    const session = new RunSession(job);
    session.runTo(Math.floor(reference.summary.cycles / 2));
    const complete = session.snapshot();
    const nothing = session.snapshot(complete);
    expect(snapshotBytes(nothing)).toEqual({ ram: 0, rows: 0 });
    const before = session.progress().events;
    session.runTo(nothing.cycles + 50_000);
    const little = session.snapshot(nothing);
    expect(snapshotBytes(little).rows).toBe((session.progress().events - before) * 32);
    expect(snapshotBytes(little).ram).toBeLessThan(snapshotBytes(complete).ram);
  });

  it('takes changes only on top of its latest snapshot', () => {
    const session = new RunSession(job);
    const first = session.snapshot();
    session.snapshot();
    expect(() => session.snapshot(first)).toThrow(SnapshotError);
    expect(() => session.runTo(0.5)).toThrow(RangeError);
  });

  it('goes on in a worker thread with the trace hash of the whole run', async () => {
    const journey = new Journey(job);
    journey.session.runTo(Math.floor(reference.summary.cycles / 3));
    journey.takeDelta();
    const { store } = journey;
    const run = startRun(
      job,
      environment,
      { started: () => undefined, delta: (delta) => store.append(delta), serial: () => undefined },
      journey.session.snapshot(),
    );
    const { summary } = await run.ended;
    expect(summary.traceHash).toBe(reference.traceHash);
    expect(hashOf(store)).toBe(reference.traceHash);
    expect({ ...summary, wallSeconds: undefined }).toEqual({ ...reference.summary, wallSeconds: undefined });
  });
});

describe('a snapshot that does not fit', () => {
  it.each<[string, (snapshot: RunSnapshot) => void, RegExp]>([
    ['of another version', (s) => Object.assign(s, { version: 99 }), /version 99, this program reads 1/],
    ['without a version', (s) => Reflect.deleteProperty(s, 'version'), /version undefined/],
    ['of another scenario', (s) => void (s.identity.scenarioText += ' '), /another run \(the scenario/],
    ['of another guest', (s) => void (s.identity.guests[0] = 'f00d'), /another run \(the guest of VM 0/],
    ['with a flipped bit of RAM', (s) => void ((s.ram[0]?.bytes ?? [])[1000] ^= 4), /damaged/],
    ['with a changed row', (s) => void ((s.recorder.chunks[0]?.a ?? [])[3] ^= 1), /damaged/],
    [
      'with a changed unit',
      (s) => Object.assign(s.units['island0/events'] as object, { sequence: 5 }),
      /damaged/,
    ],
    ['without a unit', (s) => Reflect.deleteProperty(s.units, 'host'), /damaged/],
    ['without its recorder', (s) => Reflect.deleteProperty(s, 'recorder'), /damaged/],
    ['that is cut short', (s) => s.ram.pop(), /damaged/],
    ['that stands on itself', (s) => Object.assign(s, { base: s }), /stands on itself/],
    ['that holds itself', (s) => Object.assign(s.units, { self: s.units }), /damaged/],
  ])('%s is refused, and the run goes on undisturbed', (_name, damage, message) => {
    const snapshot = midway();
    const session = RunSession.restore(job, snapshot);
    const damaged = structuredClone(snapshot);
    damage(damaged);
    expect(() => session.rewind(damaged)).toThrow(SnapshotError);
    expect(() => session.rewind(damaged)).toThrow(message);
    while (session.step());
    expect(session.end().end.summary.traceHash).toBe(reference.traceHash);
  });

  it('is refused by the job of another run', () => {
    expect(() => RunSession.restore(other, midway())).toThrow(/another run/);
  });
});
