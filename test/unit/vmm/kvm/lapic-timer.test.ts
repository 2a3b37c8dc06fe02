/** The LAPIC's timer as KVM emulates it: a period of less than 200 us is none that a guest gets (min_timer_period_us). */
import { describe, expect, it } from 'vitest';
import { Lapic } from '../../../../src/machine/interrupts/lapic-registers';
import { ScriptCpu, ScriptMachine } from '../script-cpu';

/** One tick of the timer is a nanosecond (APIC_BUS_CYCLE_NS), as a cycle of the host is here. */
const LEAST = 200_000;
const PERIODIC = 0x20000;
const BY_ONE = 0b1011;
const VECTOR = 0x60;

describe('the LAPIC timer under KVM', () => {
  it.each([
    ['a short period', PERIODIC, 50_000, LEAST],
    ['a long period', PERIODIC, 300_000, 300_000],
    ['a short one-shot', 0, 50_000, 50_000],
  ])('lets %s end at the time that KVM allows', (_what, mode, count, expected) => {
    const machine = new ScriptMachine([new ScriptCpu([])]);
    const lapic = machine.vm.lapic(0);
    lapic.write(Lapic.Divide, 4, BY_ONE);
    lapic.write(Lapic.LvtTimer, 4, mode + VECTOR);
    lapic.write(Lapic.InitialCount, 4, count);
    expect([lapic.read(Lapic.InitialCount, 4), lapic.read(Lapic.CurrentCount, 4)]).toEqual([count, expected]);
    expect(machine.site.island.queue.nextTime()).toBe(expected);
  });
});
