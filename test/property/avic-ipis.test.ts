/**
 * IPIs of a guest with AVIC, whatever IDs it gives its local APICs: a vector comes to those whom the destination means by the rules of
 * the manual (AMD64 vol. 2, 16.6), whether the processor sent it by the tables, KVM behind an exit, or each a part.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LAPIC_BASE, Lapic } from '../../src/machine/interrupts/lapic-registers';
import { vectorsAt } from '../support/amd/avic-reader';
import { ScriptCpu, ScriptMachine, halt, type Step } from '../unit/vmm/script-cpu';

const CPUS = 3;
const SETTLED = 6_000;
const IRR = 0x200;
const FIRST_VECTOR = 0x30;
const [INIT, START_UP, ALL_BUT_SELF] = [5 << 8, 6 << 8, 3 << 18];
const FLAT = 0xffffffff;

interface Identity {
  id: number;
  ldr: number;
  flat: boolean;
  /** The vCPU sleeps when IPIs come. */
  asleep: boolean;
}
interface Ipi {
  destination: number;
  logical: boolean;
  /** Bits 19:18 of the ICR. */
  shorthand: number;
}

// Few values, so that IDs are often shared and destinations often somebody's.
const identity: fc.Arbitrary<Identity> = fc.record({
  id: fc.constantFrom(0, 1, 2, 3, 0x7f, 0xfe, 0xff),
  ldr: fc.constantFrom(0, 1, 2, 4, 6, 0x11, 0x12, 0x21, 0xe8, 0xf1),
  flat: fc.boolean(),
  asleep: fc.boolean(),
});
const ipi: fc.Arbitrary<Ipi> = fc.record({
  destination: fc.constantFrom(0, 1, 2, 3, 6, 0x11, 0x13, 0x21, 0x7f, 0xe8, 0xf1, 0xfe, 0xff),
  logical: fc.boolean(),
  shorthand: fc.constantFrom(0, 0, 0, 1, 2, 3),
});

/** Whom an IPI of the first vCPU means. */
function means({ destination, logical, shorthand }: Ipi, cpu: number, { id, ldr, flat }: Identity): boolean {
  if (shorthand !== 0) return shorthand === 2 || (cpu === 0) === (shorthand === 1);
  if (destination === 0xff) return true;
  if (!logical) return id === destination;
  if (flat) return (ldr & destination) !== 0;
  return ldr >> 4 === destination >> 4 && (ldr & destination & 0xf) !== 0;
}

const write =
  (register: number, value: number): Step =>
  (cpu) =>
    cpu.callouts.mmioWrite(LAPIC_BASE + register, 4, value, 0);
const spins = (count: number): Step[] => Array.from({ length: count }, () => (): undefined => undefined);

function machineOf(identities: readonly Identity[], ipis: readonly Ipi[]): ScriptMachine {
  const sender = new ScriptCpu([
    (cpu) => void (cpu.interruptsOn = false),
    write(Lapic.IcrLow, ALL_BUT_SELF | INIT),
    ...spins(200),
    write(Lapic.IcrLow, ALL_BUT_SELF | START_UP | 1),
    ...spins(SETTLED),
    ...ipis.flatMap(({ destination, logical, shorthand }, at) => [
      write(Lapic.IcrHigh, destination << 24),
      write(Lapic.IcrLow, (shorthand << 18) | (logical ? 0x800 : 0) | (FIRST_VECTOR + at)),
      ...spins(100),
    ]),
  ]);
  const others = identities.slice(1).map(
    ({ asleep }, at) =>
      // With interrupts off: what comes stays in the IRR.
      new ScriptCpu([], at + 1, { 1: asleep ? [halt] : [] }),
  );
  const machine = new ScriptMachine([sender, ...others], { interrupts: 'avic', vendor: 'amd' });
  machine.at(SETTLED - 1_000, 'identities', () =>
    identities.forEach(({ id, ldr, flat }, cpu) => {
      const lapic = machine.vm.lapic(cpu);
      lapic.write(Lapic.Svr, 4, 0x1ff);
      lapic.write(Lapic.Id, 4, (id << 24) >>> 0);
      lapic.write(Lapic.Ldr, 4, (ldr << 24) >>> 0);
      lapic.write(Lapic.Dfr, 4, flat ? FLAT : FLAT >>> 4);
    }),
  );
  return machine;
}

describe('IPIs with AVIC', () => {
  it('come to those whom they mean, and to nobody else', () => {
    fc.assert(
      fc.property(
        fc.tuple(...Array.from({ length: CPUS }, () => identity)),
        fc.array(ipi, { minLength: 1, maxLength: 6 }),
        (identities, ipis) => {
          const machine = machineOf(identities, ipis);
          machine.run(4 * SETTLED);
          const { memory } = machine.site;
          const { base } = memory.slots[memory.slots.length - 1];
          identities.forEach((each, cpu) => {
            const expected = ipis.flatMap((sent, at) => (means(sent, cpu, each) ? [FIRST_VECTOR + at] : []));
            const page = base + (2 + cpu) * 0x1000;
            expect([cpu, vectorsAt(memory, page, IRR)]).toEqual([cpu, expected]);
          });
        },
      ),
      { numRuns: 60 },
    );
  });
});
