/** A small number of what `npm run conformance -- --qtest` does: the same random scripts for QEMU's devices and for Trapline's. */
import { describe, expect, it } from 'vitest';
import { compare } from './qtest/compare';
import { qtestDevices } from './qtest/devices';
import { reportOf } from './qtest/main';
import { whyNoQemu } from './qtest/qemu';

const OPERATIONS = 3000;
const SEED = 20240613;

const why = whyNoQemu();

describe.skipIf(why !== undefined)("Trapline's devices answer as QEMU's (needs qemu-system-x86_64)", () => {
  it.each(qtestDevices)('$name', async (device) => {
    const comparison = await compare(device, { seed: SEED, operations: OPERATIONS });
    expect(comparison.disagreement && reportOf(device, comparison)).toBeUndefined();
    expect(comparison.operations).toBeGreaterThanOrEqual(OPERATIONS);
    // Whatever differs is in the table, and the table names nothing that a judge does not.
    for (const name of Object.keys(comparison.known)) expect(device.differences).toHaveProperty([name]);
  });
});
