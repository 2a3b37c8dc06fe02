/** Interrupts that a part of the host's kernel raises in a VM: by a thread, by a handler, at a line that has a level. */
import { describe, expect, it } from 'vitest';
import { InterruptFabric } from '../../../../src/machine/interrupts/fabric';
import { IOAPIC_VERSION } from '../../../../src/machine/interrupts/ioapic';
import { Lapic } from '../../../../src/machine/interrupts/lapic-registers';
import { Irqfd, type KvmIrqchip } from '../../../../src/vmm/kvm/irqfd';
import { EventFd } from '../../../../src/vmm/threads/eventfd';
import type { StepTarget } from '../../../../src/vmm/threads/work';
import { Worker } from '../../../../src/vmm/threads/worker';
import { costs, passTo, siteOf } from '../threads/world';

const GSI = 11;
const VECTOR = 0x41;
/** 00:03.0. */
const REQUESTER = 0x18;
const MSI_ADDRESS = 0xfee0_0000;
const TAKE = 30;

/** A worker of the kernel, an irqfd, and interrupt controllers with one CPU that takes nothing by itself. */
function setUp() {
  const { site, recorder } = siteOf(2);
  const { island } = site;
  const accepted: { time: number; vector: number }[] = [];
  const fabric = new InterruptFabric({
    name: 'vm0',
    scheduler: island.queue,
    cpus: [
      {
        interrupt: () => undefined,
        ownTimer: (accept) => accept(),
        nmi: () => undefined,
        init: () => undefined,
        startUp: () => undefined,
      },
    ],
    observer: {
      message: (_source, _vector, deliver) => deliver(),
      ipi: (_sender, _message, send) => send(),
      accepted: (_cpu, vector) => void accepted.push({ time: island.now(), vector }),
      ended: () => undefined,
    },
    timerCyclesPerTick: 1,
    x2apicSupported: false,
    ioapicVersion: IOAPIC_VERSION.plain,
  });
  const lapic = fabric.lapic(0);
  lapic.write(Lapic.Svr, 4, 0x1ff);
  const irqchip: KvmIrqchip = {
    setPin: (gsi, source, asserted) => fabric.setPin(gsi, source, asserted),
    msi: (requester, address, data) => void fabric.msi(requester, address, data),
    onAcknowledged: (gsi, told) => fabric.onAcknowledged(gsi, told),
  };
  const targets = new Map<string, StepTarget>();
  const worker = new Worker(island, site.scheduler, site.tracer, {
    name: 'vhost',
    track: 0,
    takeCycles: TAKE,
    targets,
  });
  const irqfd = new Irqfd(irqchip, { id: 'vm0/nic/irqfd', track: () => 1 }, site, targets);
  const route = (low: number): void => {
    fabric.ioapic.write(0, 4, 0x10 + 2 * GSI);
    fabric.ioapic.write(0x10, 4, low);
  };
  /** Has the worker do something. */
  const post = (id: string, work: () => void): void => {
    const target = { jobTargetId: id, onJob: work };
    worker.register(target);
    worker.post(target, 0, 0);
  };
  /** The CPU takes the highest vector and ends it. */
  const serve = (): void => {
    lapic.acknowledge();
    lapic.eoi();
  };
  return { site, recorder, fabric, irqfd, worker, accepted, route, post, serve };
}

describe('an irqfd', () => {
  it('takes its time of the thread that signals, for each signal', () => {
    const { site, irqfd, worker, accepted, post } = setUp();
    post('two packets', () => {
      irqfd.msi(worker.work, REQUESTER, MSI_ADDRESS, VECTOR);
      irqfd.msi(worker.work, REQUESTER, MSI_ADDRESS, VECTOR + 1);
    });
    passTo(site, 1_000);
    const step = costs['irq.irqfd'];
    expect(accepted).toEqual([
      { time: TAKE + step, vector: VECTOR },
      { time: TAKE + 2 * step, vector: VECTOR + 1 },
    ]);
  });

  it('out of an interrupt handler is there as long afterwards, in order, and hangs on what is its cause', () => {
    const { site, irqfd, accepted } = setUp();
    passTo(site, 100);
    irqfd.msi(undefined, REQUESTER, MSI_ADDRESS, VECTOR);
    irqfd.msi(undefined, REQUESTER, MSI_ADDRESS, VECTOR + 1);
    passTo(site, 99 + costs['irq.irqfd']);
    expect(accepted).toEqual([]);
    passTo(site, 1_000);
    expect(accepted).toEqual([
      { time: 100 + costs['irq.irqfd'], vector: VECTOR },
      { time: 100 + costs['irq.irqfd'], vector: VECTOR + 1 },
    ]);
  });

  it('with a pin is an edge each time', () => {
    const { site, irqfd, fabric, accepted, route, serve } = setUp();
    route(VECTOR);
    for (const time of [100, 200]) {
      passTo(site, time);
      irqfd.pulse(undefined, GSI);
      passTo(site, time + 50);
      serve();
    }
    expect(accepted.map(({ vector }) => vector)).toEqual([VECTOR, VECTOR]);
    expect(fabric.ioapic.pinAsserted(GSI)).toBe(false);
  });

  it('that resamples keeps the line up to the end of interrupt, and raises it again for a device that asks', () => {
    const { site, irqfd, fabric, accepted, route, serve } = setUp();
    route(VECTOR | (1 << 15));
    let asks = 3;
    irqfd.resample(
      GSI,
      new EventFd(() => {
        asks -= 1;
        if (asks > 0) irqfd.raise(undefined, GSI);
      }),
    );
    irqfd.raise(undefined, GSI);
    passTo(site, 100);
    expect(fabric.ioapic.pinAsserted(GSI)).toBe(true);
    expect(accepted).toHaveLength(1);
    serve();
    // Low at once: the same end of interrupt does not deliver it anew.
    expect(fabric.ioapic.pinAsserted(GSI)).toBe(false);
    expect(accepted).toHaveLength(1);
    expect(asks).toBe(2);
  });

  it('that resamples is told of the end of interrupt at the 8259s as well', () => {
    const { irqfd, fabric } = setUp();
    let told = 0;
    irqfd.resample(GSI, { signal: () => (told += 1) });
    fabric.setPin(GSI, 'nic', true);
    const { slavePorts, masterPorts } = fabric.pic;
    slavePorts.write(1, 1, 0xff & ~(1 << (GSI - 8)), 0);
    fabric.pic.acknowledge();
    expect(told).toBe(0);
    slavePorts.write(0, 1, 0x20, 0);
    masterPorts.write(0, 1, 0x20, 0);
    expect(told).toBe(1);
  });

  it('is in a snapshot while a handler’s signal is on its way', () => {
    const whole = setUp();
    passTo(whole.site, 100);
    whole.irqfd.msi(undefined, REQUESTER, MSI_ADDRESS, VECTOR);
    passTo(whole.site, 103);
    const fresh = setUp();
    fresh.site.island.load(whole.site.island.save());
    fresh.site.island.queue.load(whole.site.island.queue.save());
    fresh.irqfd.load(whole.irqfd.save());
    for (const { site } of [whole, fresh]) passTo(site, 1_000);
    expect(whole.accepted).toHaveLength(1);
    expect(fresh.accepted).toEqual(whole.accepted);
  });
});
