/** Row B4: what the kernel serves is a short exit; what QEMU serves goes on to it and comes back, each leg a span of its own. */
import { beforeAll, describe, expect, it } from 'vitest';
import { between, countedRun, endOf, mark, type CountedRun } from '../../../support/section-a';
import { exitsOf, KERNEL_LEGS, USER_LEGS, type Exit } from '../../../support/section-b';

const BEHIND = 100;
const UNIT_WORDS = 4;
/** In the order of the guest's log; whom KVM serves itself. */
const units = [
  { name: 'the local APIC', reason: 'APIC_ACCESS', kernel: true },
  { name: 'the IOAPIC', reason: 'EPT_MISCONFIG', kernel: true },
  { name: 'the 8259', reason: 'IO_INSTRUCTION', kernel: true },
  { name: 'edu', reason: 'EPT_MISCONFIG', kernel: false },
  { name: 'the UART', reason: 'IO_INSTRUCTION', kernel: false },
];

describe('B4: kernel and user space', () => {
  let run: CountedRun;
  let log: { accesses: number; cycles: number }[];
  let all: Exit[];
  const exitsTo = (unit: number): Exit[] => {
    const rows = new Set(between(run.rows, mark(run, unit), mark(run, unit + BEHIND)));
    // The mark itself is a hypercall.
    return all.filter(({ row, reason }) => rows.has(row) && reason !== 'VMCALL');
  };

  beforeAll(async () => {
    run = await countedRun('b4-kernel-user');
    const words = run.words('b4_log');
    log = units.map((_, i) => {
      const [reads, writes, low, high] = words.slice(UNIT_WORDS * i);
      return { accesses: reads + writes, cycles: low + high * 2 ** 32 };
    });
    all = exitsOf(run);
  });

  it('ends well, and holds what it expects', () => {
    expect(run.end.summary.vms[0]?.exitCode).toBe(0);
    expect(run.end.summary.expectations.filter(({ held }) => !held)).toEqual([]);
  });

  it.each(units.map((unit, index) => [unit.name, unit, index] as const))(
    'of %s: an exit for each access, by its way',
    (_, { reason, kernel }, index) => {
      const exits = exitsTo(index);
      expect(log[index].accesses).toBeGreaterThan(0);
      expect(exits.length).toBe(log[index].accesses);
      for (const exit of exits) {
        expect(exit.reason).toBe(reason);
        expect(exit.legs.map(({ kind }) => kind)).toEqual(kernel ? KERNEL_LEGS : USER_LEGS);
      }
    },
  );

  it('fills each exit with its legs, without a gap', () => {
    for (let unit = 0; unit < units.length; unit++)
      for (const { row, legs } of exitsTo(unit)) {
        let time = row.start;
        for (const leg of legs) {
          expect(leg.start).toBe(time);
          time = endOf(leg);
        }
        expect(time).toBe(endOf(row));
      }
  });

  it('takes as many user exits as QEMU is asked, and none for the others', () => {
    const byUs = units.map((_, unit) => exitsTo(unit).filter(({ legs }) => legs.length > 2).length);
    expect(byUs).toEqual(units.map(({ kernel }, unit) => (kernel ? 0 : log[unit].accesses)));
  });

  it('is what the guest has measured, but for its own instructions', () => {
    for (let unit = 0; unit < units.length; unit++) {
      const spent = exitsTo(unit).reduce((sum, { row }) => sum + row.duration, 0);
      expect(log[unit].cycles).toBeGreaterThan(spent);
      expect(log[unit].cycles).toBeLessThan(1.1 * spent);
    }
    // A user exit more than doubles what the kernel takes for the same kind of access.
    expect(log[3].cycles).toBeGreaterThan(2 * log[1].cycles);
    expect(log[4].cycles).toBeGreaterThan(2 * log[2].cycles);
  });
});
