/** An instruction that waits for the bus is not interrupted in its midst: its access is made once (SDM vol. 3, 7.6). */
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { Kind } from '../../../src/trace/vocabulary/events';
import { Island } from '../../../src/vmm/threads/island';
import { jobOf, root, runJob } from '../../support/runs';

const file = join(root, 'test/fixtures/guests/interrupted-accesses.trapline.json');
/** As the guest has them. */
const ACCESSES = 400;
const SCRATCH = 7;

const SCENARIO = JSON.stringify({
  vmm: 'none',
  vms: [{ guest: { sources: ['interrupted-accesses.c'] } }],
  stop: { when: 'guests-exit', afterMs: 200 },
});

describe('on a bare machine', () => {
  it('a device sees each access once, also of those in whose midst an interrupt comes', async () => {
    // Whoever has to wait for the bus is given up: then there is a time in the midst of every access.
    const mustWait = vi.spyOn(Island.prototype, 'mustWait').mockReturnValue(true);
    const { store, end } = runJob(await jobOf(file, SCENARIO));
    mustWait.mockRestore();
    expect(end.summary.vms[0]?.exitCode).toBe(0);
    const seen = { [Kind.PioOut]: 0, [Kind.PioIn]: 0 };
    let interrupts = 0;
    for (let row = 0; row < store.rows; row++) {
      const { kind, a } = store.get(row);
      if ((kind === Kind.PioOut || kind === Kind.PioIn) && a === SCRATCH) seen[kind]++;
      if (kind === Kind.IrqDeliver) interrupts++;
    }
    expect(seen).toEqual({ [Kind.PioOut]: ACCESSES, [Kind.PioIn]: ACCESSES });
    expect(interrupts).toBeGreaterThan(ACCESSES / 4);
  });
});
