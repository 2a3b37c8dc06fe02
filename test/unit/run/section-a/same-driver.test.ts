/** The sample e1000 driver runs unchanged on a bare machine and under KVM: the same frames, without the exits. */
import { beforeAll, describe, expect, it } from 'vitest';
import { Kind } from '../../../../src/trace/vocabulary/events';
import { countedRun, ofKind, trackOf, type CountedRun } from '../../../support/section-a';

const SCENARIO = 'b7-e1000-emulated';

/** The bundled scenario says `kvm`, and expects exits, which a bare machine has none of. */
function bare(text: string): string {
  const withoutExpect = text.replace(/"expect": \{[\s\S]*\}\s*\}\s*$/, '"expect": { "packets.rx": 64 } }');
  return withoutExpect.replace('"vmm": "kvm"', '"vmm": "none"').replace('"backend": "qemu", ', '');
}

describe('drivers/e1000.c', () => {
  let onBare: CountedRun;
  let underKvm: CountedRun;

  beforeAll(async () => {
    underKvm = await countedRun(SCENARIO);
    onBare = await countedRun(SCENARIO, bare);
  });

  it('ends well on both, with the same frames', () => {
    for (const run of [onBare, underKvm]) {
      expect(run.end.meta.message).toBeUndefined();
      expect(run.end.summary.vms[0]?.exitCode).toBe(0);
      expect(run.end.summary.packets).toEqual({ tx: 64, rx: 64, dropped: 0 });
      expect(run.end.summary.expectations.filter(({ held }) => !held)).toEqual([]);
    }
    expect(onBare.serial).toBe(underKvm.serial);
  });

  it('has its accesses as register rows and no exits on the bare machine', () => {
    expect(onBare.end.summary.exits).toEqual({});
    expect(onBare.end.summary.userExits).toBe(0);
    const nic = trackOf(onBare, 'e1000');
    const rows = ofKind(onBare, Kind.MmioRead, nic).length + ofKind(onBare, Kind.MmioWrite, nic).length;
    const bar = onBare.log.entries.filter(({ isPort, address }) => !isPort && address < 0xfec0_0000);
    expect(rows).toBe(bar.reduce((sum, { reads, writes }) => sum + reads + writes, 0));
  });

  it('is as many times faster as it makes fewer detours', () => {
    expect(onBare.end.summary.cycles).toBeLessThan(underKvm.end.summary.cycles);
  });
});
