/** Interrupts of the 8259s, which reach the bootstrap processor through LINT0 or past a LAPIC that is off. */
import { describe, expect, it } from 'vitest';
import { ApicMsr, Lapic, LAPIC_BASE } from '../../../src/machine/interrupts/lapic-registers';
import { ScriptCpu, ScriptMachine, halt, storyOf, type Step } from './script-cpu';

const MASTER = 0x20;
const PIT_MODE = 0x43;
const PIT_COUNT = 0x40;
/** Vectors from here on. */
const BASE = 0x20;
const EOI = 0x20;
const LINT0_MASKED = 0x10700;

const spin: Step = () => undefined;
const out =
  (port: number, value: number): Step =>
  (cpu) =>
    cpu.callouts.portOut(port, 1, value);
/** ICW1 to ICW4, then all inputs but the timer's masked. */
const initialise: Step[] = [
  out(MASTER, 0x11),
  out(MASTER + 1, BASE),
  out(MASTER + 1, 4),
  out(MASTER + 1, 1),
  out(MASTER + 1, 0xfe),
];
/** Mode 2 with the count of 64: a rise of the output every 53 microseconds. */
const startTimer: Step[] = [out(PIT_MODE, 0x34), out(PIT_COUNT, 64), out(PIT_COUNT, 0)];

function play(steps: Step[], until: number): { cpu: ScriptCpu; machine: ScriptMachine } {
  const cpu = new ScriptCpu([...steps]);
  const machine = new ScriptMachine([cpu]);
  machine.run(until);
  return { cpu, machine };
}

describe('the timer through the 8259', () => {
  it('wakes a vCPU that halts, with the vector of the 8259', () => {
    const { cpu, machine } = play([...initialise, ...startTimer, halt], 100_000);
    expect(cpu.delivered.map(({ vector }) => vector)).toEqual([BASE]);
    expect(storyOf(machine.finish().rows).slice(-2)).toEqual(['irq.inject', 'irq.deliver']);
  });

  it('comes again only when its end was told to the 8259', () => {
    const again: Step[] = [out(MASTER, EOI), (cpu) => void (cpu.interruptsOn = true), halt];
    const { cpu } = play([...initialise, ...startTimer, halt, ...again], 200_000);
    expect(cpu.delivered).toHaveLength(2);
  });

  it('does not come through a LINT0 that is masked', () => {
    const mask: Step = (cpu) => cpu.callouts.mmioWrite(LAPIC_BASE + Lapic.LvtLint0, 4, LINT0_MASKED, 0);
    expect(play([mask, ...initialise, ...startTimer, halt], 100_000).cpu.delivered).toEqual([]);
  });

  it('comes past a LAPIC that is disabled as a whole (SDM vol. 3, 10.4.3)', () => {
    const mask: Step = (cpu) => cpu.callouts.mmioWrite(LAPIC_BASE + Lapic.LvtLint0, 4, LINT0_MASKED, 0);
    const off: Step = (cpu) => void cpu.callouts.msrWrite(ApicMsr.Base, LAPIC_BASE, 0);
    const { cpu } = play([mask, off, ...initialise, ...startTimer, halt], 100_000);
    expect(cpu.delivered.map(({ vector }) => vector)).toEqual([BASE]);
  });

  it('goes before a vector of the LAPIC, which follows when interrupts are on again', () => {
    const cli: Step = (cpu) => void (cpu.interruptsOn = false);
    const selfIpi: Step = (cpu) => cpu.callouts.mmioWrite(LAPIC_BASE + Lapic.IcrLow, 4, 0x81 | (1 << 18), 0);
    const sti: Step = (cpu) => void (cpu.interruptsOn = true);
    const wait = Array.from({ length: 60_000 }, () => spin);
    const { cpu } = play([cli, ...initialise, ...startTimer, ...wait, selfIpi, sti, spin, sti], 200_000);
    expect(cpu.delivered.map(({ vector }) => vector)).toEqual([BASE, 0x81]);
  });
});
