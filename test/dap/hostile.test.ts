/** Whatever a client asks, the adapter answers: with what was asked for, or with a sentence. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Dialogue, unoptimised } from '../support/debug/dialogue';
import { openControlled } from '../support/debug/open-run';

const COMMANDS = [
  ...[
    'threads',
    'stackTrace',
    'scopes',
    'variables',
    'setVariable',
    'setExpression',
    'evaluate',
    'completions',
  ],
  ...['setBreakpoints', 'setFunctionBreakpoints', 'setInstructionBreakpoints', 'breakpointLocations'],
  ...['setDataBreakpoints', 'dataBreakpointInfo', 'setExceptionBreakpoints', 'exceptionInfo'],
  ...['readMemory', 'writeMemory', 'disassemble', 'source', 'loadedSources', 'modules', 'pause', 'cancel'],
  ...['next', 'stepIn', 'stepOut', 'stepBack', 'reverseContinue', 'continue', 'goto', 'noSuchThing'],
  ...['trapline/moment', 'trapline/seek', 'trapline/inspect', 'trapline/lastWriter', 'trapline/nextChange'],
  ...['trapline/previousChange', 'trapline/stopAt', 'trapline/clearStopAt', 'trapline/logInPast'],
  ...['trapline/hasFuture', 'trapline/discardFuture', 'trapline/stepOutBack'],
] as const;

const NAMES = [
  ...['threadId', 'frameId', 'variablesReference', 'expression', 'value', 'name', 'memoryReference', 'count'],
  ...['offset', 'instructionCount', 'instructionOffset', 'instructionReference', 'breakpoints', 'filters'],
  ...[
    'filterOptions',
    'source',
    'line',
    'column',
    'text',
    'row',
    'cycles',
    'instructions',
    'path',
    'at',
    'query',
  ],
  ...['address', 'length', 'vm', 'message', 'dataId', 'granularity', 'start', 'levels', 'startFrame', 'data'],
] as const;

const small = fc.oneof(
  fc.integer({ min: -2, max: 40 }),
  fc.constantFrom<unknown>(
    'ticks',
    '0x100000',
    'main',
    '&ticks',
    '[',
    'kind:exit',
    '{ticks}',
    '1:2:3',
    '',
    null,
    true,
  ),
  fc.constantFrom<unknown>(
    1e300,
    -1,
    2 ** 53,
    'physical:0:0x1000',
    'host:0x0',
    'iova:0:0x10',
    'virtual:9:0',
    'instruction',
  ),
  fc.double(),
  fc.string({ maxLength: 12 }),
);
const value: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 4, arbitrary: small },
  fc.array(fc.oneof(small, fc.dictionary(fc.constantFrom(...NAMES), small, { maxKeys: 3 })), {
    maxLength: 3,
  }),
  fc.dictionary(fc.constantFrom(...NAMES), small, { maxKeys: 3 }),
);
const request = fc.record({
  command: fc.constantFrom(...COMMANDS),
  args: fc.oneof(
    { weight: 8, arbitrary: fc.dictionary(fc.constantFrom(...NAMES), value, { maxKeys: 5 }) },
    fc.constantFrom<unknown>(null, undefined, 7, 'text', []),
  ),
});

describe('the adapter', () => {
  it('answers any request before a launch', async () => {
    const d = new Dialogue(openControlled());
    for (const command of COMMANDS) {
      const response = await d.tryTo(command, {});
      expect(typeof response.success, command).toBe('boolean');
      if (!response.success) expect(response.message, command).toMatch(/\w.*[.:?!]/s);
    }
  });

  it('answers any request with any arguments, and the run keeps its trace', async () => {
    const scenario = unoptimised('timer', { TICKS: 2 });
    await fc.assert(
      fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 12 }), async (requests) => {
        const hashes: (string | undefined)[] = [];
        const d = new Dialogue(
          openControlled((message) => {
            if (message.type === 'ended') hashes.push(message.end.meta.traceHash);
          }),
        );
        await d.launch('timer', { file: scenario, attributes: { stopOnEntry: true } });
        const writes = new Set(['setVariable', 'setExpression', 'writeMemory']);
        for (const { command, args } of requests) {
          const response = await d.tryTo(command, args);
          expect(response.command).toBe(command);
          // An error of ours and none of the request's.
          if (!response.success)
            expect(`${command}: ${response.message}`).not.toMatch(
              /: $|undefined|not a function|Cannot|is not iterable|BigInt|split/,
            );
          if (response.success && writes.has(command)) return;
        }
        await d.ask('disconnect', { terminateDebuggee: false });
        expect(hashes).toEqual([await freeHash(scenario)]);
      }),
      { numRuns: 25 },
    );
  });
});

let known: string | undefined;

async function freeHash(file: string): Promise<string | undefined> {
  if (known !== undefined) return known;
  const d = new Dialogue(
    openControlled((message) => {
      if (message.type === 'ended') known = message.end.meta.traceHash;
    }),
  );
  await d.launch('timer', { file, attributes: { noDebug: true } });
  return known;
}
