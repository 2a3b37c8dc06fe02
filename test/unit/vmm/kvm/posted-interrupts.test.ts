/** Interrupts posted to a vCPU: by KVM and by somebody who knows the descriptor only, by where the vCPU is. */
import { describe, expect, it } from 'vitest';
import {
  postInterrupt,
  postedVectors,
  readPostedControl,
  type PostedControl,
} from '../../../../src/machine/interrupts/posted-descriptor';
import { LAPIC_BASE, Lapic } from '../../../../src/machine/interrupts/lapic-registers';
import { VmxExit } from '../../../../src/trace/vocabulary/vmx-exit-reasons';
import type { Costs } from '../../../../src/vmm/cost-keys';
import { HostVector } from '../../../../src/vmm/threads/host-interrupts';
import {
  NOWHERE,
  ScriptCpu,
  ScriptMachine,
  costs,
  exit,
  halt,
  storyOf,
  type Step,
  type Told,
} from '../script-cpu';
import { Hog } from '../threads/world';

const VECTOR = 0x41;
const spin: Step = () => undefined;
const spins = (count: number): Step[] => Array.from({ length: count }, () => spin);
const sti: Step = (cpu) => void (cpu.interruptsOn = true);
const cli: Step = (cpu) => void (cpu.interruptsOn = false);
const eoi: Step = (cpu) => cpu.callouts.mmioWrite(LAPIC_BASE + Lapic.Eoi, 4, 0, 0);
const read: Step = (cpu) => void cpu.callouts.mmioRead(NOWHERE, 4);

/** One vCPU that follows a script. */
class Posted {
  readonly cpu: ScriptCpu;
  readonly machine: ScriptMachine;

  constructor(steps: Step[], options: { haltPollNs?: number; costs?: Partial<Costs> } = {}) {
    this.cpu = new ScriptCpu([...steps]);
    this.machine = new ScriptMachine([this.cpu], { interrupts: 'posted', ...options });
  }

  get address(): number {
    return this.machine.vm.postedDescriptor(0)!;
  }

  get control(): PostedControl {
    return readPostedControl(this.machine.site.memory, this.address)!;
  }

  /** KVM has a vector for the vCPU, for a device. */
  byKvm(time: number, vector: number): this {
    this.machine.at(time, `KVM posts at ${time}`, () => void this.machine.vm.lapic(0).accept(vector, false));
    return this;
  }

  /** An IOMMU posts: it knows the descriptor, and the local APICs of the host. */
  byIommu(time: number, vector: number, urgent = false): this {
    const { site } = this.machine;
    this.machine.at(time, `the IOMMU posts at ${time}`, () => {
      const posting = postInterrupt(site.memory, this.address, vector, urgent)!;
      const { destination, vector: notification } = posting.control;
      if (posting.notify)
        site.scheduler.interrupts.send(destination, notification, costs['irq.notification']);
    });
    return this;
  }

  run(until = 5_000): { story: string[]; rows: Told[]; vectors: number[] } {
    this.machine.run(until);
    const { rows } = this.machine.finish();
    return { rows, story: storyOf(rows), vectors: this.cpu.delivered.map(({ vector }) => vector) };
  }
}
const named = (rows: readonly Told[], name: string): Told[] => rows.filter((row) => row.name === name);

describe.each(['byKvm', 'byIommu'] as const)('a vCPU that runs, posted to %s', (who) => {
  it('takes the vector without an exit, once the notification has come to its physical CPU', () => {
    const run = new Posted([...spins(300), eoi])[who](35, VECTOR);
    const { story, rows, vectors } = run.run();
    expect(story).toEqual(['irq.deliver']);
    expect(vectors).toEqual([VECTOR]);
    expect(run.cpu.delivered[0].time).toBe(35 + costs['irq.notification']);
    expect(run.machine.vm.lapic(0).highestInService()).toBe(-1);
    const [notification] = named(rows, 'irq.accept').filter(({ track }) => track === 'pCPU 0');
    expect(notification.a).toBe(HostVector.PostedInterrupt);
    // The vector hangs on its post where KVM has posted it, otherwise on the notification.
    const accepted = named(rows, 'irq.accept').find(({ a }) => a === VECTOR)!;
    expect(rows[accepted.cause].name).toBe(who === 'byKvm' ? 'irq.post' : 'irq.accept');
  });

  it('makes no exit behind STI either', () => {
    const { story } = new Posted([cli, ...spins(300), sti])[who](35, VECTOR).run();
    expect(story).toEqual(['irq.deliver']);
  });

  it('takes several by one notification', () => {
    const run = new Posted([cli, ...spins(300), sti, ...spins(5), eoi, sti]);
    [0x41, 0x42, 0x61].forEach((vector, i) => run[who](35 + i, vector));
    const { rows, vectors } = run.run();
    expect(vectors).toEqual([0x61, 0x42]);
    expect(named(rows, 'irq.accept').filter(({ track }) => track === 'pCPU 0')).toHaveLength(1);
    expect(postedVectors(run.machine.site.memory, run.address)).toEqual([]);
  });
});

describe('a vCPU in the host', () => {
  it('gets no notification of KVM, and the entry takes over what was posted', () => {
    // The exit of the read begins at 0: legs of ten cycles.
    const { story, rows, vectors } = new Posted([read]).byKvm(25, VECTOR).run();
    expect(vectors).toEqual([VECTOR]);
    expect(named(rows, 'irq.notify')).toEqual([]);
    expect(story).toEqual([exit(VmxExit.EPT_VIOLATION), 'irq.deliver']);
  });

  it('gets one of the IOMMU, which is nobody to ask where it is', () => {
    const { story, rows, vectors } = new Posted([read]).byIommu(25, VECTOR).run();
    expect(vectors).toEqual([VECTOR]);
    expect(named(rows, 'irq.accept').filter(({ track }) => track === 'pCPU 0')).toHaveLength(1);
    expect(story).toEqual([exit(VmxExit.EPT_VIOLATION), 'irq.deliver']);
  });
});

describe('a vCPU that sleeps', () => {
  it('has the wake-up vector in its descriptor, and the other one when it runs again', () => {
    const run = new Posted([halt, ...spins(20)]);
    const seen: number[] = [];
    for (const time of [500, 1_500])
      run.machine.at(time, `look at ${time}`, () => void seen.push(run.control.vector));
    run.byKvm(1_000, VECTOR).run();
    expect(seen).toEqual([HostVector.PostedWakeUp, HostVector.PostedInterrupt]);
  });

  it.each(['byKvm', 'byIommu'] as const)('is woken when it is posted to %s', (who) => {
    const { story, rows, vectors } = new Posted([halt, ...spins(20)])[who](1_000, VECTOR).run();
    expect(story).toEqual([exit(VmxExit.HLT), 'irq.deliver']);
    expect(vectors).toEqual([VECTOR]);
    const onCpu = named(rows, 'irq.accept').filter(
      ({ type, track }) => type === 'interrupts' && track === 'pCPU 0',
    );
    expect(onCpu.map(({ a }) => a)).toEqual(who === 'byKvm' ? [] : [HostVector.PostedWakeUp]);
  });

  it('that polls is found', () => {
    const run = new Posted([halt, ...spins(20), sti, halt, ...spins(5)], { haltPollNs: 20_000 });
    // The first sleep is what makes the next look long.
    const { vectors } = run.byKvm(3_000, VECTOR).byKvm(6_000, 0x61).run(20_000);
    expect(vectors).toEqual([VECTOR, 0x61]);
  });
});

describe('a vCPU whose CPU others have', () => {
  /** Hogs on all CPUs of the machine, so that the vCPU has to wait for its turns, of 200 cycles. */
  function crowded(): Posted {
    const run = new Posted([], { costs: { 'sched.slice': 200 } });
    const { site } = run.machine;
    const hogs = [0, 1].map((i) => new Hog(site, `hog ${i}`, 0));
    run.machine.at(1, 'hogs', () => hogs.forEach(({ thread }) => site.scheduler.wake(thread)));
    return run;
  }

  it.each([false, true])('is notified while it waits only if that is urgent: %s', (urgent) => {
    const run = crowded();
    let before: PostedControl | undefined;
    let notify: boolean | undefined;
    for (let time = 2; time < 1_000; time++)
      run.machine.at(time, `look at ${time}`, () => {
        if (before || !run.control.suppressed) return;
        before = run.control;
        notify = postInterrupt(run.machine.site.memory, run.address, VECTOR, urgent)?.notify;
      });
    const { vectors } = run.run();
    expect(before).toMatchObject({ outstanding: false, suppressed: true });
    expect(notify).toBe(urgent);
    // What came is outstanding at its turn, notified or not.
    expect(vectors).toEqual([VECTOR]);
  });

  it('gets one before the end of a slice for what is urgent', () => {
    const [plain, urgent] = [false, true].map((isUrgent) => {
      const run = crowded();
      let posted = 0;
      for (let time = 2; time < 1_000; time++)
        run.machine.at(time, `look at ${time}`, () => {
          if (posted > 0 || !run.control.suppressed) return;
          posted = time;
          const { site } = run.machine;
          const { notify, control } = postInterrupt(site.memory, run.address, VECTOR, isUrgent)!;
          if (notify)
            site.scheduler.interrupts.send(control.destination, control.vector, costs['irq.notification']);
        });
      const { rows } = run.run();
      const woken = named(rows, 'irq.accept').filter(({ a }) => a === HostVector.PostedWakeUp);
      expect(woken).toHaveLength(isUrgent ? 1 : 0);
      return run.cpu.delivered[0].time - posted;
    });
    expect(urgent).toBeLessThan(plain);
  });

  it('has the CPU in its descriptor that it has got last', () => {
    const run = crowded();
    const seen: { time: number; destination: number }[] = [];
    for (let time = 2; time < 5_000; time += 7)
      run.machine.at(
        time,
        `look at ${time}`,
        () => void seen.push({ time, destination: run.control.destination }),
      );
    const turns = named(run.run().rows, 'cpu.thread');
    const own = turns.filter(({ a }) => a === turns[0].a);
    const cpuAt = (time: number): string => own.findLast(({ start }) => start < time)!.track;
    expect(new Set(own.map(({ track }) => track))).toEqual(new Set(['pCPU 0', 'pCPU 1']));
    const settled = seen.filter(({ time }) => !own.some(({ start }) => start === time));
    for (const { time, destination } of settled) expect(`pCPU ${destination}`).toBe(cpuAt(time));
  });
});

it('INIT forgets what was posted', () => {
  const run = new Posted([cli, ...spins(2_000)]);
  run.machine.at(100, 'post', () => void postInterrupt(run.machine.site.memory, run.address, VECTOR, false));
  run.machine.at(200, 'INIT', () =>
    run.machine.vm.sendIpi(0, {
      mode: 5,
      vector: 0,
      logical: false,
      level: false,
      destination: 0,
      shorthand: 1,
    }),
  );
  run.run();
  expect(postedVectors(run.machine.site.memory, run.address)).toEqual([]);
  expect(run.control.outstanding).toBe(false);
});
