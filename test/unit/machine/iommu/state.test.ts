/** A unit's state: a checkpoint goes on as if nothing had been; what the hardware has goes on on another host. */
import { describe, expect, it } from 'vitest';
import type { RemappingHardware } from '../../../../src/machine/iommu/state';
import { COSTS, G, MEMORY, R, Tables, UnitWorld } from '../../../support/vtd/world';

const NIC = 0x0308;
const IOVA = 0x12345000;
const QUEUE = MEMORY.base + 0x200000;
const STATUS = MEMORY.base + 0x300000;

/** A unit in the middle of everything: translations and a fault are there, a descriptor is half done, so is the command after it. */
function busy(): UnitWorld {
  const host = new UnitWorld();
  const tables = new Tables(host);
  const root = tables.page();
  const top = tables.page();
  tables.context(root, NIC, BigInt(top) | 1n, (1n << 8n) | 2n);
  tables.map(top, 4, IOVA, 0x200000n, 3n);
  host.turnOn(root);
  host.unit.translate(NIC, IOVA, 4, false);
  host.unit.translate(NIC, 0, 4, false);
  host.write64(R.CCMD, (1n << 63n) | (1n << 61n));
  host.world.advanceTo(COSTS.command / 2);
  host.write64(R.IQA, BigInt(QUEUE));
  host.write32(R.PLMBASE, 0x40000000);
  host.poke(QUEUE, 2n | (2n << 4n) | (1n << 16n), 0n, 5n | (1n << 5n) | (7n << 32n), BigInt(STATUS));
  host.write32(R.GCMD, G.TE + G.QIE);
  host.write32(R.IQT, 32);
  host.world.advanceTo(COSTS.command / 2 + 100);
  return host;
}

/** What follows, by times since then. */
function rest(host: UnitWorld): unknown[] {
  const begin = host.world.time;
  const before = { walks: host.walks.length, hits: host.hits.length };
  const first = host.unit.translate(NIC, IOVA, 4, true);
  const seen: unknown[] = [];
  while (host.world.queue.length > 0) {
    host.world.advanceTo(host.world.queue.nextTime());
    const registers = Object.values(R).map((offset) => host.read32(offset));
    seen.push([host.world.time - begin, registers, host.peek64(STATUS)]);
  }
  const invalidations = host.invalidations.map(({ cache, scope, dropped, end }) => [
    cache,
    scope,
    dropped,
    end - begin,
  ]);
  const last = host.unit.translate(NIC, IOVA, 4, true);
  return [first, seen, invalidations, last, host.walks.length - before.walks, host.hits.length - before.hits];
}

/** Another unit over the same bytes of memory. */
function besides(host: UnitWorld): UnitWorld {
  const other = new UnitWorld();
  other.slot.load(host.slot.save());
  return other;
}

describe('the state of a unit', () => {
  it('goes on from a checkpoint', () => {
    const host = busy();
    const other = besides(host);
    const state = structuredClone(host.unit.save());
    other.world.load(host.world.save());
    other.unit.load(state);
    expect(other.unit.save()).toEqual(state);
    const expected = rest(host);
    expect(rest(other)).toEqual(expected);
    // The command ends without effect, since the queue is on; the descriptor drops the page and the entries that lead to it.
    expect(expected[2]).toEqual([['iotlb', 'domain', 1 + 3, COSTS.descriptor - 100]]);
  });

  it('goes on on another host, at another time', () => {
    const host = busy();
    const other = besides(host);
    other.world.advanceTo(123_456);
    other.unit.adopt(structuredClone(host.unit.save().hardware));
    expect(rest(other)).toEqual(rest(host));
  });

  it('is of one version, and of caches of one shape', () => {
    const { hardware, run } = busy().unit.save();
    const { unit } = new UnitWorld({ iotlb: { sets: 1, ways: 1 } });
    expect(() => unit.adopt(hardware)).toThrow('16 sets where this unit has 1');
    const newer = { ...hardware, version: 3 } as unknown as RemappingHardware;
    expect(() => new UnitWorld().unit.load({ hardware: newer, run })).toThrow('version');
  });

  it('is gone after a reset', () => {
    const host = busy();
    host.unit.reset();
    expect(host.world.queue.length).toBe(0);
    expect(host.unit.save().hardware).toEqual(new UnitWorld().unit.save().hardware);
  });
});
