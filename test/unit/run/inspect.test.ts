/** The inside of a machine as a tree: it says what the trace says, and reading it changes nothing. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { StateNode } from '../../../src/machine/inspect';
import type { RunJob } from '../../../src/protocol/run';
import { RunSession } from '../../../src/run/session';
import { TraceStore, emptyMeta } from '../../../src/trace/query/store';
import { Kind } from '../../../src/trace/vocabulary/events';
import { jobOf, runJob, sample } from '../../support/runs';

const STEP_CYCLES = 400_000;
/** Nodes that one walk through the tree opens at most: page tables and rings have thousands. */
const MOST_NODES = 4_000;

/** Opens everything below a path and returns how many nodes there are. */
function walk(session: RunSession, path: readonly string[] = [], seen = { nodes: 0 }): number {
  const node = session.machine.host.inspect(path);
  if (!node) throw new Error(`nothing at ${path.join(' / ')}`);
  const visit = (child: StateNode, at: readonly string[]): void => {
    seen.nodes += 1;
    if (seen.nodes > MOST_NODES) return;
    if (child.more) walk(session, at, seen);
    child.children?.forEach((each) => visit(each, [...at, each.name]));
  };
  node.children?.forEach((child) => visit(child, [...path, child.name]));
  return seen.nodes;
}

function registerValue(session: RunSession, ...path: string[]): bigint {
  const value = session.machine.host.inspect(path)?.value;
  if (value?.kind !== 'register') throw new Error(`${path.join(' / ')} is no register`);
  return value.value;
}

describe('the inside of a machine', () => {
  let job: RunJob;
  beforeAll(async () => {
    job = await jobOf(sample('b7-e1000-emulated'));
  });

  it('is read at any moment and changes nothing', () => {
    const undisturbed = runJob(job).end.meta.traceHash;
    const session = new RunSession(job);
    let nodes = 0;
    for (let time = STEP_CYCLES; session.runTo(time); time += STEP_CYCLES) nodes = walk(session);
    expect(nodes).toBeGreaterThan(300);
    expect(session.end().end.meta.traceHash).toBe(undisturbed);
  });

  it('has the registers as the trace has last seen them written', () => {
    const session = new RunSession(job);
    const store = new TraceStore(emptyMeta('test', 1));
    const seen = new Set<bigint>();
    for (let time = STEP_CYCLES; session.runTo(time); time += STEP_CYCLES) {
      store.append(session.takeDelta());
      store.setMeta(session.meta());
      const { tracks } = store.meta;
      const track = tracks.find(({ name, type }) => name === 'e1000' && type === 'device');
      const offset = Object.entries(track?.registers ?? {}).find(([, name]) => name === 'TDT')?.[0];
      let written = 0;
      for (let row = 0; row < store.rows; row++) {
        const event = store.get(row);
        if (event.track !== track?.id || event.kind !== Kind.MmioWrite) continue;
        if (String(event.a) === offset) written = event.b;
      }
      const value = registerValue(session, 'vm0', 'e1000', 'Registers', 'Transmit', 'TDT');
      expect(value).toBe(BigInt(written));
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
