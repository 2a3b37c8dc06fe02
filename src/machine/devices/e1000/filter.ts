/** Which frames the receiver wants (manual 3.2.2 and 13.5). */
import { tagControl } from '../intel-nic/vlan';
import { Rctl, Reg } from './constants';
import type { E1000Core } from './core';

/** Receive address registers, and the valid bit in RAH. */
export const RECEIVE_ADDRESSES = 16;
export const RAH_VALID = 0x80000000;

/** Canonical form indicator of a tag. */
const TAG_CFI = 1 << 12;

/** True when the address filters, and the VLAN filter if it is on, pass the frame. */
export function accepts(core: E1000Core, frame: Uint8Array, tagged: boolean): boolean {
  const rctl = core.get(Reg.RCTL);
  if (tagged && (rctl & Rctl.VFE) !== 0 && !vlanWanted(core, tagControl(frame))) return false;
  const group = (frame[0] & 1) !== 0;
  if ((rctl & (group ? Rctl.MPE : Rctl.UPE)) !== 0) return true;
  if (group && (rctl & Rctl.BAM) !== 0 && frame.subarray(0, 6).every((byte) => byte === 0xff)) return true;
  return exactMatch(core, frame) || (group && hashMatch(core, frame, (rctl >> 12) & 3));
}

function exactMatch(core: E1000Core, frame: Uint8Array): boolean {
  const low = (frame[0] | (frame[1] << 8) | (frame[2] << 16) | (frame[3] << 24)) >>> 0;
  const high = frame[4] | (frame[5] << 8);
  for (let i = 0; i < RECEIVE_ADDRESSES; i++) {
    const rah = core.get(Reg.RAL0 + i * 8 + 4);
    if ((rah & RAH_VALID) !== 0 && (rah & 0xffff) === high && core.get(Reg.RAL0 + i * 8) === low) return true;
  }
  return false;
}

/** RCTL.MO chooses which 12 bits of the address's last two bytes index the 4096-bit table. */
function hashMatch(core: E1000Core, frame: Uint8Array, offset: number): boolean {
  const shift = [4, 3, 2, 0][offset];
  const hash = ((frame[4] | (frame[5] << 8)) >> shift) & 0xfff;
  return (core.get(Reg.MTA + (hash >> 5) * 4) & (1 << (hash & 31))) !== 0;
}

/** The VLAN filter table by the tag's identifier, and its CFI if RCTL compares that (9.3). */
function vlanWanted(core: E1000Core, tag: number): boolean {
  const rctl = core.get(Reg.RCTL);
  const compares = (rctl & Rctl.CFIEN) !== 0;
  if (compares && ((tag & TAG_CFI) !== 0) !== ((rctl & Rctl.CFI) !== 0)) return false;
  const id = tag & 0xfff;
  return (core.get(Reg.VFTA + (id >> 5) * 4) & (1 << (id & 31))) !== 0;
}
