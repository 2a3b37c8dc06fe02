/** The inside of a machine as a tree: it says what the trace says, and reading it changes nothing. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { RunJob } from '../../../src/protocol/run';
import { RunSession } from '../../../src/run/session';
import { registerWrites } from '../../../src/trace/query/history';
import { TraceStore, emptyMeta } from '../../../src/trace/query/store';
import { Kind } from '../../../src/trace/vocabulary/events';
import { jobOf, runJob, sample } from '../../support/runs';
import { valueAt, walkTree } from '../../support/state-tree';

const STEP_CYCLES = 400_000;
/** Nodes that one walk through the tree opens at most: page tables and rings have thousands. */
const MOST_NODES = 4_000;

describe('the inside of a machine', () => {
  let job: RunJob;
  beforeAll(async () => {
    job = await jobOf(sample('b7-e1000-emulated'));
  });

  it('is read at any moment and changes nothing', () => {
    const undisturbed = runJob(job).end.meta.traceHash;
    const session = new RunSession(job);
    let nodes = 0;
    for (let time = STEP_CYCLES; session.runTo(time); time += 4 * STEP_CYCLES)
      nodes = walkTree(session.machine.host, undefined, { most: MOST_NODES });
    expect(nodes).toBeGreaterThan(300);
    expect(session.end().end.meta.traceHash).toBe(undisturbed);
  });

  it('has the registers as the trace has last seen them written', () => {
    const session = new RunSession(job);
    const store = new TraceStore(emptyMeta('test', 1));
    const seen = new Set<bigint>();
    const path = ['vm0', 'e1000', 'Registers', 'Transmit', 'TDT'];
    for (let time = STEP_CYCLES; session.runTo(time); time += STEP_CYCLES) {
      store.append(session.takeDelta());
      store.setMeta(session.meta());
      const { tracks } = store.meta;
      const track = tracks.find(({ name, type }) => name === 'e1000' && type === 'device');
      const offset = Object.entries(track?.registers ?? {}).find(([, name]) => name === 'TDT')?.[0];
      const written: { time: number; value: number }[] = [];
      for (let row = 0; row < store.rows; row++) {
        const event = store.get(row);
        if (event.track !== track?.id || event.kind !== Kind.MmioWrite) continue;
        if (String(event.a) === offset) written.push({ time: event.start, value: event.b });
      }
      const value = valueAt(session.machine.host, ...path);
      expect(value).toBe(BigInt(written.at(-1)?.value ?? 0));
      expect(registerWrites(store, path)).toEqual(
        written.map((each) => expect.objectContaining(each) as object),
      );
      seen.add(value);
    }
    expect(seen.size).toBeGreaterThan(1);
  });

  it('shows gates that lead into the code, and pages by which that is reached', () => {
    const session = new RunSession(job);
    session.runTo(10 * STEP_CYCLES);
    const gates = session.machine.host.inspect(['vm0', 'cpu0', 'IDT'])?.children ?? [];
    expect(gates.length).toBeGreaterThan(0);
    let path = ['vm0', 'cpu0', 'Page tables'];
    let levels = 0;
    for (let node = session.machine.host.inspect(path); node?.children; levels += 1) {
      const next = node.children.find((child) => child.more) ?? node.children[0];
      path = [...path, next.name];
      node = session.machine.host.inspect(path);
    }
    expect(levels).toBeGreaterThan(1);
    expect(session.machine.host.inspect(path)?.description).toContain('page of');
  });

  it('knows nothing of other names', () => {
    const session = new RunSession(job);
    expect(session.machine.host.inspect(['vm9'])).toBeUndefined();
    expect(session.machine.host.inspect(['vm0', 'e1000', 'Registers', 'nothing'])).toBeUndefined();
    expect(session.machine.host.inspect(['vm0', 'cpu0', 'Page tables', '0x1'])).toBeUndefined();
  });
});
