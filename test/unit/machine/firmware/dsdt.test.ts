/** Devices that the definition block names, decoded as an operating system decodes it (ACPI specification 6.4, 20.2). */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { acpiTables } from '../../../../src/machine/firmware/acpi';
import { definitionBlock, type MmioDeviceFacts } from '../../../../src/machine/firmware/dsdt';
import { FIRMWARE_AREA } from '../../../../src/machine/firmware/memory-map';
import { ECAM } from '../../../../src/machine/pci/root';
import { MMIO_SLOTS } from '../../../../src/machine/platform/mmio-slots';

/** A value of the language: an integer, a string, or the bytes of a buffer. */
type Value = number | string | Uint8Array;

/** Reads terms of the language, as many as a list of devices has. */
class Decoder {
  at = 0;
  private readonly view: DataView;

  constructor(private readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get done(): boolean {
    return this.at === this.bytes.length;
  }

  byte(): number {
    if (this.at >= this.bytes.length) throw new Error(`the block ends at ${this.at}`);
    return this.bytes[this.at++];
  }

  expect(...bytes: number[]): void {
    expect(bytes.map(() => this.byte())).toEqual(bytes);
  }

  segment(): string {
    return Array.from({ length: 4 }, () => String.fromCharCode(this.byte())).join('');
  }

  /** What a package has behind its length (20.2.4). */
  package(): Decoder {
    const begin = this.at;
    const first = this.byte();
    const more = first >> 6;
    let length = more === 0 ? first : first & 15;
    for (let i = 0; i < more; i++) length += this.byte() * 2 ** (4 + 8 * i);
    const inside = new Decoder(this.bytes.subarray(this.at, begin + length));
    this.at = begin + length;
    return inside;
  }

  value(): Value {
    const op = this.byte();
    if (op <= 1) return op;
    if (op === 0x0d) {
      let text = '';
      for (let c = this.byte(); c !== 0; c = this.byte()) text += String.fromCharCode(c);
      return text;
    }
    if (op === 0x11) {
      const inside = this.package();
      const size = inside.value();
      const rest = inside.bytes.subarray(inside.at);
      expect(rest.length).toBe(size);
      return rest;
    }
    if (op === 0x0a) return this.byte();
    throw new Error(`opcode ${op}`);
  }

  /** A list of resources: the memory and the interrupt of a device. */
  static resources(bytes: Uint8Array) {
    const { view } = new Decoder(bytes);
    const memory = { item: view.getUint8(0), length: view.getUint16(1, true), writable: view.getUint8(3) };
    const at = 3 + memory.length;
    const interrupt = {
      item: view.getUint8(at),
      length: view.getUint16(at + 1, true),
      flags: view.getUint8(at + 3),
    };
    return {
      ...{ memory, interrupt, base: view.getUint32(4, true), bytes: view.getUint32(8, true) },
      ...{ interrupts: view.getUint8(at + 4), gsi: view.getUint32(at + 5, true) },
      rest: [...bytes.subarray(at + 3 + interrupt.length)],
    };
  }
}

/** The devices of a block by their names, each with its objects. */
function devicesOf(block: Uint8Array): Map<string, Map<string, Value>> {
  const devices = new Map<string, Map<string, Value>>();
  if (block.length === 0) return devices;
  const all = new Decoder(block);
  all.expect(0x10);
  const inside = all.package();
  expect(all.done).toBe(true);
  inside.expect(0x5c);
  expect(inside.segment()).toBe('_SB_');
  while (!inside.done) {
    inside.expect(0x5b, 0x82);
    const device = inside.package();
    const name = device.segment();
    const objects = new Map<string, Value>();
    while (!device.done) {
      device.expect(0x08);
      objects.set(device.segment(), device.value());
    }
    devices.set(name, objects);
  }
  return devices;
}

const { base, bytes, gsi, count } = MMIO_SLOTS;
const factsOf = (devices: number): MmioDeviceFacts[] =>
  Array.from({ length: devices }, (_, slot) => ({ base: base + slot * bytes, bytes, gsi: gsi + slot }));

describe('the definition block', () => {
  it.each([1, 2, count])('names %i virtio devices on MMIO with memory and interrupt', (number) => {
    const facts = factsOf(number);
    const devices = devicesOf(definitionBlock(facts));
    expect([...devices.keys()]).toEqual(facts.map((_, slot) => `VR0${slot}`));
    [...devices.values()].forEach((objects, slot) => {
      expect([...objects.keys()]).toEqual(['_HID', '_UID', '_CCA', '_CRS']);
      expect(objects.get('_HID')).toBe('LNRO0005');
      expect([objects.get('_UID'), objects.get('_CCA')]).toEqual([slot, 1]);
      const crs = objects.get('_CRS');
      if (!(crs instanceof Uint8Array)) throw new Error('_CRS is no buffer');
      const found = Decoder.resources(crs);
      expect(found.memory).toEqual({ item: 0x86, length: 9, writable: 1 });
      expect([found.base, found.bytes, found.gsi]).toEqual([facts[slot].base, bytes, facts[slot].gsi]);
      // A consumer's interrupt, level-triggered, active high, exclusive; one; and the end of the list.
      expect(found.interrupt).toEqual({ item: 0x89, length: 6, flags: 1 });
      expect([found.interrupts, found.rest]).toEqual([1, [0x79, 0]]);
    });
  });

  it('is empty without such devices', () => {
    expect(definitionBlock([]).length).toBe(0);
  });

  it('has lengths of one, two and three bytes', () => {
    // One byte tells up to 63, two up to 4095: the resources of a device, a device, and all of more than a machine has.
    expect(definitionBlock(factsOf(70)).length).toBeGreaterThan(4096);
    for (const number of [1, 60, 61, 70]) {
      const devices = devicesOf(definitionBlock(factsOf(number)));
      expect([...devices.values()].map((objects) => objects.get('_UID'))).toEqual(
        Array.from({ length: number }, (_, slot) => slot),
      );
    }
  });

  it('leaves room for all tables below the BIOS segment', () => {
    const tables = acpiTables({ cpus: 8, ecam: ECAM, mmioDevices: factsOf(count) });
    const end = Math.max(...tables.map((table) => table.address + table.bytes.length));
    expect(end).toBeLessThan(FIRMWARE_AREA.base + FIRMWARE_AREA.size / 2);
  });

  const iasl = spawnSync('iasl', ['-v']).status === 0;
  it.skipIf(!iasl)('is read by the reference compiler (needs iasl)', () => {
    const table = acpiTables({ cpus: 1, ecam: ECAM, mmioDevices: factsOf(count) }).find(
      (each) => String.fromCharCode(...each.bytes.subarray(0, 4)) === 'DSDT',
    );
    const folder = mkdtempSync(join(tmpdir(), 'trapline-dsdt-'));
    writeFileSync(join(folder, 'dsdt.dat'), table!.bytes);
    const { stdout, stderr } = spawnSync('iasl', ['-d', join(folder, 'dsdt.dat')], { encoding: 'utf8' });
    expect(`${stdout}${stderr}`).not.toMatch(/warning|error|invalid/i);
    const source = readFileSync(join(folder, 'dsdt.dsl'), 'utf8');
    expect(source.match(/"LNRO0005"/g)).toHaveLength(count);
    rmSync(folder, { recursive: true });
  });
});
