/** The host bridge of a PC: the function at 00:00.0 (Intel 440FX PCIset data sheet, 82441FX, chapter 3). */
import { READABLE, SHADOW, WRITABLE, type RomShadow } from '../memory/rom-shadow';
import { PciFunction } from './function';

/** Programmable attribute map: PAM0 to PAM6, two areas to each register (3.2.10). */
export const PAM = { offset: 0x59, count: 7 } as const;
/** Bits of an area that can be set: RE and WE; CE, that its shadow is cached, is taken for granted. */
const AREA_BITS = READABLE | WRITABLE;
/** From C0000H on, areas of 16 KiB are in the low and the high half of PAM1 to PAM6; the high half of PAM0 is F0000H to FFFFFH. */
const AREA_BYTES = 0x4000;
const LAST_AREA = 0xf0000;

/** The 440FX host bridge: what guests expect at 00:00.0 of such a machine. Without a ROM it has no registers of its own. */
export function hostBridge(shadow?: RomShadow): PciFunction {
  const identity = {
    vendorId: 0x8086,
    deviceId: 0x1237,
    revision: 2,
    classCode: 0x060000,
    subsystemVendorId: 0x1af4,
    subsystemId: 0x1100,
    interruptPin: 0,
  };
  const bridge = new PciFunction(identity, []);
  if (shadow) {
    const both = AREA_BITS | (AREA_BITS << 4);
    const writable = Array.from({ length: PAM.count }, (_, register) =>
      register === 0 ? AREA_BITS << 4 : both,
    );
    bridge.addRegisters(PAM.offset, new Uint8Array(PAM.count), writable, (bySoftware) =>
      shadow.changed(bySoftware),
    );
    shadow.connect((address) => attributes(bridge, address));
  }
  return bridge;
}

function attributes(bridge: PciFunction, address: number): number {
  if (address >= LAST_AREA) return bridge.read(PAM.offset, 1) >> 4;
  const area = Math.floor((address - SHADOW.base) / AREA_BYTES);
  const register = bridge.read(PAM.offset + 1 + (area >> 1), 1);
  return (area & 1) === 0 ? register & 0xf : register >> 4;
}
