/** The recipes of media/reference/analysis.md run on a trace, and say what our own queries say. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeTrace } from '../../../../src/trace/file/file';
import { kindRow } from '../../../../src/trace/vocabulary/events';
import { root } from '../../../support/runs';
import { sampleStore } from '../sample';

/** The interpreter that has the libraries, if it is not the first on the path. */
const python = process.env['TRAPLINE_PYTHON'] ?? 'python3';
const page = readFileSync(join(root, 'media/reference/analysis.md'), 'utf8');
const blocks = [...page.matchAll(/^```python(?: (\w+))?\n(.*?)^```$/gms)].map(([, name, text = '']) => ({
  name,
  text,
}));
const preamble = blocks.find(({ name }) => name === undefined)?.text ?? '';

const has = (...modules: string[]): boolean =>
  spawnSync(python, ['-c', `import ${modules.join(', ')}`], { stdio: 'ignore' }).status === 0;

describe('recipes', () => {
  const { store } = sampleStore(40);
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'trapline-'));
    writeFileSync(join(folder, 'run.trapline.arrow'), encodeTrace(store));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const run = (name: string): string => {
    const recipe = blocks.find((block) => block.name === name);
    // Not by its own name, which is that of the library that it imports.
    const script = join(folder, `recipe-${name}.py`);
    writeFileSync(script, `${preamble}\n${recipe?.text}`);
    const { status, stdout, stderr } = spawnSync(python, [script, join(folder, 'run.trapline.arrow')], {
      encoding: 'utf8',
      timeout: 60_000,
      env: { ...process.env, PYTHONUTF8: '1' },
    });
    expect(stderr).toBe('');
    expect(status).toBe(0);
    return stdout;
  };
  const exits = Array.from({ length: store.rows }, (_, row) => store.get(row)).filter(
    ({ kind }) => kindRow(kind).group === 'exit',
  );
  const us = (cycles: number): number => (cycles / store.frequencyHz) * 1e6;
  const total = us(exits.reduce((sum, { duration }) => sum + duration, 0));

  it('are as many as the page names tools', () => {
    expect(blocks.map(({ name }) => name)).toEqual([undefined, 'pandas', 'polars', 'duckdb']);
  });

  it.skipIf(!has('pyarrow', 'pandas'))(
    'pandas has the sums of perf kvm stat (needs pyarrow and pandas)',
    () => {
      const row = run('pandas')
        .split('\n')
        .find((line) => line.startsWith('EPT_MISCONFIG'));
      const [, samples, share, sum] = row?.split(/\s+/) ?? [];
      expect([Number(samples), Number(share)]).toEqual([exits.length, 100]);
      expect(Number(sum)).toBeCloseTo(total, 1);
    },
  );

  it.skipIf(!has('pyarrow', 'polars'))('polars follows causes (needs pyarrow and polars)', () => {
    const ends = Array.from({ length: store.rows }, (_, row) => row).filter(
      (row) => kindRow(store.kindOf(row)).name === 'irq.inject',
    );
    expect(ends.length).toBeGreaterThan(0);
    const raised = (row: number): boolean => {
      while (row >= 0 && kindRow(store.kindOf(row)).name !== 'irq.raise') row = store.causeOf(row);
      return row >= 0;
    };
    const output = run('polars');
    expect(output).toMatch(new RegExp(`irq\\.raise\\s*┆ ${ends.filter(raised).length}\\s`));
  });

  it.skipIf(!has('pyarrow', 'duckdb'))('DuckDB joins lines (needs pyarrow and duckdb)', () => {
    const output = run('duckdb');
    expect(output).toContain('/src/e1000.c:142');
    expect(output).toMatch(new RegExp(`│\\s*${exits.length}\\s*│\\s*${total.toFixed(1)}\\s*│`));
  });
});
