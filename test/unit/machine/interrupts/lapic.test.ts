import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { LocalApic, type LapicHost, type LocalApicOptions } from '../../../../src/machine/interrupts/lapic';
import { ApicMsr, Lapic } from '../../../../src/machine/interrupts/lapic-registers';
import type { IpiMessage } from '../../../../src/machine/interrupts/message';
import { World } from '../fake-bus';

const X2 = (offset: number): number => 0x800 + offset / 16;
const BASE_ENABLED = 0xfee00800;
const TICK = 3;

class Machine {
  readonly world = new World();
  readonly ipis: IpiMessage[] = [];
  readonly ended: number[] = [];
  readonly broadcast: number[] = [];
  readonly accepted: [vector: number, time: number][] = [];
  intr = false;
  readonly apic: LocalApic;

  constructor(options: Partial<LocalApicOptions> = {}) {
    const host: LapicHost = {
      output: (asserted) => void (this.intr = asserted),
      eoiBroadcast: (vector) => void this.broadcast.push(vector),
      ipi: (message) => void this.ipis.push(message),
      accepted: (vector) => void this.accepted.push([vector, this.world.time]),
      ended: (vector) => void this.ended.push(vector),
    };
    this.apic = new LocalApic(
      {
        id: 2,
        bootstrap: true,
        name: 'apic',
        scheduler: this.world.queue,
        timerCyclesPerTick: TICK,
        ...options,
      },
      host,
    );
    this.world.queue.register(this.apic.timer);
  }

  get(offset: number): number {
    return this.apic.read(offset, 4);
  }

  set(offset: number, value: number): void {
    this.apic.write(offset, 4, value);
  }

  on(): this {
    this.set(Lapic.Svr, 0x1ff);
    return this;
  }

  x2(): this {
    this.apic.msrWrite(ApicMsr.Base, BASE_ENABLED | 0x400, 0);
    this.apic.msrWrite(X2(Lapic.Svr), 0x1ff, 0);
    return this;
  }
}

let m: Machine;
beforeEach(() => {
  m = new Machine().on();
});

describe('LAPIC state after reset (SDM 10.4.7.1)', () => {
  it('is as listed', () => {
    const fresh = new Machine();
    expect(
      [Lapic.Svr, Lapic.Dfr, Lapic.Ldr, Lapic.Tpr, Lapic.LvtTimer, Lapic.LvtError, Lapic.IcrLow].map((at) =>
        fresh.get(at),
      ),
    ).toEqual([0xff, 0xffffffff, 0, 0, 0x10000, 0x10000, 0]);
    expect([fresh.get(Lapic.Id), fresh.get(Lapic.Version)]).toEqual([0x02000000, 0x00050014]);
    expect(fresh.apic.msrRead(ApicMsr.Base)).toBe(0xfee00900);
  });

  it('takes no fixed interrupt and keeps LVT masks while software-disabled', () => {
    const fresh = new Machine();
    expect(fresh.apic.accept(0x40, false)).toBe(false);
    fresh.set(Lapic.LvtLint0, 0x30);
    expect(fresh.get(Lapic.LvtLint0)).toBe(0x10030);
    m.set(Lapic.LvtLint0, 0x30);
    m.set(Lapic.Svr, 0xff);
    expect(m.get(Lapic.LvtLint0)).toBe(0x10030);
  });
});

describe('LAPIC priorities and EOI', () => {
  it('moves a vector from IRR to ISR to done', () => {
    expect(m.apic.accept(0x41, false)).toBe(true);
    expect([m.intr, m.get(Lapic.Irr + 0x20), m.get(Lapic.Isr + 0x20)]).toEqual([true, 2, 0]);
    expect(m.apic.acknowledge()).toBe(0x41);
    expect([m.intr, m.get(Lapic.Irr + 0x20), m.get(Lapic.Isr + 0x20), m.get(Lapic.Ppr)]).toEqual([
      false,
      0,
      2,
      0x40,
    ]);
    m.set(Lapic.Eoi, 0);
    expect([m.get(Lapic.Isr + 0x20), m.get(Lapic.Ppr), m.ended, m.broadcast]).toEqual([0, 0, [0x41], []]);
  });

  it('nests higher classes over lower ones only', () => {
    m.apic.accept(0x45, false);
    m.apic.acknowledge();
    m.apic.accept(0x4f, false);
    expect([m.intr, m.apic.highestPending()]).toEqual([false, -1]);
    m.apic.accept(0x50, false);
    expect([m.intr, m.apic.acknowledge()]).toEqual([true, 0x50]);
    expect([m.apic.eoi(), m.apic.eoi()]).toEqual([0x50, 0x45]);
    expect([m.intr, m.apic.acknowledge()]).toEqual([true, 0x4f]);
    expect([m.apic.eoi(), m.apic.eoi()]).toEqual([0x4f, -1]);
  });

  it('holds vectors up to the class of TPR or CR8', () => {
    m.set(Lapic.Tpr, 0x50);
    m.apic.accept(0x5f, false);
    expect([m.intr, m.apic.cr8]).toEqual([false, 5]);
    m.apic.cr8 = 4;
    expect([m.intr, m.get(Lapic.Tpr), m.get(Lapic.Ppr)]).toEqual([true, 0x40, 0x40]);
  });

  it('gives the spurious vector when there is nothing to acknowledge', () => {
    expect([m.apic.acknowledge(), m.get(Lapic.Isr + 0xe0)]).toEqual([0xff, 0]);
  });

  it('tells IOAPICs the end of level-triggered vectors by the TMR bit', () => {
    m.apic.accept(0x61, true);
    expect(m.get(Lapic.Tmr + 0x30)).toBe(2);
    m.apic.acknowledge();
    m.apic.eoi();
    m.apic.accept(0x61, false);
    expect(m.get(Lapic.Tmr + 0x30)).toBe(0);
    m.apic.acknowledge();
    m.apic.eoi();
    expect(m.broadcast).toEqual([0x61]);
  });

  it('behaves as the rules of 10.8.3 written as sets', () => {
    const action = fc.oneof(
      fc.record({ accept: fc.integer({ min: 16, max: 255 }) }),
      fc.constant('ack' as const),
      fc.constant('eoi' as const),
      fc.record({ tpr: fc.nat(255) }),
    );
    fc.assert(
      fc.property(fc.array(action, { maxLength: 80 }), (actions) => {
        const { apic } = new Machine().on();
        const irr = new Set<number>();
        const isr = new Set<number>();
        let tpr = 0;
        const top = (set: Set<number>): number => Math.max(-1, ...set);
        for (const each of actions) {
          const floor = Math.max(tpr >> 4, top(isr) >> 4);
          const pending = top(irr) >> 4 > floor ? top(irr) : -1;
          expect(apic.highestPending()).toBe(pending);
          if (each === 'ack') {
            expect(apic.acknowledge()).toBe(pending < 0 ? 0xff : pending);
            if (pending >= 0) {
              irr.delete(pending);
              isr.add(pending);
            }
          } else if (each === 'eoi') {
            const ended = top(isr);
            expect(apic.eoi()).toBe(ended);
            isr.delete(ended);
          } else if ('accept' in each) {
            apic.accept(each.accept, false);
            irr.add(each.accept);
          } else {
            tpr = each.tpr;
            apic.write(Lapic.Tpr, 4, tpr);
          }
        }
      }),
    );
  });
});

describe('LAPIC timer', () => {
  it('counts down once and interrupts at zero', () => {
    m.world.advanceTo(1000);
    m.set(Lapic.LvtTimer, 0x70);
    m.set(Lapic.Divide, 0b1011);
    m.set(Lapic.InitialCount, 100);
    m.world.advanceTo(1000 + 40 * TICK + 1);
    expect(m.get(Lapic.CurrentCount)).toBe(60);
    m.world.advanceTo(10_000);
    expect([m.accepted, m.get(Lapic.CurrentCount)]).toEqual([[[0x70, 1000 + 100 * TICK]], 0]);
  });

  it('divides by 2, 4, … 128 and 1', () => {
    const expiry = [0b0000, 0b0001, 0b0010, 0b0011, 0b1000, 0b1001, 0b1010, 0b1011].map((divide) => {
      const machine = new Machine().on();
      machine.set(Lapic.LvtTimer, 0x70);
      machine.set(Lapic.Divide, divide);
      machine.set(Lapic.InitialCount, 10);
      return machine.world.queue.nextTime() / (10 * TICK);
    });
    expect(expiry).toEqual([2, 4, 8, 16, 32, 64, 128, 1]);
  });

  it('repeats in periodic mode until the count is written 0', () => {
    m.set(Lapic.Divide, 0b1011);
    m.set(Lapic.LvtTimer, 0x20070);
    m.set(Lapic.InitialCount, 100);
    m.world.advanceTo(350 * TICK);
    expect([m.accepted.map(([, time]) => time / TICK), m.get(Lapic.CurrentCount)]).toEqual([
      [100, 200, 300],
      50,
    ]);
    m.set(Lapic.InitialCount, 0);
    expect(m.world.queue.nextTime()).toBe(Infinity);
  });

  it('masked, costs no event and goes on counting; unmasked, interrupts at the next expiry', () => {
    m.set(Lapic.Divide, 0b1011);
    m.set(Lapic.LvtTimer, 0x30070);
    m.set(Lapic.InitialCount, 100);
    expect(m.world.queue.nextTime()).toBe(Infinity);
    m.world.advanceTo(250 * TICK);
    expect(m.get(Lapic.CurrentCount)).toBe(50);
    m.set(Lapic.LvtTimer, 0x20070);
    expect(m.world.queue.nextTime()).toBe(300 * TICK);
  });

  it('does not interrupt for a one-shot that ran out while masked', () => {
    m.set(Lapic.Divide, 0b1011);
    m.set(Lapic.LvtTimer, 0x10070);
    m.set(Lapic.InitialCount, 100);
    m.world.advanceTo(500 * TICK);
    m.set(Lapic.LvtTimer, 0x70);
    m.world.drain();
    expect(m.accepted).toEqual([]);
  });

  it('keeps the initial count and its phase over changes between one-shot and periodic', () => {
    m.set(Lapic.Divide, 0b1011);
    m.set(Lapic.LvtTimer, 0x70);
    m.set(Lapic.InitialCount, 100);
    m.world.advanceTo(60 * TICK);
    m.set(Lapic.LvtTimer, 0x20070);
    expect([m.get(Lapic.InitialCount), m.get(Lapic.CurrentCount)]).toEqual([100, 40]);
    m.world.advanceTo(230 * TICK);
    m.set(Lapic.LvtTimer, 0x70);
    expect([m.get(Lapic.InitialCount), m.get(Lapic.CurrentCount)]).toEqual([100, 70]);
    m.world.advanceTo(900 * TICK);
    expect(m.accepted.map(([, time]) => time / TICK)).toEqual([100, 200, 300]);
    // Run out, it stays so.
    m.set(Lapic.LvtTimer, 0x20070);
    expect([m.get(Lapic.InitialCount), m.get(Lapic.CurrentCount)]).toEqual([100, 0]);
  });

  it('goes on from where it stands when its divider changes', () => {
    m.set(Lapic.Divide, 0b1011);
    m.set(Lapic.LvtTimer, 0x70);
    m.set(Lapic.InitialCount, 100);
    m.world.advanceTo(40 * TICK);
    m.set(Lapic.Divide, 0b0000);
    expect([m.get(Lapic.InitialCount), m.get(Lapic.CurrentCount)]).toEqual([100, 60]);
    expect(m.world.queue.nextTime()).toBe((40 + 60 * 2) * TICK);
  });

  /** A hypervisor that has a least period: of 1000 ticks here. Times and counts follow limit_periodic_timer_frequency of Linux. */
  describe('with a least period', () => {
    const LEAST = 1000;
    const set = (mode: number, count: number): Machine => {
      const machine = new Machine({ timerLeastPeriod: LEAST * TICK }).on();
      machine.set(Lapic.Divide, 0b1011);
      machine.set(Lapic.LvtTimer, mode + 0x70);
      machine.set(Lapic.InitialCount, count);
      return machine;
    };
    const PERIODIC = 0x20000;
    const expiries = (machine: Machine, until: number): number[] => {
      machine.world.advanceTo(until * TICK);
      return machine.accepted.map(([, time]) => time / TICK);
    };

    it('makes shorter ones as long, whose count comes to 0 with them', () => {
      const machine = set(PERIODIC, 100);
      machine.world.advanceTo(350 * TICK);
      expect([machine.get(Lapic.InitialCount), machine.get(Lapic.CurrentCount)]).toEqual([100, LEAST - 350]);
      expect(expiries(machine, 3500)).toEqual([1000, 2000, 3000]);
    });

    it.each([
      ['a period that is long enough', PERIODIC, 1500, [1500, 3000]],
      ['exactly the least', PERIODIC, LEAST, [1000, 2000, 3000]],
      ['a one-shot', 0, 100, [100]],
    ])('leaves %s as it is', (_what, mode, count, expected) => {
      expect(expiries(set(mode, count), 3500)).toEqual(expected);
    });

    it('begins after the end of what ran when the mode changed', () => {
      const once = set(0, 100);
      once.world.advanceTo(60 * TICK);
      once.set(Lapic.LvtTimer, PERIODIC + 0x70);
      expect(expiries(once, 2500)).toEqual([100, 1100, 2100]);
      const periodic = set(PERIODIC, 100);
      periodic.world.advanceTo(1350 * TICK);
      periodic.set(Lapic.LvtTimer, 0x70);
      expect(expiries(periodic, 5000)).toEqual([1000, 2000]);
    });

    it('begins after what was left goes on at the rate of another divider', () => {
      const slower = set(PERIODIC, 100);
      slower.world.advanceTo(400 * TICK);
      slower.set(Lapic.Divide, 0b0000); // by 2: of 600 there are 1200 left, and twice 100 is still too short
      expect(expiries(slower, 4000)).toEqual([1600, 2600, 3600]);
      const faster = set(PERIODIC, 1500);
      faster.set(Lapic.Divide, 0b0000);
      faster.world.advanceTo(1000 * TICK);
      faster.set(Lapic.Divide, 0b1011); // of 2000 there are 1000 left, and a period has 1500 again
      expect(expiries(faster, 4000)).toEqual([2000, 3500]);
    });

    it('goes on on another host with what was left', () => {
      const machine = set(PERIODIC, 100);
      machine.world.advanceTo(1300 * TICK);
      const other = new Machine({ timerLeastPeriod: LEAST * TICK });
      other.world.advanceTo(50_000 * TICK);
      other.apic.adopt(structuredClone(machine.apic.save().hardware));
      expect(expiries(other, 52_000)).toEqual([50_700, 51_700]);
    });
  });

  it('fires at IA32_TSC_DEADLINE, which then reads 0', () => {
    m.set(Lapic.LvtTimer, 0x40070);
    m.apic.msrWrite(ApicMsr.TscDeadline, 5000, 0);
    expect(m.apic.msrRead(ApicMsr.TscDeadline)).toBe(5000);
    m.set(Lapic.InitialCount, 10);
    m.world.advanceTo(20_000);
    expect([m.accepted, m.apic.msrRead(ApicMsr.TscDeadline)]).toEqual([[[0x70, 5000]], 0]);
    m.apic.msrWrite(ApicMsr.TscDeadline, 100, 0);
    m.world.advanceTo(20_000);
    expect(m.accepted[1]).toEqual([0x70, 20_000]);
    m.apic.msrWrite(ApicMsr.TscDeadline, 0, 1);
    m.set(Lapic.LvtTimer, 0x70);
    expect(m.world.queue.nextTime()).toBe(Infinity);
  });
});

describe('LAPIC IPIs', () => {
  it('sends by ICR, with the destination of ICR_HIGH', () => {
    m.set(Lapic.IcrHigh, 0x03000000);
    m.set(Lapic.IcrLow, 0x0000_4841);
    expect(m.ipis).toEqual([
      { mode: 0, vector: 0x41, level: false, logical: true, shorthand: 0, destination: 3 },
    ]);
  });

  it('sends shorthands, INIT and SIPI, and drops the INIT de-assert', () => {
    for (const value of [0x000c_4500, 0x000c_8500, 0x000c_4608, 0x0008_00f0]) m.set(Lapic.IcrLow, value);
    expect(m.ipis.map(({ mode, vector, shorthand }) => [mode, vector, shorthand])).toEqual([
      [5, 0, 3],
      [6, 8, 3],
      [0, 0xf0, 2],
    ]);
  });

  it('notes illegal vectors in the ESR, once written, and raises the error entry', () => {
    m.set(Lapic.LvtError, 0x33);
    m.set(Lapic.IcrLow, 0x0005);
    m.apic.accept(3, false);
    expect([m.ipis, m.get(Lapic.Esr), m.apic.highestPending()]).toEqual([[], 0, 0x33]);
    m.set(Lapic.Esr, 0);
    expect(m.get(Lapic.Esr)).toBe(0x60);
    m.set(Lapic.Esr, 0);
    expect(m.get(Lapic.Esr)).toBe(0);
  });
});

describe('x2APIC', () => {
  it('has the registers as MSRs, the page silent', () => {
    m.x2();
    expect([m.apic.msrRead(X2(Lapic.Id)), m.apic.msrRead(X2(Lapic.Ldr)), m.get(Lapic.Id)]).toEqual([
      2, 4, 0xffffffff,
    ]);
    m.apic.accept(0x41, true);
    m.apic.acknowledge();
    expect(m.apic.msrWrite(X2(Lapic.Eoi), 0, 0)).toBe(true);
    expect(m.broadcast).toEqual([0x41]);
    expect(m.apic.msrWrite(ApicMsr.X2Icr, 0x4041, 0x12345)).toBe(true);
    expect(m.apic.msrWrite(X2(Lapic.SelfIpi), 0x55, 0)).toBe(true);
    expect(m.ipis.map(({ destination, shorthand, vector }) => [destination, shorthand, vector])).toEqual([
      [0x12345, 0, 0x41],
      [2, 1, 0x55],
    ]);
    expect([m.apic.msrRead(ApicMsr.X2Icr), m.apic.resultHigh]).toEqual([0x4041, 0x12345]);
  });

  it('raises #GP as 10.12.1 lists', () => {
    expect(m.apic.msrRead(X2(Lapic.Id))).toBeUndefined();
    m.x2();
    const writes: [number, number, number][] = [
      [X2(Lapic.Eoi), 1, 0],
      [X2(Lapic.Esr), 1, 0],
      [X2(Lapic.Id), 0, 0],
      [X2(Lapic.Id), 0x03000000, 0],
      [X2(Lapic.Ldr), 0, 0],
      [X2(Lapic.Dfr), 0, 0],
      [X2(Lapic.Tpr), 0x100, 0],
      [X2(Lapic.Tpr), 0, 1],
      [0x831, 0, 0],
      [X2(Lapic.CurrentCount), 0, 0],
      [0x8ff, 0, 0],
    ];
    for (const [msr, low, high] of writes)
      expect(m.apic.msrWrite(msr, low, high), `WRMSR ${msr.toString(16)}`).toBe(false);
    for (const msr of [X2(Lapic.Eoi), X2(Lapic.Dfr), X2(Lapic.SelfIpi), 0x831, 0x800]) {
      expect(m.apic.msrRead(msr), `RDMSR ${msr.toString(16)}`).toBeUndefined();
    }
  });

  it('changes modes as 10.12.5 allows', () => {
    const to = (low: number): boolean => m.apic.msrWrite(ApicMsr.Base, low, 0);
    expect(to(0xfee00400)).toBe(false);
    expect(to(0xfee00c00)).toBe(true);
    expect(to(0xfee00800)).toBe(false);
    expect(to(0xfee00000)).toBe(true);
    expect(to(0xfee00c00)).toBe(false);
    expect(to(0xfee00800)).toBe(true);
    expect(to(0xfee00801)).toBe(false);
  });
});

describe('the ID of the xAPIC', () => {
  it('can be written, is what physical destinations mean, and comes back with the LAPIC', () => {
    m.set(Lapic.Id, 0x07ffffff);
    expect(m.get(Lapic.Id)).toBe(0x07000000);
    const physical = (destination: number): boolean => m.apic.matches({ logical: false, destination });
    expect([physical(2), physical(7)]).toEqual([false, true]);
    m.apic.init();
    expect(m.get(Lapic.Id)).toBe(0x07000000);
    m.apic.msrWrite(ApicMsr.Base, BASE_ENABLED & ~0x800, 0);
    expect([physical(2), physical(0xff)]).toEqual([false, false]);
    m.apic.msrWrite(ApicMsr.Base, BASE_ENABLED, 0);
    expect([m.get(Lapic.Id), physical(2)]).toEqual([0x02000000, true]);
  });
});

describe('a LAPIC without x2APIC', () => {
  it('refuses the mode', () => {
    const old = new Machine({ x2apicSupported: false });
    expect(old.apic.msrWrite(ApicMsr.Base, 0xfee00c00, 0)).toBe(false);
    expect(old.apic.msrRead(ApicMsr.Base)).toBe(0xfee00900);
  });
});

describe('the pins LINT0 and LINT1', () => {
  it('do what their entries say, and nothing while masked', () => {
    const seen: unknown[] = [];
    const world = new World();
    const apic = new LocalApic(
      { id: 0, bootstrap: true, name: 'lint', scheduler: world.queue, timerCyclesPerTick: 1 },
      {
        output: (asserted) => void seen.push(asserted),
        eoiBroadcast: () => undefined,
        ipi: () => undefined,
        nmi: () => void seen.push('nmi'),
        external: { pendingVector: 0x21, acknowledge: () => 0x21 },
      },
    );
    apic.setLint(0, true);
    apic.setLint(0, false);
    apic.write(Lapic.Svr, 4, 0x1ff);
    apic.write(Lapic.LvtLint0, 4, 0x700);
    apic.write(Lapic.LvtLint1, 4, 0x400);
    for (const pin of [0, 1] as const) for (const level of [true, false]) apic.setLint(pin, level);
    expect(seen).toEqual([true, false, 'nmi']);
    apic.write(Lapic.LvtLint1, 4, 0x10400);
    apic.setLint(1, true);
    apic.write(Lapic.LvtLint0, 4, 0x35);
    apic.setLint(0, true);
    expect([seen.length, apic.highestPending()]).toEqual([4, 0x35]);
  });
});

describe('LAPIC under any programming', () => {
  it('never throws, and goes on identically after save and load', () => {
    const offset = fc.oneof(fc.constantFrom(...Object.values(Lapic)), fc.nat(0xfff));
    const value = fc.oneof(
      fc.nat(0xffff),
      fc.constantFrom(0, 0x20070, 0x40070, 0x70, 0x1ff),
      fc.integer({ min: 0, max: 0xffffffff }),
    );
    const step = fc.oneof(
      fc.record({ do: fc.constant('write' as const), offset, value }),
      fc.record({ do: fc.constant('read' as const), offset }),
      fc.record({
        do: fc.constant('wrmsr' as const),
        offset: fc.oneof(fc.constantFrom(0x1b, 0x6e0), fc.integer({ min: 0x800, max: 0x840 })),
        value,
      }),
      fc.record({ do: fc.constant('rdmsr' as const), offset: fc.integer({ min: 0x800, max: 0x840 }) }),
      fc.record({ do: fc.constant('accept' as const), offset: fc.nat(255), value: fc.nat(1) }),
      fc.record({ do: fc.constant('ack' as const) }),
      fc.record({ do: fc.constant('wait' as const), value: fc.nat(100_000) }),
    );
    type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
    const perform = (machine: Machine, each: Step): unknown => {
      const { apic } = machine;
      const seen = {
        write: () => each.do === 'write' && apic.write(each.offset & ~3, 4, each.value),
        read: () => each.do === 'read' && apic.read(each.offset, 4),
        wrmsr: () => each.do === 'wrmsr' && apic.msrWrite(each.offset, each.value, 0),
        rdmsr: () => each.do === 'rdmsr' && apic.msrRead(each.offset),
        accept: () => each.do === 'accept' && apic.accept(each.offset, each.value === 1),
        ack: () => apic.acknowledge(),
        wait: () => each.do === 'wait' && machine.world.advanceTo(machine.world.time + each.value),
      }[each.do]();
      return [seen, machine.intr, apic.highestPending(), machine.world.queue.nextTime(), machine.ipis.at(-1)];
    };
    fc.assert(
      fc.property(fc.array(step, { maxLength: 50 }), fc.array(step, { maxLength: 30 }), (before, after) => {
        const one = new Machine().on();
        for (const each of before) perform(one, each);
        const two = new Machine();
        two.world.load(structuredClone(one.world.save()));
        two.apic.load(structuredClone(one.apic.save()));
        two.intr = one.intr;
        two.ipis.push(...one.ipis);
        for (const each of after) expect(perform(two, each)).toEqual(perform(one, each));
        expect(two.apic.save()).toEqual(one.apic.save());
      }),
      { numRuns: 300 },
    );
  });
});
