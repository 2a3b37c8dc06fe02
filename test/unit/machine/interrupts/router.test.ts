import { beforeEach, describe, expect, it } from 'vitest';
import { LocalApic } from '../../../../src/machine/interrupts/lapic';
import { ApicMsr, Lapic } from '../../../../src/machine/interrupts/lapic-registers';
import { DeliveryMode, Shorthand, type IpiMessage } from '../../../../src/machine/interrupts/message';
import { InterruptRouter } from '../../../../src/machine/interrupts/router';
import { IoApic } from '../../../../src/machine/interrupts/ioapic';
import { World } from '../fake-bus';

let lapics: LocalApic[];
let router: InterruptRouter;
let special: string[];
let ended: number[];

beforeEach(() => {
  const world = new World();
  special = [];
  ended = [];
  lapics = [];
  for (let id = 0; id < 4; id++) {
    const lapic = new LocalApic(
      { id, bootstrap: id === 0, name: `cpu${id}`, scheduler: world.queue, timerCyclesPerTick: 1 },
      {
        output: () => undefined,
        eoiBroadcast: (vector) => ended.push(vector),
        ipi: (message) => void router.ipi(id, message),
      },
    );
    lapic.write(Lapic.Svr, 4, 0x1ff);
    lapics.push(lapic);
  }
  router = new InterruptRouter(lapics, {
    nmi: (cpu) => special.push(`nmi ${cpu}`),
    init: (cpu) => special.push(`init ${cpu}`),
    startUp: (cpu, vector) => special.push(`sipi ${cpu} ${vector}`),
  });
});

const message = (changes: Partial<IpiMessage>): IpiMessage => ({
  mode: DeliveryMode.Fixed,
  vector: 0x40,
  logical: false,
  destination: 0,
  level: false,
  shorthand: Shorthand.None,
  ...changes,
});

describe('InterruptRouter', () => {
  it('reaches one by physical ID and all by broadcast', () => {
    expect(router.deliver(message({ destination: 2 }))).toEqual([2]);
    expect(router.deliver(message({ destination: 9 }))).toEqual([]);
    expect(router.deliver(message({ destination: 0xff }))).toEqual([0, 1, 2, 3]);
    expect(lapics.map((lapic) => lapic.highestPending())).toEqual([0x40, 0x40, 0x40, 0x40]);
  });

  it('reaches by logical flat and cluster addresses', () => {
    lapics.forEach((lapic, id) => lapic.write(Lapic.Ldr, 4, (1 << id) << 24));
    expect(router.deliver(message({ logical: true, destination: 0b1010 }))).toEqual([1, 3]);
    lapics.forEach((lapic, id) => {
      lapic.write(Lapic.Dfr, 4, 0);
      lapic.write(Lapic.Ldr, 4, (((id >> 1) << 4) | (1 << (id & 1))) << 24);
    });
    expect(router.deliver(message({ logical: true, destination: 0x13 }))).toEqual([2, 3]);
    expect(router.deliver(message({ logical: true, destination: 0x01 }))).toEqual([0]);
  });

  it('reaches by x2APIC cluster addresses', () => {
    for (const lapic of lapics) lapic.msrWrite(ApicMsr.Base, 0xfee00c00 | (lapic.id === 0 ? 0x100 : 0), 0);
    expect(router.deliver(message({ logical: true, destination: 0b0110 }))).toEqual([1, 2]);
    expect(router.deliver(message({ logical: true, destination: 0x10001 }))).toEqual([]);
    expect(router.deliver(message({ destination: 0xffffffff }))).toHaveLength(4);
    // An IOAPIC's broadcast reaches them too; to an IPI 0xff is an ID, which nobody has.
    expect(router.deliver(message({ destination: 0xff }))).toHaveLength(4);
    expect(router.ipi(0, message({ destination: 0xff }))).toEqual([]);
  });

  it('reaches nobody whose LAPIC is disabled, and every LAPIC of an ID that software gave twice', () => {
    lapics[1].msrWrite(ApicMsr.Base, 0xfee00000, 0);
    expect(router.deliver(message({ destination: 0xff }))).toEqual([0, 2, 3]);
    lapics[2].write(Lapic.Id, 4, 0x03000000);
    expect(router.deliver(message({ destination: 3 }))).toEqual([2, 3]);
  });

  it('gives lowest priority to the LAPIC of the lowest priority', () => {
    lapics[0].cr8 = 3;
    lapics[1].cr8 = 1;
    lapics[2].cr8 = 1;
    lapics[3].cr8 = 2;
    expect(router.deliver(message({ mode: DeliveryMode.LowestPriority, destination: 0xff }))).toEqual([1]);
  });

  it('carries IPIs with shorthands', () => {
    lapics[1].write(Lapic.IcrLow, 4, 0x000c4050);
    expect(lapics.map((lapic) => lapic.highestPending())).toEqual([0x50, -1, 0x50, 0x50]);
    lapics[1].write(Lapic.IcrLow, 4, 0x00044060);
    expect(lapics.map((lapic) => lapic.highestPending())).toEqual([0x50, 0x60, 0x50, 0x50]);
    lapics[1].write(Lapic.IcrLow, 4, 0x00084070);
    expect(lapics.map((lapic) => lapic.highestPending())).toEqual([0x70, 0x70, 0x70, 0x70]);
  });

  it('carries NMI, INIT and start-up', () => {
    lapics[0].write(Lapic.IcrHigh, 4, 0x02000000);
    for (const low of [0x4400, 0x4500, 0x4608]) lapics[0].write(Lapic.IcrLow, 4, low);
    expect(special).toEqual(['nmi 2', 'init 2', 'sipi 2 8']);
  });

  it('brings a shared level line again until both devices are quiet', () => {
    const ioapic = new IoApic((each) => router.deliver(each).length > 0);
    ioapic.write(0, 4, 0x10 + 22);
    ioapic.write(0x10, 4, 0x8040);
    ioapic.setPin(11, true, 1);
    ioapic.setPin(11, true, 2);
    const serve = (source: number): number => {
      const vector = lapics[0].acknowledge();
      ioapic.setPin(11, false, source);
      lapics[0].eoi();
      ioapic.eoi(ended.at(-1)!);
      return vector;
    };
    expect([serve(1), lapics[0].highestPending(), serve(2), lapics[0].highestPending()]).toEqual([
      0x40, 0x40, 0x40, -1,
    ]);
  });
});
