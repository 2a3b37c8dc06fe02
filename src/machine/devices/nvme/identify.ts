/** The data structures that Identify returns (5.15.2), each 4096 bytes. */
import {
  ENTRY,
  ERROR_ENTRIES,
  MDTS,
  MOST_ABORTS,
  MOST_EVENT_REQUESTS,
  NAMESPACE,
  VERSION,
} from './constants';
import type { NvmeOptions } from './options';
import { VENDOR } from './function';

const PAGE_BYTES = 4096;
const MODEL = 'Trapline NVMe Controller';
const FIRMWARE = '1.0';
/** Locally administered; its first three bytes are QEMU's for NICs. */
const OUI = [0x52, 0x54, 0x00] as const;

/** Offsets in the controller's structure (figure 247). */
const Controller = {
  vendor: 0,
  subsystem: 2,
  serial: 4,
  model: 24,
  firmware: 64,
  arbitrationBurst: 72,
  oui: 73,
  transferSize: 77,
  version: 80,
  kind: 111,
  abortLimit: 258,
  eventLimit: 259,
  firmwareSlots: 260,
  logAttributes: 261,
  errorEntries: 262,
  warmTemperature: 266,
  hotTemperature: 268,
  sqEntry: 512,
  cqEntry: 513,
  namespaces: 516,
  optionalCommands: 520,
  writeCache: 525,
  qualifiedName: 768,
  powerStates: 2048,
} as const;
/** Offsets in the namespace's structure (figure 245). */
const Namespace = {
  size: 0,
  capacity: 8,
  used: 16,
  deallocation: 33,
  guid: 104,
  eui: 120,
  formats: 128,
} as const;

const IO_CONTROLLER = 1;
/** One slot, which cannot be written. */
const FIRMWARE_SLOTS = 0x03;
/** Get Log Page has offsets, and lengths of 32 bits. */
const EXTENDED_LOGS = 1 << 2;
const COMPARE = 1 << 0;
const DATASET_MANAGEMENT = 1 << 2;
const WRITE_ZEROES = 1 << 3;
/** A volatile cache, and a flush of all namespaces at once. */
const WRITE_CACHE = 0x07;
/** Blocks that were deallocated read as zeros, and writing zeros may deallocate. */
const DEALLOCATED_ARE_ZERO = 0x09;
/** Maximum power in centiwatts, entry and exit latency in microseconds: those of QEMU's controller. */
const POWER = { most: 2500, enter: 16, leave: 4 } as const;
/** As QEMU's controller has them, in kelvin. */
const WARM = 343;
const HOT = 373;

/** Identifies the controller (CNS 01h). */
export function identifyController({ serial }: NvmeOptions): Uint8Array {
  const { bytes, view } = page();
  view.setUint16(Controller.vendor, VENDOR.id, true);
  view.setUint16(Controller.subsystem, VENDOR.subsystem, true);
  putText(bytes, Controller.serial, 20, serial);
  putText(bytes, Controller.model, 40, MODEL);
  putText(bytes, Controller.firmware, 8, FIRMWARE);
  bytes[Controller.arbitrationBurst] = 6;
  bytes.set([...OUI].reverse(), Controller.oui);
  bytes[Controller.transferSize] = MDTS;
  view.setUint32(Controller.version, VERSION, true);
  bytes[Controller.kind] = IO_CONTROLLER;
  bytes[Controller.abortLimit] = MOST_ABORTS - 1;
  bytes[Controller.eventLimit] = MOST_EVENT_REQUESTS - 1;
  bytes[Controller.firmwareSlots] = FIRMWARE_SLOTS;
  bytes[Controller.logAttributes] = EXTENDED_LOGS;
  bytes[Controller.errorEntries] = ERROR_ENTRIES - 1;
  view.setUint16(Controller.warmTemperature, WARM, true);
  view.setUint16(Controller.hotTemperature, HOT, true);
  bytes[Controller.sqEntry] = ENTRY.submissionPower * 0x11;
  bytes[Controller.cqEntry] = ENTRY.completionPower * 0x11;
  view.setUint32(Controller.namespaces, 1, true);
  view.setUint16(Controller.optionalCommands, COMPARE | DATASET_MANAGEMENT | WRITE_ZEROES, true);
  bytes[Controller.writeCache] = WRITE_CACHE;
  const name = `nqn.2014-08.org.nvmexpress:uuid:${uuidText(uuidOf(serial))}`;
  bytes.set(ascii(name), Controller.qualifiedName);
  view.setUint16(Controller.powerStates, POWER.most, true);
  view.setUint32(Controller.powerStates + 4, POWER.enter, true);
  view.setUint32(Controller.powerStates + 8, POWER.leave, true);
  return bytes;
}

/** Identifies the namespace (CNS 00h): one format, without metadata. */
export function identifyNamespace({ size, blockSize, serial }: NvmeOptions): Uint8Array {
  const { bytes, view } = page();
  const blocks = BigInt(size / blockSize);
  for (const at of [Namespace.size, Namespace.capacity, Namespace.used]) view.setBigUint64(at, blocks, true);
  bytes[Namespace.deallocation] = DEALLOCATED_ARE_ZERO;
  bytes.set(guidOf(serial), Namespace.guid);
  bytes.set(euiOf(serial), Namespace.eui);
  bytes[Namespace.formats + 2] = Math.log2(blockSize);
  return bytes;
}

/** Namespaces with identifiers above one (CNS 02h). */
export function activeNamespaces(above: number): Uint8Array {
  const { bytes, view } = page();
  if (above < NAMESPACE) view.setUint32(0, NAMESPACE, true);
  return bytes;
}

/** What the namespace is known by beyond this controller (CNS 03h). */
export function namespaceDescriptors({ serial }: NvmeOptions): Uint8Array {
  const { bytes } = page();
  const descriptors: [type: number, value: Uint8Array][] = [
    [1, euiOf(serial)],
    [2, guidOf(serial)],
    [3, uuidOf(serial)],
  ];
  let at = 0;
  for (const [type, value] of descriptors) {
    bytes.set([type, value.length, 0, 0], at);
    bytes.set(value, at + 4);
    at += 4 + value.length;
  }
  return bytes;
}

function page(): { bytes: Uint8Array; view: DataView } {
  const bytes = new Uint8Array(PAGE_BYTES);
  return { bytes, view: new DataView(bytes.buffer) };
}

function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}

/** Text is filled up with blanks (1.5). */
function putText(bytes: Uint8Array, at: number, length: number, text: string): void {
  bytes.set(ascii(text.padEnd(length).slice(0, length)), at);
}

/** Two controllers with different serial numbers are told apart by these 40 bits. */
function hashOf(serial: string): number[] {
  let high = 0x811c9dc5;
  let low = 0x9e3779b9;
  for (const byte of ascii(serial)) {
    high = Math.imul(high ^ byte, 0x01000193);
    low = Math.imul(low ^ high, 0x85ebca6b) ^ (low >>> 13);
  }
  return [high & 0xff, low & 0xff, (low >>> 8) & 0xff, (low >>> 16) & 0xff, (low >>> 24) & 0xff];
}

/** IEEE extended unique identifiers: of 64 bits, and of 128 with the vendor's part first. */
function euiOf(serial: string): Uint8Array {
  return Uint8Array.of(...OUI, ...hashOf(serial));
}

function guidOf(serial: string): Uint8Array {
  return Uint8Array.of(...ascii('TRAPLINE'), ...OUI, ...hashOf(serial));
}

/** RFC 9562, version 8: made by this vendor's own rule. */
function uuidOf(serial: string): Uint8Array {
  const bytes = Uint8Array.of(...ascii('trapline'), ...OUI, ...hashOf(serial));
  bytes[6] = (bytes[6] & 0x0f) | 0x80;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  return bytes;
}

function uuidText(bytes: Uint8Array): string {
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
