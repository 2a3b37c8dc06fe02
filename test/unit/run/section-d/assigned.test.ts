/** Row D1: one driver, unchanged, on a bare machine, with an emulated device and with one of the host that its VM was given. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { TraceEvent } from '../../../../src/trace/query/store';
import { Kind, exitKind } from '../../../../src/trace/vocabulary/events';
import { VmxExit } from '../../../../src/trace/vocabulary/vmx-exit-reasons';
import { HostVector } from '../../../../src/vmm/threads/host-interrupts';
import { countedRun, endOf, ofKind, trackOf, type CountedRun } from '../../../support/section-a';

const PAGE = 4096;
/** Where a PC has its interrupt controllers: devices' BARs lie below. */
const CONTROLLERS = 0xfec0_0000;

const bare = (text: string): string => text.replace('"vms"', '"vmm": "none", "vms"');

/** Register accesses that the guest has counted itself, by page of the device's BARs. */
function deviceAccesses({ log }: CountedRun): { pages: number; accesses: number } {
  const entries = log.entries.filter(({ isPort, address }) => !isPort && address < CONTROLLERS);
  const accesses = entries.reduce((sum, { reads, writes }) => sum + reads + writes, 0);
  return { pages: new Set(entries.map(({ address }) => Math.floor(address / PAGE))).size, accesses };
}

function exitsOf(run: CountedRun, reason: number): TraceEvent[] {
  return ofKind(run, exitKind(reason));
}

/** Rows from one back to its first cause. */
function chainOf(run: CountedRun, row: TraceEvent): TraceEvent[] {
  const chain: TraceEvent[] = [];
  for (let at = row; chain.length < 100; at = run.rows[at.cause]) {
    chain.push(at);
    if (at.cause < 0) break;
  }
  return chain;
}

/** Vectors that came to a physical CPU while a vCPU was in the guest. */
function foundInGuest(run: CountedRun, arrivals: readonly TraceEvent[]): TraceEvent[] {
  const spans = run.rows.filter(({ kind }) => kind === Kind.GuestKernel || kind === Kind.GuestUser);
  return arrivals.filter(({ start }) => spans.some((span) => span.start <= start && start < endOf(span)));
}

function hostArrivals(run: CountedRun): TraceEvent[] {
  const { tracks } = run.store.meta;
  return ofKind(run, Kind.IrqAccept).filter(({ track }) => tracks[track].group === 'host');
}

describe('D1: edu', () => {
  let assigned: CountedRun;
  let emulated: CountedRun;
  let onBare: CountedRun;

  beforeAll(async () => {
    assigned = await countedRun('d1-passthrough');
    emulated = await countedRun('b8-edu');
    onBare = await countedRun('b8-edu', bare);
  });

  it('ends well in all three, having done the same', () => {
    for (const run of [assigned, emulated, onBare]) {
      expect(run.end.meta.message).toBeUndefined();
      expect(run.end.summary.expectations.filter(({ held }) => !held)).toEqual([]);
      expect(run.serial).toBe(emulated.serial);
      expect(run.words('b8_log')).toEqual(emulated.words('b8_log'));
    }
  });

  it('leaves the guest for no register access but the first to each page', () => {
    const { pages, accesses } = deviceAccesses(assigned);
    expect(deviceAccesses(emulated).accesses).toBe(accesses);
    expect(exitsOf(assigned, VmxExit.EPT_VIOLATION).length).toBe(pages);
    expect(exitsOf(assigned, VmxExit.EPT_MISCONFIG)).toEqual([]);
    const device = trackOf(assigned, 'edu0');
    const rows = [...ofKind(assigned, Kind.MmioRead, device), ...ofKind(assigned, Kind.MmioWrite, device)];
    expect(rows.length).toBe(accesses);
    // The emulated one's are exits, each of them.
    const misses = exitsOf(emulated, VmxExit.EPT_MISCONFIG).length;
    expect(misses + exitsOf(emulated, VmxExit.EPT_VIOLATION).length).toBe(accesses);
  });

  it('takes a read of a register as long as the bus does', () => {
    const device = trackOf(assigned, 'edu0');
    const span = ofKind(assigned, Kind.MmioRead, device).map(({ start }) =>
      assigned.rows.find(
        ({ kind, start: from, duration }) =>
          kind === Kind.GuestKernel && from < start && start <= from + duration,
      ),
    );
    expect(
      span.every((each) => each !== undefined && each.duration >= assigned.end.meta.costs['bus.read']),
    ).toBe(true);
  });

  it('interrupts by a message to the host, which comes to the guest by an irqfd', () => {
    const [, , , , interrupts] = assigned.words('b8_log');
    const device = trackOf(assigned, 'edu0');
    expect(ofKind(assigned, Kind.Msi, device).length).toBe(interrupts);
    expect(hostArrivals(assigned).length).toBe(interrupts);
    const handlers = ofKind(assigned, Kind.Handler);
    expect(handlers.length).toBe(interrupts);
    const [given] = ofKind(assigned, Kind.HostVector);
    for (const handler of handlers) {
      const chain = chainOf(assigned, handler);
      const kinds = chain.map(({ kind }) => kind);
      const way = [Kind.IrqInject, Kind.Irqfd, Kind.IrqAccept, Kind.Msi];
      const places = way.map((kind) => kinds.lastIndexOf(kind));
      expect(places).toEqual([...places].sort((x, y) => x - y));
      expect(places[0]).toBeGreaterThan(0);
      expect(chain.find(({ kind, track }) => kind === Kind.Msi && track === device)?.b).toBe(given.b);
    }
    const found = foundInGuest(assigned, hostArrivals(assigned));
    expect(exitsOf(assigned, VmxExit.EXTERNAL_INTERRUPT).length).toBe(found.length);
  });

  it('moves its data with no exit, and has all of memory mapped before the guest runs', () => {
    const [row] = ofKind(assigned, Kind.VfioMap);
    const [first] = ofKind(assigned, Kind.GuestKernel);
    expect(row.row).toBeLessThan(first.row);
    expect([row.a, row.b]).toEqual([0, 32 * 1024 * 1024]);
    const dma = assigned.rows.filter(({ kind }) => kind === Kind.DmaRead || kind === Kind.DmaWrite);
    expect(dma.reduce((sum, { b }) => sum + b, 0)).toBe(assigned.longs('b8_log')[3]);
    expect(ofKind(assigned, Kind.HostOverwritten)).toEqual([]);
  });
});

describe('D1: e1000, whose interrupts are a level', () => {
  const given = (text: string): string =>
    text
      .replace('"vmm": "kvm"', '"host": { "devices": [{ "id": "nic0", "link": "wire" }] }, "vmm": "kvm"')
      .replace(/\{ "model": "e1000"[^}]*\}/, '{ "assign": "nic0" }');
  // Interrupts stay on while the driver works.
  const few = (text: string): string =>
    text.replace(/10000/g, '200').replace('"BATCH": 1', '"BATCH": 1, "SUPPRESS": 0');
  let assigned: CountedRun;
  let emulated: CountedRun;

  beforeAll(async () => {
    assigned = await countedRun('c7-e1000', (text) => given(few(text)));
    emulated = await countedRun('c7-e1000', few);
  });

  it('sends and receives every frame', () => {
    for (const run of [assigned, emulated]) {
      expect(run.end.meta.message).toBeUndefined();
      expect(run.end.summary.packets).toEqual({ tx: 200, rx: 200, dropped: 0 });
      expect(run.end.summary.vms[0].exitCode).toBe(0);
    }
    expect(assigned.end.summary.userExits).toBeLessThan(emulated.end.summary.userExits);
  });

  it('leaves the guest for no register access but the first to each page', () => {
    const { pages } = deviceAccesses(assigned);
    expect(exitsOf(assigned, VmxExit.EPT_MISCONFIG)).toEqual(
      exitsOf(assigned, VmxExit.EPT_MISCONFIG).filter(({ a }) => a >= CONTROLLERS),
    );
    const violations = exitsOf(assigned, VmxExit.EPT_VIOLATION).filter(({ a }) => a < CONTROLLERS);
    expect(violations.length).toBe(pages);
  });

  it('makes the exit of an IPI where another physical CPU takes its interrupts', async () => {
    const elsewhere = await countedRun('c7-e1000', (text) =>
      given(few(text)).replace('"id": "nic0"', '"id": "nic0", "affinity": 1'),
    );
    const { tracks } = elsewhere.store.meta;
    expect(elsewhere.end.summary.packets).toEqual({ tx: 200, rx: 200, dropped: 0 });
    // The guest runs on physical CPU 0.
    const [own] = ofKind(elsewhere, Kind.CpuThread);
    expect(tracks[own.track].name).toBe('pCPU 0');
    const device = ofKind(elsewhere, Kind.IoapicRoute).filter(({ track }) => tracks[track].group === 'host');
    const arrivals = hostArrivals(elsewhere).filter(({ cause }) => device.some(({ row }) => row === cause));
    expect(arrivals.length).toBe(elsewhere.words('nic_log')[4]);
    expect(new Set(arrivals.map(({ track }) => tracks[track].name))).toEqual(new Set(['pCPU 1']));
    const vectors = exitsOf(elsewhere, VmxExit.EXTERNAL_INTERRUPT).map(({ a }) => a);
    expect(new Set(vectors)).toEqual(new Set([HostVector.Reschedule]));
    const here = exitsOf(assigned, VmxExit.EXTERNAL_INTERRUPT).map(({ a }) => a);
    expect(here).not.toContain(HostVector.Reschedule);
  });

  it('makes one exit for each interrupt that finds the guest running, and is silenced until its end', () => {
    const arrivals = hostArrivals(assigned);
    const [, , , , interrupts] = assigned.words('nic_log');
    expect(arrivals.length).toBe(interrupts);
    const found = foundInGuest(assigned, arrivals);
    expect(found.length).toBeGreaterThan(0);
    const exits = exitsOf(assigned, VmxExit.EXTERNAL_INTERRUPT);
    expect(exits.map(({ cause }) => cause)).toEqual(found.map(({ row }) => row));
  });
});
