/**
 * Requests that were translated before an invalidation come to memory before it is over (VT-d specification, 6.5.4): a unit of
 * version 2 or later waits for them whether it is asked to or not (11.4.2, DRD and DWD).
 */
import { describe, expect, it } from 'vitest';
import { DmaMemory } from '../../../../src/machine/memory/dma-memory';
import { PhysicalSocket } from '../../../../src/vmm/physical/physical-socket';
import { COSTS, G, MEMORY, R, Tables, UnitWorld } from '../../../support/vtd/world';
import { passTo, siteOf } from '../../vmm/threads/world';

const NIC = 0x0308;
const IOVA = 0x12345000;
const PAGES = 8;
const DATA = MEMORY.base + 0x100000;
const QUEUE = MEMORY.base + 0x200000;
const STATUS = MEMORY.base + 0x300000;
const SIGN = 7;
const LANDING = 20_000;
const START = 1n << 63n;
const WAIT: [bigint, bigint] = [5n | (1n << 5n) | (BigInt(SIGN) << 32n), BigInt(STATUS)];
const GLOBAL = 1n << 4n;

/** A unit whose queue is on, with pages for the NIC. */
function setUp() {
  const host = new UnitWorld();
  const tables = new Tables(host);
  const root = tables.page();
  const top = tables.page();
  tables.context(root, NIC, BigInt(top) | 1n, (1n << 8n) | 2n);
  for (let page = 0; page < PAGES; page++)
    tables.map(top, 4, IOVA + 0x1000 * page, BigInt(DATA + 0x1000 * page), 3n);
  host.turnOn(root);
  return host;
}

/** Puts descriptors into the queue, a wait descriptor behind them. */
function submit(host: UnitWorld, ...descriptors: [bigint, bigint][]): void {
  const all = [...descriptors, WAIT];
  all.forEach(([low, high], at) => host.poke(QUEUE + 16 * at, low, high));
  host.write64(R.IQA, BigInt(QUEUE));
  host.write32(R.GCMD, G.TE + G.QIE);
  host.write32(R.IQT, 16 * all.length);
}

/** When the wait descriptor's sign is there. */
function signedAt(host: UnitWorld): number {
  while (Number(host.peek64(STATUS)) !== SIGN) host.world.advanceTo(host.world.queue.nextTime());
  return host.world.time;
}

describe('the invalidation queue', () => {
  it.each([
    ['the IOTLB', 2n | GLOBAL, LANDING + COSTS.descriptor],
    ['the IOTLB, draining asked for', 2n | GLOBAL | (3n << 6n), LANDING + COSTS.descriptor],
    ['the context cache', 1n | GLOBAL, 2 * COSTS.descriptor],
  ])('has its wait descriptor wait for what is under way when %s is invalidated', (_what, low, expected) => {
    const host = setUp();
    host.unit.landsAt(LANDING);
    submit(host, [low, 0n]);
    expect(signedAt(host)).toBe(expected);
  });

  it('drops translations at once, so that nothing more is translated by them, and tells when it was over', () => {
    const host = setUp();
    const translated = (): number => {
      const before = host.walks.length;
      host.unit.translate(NIC, IOVA, 4, false);
      return host.walks.length - before;
    };
    expect([translated(), translated()]).toEqual([1, 0]);
    host.unit.landsAt(LANDING);
    submit(host, [2n | GLOBAL, 0n]);
    host.world.advanceTo(COSTS.descriptor);
    expect(translated()).toBe(1);
    expect(host.invalidations).toMatchObject([{ begin: 0, end: LANDING }]);
  });

  it('does not wait for what was translated only after that', () => {
    const host = setUp();
    host.unit.landsAt(LANDING);
    submit(host, [2n | GLOBAL, 0n]);
    host.world.advanceTo(COSTS.descriptor);
    host.unit.landsAt(10 * LANDING);
    expect(signedAt(host)).toBe(LANDING + COSTS.descriptor);
  });

  it('is stopped and begun anew while it waits', () => {
    const host = setUp();
    host.unit.landsAt(LANDING);
    submit(host, [2n | GLOBAL, 0n]);
    host.world.advanceTo(COSTS.descriptor);
    host.write32(R.GCMD, G.TE);
    host.world.advanceTo(LANDING + 2 * COSTS.descriptor);
    expect(host.peek64(STATUS)).toBe(0n);
    host.write32(R.GCMD, G.TE + G.QIE);
    expect(signedAt(host)).toBe(LANDING + 4 * COSTS.descriptor);
  });

  it('goes on waiting from a checkpoint, and on another host as long as was left', () => {
    const host = setUp();
    host.unit.landsAt(LANDING);
    submit(host, [2n | GLOBAL, 0n]);
    host.world.advanceTo(COSTS.descriptor);
    const state = structuredClone(host.unit.save());
    const [same, moved] = [new UnitWorld(), new UnitWorld()];
    for (const other of [same, moved]) other.slot.load(host.slot.save());
    same.world.load(host.world.save());
    same.unit.load(state);
    moved.world.advanceTo(5 * LANDING);
    moved.unit.adopt(state.hardware);
    const left = LANDING + COSTS.descriptor;
    expect([signedAt(same), signedAt(moved)]).toEqual([left, 5 * LANDING + left - COSTS.descriptor]);
  });
});

describe('a command of register-based invalidation', () => {
  it.each([
    ['the IOTLB', 'iotlb', START | (1n << 60n), LANDING],
    ['the context cache', 'context', START | (1n << 61n), COSTS.command],
  ])('is over for %s when what was under way has come to memory', (_what, which, command, expected) => {
    const host = setUp();
    host.unit.landsAt(LANDING);
    const done = host.command(which === 'iotlb' ? host.iotlb : R.CCMD, command);
    expect(host.world.time).toBe(expected);
    // What has been done is told: IAIG in bits 58:57, CAIG in 60:59.
    expect((done >> (which === 'iotlb' ? 57n : 59n)) & 3n).toBe(1n);
  });
});

describe('a device on a physical bus', () => {
  it.each(['write', 'read'] as const)(
    'has done its %s when a wait descriptor says that it can do none',
    (what) => {
      const host = setUp();
      const { site } = siteOf(1);
      const track = site.tracer.addTrack({ type: 'device', name: 'nic', group: 'pc', vm: 0 });
      const ended: number[] = [];
      const socket = new PhysicalSocket(
        site,
        {
          id: 'pc/nic',
          who: 'nic',
          track: () => track,
          dmaTrack: () => track,
          memory: new DmaMemory(host.memory, host.unit),
          setPin: () => undefined,
          msi: () => undefined,
        },
        { gsi: undefined, busMaster: () => true },
      );
      socket.plug({ onEvent: () => undefined, onDma: () => void ended.push(site.island.now()) });
      const bytes = new Uint8Array(0x1000 * PAGES).fill(0xaa);
      if (what === 'write') socket.dma.write(NIC, IOVA, bytes, 1);
      else socket.dma.read(NIC, IOVA, bytes.length, 1);
      submit(host, [2n | GLOBAL, 0n]);
      // Bus and unit have their own queues here, and go hand in hand.
      while (Number(host.peek64(STATUS)) !== SIGN) {
        passTo(site, host.world.time);
        host.world.advanceTo(host.world.time + 1);
      }
      expect(ended).toHaveLength(1);
      expect(host.world.time).toBe(ended[0] + COSTS.descriptor);
      const last = BigInt.asUintN(64, what === 'write' ? 0xaaaaaaaaaaaaaaaan : 0n);
      expect(host.peek64(DATA + bytes.length - 8)).toBe(last);
    },
  );
});
