/** Halt polling: how long KVM looks, and what becomes of a vCPU that is woken while it does, too late, or never. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VmxExit } from '../../../../src/trace/vocabulary/vmx-exit-reasons';
import { HaltPolling } from '../../../../src/vmm/kvm/halt-polling';
import { Hog } from '../threads/world';
import { ScriptCpu, ScriptMachine, costs, exit, halt, type Step, type Told } from '../script-cpu';

const MOST = 200_000;
const START = 10_000;
const HZ = 1e9;
const VECTOR = 0x40;
const LEAVE = costs['exit.hardware'] + costs['kvm.dispatch'];
const sti: Step = (cpu) => void (cpu.interruptsOn = true);

/** Halts once for each arrival, interrupts on; vectors of the LAPIC have no class of their own here, so each is ended. */
function setUp(
  arrivals: number[],
  haltPollNs: number,
  times = arrivals.length,
): { machine: ScriptMachine; cpu: ScriptCpu } {
  const end: Step = (cpu) => cpu.callouts.mmioWrite(0xfee0_00b0, 4, 0, 0);
  const cpu = new ScriptCpu(Array.from({ length: times }, () => [halt, end, sti]).flat());
  const machine = new ScriptMachine([cpu], { haltPollNs });
  for (const time of arrivals)
    machine.at(time, `arrival at ${time}`, () => void machine.vm.lapic(0).accept(VECTOR, false));
  return { machine, cpu };
}

const named = (rows: Told[], name: string): Told[] =>
  rows.filter((row) => row.name === name && row.type === 'vcpu');

describe('the length of a look', () => {
  /** What halt-polling.rst and `kvm_vcpu_halt` say, one halt after the other. */
  function model(halts: number[]): number[] {
    let look = 0;
    return halts.map((halted) => {
      look = Math.min(look, MOST);
      const used = look;
      if (halted > look) {
        if (look !== 0 && halted > MOST) look = 0;
        else if (look < MOST && halted < MOST) look = look === 0 ? START : Math.max(START, look * 2);
      }
      return used;
    });
  }

  it('follows the halts before it', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.nat({ max: 30_000 }), fc.nat({ max: 400_000 }), fc.constant(MOST)), {
          maxLength: 30,
        }),
        (halts) => {
          const polling = new HaltPolling(MOST, HZ);
          let time = 0;
          const looks = halts.map((halted) => {
            const look = polling.begin(time);
            polling.end(time + halted);
            time += halted + 5;
            return look;
          });
          expect(looks).toEqual(model(halts));
        },
      ),
    );
  });

  it('is nothing where none is allowed', () => {
    const polling = new HaltPolling(0, HZ);
    expect(polling.enabled).toBe(false);
    polling.begin(0);
    polling.end(5_000);
    expect(polling.begin(6_000)).toBe(0);
  });
});

describe('a vCPU that halts', () => {
  it('sleeps the first time, and is found by the look the second time, which is sooner', () => {
    const [first, second] = [5_000, 8_000];
    const { machine, cpu } = setUp([first, second], MOST);
    machine.run(50_000);
    const { rows } = machine.finish();
    expect(named(rows, 'halted')).toHaveLength(1);
    const [look] = named(rows, 'halt.poll');
    expect(named(rows, 'halt.poll')).toHaveLength(1);
    expect(look.a).toBe(START);
    // With an entry and an injection, and once with the wake-up of a thread.
    const way = costs['entry.hardware'] + costs['kvm.inject'];
    expect(cpu.delivered.map(({ time }) => time)).toEqual([first + costs['kvm.wake'] + way, second + way]);
    expect(named(rows, exit(VmxExit.HLT))).toHaveLength(2);
  });

  it('sleeps when the look is over: each leg has its place, and the way to sleep comes last', () => {
    const { machine } = setUp([5_000, 8_000, 40_000], MOST);
    machine.run(100_000);
    const { rows } = machine.finish();
    const [, look] = named(rows, 'halt.poll');
    const [, asleep] = named(rows, 'halted');
    expect(look.start + START + costs['kvm.halt']).toBe(asleep.start);
    const last = named(rows, exit(VmxExit.HLT))[2];
    expect(look.start).toBe(last.start + LEAVE);
  });

  it('lets its CPU go at once when another thread wants it', () => {
    const { machine } = setUp([5_000], MOST, 2);
    // Nothing comes any more, while the CPUs are wanted by more threads than there are.
    machine.at(6_000, 'others', () => {
      for (const index of [0, 1]) {
        const track = machine.site.tracer.addTrack({
          type: 'thread',
          name: `hog ${index}`,
          group: 'host',
          vm: -1,
        });
        machine.site.scheduler.wake(new Hog(machine.site, `hog ${index}`, track).thread);
      }
    });
    machine.run(200_000);
    const { rows } = machine.finish();
    const [look] = named(rows, 'halt.poll');
    const [, asleep] = named(rows, 'halted');
    expect(asleep.start).toBeLessThan(look.start + START);
  });

  it('goes the way it always went where there is no look', () => {
    const { machine } = setUp([5_000, 8_000], 0);
    machine.run(50_000);
    const { rows } = machine.finish();
    expect(named(rows, 'halt.poll')).toEqual([]);
    expect(named(rows, 'halted')).toHaveLength(2);
  });

  it('leaves the same trace when something is due at every moment', () => {
    const arrivals = [500, 700, 790, 5_000];
    const free = setUp(arrivals, 300);
    free.machine.run(6_000);
    const held = setUp(arrivals, 300);
    for (let time = 0; time < 6_000; time += 1) held.machine.at(time, `at ${time}`, () => undefined);
    held.machine.run(6_000);
    const { rows } = free.machine.finish();
    expect(held.machine.finish().rows).toEqual(rows);
    expect(named(rows, 'halt.poll').length).toBeGreaterThan(0);
  });
});
