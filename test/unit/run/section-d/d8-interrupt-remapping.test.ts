/** Row D8: an interrupt message that a device makes up is refused by interrupt remapping, and delivered without. */
import { describe, expect, it } from 'vitest';
import { InterruptFaultReason as Reason } from '../../../../src/machine/iommu/interrupts/interrupt-faults';
import { exitKind, Kind } from '../../../../src/trace/vocabulary/events';
import { VmxExit } from '../../../../src/trace/vocabulary/vmx-exit-reasons';
import { countedRun, ofKind, trackOf, type CountedRun } from '../../../support/section-a';

const VECTOR = 0xe5;
/** APIC IDs of the physical CPUs: their positions. */
const CPUS = 2;
/** 64 KiB of entries of 16 bytes. */
const TABLE_ENTRIES = 4096;

/** Index of a message in remappable format (VT-d specification, 5.1.2.2), whose subhandle is not valid. */
const indexOf = (address: number): number => (address >>> 5) & 0x7fff;
const forged = (run: CountedRun) =>
  ofKind(run, Kind.Msi, trackOf(run, 'edu0')).filter(({ b }) => b === VECTOR);
const accepted = (run: CountedRun) => ofKind(run, Kind.IrqAccept).filter(({ a }) => a === VECTOR);

describe('D8', () => {
  it('refuses what is in the wrong format, of another requester, nobody’s, or behind the table', async () => {
    const run = await countedRun('d8-interrupt-remapping');
    expect(run.end.summary.expectations.filter(({ held }) => !held)).toEqual([]);
    const addresses = run.words('forge_log');
    const messages = forged(run);
    expect(messages.map(({ a }) => a)).toEqual(addresses);
    const [, ofIoapic, ofNobody, behind] = addresses.map(indexOf);
    expect(behind).toBeGreaterThanOrEqual(TABLE_ENTRIES);
    expect(ofKind(run, Kind.IrqBlocked).map(({ a, b }) => [a, b])).toEqual([
      [Reason.CompatibilityBlocked, 0],
      [Reason.SourceRefused, ofIoapic],
      [Reason.NotPresent, ofNobody],
      [Reason.IndexBeyondTable, behind],
    ]);
    expect(ofKind(run, Kind.IrteRead).map(({ b }) => b)).toEqual([ofIoapic, ofNobody]);
    expect(accepted(run)).toEqual([]);
    // The kernel is told of each.
    expect(ofKind(run, Kind.IommuFaultRead).map(({ a, b }) => [b, a])).toEqual(
      ofKind(run, Kind.IrqBlocked).map(({ a, b }) => [a, b]),
    );
  });

  it('without it a CPU takes whatever vector the guest likes', async () => {
    const run = await countedRun('d8-interrupt-remapping', (text) =>
      text.replace('"interruptRemapping": true', '"interruptRemapping": false'),
    );
    const messages = forged(run);
    expect(messages.length).toBe(4);
    expect(ofKind(run, Kind.IrqBlocked)).toEqual([]);
    // Each is an MSI then, whose destination is in bits 19 to 12.
    const reached = messages.filter(({ a }) => ((a >>> 12) & 0xff) < CPUS);
    const found = accepted(run);
    expect(found.map(({ cause }) => cause)).toEqual(reached.map(({ row }) => row));
    expect(found.length).toBeGreaterThan(0);
    // The guest, which waited for its device on that CPU, is interrupted by its own forgery.
    const exits = ofKind(run, exitKind(VmxExit.EXTERNAL_INTERRUPT));
    expect(exits.length).toBeGreaterThan(0);
    for (const { cause } of exits) expect(found.map(({ row }) => row)).toContain(cause);
  });
});
