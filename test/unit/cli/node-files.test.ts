import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkWritable, createFile, readText, readTrace, writeTrace } from '../../../src/cli/node-files';
import { writeTrace as traceBytes } from '../../../src/trace/file/file';
import { Kind } from '../../../src/trace/vocabulary/events';
import { emptyMeta, TraceStore } from '../../../src/trace/query/store';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'trapline-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A trace with some marks. */
function sampleStore(rows: number): TraceStore {
  const store = new TraceStore({
    ...emptyMeta('sample', 1e9),
    state: 'finished',
    facts: { cycles: rows, vms: [] },
    tracks: [{ id: 0, type: 'vcpu', name: 'vCPU 0', group: 'vm0', vm: 0 }],
  });
  const numbers = (f: (i: number) => number) => Array.from({ length: rows }, (_, i) => f(i));
  const zeros = numbers(() => 0);
  store.appendChunk({
    firstRow: 0,
    start: Float64Array.from(numbers((i) => i)),
    duration: Uint32Array.from(zeros),
    track: Uint16Array.from(zeros),
    kind: Uint16Array.from(numbers(() => Kind.Mark)),
    rip: Uint32Array.from(zeros),
    a: Uint32Array.from(numbers((i) => i * 3)),
    b: Uint32Array.from(zeros),
    cause: Uint32Array.from(zeros),
  });
  return store;
}

describe('writeTrace', () => {
  it('writes what the trace file module gives, and leaves nothing else behind', async () => {
    const file = join(folder, 't.trapline.arrow');
    const store = sampleStore(1000);
    await writeTrace(file, store);
    expect(readdirSync(folder)).toEqual(['t.trapline.arrow']);
    expect(Buffer.compare(readFileSync(file), Buffer.concat(traceBytes(store)))).toBe(0);
    const back = await readTrace(file);
    expect(back.rows).toBe(1000);
    expect(back.get(999).a).toBe(2997);
    expect(back.meta.title).toBe('sample');
  });

  it('keeps the old file when the new one cannot be made', async () => {
    const file = join(folder, 't');
    writeFileSync(file, 'old');
    const store = sampleStore(3);
    Object.defineProperty(store, 'blocks', {
      get: () => {
        throw new Error('no blocks');
      },
    });
    await expect(writeTrace(file, store)).rejects.toThrow(`cannot write ${file}: no blocks`);
    expect(readFileSync(file, 'utf8')).toBe('old');
    expect(readdirSync(folder)).toEqual(['t']);
  });
});

describe('createFile', () => {
  it('is in its place when it is finished, and not before', async () => {
    const file = join(folder, 'x.pcapng');
    writeFileSync(file, 'old');
    const output = createFile(file, 'capture');
    await output.write(Uint8Array.of(110, 101));
    await output.write(Uint8Array.of(119));
    expect(readFileSync(file, 'utf8')).toBe('old');
    await output.finish();
    expect(readFileSync(file, 'utf8')).toBe('new');
    expect(readdirSync(folder)).toEqual(['x.pcapng']);
  });

  it('leaves nothing behind when it is abandoned, and says what to do when it cannot be written', async () => {
    const output = createFile(join(folder, 'x.pcapng'), 'capture');
    await output.write(Uint8Array.of(1));
    await output.abandon();
    expect(readdirSync(folder)).toEqual([]);
    const nowhere = createFile(join(folder, 'no/x.pcapng'), 'capture');
    await expect(nowhere.write(Uint8Array.of(1))).rejects.toThrow(/no such file.*give --pcap another path/);
    await expect(nowhere.finish()).rejects.toThrow(/give --pcap/);
  });
});

describe('checkWritable', () => {
  it('takes the place of a capture of any kind, with its own words', async () => {
    const file = join(folder, 'x');
    for (const magic of ['0a0d0d0a', 'd4c3b2a1', 'a1b23c4d']) {
      writeFileSync(file, Buffer.from(`${magic}00000000`, 'hex'));
      await expect(checkWritable(file, 'capture')).resolves.toBeUndefined();
      await expect(checkWritable(file, 'trace')).rejects.toThrow('it is no trace. Give --out');
    }
    writeFileSync(file, 'ARROW1');
    await expect(checkWritable(file, 'capture')).rejects.toThrow(
      'it is no capture. Give --pcap another name, such as run.pcapng',
    );
  });

  it('takes a new file and an old one', async () => {
    writeFileSync(join(folder, 'old'), '');
    await expect(checkWritable(join(folder, 'new'))).resolves.toBeUndefined();
    await expect(checkWritable(join(folder, 'old'))).resolves.toBeUndefined();
  });

  it('takes the place of a trace, and of nothing else that somebody has written', async () => {
    const file = join(folder, 'a.trapline.json');
    writeFileSync(file, '{}');
    await expect(checkWritable(file)).rejects.toThrow(
      /will not overwrite .*a\.trapline\.json: it is no trace/,
    );
    await writeTrace(file, sampleStore(3));
    await expect(checkWritable(file)).resolves.toBeUndefined();
  });

  it('refuses a device: renaming a file to its name would remove it', async () => {
    await expect(checkWritable('/dev/null')).rejects.toThrow('it is a device or a pipe');
  });

  it('refuses a folder, and a folder that is not there', async () => {
    mkdirSync(join(folder, 'd'));
    await expect(checkWritable(join(folder, 'd'))).rejects.toThrow('it is a folder');
    await expect(checkWritable(join(folder, 'no/t'))).rejects.toThrow(/no such file or folder.*Give --out/);
  });
});

describe('reading', () => {
  it('says what is wrong with a path', async () => {
    await expect(readText(join(folder, 'no'))).rejects.toThrow('there is no such file or folder');
    await expect(readTrace(folder)).rejects.toThrow('it is a folder');
    symlinkSync('loop', join(folder, 'loop'));
    await expect(readText(join(folder, 'loop'))).rejects.toThrow(/cannot read .*loop: /);
  });

  it('says that a file is no trace', async () => {
    const file = join(folder, 't');
    writeFileSync(file, 'something else altogether');
    await expect(readTrace(file)).rejects.toThrow(/^.*t: This is not an Apache Arrow file/);
  });

  it('recovers what it can of a trace that was cut short', async () => {
    const file = join(folder, 't');
    await writeTrace(file, sampleStore(1000));
    truncateSync(file, readFileSync(file).length - 20);
    expect((await readTrace(file)).meta.state).toBe('truncated');
  });
});
