/**
 * Loading a kernel by Multiboot 1 (Multiboot Specification 0.6.96, sections 3.2 and 3.3): its segments, the modules and the
 * information structure into RAM, and the registers it starts with.
 */
import { GuestImageError } from '../errors';
import type { GuestFile, LoadSegment } from '../file';
import { addressedSegment } from '../elf/flat-file';
import type { MultibootHeader } from './multiboot-header';
import type { BootParameters, BootPlan } from './plan';
import { checkPlacement, pieceOf, ramEnd, tooSmall, type BootPiece, type MemoryRange } from './placement';

/** What EAX holds at the kernel's entry. */
const MULTIBOOT_BOOTLOADER_MAGIC = 0x2badb002;

const MIB = 1024 * 1024;
const PAGE = 4096;
const INFO_BYTES = 120;
const MODULE_BYTES = 16;
const MAP_ENTRY_BYTES = 24;

/** Offsets in the information structure. */
const Info = {
  flags: 0,
  memLower: 4,
  memUpper: 8,
  cmdline: 16,
  modsCount: 20,
  modsAddr: 24,
  mmapLength: 44,
  mmapAddr: 48,
  loaderName: 64,
  framebuffer: 88,
} as const;

/** Which fields are valid: mem_*, cmdline, mods_*, mmap_*, boot_loader_name. */
const INFO_FLAGS = (1 << 0) | (1 << 2) | (1 << 3) | (1 << 6) | (1 << 9);
const LOADER_NAME = 'Trapline';
/** For a kernel that asks for a video mode: framebuffer_* are valid, and tell of the screen in text mode. */
const FRAMEBUFFER_FLAG = 1 << 12;
const TEXT_SCREEN = {
  address: 0xb8000,
  pitch: 160,
  columns: 80,
  rows: 25,
  bitsPerCharacter: 16,
  type: 2,
} as const;

/**
 * Plans the start of a kernel with a Multiboot header.
 * @throws GuestImageError when it, or its modules, do not fit the RAM
 */
export function planMultiboot(
  file: GuestFile,
  header: MultibootHeader,
  map: readonly MemoryRange[],
  parameters: BootParameters,
): BootPlan {
  const segments = header.addresses ? [addressedSegment(file.bytes, file.name, header)] : file.segments;
  checkPlacement(file.name, segments, map);
  const entry = header.addresses?.entry ?? physicalEntry(file, segments);
  if (!holds(segments, BigInt(entry))) {
    throw new GuestImageError(
      `${file.name} starts at 0x${entry.toString(16)}, where it has no code: give the linker script an ENTRY.`,
    );
  }
  const extras = layOut(segments, map, parameters, file.name);
  if (header.video !== 'none') tellOfScreen(extras.infoBytes);
  return {
    ...(header.video === 'graphics' && { warning: noGraphics(file.name) }),
    start: {
      mode: 'protected',
      entry,
      stack: stackTop(segments, map),
      eax: MULTIBOOT_BOOTLOADER_MAGIC,
      ebx: extras.info,
    },
    pieces: [...segments.map(pieceOf), ...extras.pieces],
  };
}

function noGraphics(name: string): string {
  return (
    `${name} asks for a graphics mode by its Multiboot header, and this computer has a text screen only (80 by 25 at 0xb8000), which is ` +
    "what it is told of: look at framebuffer_type (2: text), or clear bit 2 of the header's flags."
  );
}

/** A kernel that is linked to run elsewhere than it is loaded names its entry by the address it runs at. */
function physicalEntry({ entry }: GuestFile, segments: readonly LoadSegment[]): number {
  const home = segments.find(
    ({ virtualAddress, memorySize }) => entry >= virtualAddress && entry < virtualAddress + memorySize,
  );
  return Number(home ? entry - home.virtualAddress + home.address : BigInt.asUintN(32, entry));
}

function holds(segments: readonly LoadSegment[], physical: bigint): boolean {
  return segments.some(({ address, memorySize }) => physical >= address && physical < address + memorySize);
}

/**
 * Where the stack that the kernel is given ends: at the top of conventional memory, or below what the kernel has there. The
 * specification leaves ESP undefined, but every loader in use leaves a stack, and kernels use it.
 */
function stackTop(segments: readonly LoadSegment[], map: readonly MemoryRange[]): number {
  let top = map[0] ? map[0].base + map[0].size : 0;
  const inTheWay = (): LoadSegment | undefined =>
    segments.find(
      ({ address, memorySize }) => address < BigInt(top) && address + memorySize > BigInt(top - PAGE),
    );
  for (let other = inTheWay(); other && top > PAGE; other = inTheWay()) top = Number(other.address) & ~15;
  return top;
}

/** Modules, each at a page of its own, and then the information structure, all behind the kernel and above 1 MiB. */
function layOut(
  segments: readonly LoadSegment[],
  map: readonly MemoryRange[],
  { cmdline, modules }: BootParameters,
  name: string,
): { info: number; infoBytes: Uint8Array; pieces: BootPiece[] } {
  const imageEnd = segments.reduce(
    (end, { address, memorySize }) => Math.max(end, Number(address + memorySize)),
    MIB,
  );
  const pieces: BootPiece[] = [];
  let free = pageUp(imageEnd);
  for (const { bytes } of modules) {
    pieces.push({ address: free, bytes });
    free = pageUp(free + bytes.length);
  }
  const info = infoBlock(
    free,
    pieces,
    map,
    cmdline,
    modules.map((each) => each.cmdline),
  );
  const end = free + info.length;
  if (end > ramEnd(map)) throw tooSmall(`${name} with its modules`, Math.ceil(end / MIB), ramEnd(map));
  return { info: free, infoBytes: info, pieces: [...pieces, { address: free, bytes: info }] };
}

function tellOfScreen(info: Uint8Array): void {
  const view = new DataView(info.buffer);
  const { address, pitch, columns, rows, bitsPerCharacter, type } = TEXT_SCREEN;
  view.setUint32(Info.flags, view.getUint32(Info.flags, true) | FRAMEBUFFER_FLAG, true);
  view.setBigUint64(Info.framebuffer, BigInt(address), true);
  [pitch, columns, rows].forEach((value, index) =>
    view.setUint32(Info.framebuffer + 8 + 4 * index, value, true),
  );
  info.set([bitsPerCharacter, type], Info.framebuffer + 20);
}

/** The information structure at an address, followed by what it points to: modules, memory map, strings. */
function infoBlock(
  address: number,
  modules: readonly BootPiece[],
  map: readonly MemoryRange[],
  cmdline: string,
  moduleLines: readonly string[],
): Uint8Array {
  const strings = [cmdline, LOADER_NAME, ...moduleLines].map(zeroTerminated);
  const moduleTable = INFO_BYTES;
  const mapTable = moduleTable + modules.length * MODULE_BYTES;
  const firstString = mapTable + map.length * MAP_ENTRY_BYTES;
  const stringAt = strings.map((_, index) =>
    strings.slice(0, index).reduce((at, text) => at + text.length, firstString),
  );
  const bytes = new Uint8Array(strings.reduce((size, text) => size + text.length, firstString));
  const view = new DataView(bytes.buffer);
  const put = (at: number, value: number): void => view.setUint32(at, value, true);

  put(Info.flags, INFO_FLAGS);
  put(Info.memLower, Math.floor((map[0]?.size ?? 0) / 1024));
  put(Info.memUpper, Math.floor((ramEnd(map) - MIB) / 1024));
  put(Info.cmdline, address + stringAt[0]);
  put(Info.modsCount, modules.length);
  put(Info.modsAddr, address + moduleTable);
  put(Info.mmapLength, map.length * MAP_ENTRY_BYTES);
  put(Info.mmapAddr, address + mapTable);
  put(Info.loaderName, address + stringAt[1]);
  modules.forEach((module, index) => {
    const at = moduleTable + index * MODULE_BYTES;
    put(at, module.address);
    put(at + 4, module.address + module.bytes.length);
    put(at + 8, address + stringAt[2 + index]);
  });
  map.forEach(({ base, size, usable }, index) => {
    const at = mapTable + index * MAP_ENTRY_BYTES;
    put(at, MAP_ENTRY_BYTES - 4); // `size` does not count itself
    view.setBigUint64(at + 4, BigInt(base), true);
    view.setBigUint64(at + 12, BigInt(size), true);
    put(at + 20, usable ? 1 : 2);
  });
  strings.forEach((text, index) => bytes.set(text, stringAt[index]));
  return bytes;
}

function zeroTerminated(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\0`);
}

function pageUp(address: number): number {
  return Math.ceil(address / PAGE) * PAGE;
}
