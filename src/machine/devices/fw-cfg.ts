/**
 * QEMU's firmware configuration device (QEMU documentation, "QEMU Firmware Configuration (fw_cfg) Device"), in its port form
 * without DMA: a selector of 16 bits, and a port that gives the selected item byte by byte.
 */
import type { AccessSize, RegisterBlock } from '../bus';
import type { MemoryRange } from '../firmware/memory-map';
import {
  requireVersion,
  type Checkpoint,
  type HardwareState,
  type Migratable,
  type RunState,
} from '../snapshot';

/** Its two ports. */
export const FW_CFG = { base: 0x510, size: 2 } as const;

/** Keys of the items. */
export const FwCfgKey = {
  Signature: 0x00,
  Id: 0x01,
  RamSize: 0x03,
  NoGraphic: 0x04,
  Cpus: 0x05,
  MaxCpus: 0x0f,
  CmdlineSize: 0x14,
  CmdlineData: 0x15,
  FileDirectory: 0x19,
  /** The first file; the others follow. */
  FirstFile: 0x20,
} as const;

/** Traditional interface only: no DMA. */
const ID = 1;
const DIRECTORY_ENTRY_BYTES = 64;
const NAME_BYTES = 56;
const E820_ENTRY_BYTES = 20;
const E820 = { ram: 1, reserved: 2 } as const;

/** What the machine has to tell. */
export interface FwCfgFacts {
  ramBytes: number;
  cpus: number;
  /** Of a kernel; empty otherwise. */
  cmdline: string;
  memoryMap: readonly MemoryRange[];
  /** Files besides the memory map, with what they hold when they are read. */
  files?: readonly { name: string; contents: () => Uint8Array }[];
}

type Item = () => Uint8Array;

/** What the hardware has of a `FwCfg`; the run has nothing of it. */
export interface FwCfgHardware extends HardwareState {
  version: 1;
  selected: number;
  offset: number;
}

/** The device. */
export class FwCfg implements RegisterBlock, Migratable<FwCfgHardware> {
  private readonly items: ReadonlyMap<number, Item>;
  /** The selected item, once it is read. */
  private item: Uint8Array | undefined;
  private selected = 0;
  private offset = 0;

  constructor(facts: FwCfgFacts) {
    this.items = itemsOf(facts);
  }

  read(offset: number, _size: AccessSize): number {
    if (offset !== 1) return 0;
    this.item ??= this.items.get(this.selected)?.() ?? new Uint8Array();
    const byte = this.item[this.offset] ?? 0; // what is not there, and what is beyond an end, reads as zeros
    this.offset += 1;
    return byte;
  }

  write(offset: number, size: AccessSize, value: number): void {
    if (offset !== 0 || size !== 2) return;
    this.select(value, 0);
  }

  registerName(offset: number): string | undefined {
    return ['FW_CFG_SELECTOR', 'FW_CFG_DATA'][offset];
  }

  /** As after power-on. */
  reset(): void {
    this.select(0, 0);
  }

  save(): Checkpoint<FwCfgHardware, RunState> {
    return { hardware: { version: 1, selected: this.selected, offset: this.offset }, run: {} };
  }

  load({ hardware }: Checkpoint<FwCfgHardware, RunState>): void {
    this.adopt(hardware);
  }

  adopt(hardware: FwCfgHardware): void {
    requireVersion('fw_cfg', hardware.version, 1);
    this.select(hardware.selected, hardware.offset);
  }

  private select(key: number, offset: number): void {
    this.selected = key;
    this.offset = offset;
    this.item = undefined;
  }
}

function itemsOf({ ramBytes, cpus, cmdline, memoryMap, files = [] }: FwCfgFacts): Map<number, Item> {
  const text = new TextEncoder();
  const line = text.encode(`${cmdline}\0`);
  const all = [{ name: 'etc/e820', contents: () => e820(memoryMap) }, ...files];
  const fixed: [key: number, bytes: Uint8Array][] = [
    [FwCfgKey.Signature, text.encode('QEMU')],
    [FwCfgKey.Id, number(4, ID)],
    [FwCfgKey.RamSize, number(8, ramBytes)],
    [FwCfgKey.NoGraphic, number(2, 1)],
    [FwCfgKey.Cpus, number(2, cpus)],
    [FwCfgKey.MaxCpus, number(2, cpus)],
    [FwCfgKey.CmdlineSize, number(4, line.length)],
    [FwCfgKey.CmdlineData, line],
  ];
  return new Map<number, Item>([
    ...fixed.map(([key, bytes]): [number, Item] => [key, () => bytes]),
    [FwCfgKey.FileDirectory, () => directory(all.map(({ name, contents }) => [name, contents()]))],
    ...all.map(({ contents }, index): [number, Item] => [FwCfgKey.FirstFile + index, contents]),
  ]);
}

/** A little-endian number. */
function number(size: number, value: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let i = 0, rest = value; i < size; i++, rest = Math.floor(rest / 256)) bytes[i] = rest % 256;
  return bytes;
}

/** The names of the files; its numbers are big-endian, unlike all others. */
function directory(files: readonly [name: string, contents: Uint8Array][]): Uint8Array {
  const bytes = new Uint8Array(4 + files.length * DIRECTORY_ENTRY_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, files.length);
  files.forEach(([name, contents], index) => {
    const at = 4 + index * DIRECTORY_ENTRY_BYTES;
    view.setUint32(at, contents.length);
    view.setUint16(at + 4, FwCfgKey.FirstFile + index);
    bytes.set(new TextEncoder().encode(name).subarray(0, NAME_BYTES - 1), at + 8);
  });
  return bytes;
}

function e820(map: readonly MemoryRange[]): Uint8Array {
  const bytes = new Uint8Array(map.length * E820_ENTRY_BYTES);
  const view = new DataView(bytes.buffer);
  map.forEach(({ base, size, usable }, index) => {
    const at = index * E820_ENTRY_BYTES;
    view.setBigUint64(at, BigInt(base), true);
    view.setBigUint64(at + 8, BigInt(size), true);
    view.setUint32(at + 16, usable ? E820.ram : E820.reserved, true);
  });
  return bytes;
}
