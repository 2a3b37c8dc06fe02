/** A trace file opens in tools that are not ours. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { saveTrace } from '../../../src/trace/file/save';
import { sampleStore } from './sample';

const folder = mkdtempSync(join(tmpdir(), 'trapline-foreign-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const python = (
  program: string,
  ...args: string[]
): { status: number | null; stdout: string; stderr: string } =>
  spawnSync('python3', ['-c', program, ...args], { encoding: 'utf8' });
const has = (module: string): boolean => python(`import ${module}`).status === 0;

/** Sums of columns and what the metadata says, as JSON. */
const READ_BY_PYARROW = `
import json, sys
import pyarrow as pa, pyarrow.compute as pc
with pa.OSFile(sys.argv[1]) as file:
    table = pa.ipc.open_file(file).read_all()
table.validate(full=True)
print(json.dumps({
    'rows': table.num_rows,
    'sums': {name: pc.sum(table[name]).as_py() for name in table.column_names},
    'title': json.loads(table.schema.metadata[b'trapline'])['title'],
}))`;

const READ_BY_DUCKDB = `
import json, sys, duckdb, pyarrow as pa
table = pa.ipc.open_file(sys.argv[1]).read_all()
print(json.dumps({'rows': duckdb.sql('select count(*) from table').fetchone()[0]}))`;

describe('a trace file', () => {
  const { store } = sampleStore(6000);
  const file = join(folder, 'sample.trapline.arrow');
  saveTrace(file, store);

  it.skipIf(!has('pyarrow'))('is read by pyarrow (needs pyarrow)', () => {
    const { status, stdout, stderr } = python(READ_BY_PYARROW, file);
    expect(stderr).toBe('');
    expect(status).toBe(0);
    const sum = (name: 'start' | 'duration' | 'track' | 'kind' | 'rip' | 'a' | 'b' | 'cause'): number => {
      let total = 0;
      for (let row = 0; row < store.rows; row++) total += store.block(row >>> 16)?.[name][row & 0xffff] ?? 0;
      return total;
    };
    expect(JSON.parse(stdout)).toEqual({
      rows: store.rows,
      sums: {
        start: sum('start'),
        duration: sum('duration'),
        track: sum('track'),
        kind: sum('kind'),
        rip: sum('rip'),
        a: sum('a'),
        b: sum('b'),
        cause: sum('cause'),
      },
      title: 'sample',
    });
  });

  it.skipIf(!has('duckdb') || !has('pyarrow'))('is counted by DuckDB (needs duckdb and pyarrow)', () => {
    const { stdout, stderr } = python(READ_BY_DUCKDB, file);
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual({ rows: store.rows });
  });
});
