import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exportPackets, type ExportTools } from '../../../src/run/packet-export';
import { prepareRun } from '../../../src/run/prepare';
import { startRun } from '../../../src/run/start';
import { readCapture } from '../../../src/trace/exchange/capture';
import type { TraceMeta } from '../../../src/trace/model';
import { environment, jobOf, runJob, sample } from '../../support/runs';

const tools: ExportTools = { prepare: prepareRun, start: startRun, environment, application: 'Trapline' };

describe('exporting the packets of a run', () => {
  const scenario = sample('b7-e1000-emulated');
  let folder: string;
  let meta: TraceMeta;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'trapline-'));
    ({ meta } = runJob(await jobOf(scenario)).store);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('makes the same run again, and keeps what passed its links', async () => {
    const target = join(folder, 'x.pcapng');
    const result = await exportPackets(tools, meta, scenario, target, new AbortController().signal);
    expect(result).toEqual({ ok: true, same: true });
    expect(readCapture(readFileSync(target)).frames).toHaveLength(2 * 64);
    expect(readdirSync(folder)).toEqual(['x.pcapng']);
  });

  it('says when it is not the run of the trace any more', async () => {
    const other = { ...meta, traceHash: '0000000000000000' };
    const target = join(folder, 'x.pcapng');
    expect(await exportPackets(tools, other, scenario, target, new AbortController().signal)).toEqual({
      ok: true,
      same: false,
    });
  });

  it('says why a scenario cannot be run again, and leaves nothing behind', async () => {
    const broken = { ...meta, scenarioText: '{ "vms": [] }' };
    const target = join(folder, 'y.pcapng');
    const result = await exportPackets(tools, broken, scenario, target, new AbortController().signal);
    expect(result).toMatchObject({ ok: false, reason: expect.stringContaining('vms') });
    const stopped = AbortSignal.abort();
    await expect(exportPackets(tools, meta, scenario, target, stopped)).rejects.toThrow();
    expect(readdirSync(folder)).not.toContain('y.pcapng');
    expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });
});
