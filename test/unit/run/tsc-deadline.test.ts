/** A TSC deadline is compared with the guest's own TSC (SDM vol. 3, 10.5.4.1 and 17.17), with a VMM and without. */
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { GuestImage } from '../../../src/guest/image';
import type { RunJob } from '../../../src/protocol/run';
import { Island } from '../../../src/vmm/threads/island';
import { jobOf, root, runJob } from '../../support/runs';

const file = join(root, 'test/fixtures/guests/deadline.trapline.json');
/** From the deadline to the guest's handler that reads the TSC, at most: with a VMM, waking the vCPU. */
const LATEST = { kvm: 100_000, none: 2_000 };
/** The last deadline was jumped over by one distance. */
const JUMPED = 50_000;

function scenario(vmm: 'kvm' | 'none'): string {
  const guest = { sources: ['tsc-deadline.c'] };
  return JSON.stringify({ vmm, vms: [{ guest }], stop: { when: 'guests-exit', afterMs: 200 } });
}

/** Two arrays of the guest's. */
function told(job: RunJob): { deadlines: number[]; fired: number[]; hash: string } {
  const { elf, elfFile } = job.guests[0];
  const image = GuestImage.parse(elf, elfFile);
  const values: Record<string, number[]> = {};
  const { end } = runJob(job, (session) => {
    for (const name of ['deadlines', 'fired']) {
      const symbol = image.symbol(name);
      if (!symbol) throw new Error(`the guest has no ${name}`);
      const bytes = session.memory(0).read(Number(symbol.address), Number(symbol.size));
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      values[name] = Array.from({ length: bytes.length / 8 }, (_, i) =>
        Number(view.getBigUint64(8 * i, true)),
      );
    }
  });
  expect(end.summary.vms[0]?.exitCode).toBe(0);
  const { deadlines, fired } = values;
  return { deadlines, fired, hash: end.summary.traceHash };
}

describe.each(['kvm', 'none'] as const)('under %s', (vmm) => {
  it('a deadline comes when the guest’s TSC has reached it, whatever was written to that', async () => {
    const job = await jobOf(file, scenario(vmm));
    const { deadlines, fired, hash } = told(job);
    const late = fired.map((time, i) => time - deadlines[i]);
    expect(late).toHaveLength(6);
    late.forEach((cycles, i) => {
      const earliest = i === 5 ? JUMPED : 0;
      expect(cycles, `deadline ${i}`).toBeGreaterThanOrEqual(earliest);
      expect(cycles, `deadline ${i}`).toBeLessThan(earliest + LATEST[vmm]);
    });
    const mustWait = vi.spyOn(Island.prototype, 'mustWait').mockReturnValue(true);
    const waiting = told(job);
    mustWait.mockRestore();
    expect(waiting).toEqual({ deadlines, fired, hash });
  });
});
