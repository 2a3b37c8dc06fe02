/** The DMAR table, decoded as an operating system does (VT-d specification 4.1, chapter 8). */
import { describe, expect, it } from 'vitest';
import { acpiTables } from '../../../../src/machine/firmware/acpi';
import { dmarTable, type DmarFacts } from '../../../../src/machine/firmware/dmar';
import { ECAM } from '../../../../src/machine/pci/root';

const FACTS: DmarFacts = {
  hostAddressWidth: 46,
  interruptRemapping: true,
  x2apicOptOut: false,
  units: [
    {
      base: 0xfed91000,
      scope: 'all',
      named: [{ kind: 'ioapic', id: 2, bus: 0xf0, path: [{ device: 31, function: 0 }] }],
    },
    {
      base: 0xfed90000,
      scope: [
        {
          kind: 'endpoint',
          bus: 0,
          path: [
            { device: 1, function: 0 },
            { device: 0, function: 1 },
          ],
        },
      ],
    },
  ],
  reserved: [
    {
      base: 0x7b000000,
      limit: 0x7f7fffff,
      scope: [{ kind: 'endpoint', bus: 0, path: [{ device: 2, function: 0 }] }],
    },
  ],
  ats: [{ scope: [{ kind: 'bridge', bus: 0, path: [{ device: 1, function: 0 }] }] }, { scope: 'all' }],
};

/** The structures behind the fixed part: type, the bytes of the fixed fields, and the scopes. */
function decode(bytes: Uint8Array) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const fixed = [16, 24, 8];
  const structures: { type: number; at: number; scopes: number[][] }[] = [];
  for (let at = 48; at < bytes.length; at += view.getUint16(at + 2, true)) {
    const type = view.getUint16(at, true);
    const end = at + view.getUint16(at + 2, true);
    const scopes: number[][] = [];
    for (let scope = at + fixed[type]; scope < end; scope += bytes[scope + 1])
      scopes.push([...bytes.subarray(scope, scope + bytes[scope + 1])]);
    structures.push({ type, at, scopes });
  }
  return { view, structures };
}

describe('the DMAR table', () => {
  const bytes = dmarTable(FACTS);
  const { view, structures } = decode(bytes);

  it('has a header that adds up to 0, the address width and the flags', () => {
    expect(String.fromCharCode(...bytes.subarray(0, 4))).toBe('DMAR');
    expect([view.getUint32(4, true), bytes.reduce((sum, byte) => (sum + byte) & 0xff, 0)]).toEqual([
      bytes.length,
      0,
    ]);
    expect([bytes[8], bytes[36] + 1, bytes[37]]).toEqual([1, 46, 1]);
    expect(dmarTable({ ...FACTS, interruptRemapping: false, x2apicOptOut: true })[37]).toBe(2);
  });

  it('tells of units, the one for all others last', () => {
    const units = structures.filter(({ type }) => type === 0);
    expect(units.map(({ at }) => [bytes[at + 4], view.getBigUint64(at + 8, true)])).toEqual([
      [0, 0xfed90000n],
      [1, 0xfed91000n],
    ]);
    expect(units.map(({ scopes }) => scopes)).toEqual([
      [[1, 10, 0, 0, 0, 0, 1, 0, 0, 1]],
      [[3, 8, 0, 0, 2, 0xf0, 31, 0]],
    ]);
  });

  it('tells of reserved memory and of ports with device TLBs', () => {
    const [region] = structures.filter(({ type }) => type === 1);
    expect([view.getBigUint64(region.at + 8, true), view.getBigUint64(region.at + 16, true)]).toEqual([
      0x7b000000n,
      0x7f7fffffn,
    ]);
    expect(region.scopes).toEqual([[1, 8, 0, 0, 0, 0, 2, 0]]);
    const ports = structures.filter(({ type }) => type === 2);
    expect(ports.map(({ at, scopes }) => [bytes[at + 4], scopes])).toEqual([
      [0, [[2, 8, 0, 0, 0, 0, 1, 0]]],
      [1, []],
    ]);
  });

  it('is among the tables of a machine that has a unit, and only there', () => {
    const signatures = (dmar?: DmarFacts): string[] =>
      acpiTables({ cpus: 1, ecam: ECAM, mmioDevices: [], dmar }).map((each) =>
        String.fromCharCode(...each.bytes.subarray(0, 4)),
      );
    expect(signatures()).not.toContain('DMAR');
    expect(signatures(FACTS)).toContain('DMAR');
  });
});
