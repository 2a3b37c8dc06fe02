/** What the MAC does to a frame on its way out: the tag, the padding, a legacy descriptor's checksum. */
import type { FrameEnd } from '../intel-nic/assemble';
import { Dmatxctl, Hlreg0, TxCmd, Vmvir } from './bits';
import type { IxgbeCore } from './core';
import { Reg } from './offsets';
import type { DataDescriptor, TransmitContext } from './transmit-descriptors';

/**
 * By the packet's last descriptor and the registers.
 * @param queue that sends it: PFVMVIR may decide on the tag of its pool (8.2.3.27.13)
 */
export function frameEnd(
  core: IxgbeCore,
  queue: number,
  { kind, command, vlan, checksumStart, checksumOffset }: DataDescriptor,
  context: TransmitContext,
): FrameEnd {
  const hlreg0 = core.get(Reg.HLREG0);
  const vmvir = core.vfPools === 0 ? 0 : core.get(Reg.VMVIR + 4 * Math.floor(queue / core.vfQueues));
  const always = (vmvir & Vmvir.ALWAYS) !== 0;
  const wanted = (command & TxCmd.VLE) !== 0 && (vmvir & Vmvir.NEVER) === 0;
  const own = kind === 'legacy' ? vlan : context.vlan;
  const type = core.get(Reg.DMATXCTL) >>> Dmatxctl.VLAN_TYPE_SHIFT;
  const sums = kind === 'legacy' && (command & TxCmd.IC) !== 0;
  return {
    tag: always || wanted ? { type, control: always ? vmvir & 0xffff : own } : undefined,
    pad: (hlreg0 & Hlreg0.TX_PAD) !== 0,
    checksum: sums ? { start: checksumStart, offset: checksumOffset, end: 0 } : undefined,
    ownFcs: (command & TxCmd.IFCS) === 0 && (hlreg0 & Hlreg0.TX_CRC) === 0,
  };
}
