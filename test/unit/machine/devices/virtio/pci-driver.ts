/** What a driver does to find and reach the structures of a virtio device on PCI (4.1.4, 4.1.5.1.1). */
import type { AccessSize } from '../../../../../src/machine/bus';
import { NO_CPU } from '../../../../../src/machine/bus';
import type { PciFunction } from '../../../../../src/machine/pci/function';

const VENDOR_CAPABILITY = 9;
const MSIX_CAPABILITY = 0x11;

/** A structure, as its capability tells. */
export interface Found {
  /** Offset of the capability in configuration space. */
  at: number;
  bar: number;
  offset: number;
  length: number;
}

/** Offsets of the function's capabilities with an identifier, in the order of the list. */
export function capabilitiesOf(fn: PciFunction, id: number): number[] {
  const found: number[] = [];
  for (let at = fn.read(0x34, 1); at !== 0; at = fn.read(at + 1, 1))
    if (fn.read(at, 1) === id) found.push(at);
  return found;
}

/** The first structure of a type (1 common, 2 notify, 3 ISR, 4 device, 5 PCI access). */
export function structureOf(fn: PciFunction, type: number): Found | undefined {
  const at = capabilitiesOf(fn, VENDOR_CAPABILITY).find((each) => fn.read(each + 3, 1) === type);
  if (at === undefined) return undefined;
  return { at, bar: fn.read(at + 4, 1), offset: fn.read(at + 8, 4), length: fn.read(at + 12, 4) };
}

/** Reads and writes of BARs. */
export function barAccess(fn: PciFunction) {
  const blockOf = (bar: number) => {
    const spec = fn.bars.find(({ index }) => index === bar);
    if (!spec) throw new Error(`the function has no BAR ${bar}`);
    return spec.block;
  };
  return {
    read: (bar: number, offset: number, size: AccessSize): number => blockOf(bar).read(offset, size, NO_CPU),
    write: (bar: number, offset: number, size: AccessSize, value: number): void =>
      blockOf(bar).write(offset, size, value, NO_CPU),
  };
}

/** Access to one structure. */
export function structure(fn: PciFunction, type: number) {
  const found = structureOf(fn, type);
  if (!found) throw new Error(`the function has no structure ${type}`);
  const bars = barAccess(fn);
  return {
    ...found,
    read: (at: number, size: AccessSize): number => bars.read(found.bar, found.offset + at, size),
    write: (at: number, size: AccessSize, value: number): void =>
      bars.write(found.bar, found.offset + at, size, value),
  };
}

/** Turns MSI-X on, each vector with an address and data of its own: 0xfee00000, and 0x40 + vector. */
export function enableMsix(fn: PciFunction): number {
  const [at] = capabilitiesOf(fn, MSIX_CAPABILITY);
  const vectors = (fn.read(at + 2, 2) & 0x7ff) + 1;
  const table = fn.read(at + 4, 4);
  const bars = barAccess(fn);
  for (let vector = 0; vector < vectors; vector++) {
    const entry = (table & ~7) + vector * 16;
    bars.write(table & 7, entry, 4, 0xfee00000);
    bars.write(table & 7, entry + 4, 4, 0);
    bars.write(table & 7, entry + 8, 4, 0x40 + vector);
    bars.write(table & 7, entry + 12, 4, 0);
  }
  fn.write(at + 2, 2, 0x8000);
  return vectors;
}

/** Turns it off. */
export function disableMsix(fn: PciFunction): void {
  fn.write(capabilitiesOf(fn, MSIX_CAPABILITY)[0] + 2, 2, 0);
}

/** A field of the common configuration. */
export type Field =
  | 'deviceFeatureSelect'
  | 'deviceFeature'
  | 'driverFeatureSelect'
  | 'driverFeature'
  | 'configVector'
  | 'numQueues'
  | 'status'
  | 'generation'
  | 'queueSelect'
  | 'queueSize'
  | 'queueVector'
  | 'queueEnable'
  | 'notifyOff'
  | 'desc'
  | 'descHigh'
  | 'driver'
  | 'driverHigh'
  | 'device'
  | 'deviceHigh'
  | 'notifConfigData'
  | 'queueReset'
  | 'adminIndex'
  | 'adminNum';

/** Fields of the common configuration, by the specification's figure: offset and width. */
export const C: Record<Field, readonly [at: number, size: AccessSize]> = {
  deviceFeatureSelect: [0x00, 4],
  deviceFeature: [0x04, 4],
  driverFeatureSelect: [0x08, 4],
  driverFeature: [0x0c, 4],
  configVector: [0x10, 2],
  numQueues: [0x12, 2],
  status: [0x14, 1],
  generation: [0x15, 1],
  queueSelect: [0x16, 2],
  queueSize: [0x18, 2],
  queueVector: [0x1a, 2],
  queueEnable: [0x1c, 2],
  notifyOff: [0x1e, 2],
  desc: [0x20, 4],
  descHigh: [0x24, 4],
  driver: [0x28, 4],
  driverHigh: [0x2c, 4],
  device: [0x30, 4],
  deviceHigh: [0x34, 4],
  notifConfigData: [0x38, 2],
  queueReset: [0x3a, 2],
  adminIndex: [0x3c, 2],
  adminNum: [0x3e, 2],
};

/** The common configuration by field names. */
export function common(fn: PciFunction) {
  const at = structure(fn, 1);
  const get = (field: Field): number => at.read(...C[field]);
  const set = (field: Field, value: number): void => at.write(...C[field], value);
  /** All offered features. */
  const offered = (): bigint => {
    set('deviceFeatureSelect', 0);
    const low = BigInt(get('deviceFeature'));
    set('deviceFeatureSelect', 1);
    return low | (BigInt(get('deviceFeature')) << 32n);
  };
  const accept = (features: bigint): void => {
    set('driverFeatureSelect', 0);
    set('driverFeature', Number(features & 0xffffffffn));
    set('driverFeatureSelect', 1);
    set('driverFeature', Number(features >> 32n));
  };
  /** Up to FEATURES_OK; whether the device took them. */
  const negotiate = (features: bigint): boolean => {
    set('status', 0);
    set('status', 1);
    set('status', 3);
    accept(features);
    set('status', 11);
    return (get('status') & 8) !== 0;
  };
  return { ...at, get, set, offered, accept, negotiate };
}

/** A set of features from bits. */
export const bits = (...features: number[]): bigint =>
  features.reduce((sum, bit) => sum | (1n << BigInt(bit)), 0n);
