/** The vendor capabilities that tell a driver where the structures are (4.1.4), and the one that reaches them (4.1.4.9). */
import { NO_CPU, type AccessSize, type DeviceTrace } from '../../../bus';
import { CapabilityId } from '../../../pci/config';
import type { PciFunction } from '../../../pci/function';
import { report } from '../register-block';
import { Bar, COMMON_BYTES, CapabilityType, ISR_BYTES, NOTIFY_MULTIPLIER, Structure } from './layout';

/** Offsets from the capability's identifier. */
const At = { length: 2, type: 3, bar: 4, offset: 8, size: 12, extra: 16 } as const;
const HEADER_BYTES = 2;
const BYTES = { plain: 16, extended: 20 } as const;
const SIZES: readonly number[] = [1, 2, 4];

/** A structure in the memory BAR. */
interface Place {
  type: number;
  offset: number;
  size: number;
  /** Of a capability that has a word more. */
  extra?: number;
}

function bodyOf(bar: number, { type, offset, size, extra }: Place): Uint8Array {
  const length = extra === undefined ? BYTES.plain : BYTES.extended;
  const body = new Uint8Array(length - HEADER_BYTES);
  const view = new DataView(body.buffer);
  view.setUint8(At.length - HEADER_BYTES, length);
  view.setUint8(At.type - HEADER_BYTES, type);
  view.setUint8(At.bar - HEADER_BYTES, bar);
  view.setUint32(At.offset - HEADER_BYTES, offset, true);
  view.setUint32(At.size - HEADER_BYTES, size, true);
  if (extra !== undefined) view.setUint32(At.extra - HEADER_BYTES, extra, true);
  return body;
}

/**
 * Adds the capabilities.
 * @param configuration bytes of the type's configuration; a type without has no such structure
 */
export function addCapabilities(
  fn: PciFunction,
  trace: DeviceTrace,
  queues: number,
  configuration: number,
): void {
  const places: Place[] = [
    { type: CapabilityType.common, offset: Structure.common, size: COMMON_BYTES },
    { type: CapabilityType.isr, offset: Structure.isr, size: ISR_BYTES },
    ...(configuration > 0
      ? [{ type: CapabilityType.device, offset: Structure.device, size: configuration }]
      : []),
    {
      type: CapabilityType.notify,
      offset: Structure.notify,
      size: queues * NOTIFY_MULTIPLIER,
      extra: NOTIFY_MULTIPLIER,
    },
  ];
  for (const place of places) {
    const body = bodyOf(Bar.modern, place);
    fn.addCapability(CapabilityId.vendor, body, new Uint8Array(body.length));
  }
  addPciAccess(fn, trace);
}

/** A window into the BARs for software that cannot reach them: BAR, offset and length are the driver's, and so is the data. */
function addPciAccess(fn: PciFunction, trace: DeviceTrace): void {
  const body = bodyOf(0, { type: CapabilityType.pciAccess, offset: 0, size: 0, extra: 0 });
  const writable = new Uint8Array(body.length);
  writable[At.bar - HEADER_BYTES] = 0xff;
  writable.fill(0xff, At.offset - HEADER_BYTES);
  const at = fn.addCapability(CapabilityId.vendor, body, writable, (offset, size, value) => {
    if (offset + size > at + At.extra) access(offset, value, true);
  });
  /** Reads into the data, or writes it. */
  const access = (where: number, value: number, isWrite: boolean): void => {
    const bar = fn.bars.find(({ index }) => index === fn.read(at + At.bar, 1));
    const offset = fn.read(at + At.offset, 4);
    const size = fn.read(at + At.size, 4);
    if (!bar || !isAccessSize(size) || offset % size !== 0 || offset + size > bar.size) {
      report(trace, 'ignored', where, value);
    } else if (isWrite) bar.block.write(offset, size, dataOf(size), NO_CPU);
    else {
      const read = bar.block.read(offset, size, NO_CPU);
      for (let i = 0; i < size; i++) fn.poke(at + At.extra + i, (read >>> (8 * i)) & 0xff);
    }
  };
  // The space's own bytes: reading the window would access the BAR.
  const dataOf = (size: AccessSize): number => {
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = value * 256 + fn.peek(at + At.extra + i);
    return value;
  };
  fn.onReading(at + At.extra, at + BYTES.extended, (offset) => access(offset, 0, false));
}

function isAccessSize(size: number): size is AccessSize {
  return SIZES.includes(size);
}
