/** The inside of a remapping unit: its tables as an independent walker goes through them, what it keeps, what waits. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { StateNode, StatePath } from '../../../../src/machine/inspect';
import { InterruptRemapping } from '../../../../src/machine/iommu/interrupts/interrupt-remapping';
import { encodeIrte, irteBytes } from '../../../../src/machine/iommu/interrupts/irte';
import { iommuAt } from '../../../../src/machine/iommu/inspect/iommu-view';
import { valueAt, walkTree } from '../../../support/state-tree';
import { outcomes, type CheckedUnit } from '../../../support/vtd/checker';
import { plainEntries } from '../../../support/vtd/logged-memory';
import { G, MEMORY, R, Tables, UnitWorld } from '../../../support/vtd/world';

const NIC = 0x0018;
const NAME = '00:03.0';
const DOMAIN = 7;
const PAGE = 4096;

function shown(host: UnitWorld, interrupts?: InterruptRemapping) {
  const inspect = (path: StatePath): StateNode | undefined =>
    iommuAt({ unit: host.unit, ...(interrupts && { interrupts }), space: 'host' }, path);
  return { inspect };
}

/** Pages at a path, by the device's address: where each leads. */
function pages(unit: ReturnType<typeof shown>, path: readonly string[]): Map<bigint, bigint> {
  const found = new Map<bigint, bigint>();
  walkTree(
    unit,
    (node, at) => {
      if (node.more || node.value?.kind !== 'register') return;
      found.set(BigInt(at[at.length - 1]), node.value.value & 0xffffffffff000n);
    },
    { path },
  );
  return found;
}

function checked({ options }: UnitWorld): CheckedUnit {
  return {
    scalable: options.scalableMode,
    hostWidth: BigInt(options.hostAddressWidth),
    guestWidth: BigInt(options.addressWidth),
    pages2m: options.largePages.twoMegabytes,
    pages1g: options.largePages.oneGigabyte,
    passThrough: options.passThrough,
    snoop: options.snoopControl,
    deviceTlbs: options.deviceTlbs,
    fiveLevels: options.firstStageFiveLevels,
    secondAccessedDirty: options.secondStageAccessedDirty,
  };
}

/** Pages of 4 KiB and 2 MiB, few enough that their tables fit into memory. */
const mapped = fc.uniqueArray(
  fc.record({
    gigabyte: fc.nat(3),
    megabytes: fc.nat(3),
    page: fc.nat(511),
    level: fc.constantFrom(1, 1, 1, 2),
    to: fc.nat(1000),
  }),
  { selector: ({ gigabyte, megabytes }) => gigabyte * 4 + megabytes, maxLength: 6 },
);

describe('the second stage', () => {
  it('is shown as an independent walk finds it, and the walk of the unit is what is cached', () => {
    fc.assert(
      fc.property(mapped, fc.constantFrom(3, 4), (all, levels) => {
        const host = new UnitWorld();
        const tables = new Tables(host);
        const root = tables.page();
        const top = tables.page();
        tables.context(root, NIC, BigInt(top) | 1n, BigInt((DOMAIN << 8) + levels - 2));
        const expected = new Map<bigint, bigint>();
        for (const { gigabyte, megabytes, page, level, to } of all) {
          const begin = gigabyte * 2 ** 30 + megabytes * 2 ** 21;
          const iova = level === 1 ? begin + page * PAGE : begin;
          const target = BigInt(to) * BigInt(level === 1 ? PAGE : 2 ** 21);
          tables.map(top, levels, iova, target, 3n, level);
          expected.set(BigInt(iova), target);
        }
        host.turnOn(root);
        const unit = shown(host);
        const found = pages(unit, ['Tables', NAME, 'Second-stage tables']);
        expect(found).toEqual(expected);
        const entries = plainEntries(host.memory);
        for (const [address, to] of found) {
          const request = {
            root: BigInt(root),
            mode: 0,
            requester: NIC,
            pasid: undefined,
            address,
            write: false,
          };
          expect(outcomes(checked(host), entries, request).map((each) => each.address)).toEqual([to]);
        }
        // Nothing has been translated for a device yet, so that nothing is cached: looking has left nothing behind.
        expect(host.walks).toEqual([]);
        expect(unit.inspect(['IOTLB'])?.children ?? []).toEqual([]);
        for (const iova of found.keys()) host.unit.translate(NIC, Number(iova), 4, false);
        const cached = (unit.inspect(['IOTLB'])?.children ?? []).map(({ name }) =>
          valueAt(unit, 'IOTLB', name, 'device address'),
        );
        // The IOTLB has 64 entries in sets of four ways: so few pages may still meet in a set, and are not all kept.
        expect(cached.every((address) => found.has(address))).toBe(true);
        expect(cached.length > 0).toBe(found.size > 0);
        expect(valueAt(unit, 'Tables', NAME, 'domain')).toBe(BigInt(DOMAIN));
      }),
      { numRuns: 30 },
    );
  });

  it('has nothing before a root table is set, whatever is in memory', () => {
    const host = new UnitWorld();
    expect(shown(host).inspect(['Tables'])?.children).toEqual([]);
  });
});

describe('nested stages', () => {
  it('show the first one although its tables are elsewhere than it says', () => {
    const host = new UnitWorld({ scalableMode: true });
    const tables = new Tables(host);
    const [root, context, directory, pasids, first, second] = Array.from({ length: 6 }, () => tables.page());
    host.poke(root, BigInt(context) | 1n);
    host.poke(context + (NIC & 0x7f) * 32, BigInt(directory) | 1n, 0n, 0n, 0n);
    host.poke(directory, BigInt(pasids) | 1n);
    // What the guest takes for its tables at 1 GiB are pages of the host's.
    const guest = 2 ** 30;
    const low = BigInt(second) | (3n << 6n) | (2n << 2n) | 1n;
    host.poke(pasids, low, 5n, BigInt(guest), 0n, 0n, 0n, 0n, 0n);
    const under = [first, tables.page(), tables.page(), tables.page()];
    under.forEach((page, at) => tables.map(second, 4, guest + at * PAGE, BigInt(page), 3n));
    under.slice(0, 3).forEach((page, at) => host.poke(page, BigInt(guest + (at + 1) * PAGE) | 7n));
    host.poke(under[3] + 9 * 8, BigInt(guest + 0x1000) | 7n);
    host.turnOn(root, 1);
    const at = ['Tables', NAME, 'PASIDs 0 to 63', 'PASID 0'];
    expect(pages(shown(host), [...at, 'First-stage tables'])).toEqual(
      new Map([[9n * 4096n, BigInt(guest + 0x1000)]]),
    );
    expect([...pages(shown(host), [...at, 'Second-stage tables']).values()]).toEqual(under.map(BigInt));
    expect(shown(host).inspect([...at, 'translation'])?.value).toEqual({ kind: 'text', value: 'nested' });
  });
});

describe('what waits', () => {
  it('are descriptors of the queue from the head to the tail, and faults that are recorded', () => {
    const host = new UnitWorld();
    const queue = MEMORY.base + 0x300000;
    host.write64(R.IQA, BigInt(queue));
    host.write32(R.GCMD, G.QIE);
    host.poke(queue, 0x11n, 0n, 0x12n, 0n, 0x25n + (0x77n << 32n), BigInt(queue + 0x800));
    host.write32(R.IQT, 0x30);
    const unit = shown(host);
    const all = (unit.inspect(['Invalidation queue', '0 to 127'])?.children ?? []).slice(0, 4);
    expect(all.map(({ description }) => description)).toEqual([...Array(3).fill('not done yet'), 'done']);
    const texts = all.slice(0, 3).map(({ value }) => value?.kind === 'text' && value.value);
    expect(texts).toEqual(['context, global', 'iotlb, global', 'wait']);
    expect(valueAt(unit, 'Invalidation queue', '0 to 127', '2', 'status')).toBe(0x77n);
    host.world.drain();
    const done = (unit.inspect(['Invalidation queue', '0 to 127'])?.children ?? []).slice(0, 3);
    expect(done.map(({ description }) => description)).toEqual(Array(3).fill('done'));
    const tables = new Tables(host);
    host.turnOn(tables.page());
    host.unit.translate(NIC, 0x5000, 4, true);
    // Root entry not present (7.1.3): reason 1, of a write.
    expect(valueAt(unit, 'Fault records', '0', 'reason')).toBe(1n);
    expect(valueAt(unit, 'Fault records', '0', 'information')).toBe(0x5000n);
    expect(unit.inspect(['Fault records', '0', 'source'])?.value).toEqual({ kind: 'text', value: NAME });
    expect(unit.inspect(['Fault records', '1'])?.value).toEqual({ kind: 'text', value: 'free' });
    expect(valueAt(unit, 'Registers', 'FSTS')).toBe(BigInt(host.read32(R.FSTS)));
  });

  it('are interrupt entries of the table that has been set', () => {
    const plain = new UnitWorld();
    const remapper = new InterruptRemapping({
      memory: plain.memory,
      posting: true,
      x2apic: true,
      hostAddressWidth: plain.options.hostAddressWidth,
      cacheEntries: 4,
      costs: { cacheHit: 0, tableRead: 0, descriptorUpdate: 0 },
      fault: () => undefined,
    });
    const host = new UnitWorld({}, { remapper, extendedMode: true, posting: true }, () => plain.memory);
    const table = MEMORY.base + 0x1000;
    const source = { verification: 1, qualifier: 0, id: NIC } as const;
    const descriptor = 0x2040;
    const posted = {
      format: 'posted',
      faultsDisabled: false,
      vector: 0x51,
      source,
      urgent: true,
      descriptor,
    } as const;
    plain.memory.write(table + 2 * 16, irteBytes(encodeIrte(posted, true)));
    const unit = shown(host, remapper);
    expect(unit.inspect(['Interrupt-remapping table'])?.children).toEqual([]);
    host.write64(R.IRTA, BigInt(table) | (1n << 11n) | 3n);
    host.write32(R.GCMD, G.SIRTP);
    expect(unit.inspect(['Interrupt-remapping table'])?.children).toHaveLength(16);
    expect(unit.inspect(['Interrupt-remapping table', '2'])?.value).toEqual({
      kind: 'text',
      value: 'vector 81, posted',
    });
    expect(valueAt(unit, 'Interrupt-remapping table', '2', 'bits 95 to 64') & 0xffffn).toBe(BigInt(NIC));
    expect(valueAt(unit, 'Interrupt-remapping table', '2', 'bits 63 to 32')).toBe(BigInt(descriptor));
    expect(unit.inspect(['Interrupt-remapping table', '3'])?.value).toEqual({
      kind: 'text',
      value: 'not present',
    });
  });
});
