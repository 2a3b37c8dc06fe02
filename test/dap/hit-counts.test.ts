/** The number of a hit is the one that counting from the run's beginning gives, however one has come to it. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareMoments } from '../../src/run/control/moments';
import type { Moment } from '../../src/run/control/control';
import { Dialogue, lineOf, unoptimised } from '../support/debug/dialogue';
import { openControlled } from '../support/debug/open-run';

const THREAD = { threadId: 1 };

interface Stopped {
  readonly reason: string;
  readonly moment: Moment;
}

/** What a client is told of where it stands. */
function lastStop(d: Dialogue): Stopped {
  const found = d.events.findLast(({ event }) => event === 'stopped')?.body as Stopped | undefined;
  if (!found) throw new Error('The run has not stopped.');
  return found;
}

/** Sets the breakpoint that is counted. */
type Set = (d: Dialogue, wishes: { hitCondition?: string; condition?: string }) => Promise<void>;

/** Moments of all its hits, from one run that stops at each. */
async function allHits(file: string, set: Set, wishes = {}): Promise<Moment[]> {
  const d = new Dialogue(openControlled());
  await d.launch('counted', { file, attributes: { stopOnEntry: true } });
  await set(d, wishes);
  const moments: Moment[] = [];
  for (;;) {
    await d.ask('continue', THREAD);
    const { reason, moment } = lastStop(d);
    if (reason === 'end') return moments;
    moments.push(moment);
  }
}

const TESTS: Record<string, (hit: number) => boolean> = {
  '3': (hit) => hit === 3,
  '>= 5': (hit) => hit >= 5,
  '< 4': (hit) => hit < 4,
  '% 3': (hit) => hit % 3 === 0,
};

const action = fc.oneof(
  fc.constantFrom('continue', 'continue', 'reverseContinue', 'reverseContinue', 'next', 'stepBack'),
  fc.double({ min: 0, max: 1, noNaN: true }),
  fc.record({ hitCondition: fc.constantFrom(...Object.keys(TESTS)) }),
);

/** Walks about in a run and compares each stop with what the list of all hits says. */
async function walks(file: string, set: Set, wishes = {}): Promise<void> {
  const hits = await allHits(file, set, wishes);
  expect(hits.length).toBeGreaterThan(5);
  const end = hits[hits.length - 1].instructions;
  const isNumbered = (hit: Moment, condition: string): boolean => TESTS[condition](hits.indexOf(hit) + 1);
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 6, maxLength: 14 }), async (actions) => {
      const d = new Dialogue(openControlled());
      let condition = '% 3';
      let isSet = false;
      await d.launch('counted', { file, attributes: { stopOnEntry: true } });
      for (const each of actions) {
        if (typeof each === 'object') {
          condition = each.hitCondition;
          await set(d, { ...wishes, hitCondition: condition });
          isSet = true;
          continue;
        }
        if (typeof each === 'number') {
          await d.ask('trapline/seek', { instructions: Math.floor(each * end) });
          continue;
        }
        const { moment: before } = lastStop(d);
        await d.ask(each, THREAD);
        if (each === 'next' || each === 'stepBack') continue;
        const fitting = isSet ? hits.filter((hit) => isNumbered(hit, condition)) : [];
        const stop = lastStop(d);
        const expected =
          each === 'continue'
            ? fitting.find((hit) => compareMoments(hit, before) > 0)
            : fitting.findLast((hit) => compareMoments(hit, before) < 0);
        if (expected) expect([each, condition, stop.moment]).toEqual([each, condition, expected]);
        else expect(stop.reason).toBe(each === 'continue' ? 'end' : 'entry');
      }
    }),
    { numRuns: 6 },
  );
}

describe('hit counts', () => {
  it('of a line', async () => {
    const file = unoptimised('timer', { TICKS: 12 });
    await walks(file, async (d, wishes) => {
      const path = d.driver('timer');
      await d.ask('setBreakpoints', {
        source: { path },
        breakpoints: [{ line: lineOf(path, 'ticks++'), ...wishes }],
      });
    });
  }, 120_000);

  it('of a line on two vCPUs, where a condition holds', async () => {
    const file = unoptimised('smp-ipi', { ROUNDS: 8, ADDS: 3 });
    const set: Set = async (d, wishes) => {
      const path = d.driver('smp');
      await d.ask('setBreakpoints', {
        source: { path },
        breakpoints: [{ line: lineOf(path, 'received[tl_cpu_id()]++'), ...wishes }],
      });
    };
    await walks(file, set, { condition: 'received[0] != 2' });
  }, 120_000);

  it('of data that a device writes', async () => {
    const file = unoptimised('b7-e1000-emulated', { PACKETS: 4 });
    // Where the ring lies is known once the driver has made it.
    const first = new Dialogue(openControlled());
    await first.launch('b7-e1000-emulated', { file }, () =>
      first.breakpoints('e1000', { 'tl_check(descriptor->status': {} }),
    );
    const ring = await first.ask<{ dataId: string }>('dataBreakpointInfo', { name: 'rx_ring[0]' });
    const name = `physical:${ring.dataId.split(':').slice(0, 2).join(':')}`;
    const set: Set = async (d, wishes) => {
      const info = await d.ask<{ dataId: string }>('dataBreakpointInfo', {
        name,
        asAddress: true,
        bytes: 64,
      });
      const breakpoint: DebugProtocol.DataBreakpoint = { dataId: info.dataId, accessType: 'write' };
      await d.ask('setDataBreakpoints', { breakpoints: [{ ...breakpoint, ...wishes }] });
    };
    await walks(file, set);
  }, 120_000);

  it('begin anew with the future that a write begins', async () => {
    const d = new Dialogue(openControlled());
    await d.launch('timer', {
      defines: { TICKS: 8 },
      attributes: { stopOnEntry: true, discardFuture: true },
    });
    const path = d.driver('timer');
    await d.ask('setBreakpoints', {
      source: { path },
      breakpoints: [{ line: lineOf(path, 'ticks++'), hitCondition: '% 2' }],
    });
    const ticks = async (): Promise<string> =>
      (await d.ask<{ result: string }>('evaluate', { expression: 'ticks' })).result;
    for (const expected of ['1', '3', '5']) {
      await d.ask('continue', THREAD);
      expect(await ticks()).toBe(expected);
    }
    await d.ask('reverseContinue', THREAD);
    expect(await ticks()).toBe('3');
    // The fifth and the sixth hit are of a future that will not be; in the new one they come with other ticks.
    await d.ask('setExpression', { expression: 'ticks', value: '0' });
    await d.ask('continue', THREAD);
    expect(await ticks()).toBe('2');
  });
});
