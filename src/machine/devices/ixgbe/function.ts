/** The physical function, which tells when it becomes a bus master: what waits for the bus goes on then. */
import type { AccessSize } from '../../bus';
import { addExpress, addPowerManagement, ExpressType } from '../../pci/capabilities';
import { PciFunction, type BarSpec } from '../../pci/function';

/**
 * Device identifiers: an 82599 whose port is a backplane's (KX4) and needs no optical module to be talked to, and the virtual functions
 * of any 82599.
 */
export const DEVICE_ID = { physical: 0x10f7, virtual: 0x10ed } as const;

const IDENTITY = {
  vendorId: 0x8086,
  deviceId: DEVICE_ID.physical,
  revision: 1,
  classCode: 0x020000,
  subsystemVendorId: 0x8086,
  subsystemId: 0x000d,
  interruptPin: 1,
};

/** As the datasheet lays it out, chapter 9: power management, PCI Express with a function-level reset; the interrupts are added later. */
export class IxgbeFunction extends PciFunction {
  /**
   * @param becameMaster told when the function may begin transactions
   * @param reset the device's part of a function-level reset
   */
  constructor(
    bars: readonly BarSpec[],
    private readonly becameMaster: () => void,
    reset: () => void,
  ) {
    super(IDENTITY, bars);
    addPowerManagement(this);
    addExpress(this, { type: ExpressType.endpoint, onReset: reset });
  }

  override write(offset: number, size: AccessSize, value: number): void {
    const before = this.busMaster;
    super.write(offset, size, value);
    if (!before && this.busMaster) this.becameMaster();
  }
}
