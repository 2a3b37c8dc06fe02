/** A summary with a different number everywhere, so that no figure can be mistaken for another. */
import type { Summary, SummaryCounts } from '../../../src/trace/query/summary';

function counts(n: number): SummaryCounts {
  return {
    guestInstructions: n + 1,
    exits: { EPT_MISCONFIG: n + 2, HLT: n + 3 },
    userExits: n + 4,
    interrupts: { raised: n + 5, injected: n + 6, posted: n + 7, handled: n + 8 },
    iommu: {
      translations: n + 9,
      iotlbHits: n + 10,
      iotlbMisses: n + 11,
      walkReferences: n + 12,
      faults: n + 13,
    },
    packets: { tx: n + 14, rx: n + 15, dropped: n + 16 },
  };
}

/** A run of two VMs, of which the second has not ended. */
export function sampleSummary(): Summary {
  return {
    ...counts(1000),
    cycles: 2_900_000,
    simulatedSeconds: 0.001,
    wallSeconds: 0.25,
    events: 7,
    host: { overwritten: 17, vfRefusals: 19 },
    gaps: [],
    traceHash: '0123456789abcdef',
    vms: [
      { name: 'vm0', ...counts(2000), exitCode: 0 },
      { name: 'vm1', ...counts(3000) },
    ],
    expectations: [],
  };
}
