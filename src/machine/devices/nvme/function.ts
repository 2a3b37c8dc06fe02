/** The controller's PCI function, which tells when it becomes a bus master: what waits for the bus goes on then. */
import type { AccessSize } from '../../bus';
import { addExpress, ExpressType } from '../../pci/capabilities';
import { PciFunction, type BarSpec } from '../../pci/function';

/** QEMU's controller, by which drivers know it. Class: NVM Express I/O controller. */
const IDENTITY = {
  vendorId: 0x1b36,
  deviceId: 0x0010,
  revision: 2,
  classCode: 0x010802,
  subsystemVendorId: 0x1af4,
  subsystemId: 0x1100,
  interruptPin: 1,
};
/** As Identify repeats them. */
export const VENDOR = { id: IDENTITY.vendorId, subsystem: IDENTITY.subsystemVendorId } as const;

/** The only function of the device. */
export class NvmeFunction extends PciFunction {
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
    addExpress(this, { type: ExpressType.rootIntegratedEndpoint, onReset: reset });
  }

  override write(offset: number, size: AccessSize, value: number): void {
    const before = this.busMaster;
    super.write(offset, size, value);
    if (!before && this.busMaster) this.becameMaster();
  }
}
