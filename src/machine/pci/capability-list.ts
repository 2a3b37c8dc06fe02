/** The lists of capabilities of a function, as software finds them (PCI Local Bus Specification 3.0, 6.7; PCI Express, 7.6.3). */
import { CONFIG_BYTES, Config, FIRST_CAPABILITY, FIRST_EXTENDED_CAPABILITY, Status } from './config';
import type { PciFunction } from './function';

/** One capability: its identifier and the offset of its first byte. */
export interface FoundCapability {
  readonly id: number;
  readonly at: number;
}

const NOTHING_THERE = 0xffffffff;

/** Bytes of configuration space as they are, as the number that they make. */
export function peekNumber(fn: PciFunction, offset: number, bytes: number): number {
  let value = 0;
  for (let at = bytes - 1; at >= 0; at--) value = value * 256 + fn.peek(offset + at);
  return value;
}

/** Those in the first 256 bytes, in the order of the list. Not more than fit, whatever the pointers are. */
export function capabilitiesOf(fn: PciFunction): FoundCapability[] {
  const found: FoundCapability[] = [];
  if ((fn.peek(Config.Status) & Status.CapabilitiesList) === 0) return found;
  let at = fn.peek(Config.CapabilitiesPointer) & ~3;
  while (at >= FIRST_CAPABILITY && !found.some((each) => each.at === at)) {
    found.push({ id: fn.peek(at), at });
    at = fn.peek(at + 1) & ~3;
  }
  return found;
}

/** Those of the extended space, likewise; none where a function has no such space. */
export function extendedCapabilitiesOf(fn: PciFunction): FoundCapability[] {
  const found: FoundCapability[] = [];
  let at: number = FIRST_EXTENDED_CAPABILITY;
  while (at >= FIRST_EXTENDED_CAPABILITY && at < CONFIG_BYTES.extended) {
    const header = peekNumber(fn, at, 4);
    if (header === 0 || header === NOTHING_THERE || found.some((each) => each.at === at)) break;
    found.push({ id: header & 0xffff, at });
    at = (header >>> 20) & ~3;
  }
  return found;
}
