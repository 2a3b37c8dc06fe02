import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { receivePageMessage, type HostHandlers } from '../../../../src/extension/editor/page-calls';
import type { EventDetails } from '../../../../src/protocol/details';

function details(row: number): EventDetails {
  return {
    row,
    start: 0,
    duration: 0,
    kind: 1,
    name: 'guest.kernel',
    track: 'vCPU 0',
    trackId: 0,
    text: '',
    place: '',
    cause: -1,
    meaning: '',
    sentence: '',
    facts: [],
    consequences: 0,
    legs: [],
  };
}

/** Handlers that count; none of them may be reached by a bad message. */
function handlers() {
  const called: string[] = [];
  const refuse = (name: string) => (): never => {
    called.push(name);
    throw new Error(`${name} was reached`);
  };
  const all: HostHandlers = {
    viewport: refuse('viewport'),
    describe: (row) => {
      called.push('describe');
      return details(row);
    },
    chain: refuse('chain'),
    criticalPath: refuse('criticalPath'),
    find: refuse('find'),
    queryLanes: refuse('queryLanes'),
    keepQueryLanes: refuse('keepQueryLanes'),
    complete: refuse('complete'),
    density: refuse('density'),
    events: refuse('events'),
    statistics: refuse('statistics'),
    operations: refuse('operations'),
    mappings: refuse('mappings'),
    openSource: (row, beside, focus) => {
      called.push('openSource');
      return Promise.resolve(row === 7 && beside && !focus);
    },
    openDisassembly: refuse('openDisassembly'),
    keepChoices: refuse('keepChoices'),
    keepBookmarks: refuse('keepBookmarks'),
    stop: vi.fn(),
    runAgain: refuse('runAgain'),
    travel: refuse('runAgain'),
    debugFrom: refuse('runAgain'),
    stopAtLike: refuse('runAgain'),
  };
  return { all, called };
}

async function answer(message: unknown, all: HostHandlers) {
  const received = receivePageMessage(message, all);
  if (received.is !== 'call') throw new Error(`expected a call, got ${received.is}`);
  return received.answer;
}

describe('calls of the page', () => {
  it('answers with the result of the method, under the id of the call', async () => {
    const { all } = handlers();
    expect(await answer({ type: 'call', id: 3, method: 'describe', args: [41] }, all)).toEqual({
      type: 'answer',
      id: 3,
      result: details(41),
    });
    expect(await answer({ type: 'call', id: 4, method: 'openSource', args: [7, true, false] }, all)).toEqual({
      type: 'answer',
      id: 4,
      result: true,
    });
  });

  it('answers with the message of a method that throws', async () => {
    const { all } = handlers();
    expect(await answer({ type: 'call', id: 9, method: 'statistics', args: [0, 1] }, all)).toEqual({
      type: 'answer',
      id: 9,
      error: 'statistics was reached',
    });
  });

  it.each([
    ['describe', []],
    ['describe', ['1']],
    ['describe', [-1]],
    ['describe', [1.5]],
    ['describe', [1, 2]],
    ['chain', [0, 8]],
    ['chain', [0, { back: 8, forward: 8, limit: 1e9 }]],
    ['chain', [0, { back: -1, forward: 8, limit: 100 }]],
    ['criticalPath', [-1]],
    ['operations', [0, Number.NaN]],
    ['find', ['dur>5us', 0, 2]],
    ['find', ['x'.repeat(5000), 0, 1]],
    ['statistics', [0, Number.POSITIVE_INFINITY]],
    ['mappings', [0, 5, 0.5]],
    ['mappings', [-1, 5, -1]],
    ['openSource', [0, 'yes', true]],
    ['openSource', [0, true]],
    ['keepChoices', [{ grouping: 'colour' }]],
    ['keepBookmarks', [[{ time: -1, name: '', note: '' }]]],
    ['events', [{ from: 0, to: 1, filter: '', offset: 0, limit: 1e9 }]],
    ['viewport', [{ from: 0, to: 1, width: 1e9, lanes: [] }]],
    ['viewport', [{ from: 0, to: 1, width: 10, lanes: [{ id: 'x' }] }]],
  ])('refuses wrong arguments of %s: %j', async (method, args) => {
    const { all, called } = handlers();
    const said = await answer({ type: 'call', id: 1, method, args }, all);
    expect(said).toMatchObject({ type: 'answer', id: 1 });
    expect('error' in said && said.error).toContain(`${method}: wrong arguments`);
    expect(called).toEqual([]);
  });

  it.each(['toString', 'constructor', '__proto__', 'hasOwnProperty', 'eval', ''])(
    'knows no method called %j',
    async (method) => {
      const { all, called } = handlers();
      const said = await answer({ type: 'call', id: 2, method, args: [] }, all);
      expect('error' in said && said.error).toContain('unknown method');
      expect(called).toEqual([]);
    },
  );

  it('takes the three notices and nothing like them', () => {
    const { all } = handlers();
    expect(receivePageMessage({ type: 'ready' }, all)).toEqual({ is: 'notice', notice: { type: 'ready' } });
    expect(receivePageMessage({ type: 'selected', row: 5 }, all)).toEqual({
      is: 'notice',
      notice: { type: 'selected', row: 5 },
    });
    expect(receivePageMessage({ type: 'selected', row: 'five' }, all).is).toBe('refused');
    expect(receivePageMessage({ type: 'reload' }, all).is).toBe('refused');
  });

  it('survives any message at all', async () => {
    await fc.assert(
      fc.asyncProperty(fc.anything(), async (message) => {
        const { all, called } = handlers();
        const received = receivePageMessage(message, all);
        if (received.is === 'call') await received.answer;
        expect(called).toEqual([]);
      }),
    );
  });

  it('answers every call that has an id, whatever its method and arguments', async () => {
    const method = fc.oneof(
      fc.constantFrom('viewport', 'describe', 'chain', 'find', 'events', 'statistics', 'mappings'),
      fc.string(),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.integer(),
        method,
        fc.array(fc.anything(), { maxLength: 4 }),
        async (id, name, args) => {
          const { all } = handlers();
          expect((await answer({ type: 'call', id, method: name, args }, all)).id).toBe(id);
        },
      ),
    );
  });
});
