/** The script by which a firmware puts the ACPI tables into memory, done here as a firmware does it. */
import { describe, expect, it } from 'vitest';
import { acpiFileNames, acpiFiles } from '../../../../src/machine/firmware/acpi-loader';
import { ECAM } from '../../../../src/machine/pci/root';

const PM = 0xe400;
const ROOT_AT = 0xf1230;
const TABLES_AT = 0x123440;
const ram = new Uint8Array(0x200000);
const view = new DataView(ram.buffer);
const sum = (at: number, length: number): number =>
  ram.subarray(at, at + length).reduce((total, byte) => (total + byte) & 0xff, 0);
const text = (at: number, length: number): string => String.fromCharCode(...ram.subarray(at, at + length));

/** Executes the script; returns where the root pointer is. */
function load(): number {
  const files = new Map(
    acpiFiles({ cpus: 2, ecam: ECAM, mmioDevices: [] }, PM).map(({ name, bytes }) => [name, bytes]),
  );
  expect([...files.keys()]).toEqual(acpiFileNames);
  const script = files.get('etc/table-loader')!;
  const command = new DataView(script.buffer);
  const nameAt = (at: number): string =>
    String.fromCharCode(...script.subarray(at, at + 56)).replace(/\0+$/, '');
  const places = new Map<string, number>();
  expect(script.length % 128).toBe(0);
  for (let at = 0; at < script.length; at += 128) {
    const file = nameAt(at + 4);
    const base = places.get(file) ?? 0;
    switch (command.getUint32(at, true)) {
      case 1: {
        const alignment = command.getUint32(at + 60, true);
        const isLow = script[at + 64] === 2;
        const place = isLow ? ROOT_AT : TABLES_AT;
        expect([file, place % alignment, places.has(file)]).toEqual([file, 0, false]);
        places.set(file, place);
        ram.set(files.get(file)!, place);
        break;
      }
      case 2: {
        const other = places.get(nameAt(at + 60))!;
        const where = base + command.getUint32(at + 116, true);
        if (script[at + 120] === 4) view.setUint32(where, view.getUint32(where, true) + other, true);
        else view.setBigUint64(where, view.getBigUint64(where, true) + BigInt(other), true);
        break;
      }
      case 3: {
        const [offset, start, length] = [60, 64, 68].map((field) => command.getUint32(at + field, true)) as [
          number,
          number,
          number,
        ];
        ram[base + offset] = ram[base + offset] - sum(base + start, length);
        break;
      }
      default:
        throw new Error(`command ${command.getUint32(at, true)}`);
    }
  }
  return places.get('etc/acpi/rsdp')!;
}

describe('the ACPI tables of the firmware configuration device', () => {
  it('are whole after their script is done, wherever they were put', () => {
    const root = load();
    expect([text(root, 8), sum(root, 20), sum(root, 36)]).toEqual(['RSD PTR ', 0, 0]);
    const rsdt = view.getUint32(root + 16, true);
    const xsdt = Number(view.getBigUint64(root + 24, true));
    const count = (view.getUint32(rsdt + 4, true) - 36) / 4;
    const tables = Array.from({ length: count }, (_, i) => view.getUint32(rsdt + 36 + 4 * i, true));
    expect(tables.map((at) => text(at, 4))).toEqual(['FACP', 'APIC', 'MCFG', 'HPET']);
    expect(tables.map((_, i) => Number(view.getBigUint64(xsdt + 36 + 8 * i, true)))).toEqual(tables);
    const [fadt] = tables as [number];
    const [facs, dsdt] = [36, 40].map((at) => view.getUint32(fadt + at, true)) as [number, number];
    expect([132, 140].map((at) => Number(view.getBigUint64(fadt + at, true)))).toEqual([facs, dsdt]);
    expect([text(facs, 4), facs % 64, text(dsdt, 4)]).toEqual(['FACS', 0, 'DSDT']);
    for (const at of [rsdt, xsdt, dsdt, ...tables]) expect(sum(at, view.getUint32(at + 4, true))).toBe(0);
  });

  it('tell of the power-management registers where the firmware has put them', () => {
    const root = load();
    const fadt = view.getUint32(view.getUint32(root + 16, true) + 36, true);
    expect([56, 64, 76].map((at) => view.getUint32(fadt + at, true))).toEqual([PM, PM + 4, PM + 8]);
  });
});
