/** Whatever a verb is asked about a run, its answer fits into 2 KB, is as its schema says, and nothing is thrown. */
import fc from 'fast-check';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { clipped, MOST_BYTES } from '../../src/verbs/answer';
import { VERBS } from '../../src/verbs/table';
import { jobOf, root, runJob, sample } from '../support/runs';
import { checkAnswer, keepTrace, scratchFolder, TestVerbs } from '../unit/verbs/context';

/** An emulated device, a paravirtual one with an IOMMU's interrupts, one that works by DMA, and a guest that crashes. */
const SAMPLES = ['b7-e1000-emulated', 'd8-interrupt-remapping', 'b8-nvme', 'triple-fault'];

const folder = scratchFolder();
const verbs = new TestVerbs([folder, join(root, 'media/workspace')]);
const rows = new Map<string, number>();

beforeAll(async () => {
  for (const name of SAMPLES) {
    const { store } = runJob(await jobOf(sample(name)));
    const trace = `${name}.trapline.arrow`;
    keepTrace(folder, trace, store);
    rows.set(trace, store.rows);
  }
}, 120_000);

const query = fc.constantFrom(
  ...[
    '',
    'exit',
    'dur>1us',
    'kind:packet.tx',
    'reg:TDT',
    'from:(exit)',
    'within:(handler)',
    'nonsense',
    'dur>',
    '((',
  ],
);
const words = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.constantFrom('vm0/e1000', '$rax', '0x1000', 'vm0'),
);

/** Inputs that may fit, by the names of their fields. */
const FIELDS: Record<string, fc.Arbitrary<unknown>> = {
  row: fc.nat(12_000),
  query,
  by: fc.constantFrom('reason', 'line', 'device', 'figure', 'stage', 'operation'),
  fromUs: fc.double({ min: 0, max: 3000, noNaN: true }),
  toUs: fc.double({ min: 0, max: 3000, noNaN: true }),
  offset: fc.nat(200),
  limit: fc.integer({ min: 1, max: 50 }),
  back: fc.nat(64),
  forward: fc.nat(64),
  way: fc.nat(19),
  vcpu: fc.nat(3),
  frame: fc.nat(3),
  show: fc.subarray(['registers', 'variables', 'globals', 'stack']),
  expressions: fc.array(words, { maxLength: 8 }),
  device: words,
  register: words,
  address: fc.nat(1 << 24).map((value) => `0x${value.toString(16)}`),
  containing: words,
};

describe('answers', () => {
  const readers = VERBS.filter(({ mayExecute }) => !mayExecute);
  it.each(readers.map(({ name }) => name))('%s fits for every sample', async (name) => {
    const fields = Object.keys(VERBS.find((verb) => verb.name === name)?.inputSchema['properties'] ?? {});
    const known = fields.filter((field) => FIELDS[field] !== undefined);
    const inputs = fc.record(
      {
        ...Object.fromEntries(known.map((field) => [field, FIELDS[field] ?? fc.constant(0)])),
        ...Object.fromEntries(
          fields
            .filter((field) => ['trace', 'first', 'second'].includes(field))
            .map((field) => [field, fc.constantFrom(...SAMPLES.map((each) => `${each}.trapline.arrow`))]),
        ),
      },
      { requiredKeys: known.filter((field) => ['row', 'query', 'by'].includes(field)) },
    );
    let answers = 0;
    await fc.assert(
      fc.asyncProperty(inputs, async (input) => {
        const { trace } = input as { trace?: string };
        const most = rows.get(trace ?? '');
        const { row } = input as { row?: number };
        const fitting = most === undefined || row === undefined ? input : { ...input, row: row % most };
        const outcome = await verbs.outcome(name, fitting);
        if (outcome.ok) checkAnswer(name, outcome.answer);
        else {
          expect(outcome.message).not.toMatch(/^Trapline failed/);
          expect(outcome.message.length).toBeLessThanOrEqual(MOST_BYTES / 4);
        }
        if (outcome.ok) answers += 1;
      }),
      { numRuns: 30 },
    );
    if (fields.length > 0) expect(answers).toBeGreaterThan(0);
  });

  it.each(['machine_state', 'last_writer'])('%s fits', async (name) => {
    const trace = 'b8-nvme.trapline.arrow';
    const { row, vcpu, frame, show, expressions, device, register, address } = FIELDS;
    const inputs =
      name === 'machine_state'
        ? fc.record(
            { row: row as fc.Arbitrary<number>, vcpu, frame, show, expressions, device },
            { requiredKeys: ['row'] },
          )
        : fc.record({ row: row as fc.Arbitrary<number>, register, address }, { requiredKeys: ['row'] });
    await fc.assert(
      fc.asyncProperty(inputs, async (input) => {
        const outcome = await verbs.outcome(name, {
          ...input,
          trace,
          row: Number(input.row) % (rows.get(trace) ?? 1),
        });
        if (outcome.ok) checkAnswer(name, outcome.answer);
        else expect(outcome.message).not.toMatch(/^Trapline failed/);
      }),
      { numRuns: 8 },
    );
  });
});

describe('inputs that are anything', () => {
  it('are refused with a message, or answered', async () => {
    const deep = fc
      .integer({ min: 1, max: 2000 })
      .map((depth) => JSON.parse('['.repeat(depth) + ']'.repeat(depth)) as unknown);
    const values = fc.oneof(
      fc.anything({ maxDepth: 3, withBigInt: true }),
      deep,
      fc.dictionary(
        fc.constantFrom(...Object.keys(FIELDS), 'trace', 'scenario', 'first', '__proto__', 'constructor'),
        fc.oneof(
          fc.anything({ maxDepth: 1 }),
          fc.constantFrom(2 ** 53, 1e308, -1, NaN, '../../etc/passwd', 'a\0b', 'latest'),
        ),
        { maxKeys: 4 },
      ),
    );
    const name = fc.oneof(
      fc.constantFrom(...VERBS.map((verb) => verb.name)),
      fc.string(),
      fc.constant('__proto__'),
    );
    await fc.assert(
      fc.asyncProperty(name, values, async (verb, input) => {
        const outcome = await verbs.outcome(verb, input);
        if (outcome.ok) checkAnswer(verb, outcome.answer);
        else {
          expect(outcome.message).not.toBe('');
          expect(outcome.message).not.toMatch(/^Trapline failed/);
          expect(clipped(outcome.message, MOST_BYTES)).toBe(outcome.message);
        }
      }),
      { numRuns: 300 },
    );
  });
});
