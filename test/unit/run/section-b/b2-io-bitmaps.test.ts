/** Row B2: a port whose bit in the I/O bitmaps is set exits with its qualification, one whose bit is clear does not. */
import { beforeAll, describe, expect, it } from 'vitest';
import { Kind } from '../../../../src/trace/vocabulary/events';
import { describe as describeEvent } from '../../../../src/trace/query/describe';
import { between, countedRun, mark, ofKind, trackOf, type CountedRun } from '../../../support/section-a';
import { exitsOf, type Exit } from '../../../support/section-b';

const POST = 0x80;
const Mark = { date: 1, forms: 2, end: 3 } as const;
const FORM_WORDS = 7;
const FORMS_FROM = 4;

/** An instruction, as the guest tells of it and as SDM vol. 3, table 28-5, has it. */
interface Form {
  port: number;
  size: number;
  isIn: number;
  string: number;
  rep: number;
  immediate: number;
}

function decoded(qualification: number): Form {
  const bit = (n: number): number => Math.floor(qualification / 2 ** n) % 2;
  return {
    port: Math.floor(qualification / 2 ** 16),
    size: (qualification % 8) + 1,
    isIn: bit(3),
    string: bit(4),
    rep: bit(5),
    immediate: bit(6),
  };
}

describe('B2: port I/O under KVM', () => {
  let run: CountedRun;
  let trapped: CountedRun;
  let delays: number;
  let forms: (Form & { count: number })[];
  const within = (exits: Exit[], of: CountedRun, from: number, to: number): Exit[] => {
    const rows = new Set(between(of.rows, mark(of, from), mark(of, to)));
    return exits.filter(({ row, reason }) => rows.has(row) && reason === 'IO_INSTRUCTION');
  };

  beforeAll(async () => {
    run = await countedRun('b2-io-bitmaps');
    trapped = await countedRun('b2-io-bitmaps', (text) => text.replace('"passPorts": ["0x80"],', ''));
    const words = run.words('b2_log');
    delays = words[0];
    forms = Array.from({ length: words[1] }, (_, i) => {
      const [port, size, isIn, string, rep, immediate, count] = words.slice(FORMS_FROM + i * FORM_WORDS);
      return { port, size, isIn, string, rep, immediate, count };
    });
  });

  it('ends well, and holds what it expects', () => {
    for (const each of [run, trapped]) {
      expect(each.end.summary.vms[0]?.exitCode).toBe(0);
      expect(each.end.summary.expectations.filter(({ held }) => !held)).toEqual([]);
    }
    // The date, which takes its time, is the same.
    expect(run.serial.split(',')[0]).toBe(trapped.serial.split(',')[0]);
  });

  it('lets each write to the port that is passed through reach the host, in guest time', () => {
    const writes = ofKind(run, Kind.PioOut, trackOf(run, 'POST display'));
    expect(delays).toBeGreaterThan(0);
    expect(writes.length).toBe(delays);
    const exits = exitsOf(run);
    expect(exits.filter(({ row, reason }) => reason === 'IO_INSTRUCTION' && row.a === POST)).toEqual([]);
    for (const { start } of writes) {
      const during = exits.filter(({ row }) => row.start < start && start < row.start + row.duration);
      expect(during).toEqual([]);
    }
  });

  it('makes an exit of each once its bit is set, and of the others in both cases', () => {
    const [free, all] = [run, trapped].map((each) => within(exitsOf(each), each, Mark.date, Mark.forms));
    const of = (exits: Exit[], post: boolean): number =>
      exits.filter(({ row }) => (row.a === POST) === post).length;
    expect(of(all, true)).toBe(delays);
    // An index and a datum for each delay.
    expect(of(all, false)).toBe(2 * delays);
    expect(of(free, false)).toBe(2 * delays);
    expect(of(free, true)).toBe(0);
  });

  it('has the qualification of each form of the instructions', () => {
    const exits = within(exitsOf(run), run, Mark.forms, Mark.end);
    const found = exits.map(({ legs }) => decoded(legs[0].a));
    const expected = forms.flatMap(({ count, ...form }) => Array.from({ length: count }, () => form));
    expect(forms.length).toBeGreaterThan(9);
    expect(found).toEqual(expected);
    // What the exit itself says is the same port.
    expect(exits.map(({ row }) => row.a)).toEqual(expected.map(({ port }) => port));
  });

  it('tells the qualification in words', () => {
    const exits = within(exitsOf(run), run, Mark.forms, Mark.end);
    const told = exits.map(
      ({ legs }) =>
        describeEvent(run.store, legs[0].row).facts.find(({ name }) => name === 'instruction')?.value,
    );
    for (const [i, { legs }] of exits.entries()) {
      const { port, size, isIn, string, rep, immediate } = decoded(legs[0].a);
      const name = `${rep ? 'REP ' : ''}${isIn ? 'IN' : 'OUT'}${string ? 'S' : ''}`;
      const bytes = size === 1 ? '1 byte' : `${size} bytes`;
      const how = immediate ? 'immediate' : 'DX';
      expect(told[i]).toBe(`${name}, ${bytes}, port 0x${port.toString(16)} (${how})`);
    }
  });
});
