/** A guest that drives the entropy device of virtio over PCI: on the bare machine and under KVM, by pin and by message. */
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { GuestImage } from '../../../src/guest/image';
import { Random } from '../../../src/machine/time/random';
import type { TraceEvent } from '../../../src/trace/query/store';
import { Kind } from '../../../src/trace/vocabulary/events';
import { jobOf, root, runJob, type FinishedRun } from '../../support/runs';

const folder = join(root, 'test/fixtures/guests');
const SEED = 5;
const ways = ['none', 'kvm'].flatMap((vmm) => [0, 1].map((msix) => [vmm, msix] as const));

/** The run, and what the guest has in its log. */
async function driven(vmm: string, msix: number) {
  const text = JSON.stringify({
    vmm,
    seed: SEED,
    vms: [
      {
        guest: { sources: ['virtio-rng.c'], defines: { BY_MSIX: msix } },
        devices: [{ model: 'virtio-rng' }],
      },
    ],
    stop: { when: 'guests-exit', afterMs: 200 },
  });
  const job = await jobOf(join(folder, 'virtio-rng.trapline.json'), text);
  const [guest] = job.guests;
  const image = GuestImage.parse(guest.elf, guest.elfFile);
  const log: { kicks: number; interrupts: number; bytes: Uint8Array } = {
    kicks: 0,
    interrupts: 0,
    bytes: new Uint8Array(0),
  };
  const run = runJob(job, (session) => {
    const bytesOf = (name: string): Uint8Array => {
      const symbol = image.symbol(name);
      if (!symbol) throw new Error(`the guest has no ${name}`);
      return session.memory(0).read(Number(symbol.address), Number(symbol.size)).slice();
    };
    const numberOf = (name: string): number => Number(new BigUint64Array(bytesOf(name).buffer)[0]);
    log.kicks = numberOf('rng_kicks');
    log.interrupts = numberOf('rng_interrupts');
    log.bytes = bytesOf('rng_bytes');
  });
  return { run, log };
}

describe.each(ways)('on "%s", with MSI-X %i', (vmm, msix) => {
  let run: FinishedRun;
  let log: { kicks: number; interrupts: number; bytes: Uint8Array };
  let rows: TraceEvent[];
  const ofKind = (kind: number): TraceEvent[] => rows.filter((row) => row.kind === kind);

  beforeAll(async () => {
    ({ run, log } = await driven(vmm, msix));
    rows = Array.from({ length: run.store.rows }, (_, row) => run.store.get(row));
  });

  it('the guest gets what it asked for', () => {
    expect(run.serial).toBe('');
    expect(run.end.meta.message).toBeUndefined();
    expect(run.end.summary.vms[0]?.exitCode).toBe(0);
    expect(log.kicks).toBeGreaterThan(0);
  });

  it('the numbers are those of the run, the first device of the first VM', () => {
    const random = new Random(SEED + 2 ** 32);
    const each = log.bytes.length / log.kicks;
    const expected = Array.from({ length: log.kicks }, () => [...random.bytes(each)]).flat();
    expect([...log.bytes]).toEqual(expected);
  });

  it('every kick is in the trace, and every interrupt that it led to', () => {
    expect(ofKind(Kind.VirtqKick)).toHaveLength(log.kicks);
    expect(ofKind(Kind.VirtqInterrupt)).toHaveLength(log.kicks);
    expect(log.interrupts).toBe(log.kicks);
    // The device has a row for each message, and so has whoever carries it under KVM.
    const tracks = new Set(ofKind(Kind.Msi).map(({ track }) => track));
    expect(tracks.size > 0).toBe(msix === 1);
    for (const each of tracks) {
      expect(ofKind(Kind.Msi).filter(({ track }) => track === each)).toHaveLength(log.kicks);
    }
    expect(ofKind(Kind.DeviceMisused)).toHaveLength(0);
    expect(ofKind(Kind.DeviceIgnored)).toHaveLength(0);
    expect(ofKind(Kind.VirtioNeedsReset)).toHaveLength(0);
  });
});
