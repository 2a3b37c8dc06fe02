/** Capabilities of a function that are no interrupts: PCI Express and power management. */
import { capabilitiesOf } from './capability-list';
import { CapabilityId } from './config';
import type { PciFunction } from './function';

/** Device/port types of a PCI Express function (PCI Express Base Specification, 7.5.3.2). */
export const ExpressType = { endpoint: 0, rootPort: 4, rootIntegratedEndpoint: 9 } as const;

/** Bytes behind identifier and next pointer, and offsets of its registers from the identifier (7.5.3). */
const EXPRESS_BODY_BYTES = 0x3c - 2;
const Express = {
  capabilities: 0x02,
  deviceCapabilities: 0x04,
  deviceControl: 0x08,
  linkCapabilities: 0x0c,
} as const;
const EXPRESS_VERSION = 2;
const DeviceCapabilities = { roleBasedErrors: 1 << 15, functionReset: 1 << 28 } as const;
/** Relaxed ordering and no snoop may be used; read requests of up to 512 bytes. */
const DEVICE_CONTROL = 0x2810;
const DEVICE_CONTROL_WRITABLE = 0x78ff;
const FUNCTION_RESET_HIGH = 0x80;
const LinkState = { gen1X1: 0x11 } as const;
const LINK_STATUS_AT = 0x12;

/** What may differ from function to function. */
export interface ExpressOptions {
  /** An `ExpressType`. */
  type: number;
  /** The device's part of a function-level reset (6.6.2); absent: the function has none. Its configuration is reset by itself. */
  onReset?: () => void;
}

/**
 * Adds the PCI Express capability, version 2, and with it the extended configuration space.
 * @returns the offset of its identifier
 */
export function addExpress(fn: PciFunction, { type, onReset }: ExpressOptions): number {
  const body = new Uint8Array(EXPRESS_BODY_BYTES);
  const writable = new Uint8Array(EXPRESS_BODY_BYTES);
  const view = new DataView(body.buffer);
  const put = (at: number, size: 2 | 4, value: number): void => {
    if (size === 2) view.setUint16(at - 2, value, true);
    else view.setUint32(at - 2, value, true);
  };
  put(Express.capabilities, 2, EXPRESS_VERSION | (type << 4));
  put(
    Express.deviceCapabilities,
    4,
    DeviceCapabilities.roleBasedErrors | (onReset ? DeviceCapabilities.functionReset : 0),
  );
  put(Express.deviceControl, 2, DEVICE_CONTROL);
  writable.set([DEVICE_CONTROL_WRITABLE & 0xff, DEVICE_CONTROL_WRITABLE >> 8], Express.deviceControl - 2);
  if (type !== ExpressType.rootIntegratedEndpoint) {
    // A function of the root complex itself has no link (7.5.3.6).
    put(Express.linkCapabilities, 4, LinkState.gen1X1);
    put(LINK_STATUS_AT, 2, LinkState.gen1X1);
  }
  fn.extendSpace();
  const at = fn.addCapability(CapabilityId.express, body, writable, (offset, size, value) => {
    const high = at + Express.deviceControl + 1 - offset;
    const initiated = high >= 0 && high < size && ((value >>> (8 * high)) & FUNCTION_RESET_HIGH) !== 0;
    if (!initiated || !onReset) return;
    fn.reset();
    onReset();
  });
  return at;
}

/**
 * Begins a function-level reset, as software does (6.6.2): bit 15 of the device control register.
 * @returns whether the function has one
 */
export function resetFunction(fn: PciFunction): boolean {
  const found = capabilitiesOf(fn).find(({ id }) => id === CapabilityId.express);
  if (!found || (fn.read(found.at + Express.deviceCapabilities, 4) & DeviceCapabilities.functionReset) === 0)
    return false;
  const control = found.at + Express.deviceControl;
  fn.write(control, 2, fn.read(control, 2) | (FUNCTION_RESET_HIGH << 8));
  return true;
}

/** PMC and PMCSR (PCI Bus Power Management Interface Specification 1.2, 3.2). */
const PM_BODY_BYTES = 6;
const PM_VERSION = 3;
const PMCSR_AT = 4;
const NO_SOFT_RESET = 1 << 3;
const POWER_STATE = 3;
const D3 = 3;

/**
 * Adds power management with D0 and D3hot. In D3 the function answers configuration accesses alone; it comes back as it was.
 * @returns the offset of its identifier
 */
export function addPowerManagement(fn: PciFunction): number {
  const body = new Uint8Array(PM_BODY_BYTES);
  body[0] = PM_VERSION;
  body[PMCSR_AT - 2] = NO_SOFT_RESET;
  const at = fn.addCapability(
    CapabilityId.powerManagement,
    body,
    new Uint8Array(PM_BODY_BYTES),
    (offset, size, value) => {
      const place = at + PMCSR_AT - offset;
      if (place < 0 || place >= size) return;
      const state = (value >>> (8 * place)) & POWER_STATE;
      // A state that is not there is not entered (3.2.4).
      if (state !== 0 && state !== D3) return;
      fn.poke(at + PMCSR_AT, NO_SOFT_RESET | state);
      fn.powerChanged();
    },
  );
  fn.sleepWhile(() => (fn.read(at + PMCSR_AT, 1) & POWER_STATE) === D3);
  return at;
}
