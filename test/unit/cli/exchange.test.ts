/** `trapline import` and `trapline export`. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseCommandLine, UsageError } from '../../../src/cli/arguments';
import { runCli } from '../../../src/cli/cli';
import { checkWritable, createFile, readPieces } from '../../../src/cli/node-files';
import { TraceImporter } from '../../../src/trace/exchange/import/importer';
import { summarise } from '../../../src/trace/query/summary';
import { sampleStore } from '../trace/sample';
import { FakeHost } from './fake-host';

const TEXT = [
  'cpus=2',
  ' qemu-7 [001] 5.000001: kvm_entry: vcpu 0, rip 0x10',
  ' qemu-7 [001] 5.000003: kvm_exit: vcpu 0 reason HLT rip 0x11 info1 0x0 info2 0x0 intr_info 0x0 error_code 0x0',
  ' qemu-7 [001] 5.000004: rcu_utilization: Start context switch',
  ' qemu-7 [001] 5.000008: kvm_entry: vcpu 0, rip 0x12',
  '',
].join('\n');

describe('trapline import', () => {
  const withFile = (text = TEXT): FakeHost => {
    const host = new FakeHost();
    host.files.set('/home/ada/host.txt', text);
    return host;
  };

  it('prints the figures, and what is no event', async () => {
    const host = withFile();
    expect(await runCli(['import', 'host.txt'], host)).toBe(0);
    expect(host.stdout).toContain('5: 3 of events, 1 of headers');
    expect(host.stdout).toMatch(/HLT\s+1\n/);
    expect(host.stdout).toContain('rcu_utilization, which Trapline has no kind for (first in line 4)');
    expect(host.stdout).not.toContain('guest instructions');
    expect(host.stderr).toContain('1 of 5 lines of trace-cmd or ftrace are no events');
    expect(host.traces.size).toBe(0);
  });

  it('writes the trace', async () => {
    const host = withFile();
    expect(await runCli(['import', 'host.txt', '--out', 'host.trapline.arrow', '--json'], host)).toBe(0);
    const store = host.traces.get('/home/ada/host.trapline.arrow')!;
    expect(store.meta.source?.file).toBe('host.txt');
    expect(JSON.parse(host.stdout)).toEqual(JSON.parse(JSON.stringify(summarise(store.meta, store.rows))));
  });

  it('reads standard input', async () => {
    const host = new FakeHost();
    host.files.set('-', TEXT);
    expect(await runCli(['import', '-'], host)).toBe(0);
    expect(host.stdout).toContain('standard input');
  });

  it('says what cannot be imported, and of lost events', async () => {
    const binary = withFile('PERFILE2........');
    expect(await runCli(['import', 'host.txt'], binary)).toBe(2);
    expect(binary.stderr).toMatch(/cannot import host\.txt: it is a recording of perf/);
    const gone = new FakeHost();
    expect(await runCli(['import', 'host.txt'], gone)).toBe(2);
    const lossy = withFile(
      TEXT.replace('cpus=2', ' qemu-7 [001] 5.000000: kvm_entry: vcpu 0, rip 0x10\nCPU:1 [LOST 7 EVENTS]'),
    );
    expect(await runCli(['import', 'host.txt'], lossy)).toBe(0);
    expect(lossy.stderr).toContain('no room for 7 events of CPU 1');
  });

  it('takes the frequency of a clock of cycles', () => {
    expect(parseCommandLine(['import', 'x', '--frequency', '2.9e9'])).toMatchObject({ frequencyHz: 2.9e9 });
    for (const wrong of ['fast', '0', '1e20', 'NaN'])
      expect(() => parseCommandLine(['import', 'x', '--frequency', wrong])).toThrow(UsageError);
  });

  it('has its stats printed like those of any trace', async () => {
    const host = new FakeHost();
    const importer = new TraceImporter({ file: 'host.txt' });
    importer.push(new TextEncoder().encode(TEXT));
    host.traces.set('/home/ada/host.trapline.arrow', importer.finish());
    expect(await runCli(['stats', 'host.trapline.arrow'], host)).toBe(0);
    expect(host.stdout).toContain('5: 3 of events');
    expect(host.stderr).toContain('are no events');
  });
});

describe('trapline export', () => {
  const { store } = sampleStore(2);
  const withTrace = (): FakeHost => {
    const host = new FakeHost();
    host.traces.set('/home/ada/run.trapline.arrow', store);
    return host;
  };

  it.each(['perfetto', 'chrome', 'csv'])('to %s', async (to) => {
    const host = withTrace();
    expect(await runCli(['export', 'run.trapline.arrow', '--to', to, '--out', 'x'], host)).toBe(0);
    expect(host.written.get('/home/ada/x')?.length).toBeGreaterThan(1000);
    expect(host.stderr).toMatch(/^wrote x: /);
  });

  it('says what is missing or wrong', async () => {
    for (const [args, message] of [
      [['export', 'run.trapline.arrow', '--out', 'x'], /--to perfetto, --to chrome, --to csv, --to pcap/],
      [['export', 'run.trapline.arrow', '--to', 'perfeto', '--out', 'x'], /Did you mean .*perfetto/],
      [['export', 'run.trapline.arrow', '--to', 'csv'], /--out FILE/],
      [['export', 'gone.trapline.arrow', '--to', 'csv', '--out', 'x'], /gone/],
    ] as const) {
      const host = withTrace();
      expect(await runCli([...args], host)).toBe(2);
      expect(host.stderr).toMatch(message);
    }
    const full = withTrace();
    full.diskFull = true;
    expect(await runCli(['export', 'run.trapline.arrow', '--to', 'csv', '--out', 'x'], full)).toBe(2);
    expect(full.stderr).toContain('the disk is full');
  });

  it('has no packets of a trace of another tool', async () => {
    const host = withTrace();
    expect(await runCli(['export', 'run.trapline.arrow', '--to', 'pcap', '--out', 'x'], host)).toBe(2);
    expect(host.stderr).toContain('no scenario to run');
  });
});

describe('files', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'trapline-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('are read in pieces, and whose reading fails says why', async () => {
    const file = join(folder, 'large.txt');
    writeFileSync(file, 'x'.repeat(3_000_000));
    const lengths: number[] = [];
    for await (const piece of readPieces(file)) lengths.push(piece.length);
    expect(lengths.length).toBeGreaterThan(1);
    expect(lengths.reduce((sum, length) => sum + length, 0)).toBe(3_000_000);
    await expect(readPieces(join(folder, 'gone')).next()).rejects.toThrow(/cannot read .*gone.*no such file/);
  });

  it('take the place of exports only', async () => {
    const file = join(folder, 'driver.c');
    writeFileSync(file, 'int main;');
    for (const kind of ['perfetto', 'chrome', 'csv'] as const) {
      await expect(checkWritable(file, kind)).rejects.toThrow(/will not overwrite/);
      const { store } = sampleStore();
      const own = join(folder, kind);
      const { exportFormats } = await import('../../../src/trace/exchange/export/formats');
      const output = createFile(own, kind);
      for (const part of exportFormats[kind].parts(store)) await output.write(part);
      await output.finish();
      expect(existsSync(own)).toBe(true);
      await checkWritable(own, kind);
      expect(readFileSync(own).length).toBeGreaterThan(100);
    }
  });
});
