/** How the host's driver brings up an 82599 and puts its virtual functions onto the bus, before any VM runs. */
import { Cause, CtrlExt, Ctrl, Dmatxctl, Gpie, Rxctrl } from '../../machine/devices/ixgbe/bits';
import { Reg } from '../../machine/devices/ixgbe/offsets';
import { extendedCapabilitiesOf } from '../../machine/pci/capability-list';
import { Command, Config, ExtendedCapabilityId } from '../../machine/pci/config';
import type { PciFunction } from '../../machine/pci/function';
import type { Registers } from './access-plan';
import { readAddress, setUpPools } from './pools';

/** The vector of MSI-X for what is no queue's. */
export const OTHER_VECTOR = 0;
/** IVAR_MISC (8.2.3.5.17): the entry of other causes is its second byte. */
const OTHER_ENTRY = (0x80 | OTHER_VECTOR) << 8;
/** GPIE.Multiple_MSIX (8.2.3.5.18). */
const MULTIPLE_MSIX = 1 << 4;
const ALL = 0xffffffff;
const MAILBOX_MASKS = 4;
/** Causes that interrupt the driver. */
export const CAUSES = Cause.MAILBOX | Cause.LINK_CHANGE;

/** In the capability of SR-IOV (PCI Express Base Specification 6.0, 9.3.3): control with its bits, and NumVFs. */
const Sriov = { control: 0x08, numVfs: 0x10, enable: 1 << 0, memory: 1 << 3 } as const;

/** Puts the first so many virtual functions onto the bus, with their registers (pci_enable_sriov of Linux). */
export function enableFunctions(fn: PciFunction, count: number): void {
  const found = extendedCapabilitiesOf(fn).find(({ id }) => id === ExtendedCapabilityId.sriov);
  if (!found) return;
  fn.write(found.at + Sriov.numVfs, 2, count);
  fn.write(found.at + Sriov.control, 2, Sriov.enable | Sriov.memory);
}

/** Resets the device and starts it with its pools; virtual functions may then ask for what they need. */
export function startUp(fn: PciFunction, registers: Registers, vfs: number): void {
  fn.write(Config.Command, 2, fn.command | Command.MemorySpace | Command.BusMaster);
  registers.write(Reg.CTRL, registers.read(Reg.CTRL) | Ctrl.RST);
  registers.write(Reg.EIMC, ALL);
  enableFunctions(fn, vfs);
  setUpPools(registers, vfs, readAddress(registers, 0));
  registers.write(Reg.GPIE, registers.read(Reg.GPIE) | MULTIPLE_MSIX | Gpie.OCD);
  registers.write(Reg.IVAR_MISC, OTHER_ENTRY);
  for (let word = 0; word < MAILBOX_MASKS; word++) registers.write(Reg.PFMBIMR + 4 * word, ALL);
  registers.write(Reg.RXCTRL, Rxctrl.RXEN);
  registers.write(Reg.DMATXCTL, registers.read(Reg.DMATXCTL) | Dmatxctl.TE);
  registers.write(Reg.CTRL_EXT, registers.read(Reg.CTRL_EXT) | CtrlExt.PFRSTD);
  registers.write(Reg.EIMS, CAUSES);
}
