/** The device's PCI function, which tells when it becomes a bus master: what waits for the bus goes on then. */
import type { AccessSize } from '../../bus';
import { PciFunction, type BarSpec } from '../../pci/function';

/** Of an 82540EM, and the sizes of its registers in memory and at ports. */
export const DEVICE_ID = 0x100e;
export const BAR0_SIZE = 0x20000;
export const BAR1_SIZE = 0x40;

/** The only function of the device. */
export class E1000Function extends PciFunction {
  constructor(
    bars: readonly BarSpec[],
    private readonly becameMaster: () => void,
  ) {
    const identity = {
      vendorId: 0x8086,
      deviceId: DEVICE_ID,
      revision: 3,
      classCode: 0x020000,
      subsystemVendorId: 0x1af4,
      subsystemId: 0x1100,
      interruptPin: 1,
    };
    super(identity, bars);
  }

  override write(offset: number, size: AccessSize, value: number): void {
    const before = this.busMaster;
    super.write(offset, size, value);
    if (!before && this.busMaster) this.becameMaster();
  }
}
