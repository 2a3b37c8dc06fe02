/** What a BIOS leaves, read as kernels read it: by the BIOS data area, and by searching for the MP table. */
import { describe, expect, it } from 'vitest';
import { firmwareTables } from '../../../../src/machine/firmware/firmware';
import { memoryMap } from '../../../../src/machine/firmware/memory-map';
import { IOAPIC_BASE } from '../../../../src/machine/interrupts/ioapic';
import { MMIO_WINDOW, irqOfPin } from '../../../../src/machine/pci/firmware';
import { ECAM } from '../../../../src/machine/pci/root';

const CPUS = 3;
const SIGNATURE = 0x50654;
const FEATURES = 0x0002_8b78;
const PINS = [3, 4].map((device) => ({ device, pin: 1, input: irqOfPin(device, 1) }));
const NOON = 12 * 3600 + 19_000 * 86_400;

const tables = (cpus = CPUS, ioapicVersion = 0x11): ReturnType<typeof firmwareTables> =>
  firmwareTables({
    cpus,
    signature: SIGNATURE,
    features: FEATURES,
    ioapicVersion,
    pciPins: PINS,
    ecam: ECAM,
    mmioDevices: [],
    startSeconds: NOON,
  });

function memory(cpus = CPUS, ioapicVersion = 0x11): DataView {
  const ram = new Uint8Array(1 << 20);
  for (const { address, bytes } of tables(cpus, ioapicVersion)) ram.set(bytes, address);
  return new DataView(ram.buffer);
}

const ram = memory();
const text = (at: number, length: number): string =>
  String.fromCharCode(...new Uint8Array(ram.buffer, at, length));
const sum = (at: number, length: number): number =>
  new Uint8Array(ram.buffer, at, length).reduce((total, byte) => (total + byte) & 0xff, 0);
const word = (at: number): number => ram.getUint16(at, true);

/** The search of MP specification 1.4, section 4: first KiB of the EBDA, last KiB of base memory, the BIOS's segment. */
function floatingPointer(): number {
  const extended = word(0x40e) * 16;
  const places = [
    [extended, 1024] as const,
    [word(0x413) * 1024 - 1024, 1024] as const,
    [0xf0000, 0x10000] as const,
  ];
  for (const [start, length] of places) {
    for (let at = start; start > 0 && at < start + length; at += 16)
      if (text(at, 4) === '_MP_' && sum(at, 16) === 0) return at;
  }
  throw new Error('no MP table');
}

interface MpEntry {
  type: number;
  bytes: DataView;
}

function entries(): MpEntry[] {
  const config = ram.getUint32(floatingPointer() + 4, true);
  const length = word(config + 4);
  const found: MpEntry[] = [];
  let at = config + 44;
  while (at < config + length) {
    const type = ram.getUint8(at);
    const size = type === 0 ? 20 : 8;
    found.push({ type, bytes: new DataView(ram.buffer, at, size) });
    at += size;
  }
  expect(at).toBe(config + length);
  expect(word(config + 34)).toBe(found.length);
  return found;
}

const ofType = (type: number): number[][] =>
  entries()
    .filter((each) => each.type === type)
    .map(({ bytes }) => Array.from({ length: bytes.byteLength }, (_, index) => bytes.getUint8(index)));

describe('the MP table', () => {
  it('is found as kernels search for it, and adds up to 0', () => {
    const at = floatingPointer();
    expect([ram.getUint8(at + 8), ram.getUint8(at + 9)]).toEqual([1, 4]); // one paragraph, revision 1.4
    expect([11, 12, 13, 14, 15].map((feature) => ram.getUint8(at + feature))).toEqual([0, 0, 0, 0, 0]);
    const config = ram.getUint32(at + 4, true);
    expect([text(config, 4), sum(config, word(config + 4)), ram.getUint8(config + 6)]).toEqual([
      'PCMP',
      0,
      4,
    ]);
    expect(ram.getUint32(config + 36, true)).toBe(0xfee00000);
    expect([word(config + 40), ram.getUint8(config + 42)]).toEqual([0, 0]); // nothing behind the base table
  });

  it('lists entries by ascending type, as the specification has it', () => {
    const types = entries().map(({ type }) => type);
    expect(types).toEqual([...types].sort((a, b) => a - b));
  });

  it('lists processors, of which the first boots', () => {
    const cpus = entries().filter(({ type }) => type === 0);
    expect(cpus.map(({ bytes }) => [bytes.getUint8(1), bytes.getUint8(2), bytes.getUint8(3)])).toEqual(
      [0, 1, 2].map((id) => [id, 0x14, id === 0 ? 3 : 1]),
    );
    for (const { bytes } of cpus)
      expect([bytes.getUint32(4, true), bytes.getUint32(8, true)]).toEqual([SIGNATURE, FEATURES]);
  });

  it('lists the buses and the I/O APIC', () => {
    const buses = ofType(1).map(([, id, ...name]) => [id, String.fromCharCode(...name)]);
    expect(buses).toEqual([
      [0, 'PCI   '],
      [1, 'ISA   '],
    ]);
    const [[, id, version, flags, ...address], ...others] = ofType(2);
    expect([id, version, flags, others]).toEqual([0, 0x11, 1, []]);
    expect(new DataView(Uint8Array.from(address).buffer).getUint32(0, true)).toBe(IOAPIC_BASE);
  });

  it('tells the version that the I/O APIC of the board has, and nothing else differs but the checksum', () => {
    const other = memory(CPUS, 0x20);
    const different = Array.from({ length: 1 << 20 }, (_, at) => at).filter(
      (at) => other.getUint8(at) !== ram.getUint8(at),
    );
    const config = ram.getUint32(floatingPointer() + 4, true);
    const version = entries().find(({ type }) => type === 2)!.bytes.byteOffset + 2;
    expect(different).toEqual([config + 7, version]);
    expect(other.getUint8(version)).toBe(0x20);
  });

  it('wires the ISA lines, the timer to input 2, and the PCI pins', () => {
    const assigned = ofType(3).map(([, type, modes, , bus, source, apic, input]) => ({
      type,
      modes,
      bus,
      source,
      apic,
      input,
    }));
    expect(assigned.every(({ type, apic }) => type === 0 && apic === 0)).toBe(true);
    const isa = assigned.filter(({ bus }) => bus === 1);
    const wired = [0, 1, 3, 4, 6, 7, 8, 12, 13, 14, 15]; // 2 is the cascade; 5, 9, 10, 11 are level-triggered and PCI's
    expect(isa.map(({ source, input, modes }) => [source, input, modes])).toEqual(
      wired.map((line) => [line, line === 0 ? 2 : line, 0]),
    );
    const pci = assigned.filter(({ bus }) => bus === 0);
    // Source: device in bits 6:2, pin in 1:0 (table 4-13). Slot 3 has IRQ 11 and slot 4 IRQ 11: PIRQC and PIRQD.
    expect(pci.map(({ source, input }) => [source, input])).toEqual([
      [3 << 2, 11],
      [4 << 2, 11],
    ]);
    expect(new Set(pci.map(({ modes }) => modes))).toEqual(new Set([0x0d])); // active high, level-triggered
  });

  it('has the 8259 at LINT0 of the first processor and NMI at LINT1 of all', () => {
    expect(ofType(4)).toEqual([
      [4, 3, 0, 0, 1, 0, 0, 0],
      [4, 1, 0, 0, 1, 0, 0xff, 1],
    ]);
  });
});

describe('the BIOS data area', () => {
  it('tells of memory, ports and the screen', () => {
    expect(word(0x40e)).toBe(0x9fc0);
    expect(word(0x413)).toBe(639);
    expect(ram.getUint8(0x9fc00)).toBe(1); // KiB of the extended area
    expect([0x400, 0x402, 0x408].map(word)).toEqual([0x3f8, 0, 0]); // COM1 only, no printer
    expect(word(0x410)).toBe(0x0220);
    expect(ram.getUint8(0x449)).toBe(3);
    expect([0x44a, 0x463].map(word)).toEqual([80, 0x3d4]);
    expect(ram.getUint8(0x484)).toBe(24);
    expect([0x41a, 0x41c].map(word)).toEqual([0x1e, 0x1e]); // no key waits
  });

  it('has counted the ticks of the day', () => {
    expect(ram.getUint32(0x46c, true)).toBe(0x1800b0 / 2);
  });

  it('agrees with the memory map: what is not conventional memory is not usable', () => {
    const [conventional, extended] = memoryMap(32 << 20);
    expect(conventional).toEqual({ base: 0, size: word(0x413) * 1024, usable: true });
    expect(extended).toEqual({ base: word(0x40e) * 16, size: 1024, usable: false });
  });
});

describe('the interrupt vectors of real mode', () => {
  const code = (vector: number, length: number): number[] => {
    const at = word(4 * vector) + 16 * word(4 * vector + 2);
    return [...new Uint8Array(ram.buffer, at, length)];
  };

  it('return at once, but for the 8259s’, which say that they have ended', () => {
    expect(code(0x10, 1)).toEqual([0xcf]);
    expect(code(0x09, 7)).toEqual([0x50, 0xb0, 0x20, 0xe6, 0x20, 0x58, 0xcf]);
    expect(code(0x77, 9)).toEqual([0x50, 0xb0, 0x20, 0xe6, 0xa0, 0xe6, 0x20, 0x58, 0xcf]);
  });

  it('lie in what the memory map keeps for the firmware', () => {
    for (let vector = 0; vector < 256; vector++) expect(word(4 * vector + 2)).toBe(0xf000);
  });
});

describe('the pieces', () => {
  it('do not overlap, also with as many processors as there may be', () => {
    const pieces = tables(64)
      .map(({ address, bytes }) => [address, address + bytes.length] as const)
      .sort(([a], [b]) => a - b);
    pieces.slice(1).forEach(([start], index) => expect(start).toBeGreaterThanOrEqual(pieces[index][1]));
    expect(memory(64).byteLength).toBe(1 << 20);
  });
});

describe('the memory map', () => {
  it('ascends without overlap, and keeps configuration space from everybody', () => {
    for (const mib of [16, 32, 1024]) {
      const map = memoryMap(mib << 20);
      map.slice(1).forEach(({ base }, i) => expect(base).toBeGreaterThanOrEqual(map[i].base + map[i].size));
      const last = map.at(-1)!;
      expect(last).toEqual({ base: ECAM.base, size: ECAM.buses * 2 ** 20, usable: false });
      // The BARs' place begins right behind it.
      expect(last.base + last.size).toBe(MMIO_WINDOW.base);
      expect(map.filter(({ usable }) => usable).reduce((sum, { size }) => sum + size, 0)).toBe(
        (mib << 20) - 1024 - (0x100000 - 0xa0000),
      );
    }
  });
});
