/** Row B1: one exit for each instruction that accesses a trapped register, whatever its form; its value arrives, and RIP advances. */
import { beforeAll, describe, expect, it } from 'vitest';
import { Kind } from '../../../../src/trace/vocabulary/events';
import { countedRun, trackOf, type CountedRun } from '../../../support/section-a';
import { causedBy, exitsOf, userExits, type Exit } from '../../../support/section-b';

const FORM_WORDS = 8;

/** An instruction of the guest, by its own account. */
interface Form {
  rip: number;
  next: number;
  done: number;
  accesses: number;
  value: number;
  reads: boolean;
}

describe('B1: MMIO under KVM', () => {
  let run: CountedRun;
  let forms: Form[];
  let exits: Exit[];
  const at = (rip: number): Exit[] => exits.filter((exit) => exit.rip === BigInt(rip));

  beforeAll(async () => {
    run = await countedRun('b1-mmio-trap');
    const words = run.words('b1_log');
    forms = Array.from({ length: words.length / FORM_WORDS }, (_, i) => {
      const [rip, ripHigh, next, nextHigh, done, accesses, value, reads] = words.slice(FORM_WORDS * i);
      return {
        rip: rip + ripHigh * 2 ** 32,
        next: next + nextHigh * 2 ** 32,
        done,
        accesses,
        value,
        reads: reads !== 0,
      };
    });
    exits = exitsOf(run);
  });

  it('ends well, and holds what it expects', () => {
    expect(run.end.summary.vms[0]?.exitCode).toBe(0);
    expect(run.end.summary.expectations.filter(({ held }) => !held)).toEqual([]);
    expect(forms.length).toBeGreaterThan(5);
  });

  it('has one exit for each execution of each form, at its own address', () => {
    for (const { rip, done } of forms) {
      expect(done).toBeGreaterThan(0);
      expect(at(rip).length).toBe(done);
      for (const { reason } of at(rip)) expect(['EPT_MISCONFIG', 'EPT_VIOLATION']).toContain(reason);
    }
  });

  it('is an EPT violation the first time that the page is touched, and never again', () => {
    const all = exits.filter(({ reason }) => reason.startsWith('EPT_'));
    expect(all.map(({ reason }) => reason === 'EPT_VIOLATION')).toEqual(all.map((_, index) => index === 0));
  });

  it('asks the device as often as the instruction accesses it, each time in a stay of its own in QEMU', () => {
    const edu = trackOf(run, 'edu');
    for (const { rip, accesses } of forms)
      for (const exit of at(rip)) {
        expect(userExits(exit)).toBe(accesses);
        const rows = causedBy(run, exit).filter(({ track }) => track === edu);
        expect(rows.map(({ kind }) => kind === Kind.MmioRead || kind === Kind.MmioWrite)).toEqual(
          Array.from({ length: accesses }, () => true),
        );
        // A read before the write of what came of it.
        if (accesses > 1) expect(rows.map(({ kind }) => kind)).toEqual([Kind.MmioRead, Kind.MmioWrite]);
      }
  });

  it('gives the guest what the device answered', () => {
    const reading = forms.filter(({ reads }) => reads);
    expect(reading.length).toBeGreaterThan(3);
    for (const { rip, value } of reading) {
      const rows = causedBy(run, at(rip).at(-1)!);
      expect(rows.find(({ kind }) => kind === Kind.MmioRead)?.b).toBe(value);
    }
  });

  it('goes on behind the instruction: RIP has advanced by its length', () => {
    const last = Math.max(...forms.map(({ rip }) => rip));
    for (const { rip, next } of forms) {
      // No instruction is longer (SDM vol. 2, 2.3.11).
      expect(next - rip).toBeGreaterThan(0);
      expect(next - rip).toBeLessThanOrEqual(15);
      // What follows in a straight line leaves further on; behind the last one the guest begins anew.
      for (const exit of at(rip)) {
        const following = exits[exits.indexOf(exit) + 1];
        if (rip === last) expect(following.rip).not.toBe(BigInt(rip));
        else expect(following.rip).toBeGreaterThanOrEqual(BigInt(next));
      }
    }
  });
});
