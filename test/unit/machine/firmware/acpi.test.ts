/** The ACPI tables as an operating system finds them: by searching memory for the root pointer and following pointers. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { acpiTables } from '../../../../src/machine/firmware/acpi';
import { CONFIG_PORTS, ECAM, PciRoot } from '../../../../src/machine/pci/root';

const CPUS = 3;
const ram = new Uint8Array(1 << 20);
for (const { address, bytes } of acpiTables({ cpus: CPUS, ecam: ECAM, mmioDevices: [] }))
  ram.set(bytes, address);
const view = new DataView(ram.buffer);

const text = (at: number, length: number): string => String.fromCharCode(...ram.subarray(at, at + length));
const sum = (at: number, length: number): number =>
  ram.subarray(at, at + length).reduce((total, byte) => (total + byte) & 0xff, 0);

/** The only place in the BIOS area, at a multiple of 16, that looks like the root pointer. */
function root(): number {
  const found: number[] = [];
  for (let at = 0xe0000; at < 0x100000; at += 16) if (text(at, 8) === 'RSD PTR ') found.push(at);
  expect(found).toHaveLength(1);
  return found[0];
}

function tables(): Map<string, number> {
  const at = view.getUint32(root() + 16, true);
  const count = (view.getUint32(at + 4, true) - 36) / 4;
  const entries = Array.from({ length: count }, (_, i) => view.getUint32(at + 36 + 4 * i, true));
  return new Map(entries.map((each) => [text(each, 4), each]));
}

describe('the ACPI tables', () => {
  it('are found, and add up to 0', () => {
    const at = root();
    expect([sum(at, 20), sum(at, 36)]).toEqual([0, 0]);
    const rsdt = view.getUint32(at + 16, true);
    const xsdt = Number(view.getBigUint64(at + 24, true));
    expect([text(rsdt, 4), text(xsdt, 4)]).toEqual(['RSDT', 'XSDT']);
    const wide = Array.from({ length: 4 }, (_, i) => Number(view.getBigUint64(xsdt + 36 + 8 * i, true)));
    expect([...tables().values()]).toEqual(wide);
    const dsdt = view.getUint32(tables().get('FACP')! + 40, true);
    for (const each of [rsdt, xsdt, dsdt, ...wide]) expect(sum(each, view.getUint32(each + 4, true))).toBe(0);
  });

  it('name the registers of power management', () => {
    const fadt = tables().get('FACP')!;
    expect(view.getUint32(fadt + 4, true)).toBe(244);
    expect(view.getUint16(fadt + 46, true)).toBe(9);
    expect(view.getUint32(fadt + 48, true)).toBe(0); // no SMI command port
    expect([56, 64, 76].map((at) => view.getUint32(fadt + at, true))).toEqual([0x600, 0x604, 0x608]);
    expect([88, 89, 91].map((at) => view.getUint8(fadt + at))).toEqual([4, 2, 4]);
    expect((view.getUint32(fadt + 112, true) >> 8) & 1).toBe(0); // the timer has 24 bits
    expect([view.getUint8(fadt + 116), Number(view.getBigUint64(fadt + 120, true))]).toEqual([1, 0xcf9]);
    const facs = view.getUint32(fadt + 36, true);
    expect([text(facs, 4), facs % 64]).toEqual(['FACS', 0]);
    expect(text(view.getUint32(fadt + 40, true), 4)).toBe('DSDT');
  });

  it('list processors and interrupt controllers', () => {
    const madt = tables().get('APIC')!;
    expect(view.getUint32(madt + 36, true)).toBe(0xfee00000);
    const end = madt + view.getUint32(madt + 4, true);
    const entries: { type: number; bytes: number[] }[] = [];
    for (let at = madt + 44; at < end; at += ram[at + 1])
      entries.push({ type: ram[at], bytes: [...ram.subarray(at, at + ram[at + 1])] });
    const ofType = (type: number): number[][] =>
      entries.filter((each) => each.type === type).map(({ bytes }) => bytes);
    expect(ofType(0).map((bytes) => [bytes[3], bytes[4] & 1])).toEqual([0, 1, 2].map((id) => [id, 1]));
    const [ioapic] = ofType(1);
    expect(new DataView(Uint8Array.from(ioapic).buffer).getUint32(4, true)).toBe(0xfec00000);
    expect(ofType(2).map((bytes) => [bytes[3], bytes[4]])).toEqual([
      [0, 2],
      [5, 5],
      [9, 9],
      [10, 10],
      [11, 11],
    ]);
  });

  it('lead to configuration space as memory, which answers there as by ports', () => {
    const mcfg = tables().get('MCFG')!;
    expect(sum(mcfg, view.getUint32(mcfg + 4, true))).toBe(0);
    expect(view.getUint32(mcfg + 4, true)).toBe(44 + 16); // one allocation
    const base = Number(view.getBigUint64(mcfg + 44, true));
    expect([view.getUint16(mcfg + 52, true), ram[mcfg + 54], ram[mcfg + 55]]).toEqual([0, 0, 255]);
    // The host bridge's identity by both ways; and the last function of the last bus, where nobody is, lies within ECAM.
    const root = new PciRoot({ barChanged: () => undefined, interruptChanged: () => undefined });
    const at = (bus: number, device: number, fn: number): number =>
      base + bus * 2 ** 20 + device * 2 ** 15 + fn * 2 ** 12 - ECAM.base;
    root.ports.write(0, 4, 0x8000_0000, 0);
    const byPorts = root.ports.read(0xcfc - CONFIG_PORTS.base, 4, 0);
    expect(byPorts).toBe(0x1237_8086);
    expect(root.ecam.read(at(0, 0, 0), 4, 0)).toBe(byPorts);
    expect(at(ram[mcfg + 55], 31, 7) + 4096).toBe(ECAM.size);
    expect(root.ecam.read(at(255, 31, 7), 4, 0)).toBe(0xffff_ffff);
  });

  it('name the HPET', () => {
    const hpet = tables().get('HPET')!;
    expect(view.getUint32(hpet + 4, true)).toBe(56);
    const id = view.getUint32(hpet + 36, true);
    // Vendor, legacy replacement, 64 bits, number of comparators less one, revision.
    expect([id >>> 16, (id >> 15) & 1, (id >> 13) & 1, (id >> 8) & 31, id & 0xff]).toEqual([
      0x8086, 1, 1, 2, 1,
    ]);
    expect(ram[hpet + 40]).toBe(0); // in memory
    expect(Number(view.getBigUint64(hpet + 44, true))).toBe(0xfed00000);
  });

  const iasl = spawnSync('iasl', ['-v']).status === 0;
  it.skipIf(!iasl)('are read by the reference compiler without complaint (needs iasl)', () => {
    const folder = mkdtempSync(join(tmpdir(), 'trapline-acpi-'));
    for (const name of ['FACP', 'APIC', 'MCFG', 'HPET']) {
      const at = tables().get(name)!;
      const file = join(folder, `${name}.dat`);
      writeFileSync(file, ram.subarray(at, at + view.getUint32(at + 4, true)));
      const { stdout, stderr } = spawnSync('iasl', ['-d', file], { encoding: 'utf8' });
      expect(`${stdout}${stderr}`).not.toMatch(/warning|error|invalid/i);
    }
    rmSync(folder, { recursive: true });
  });
});
