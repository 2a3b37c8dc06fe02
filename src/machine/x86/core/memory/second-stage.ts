/**
 * From guest-physical to host-physical addresses: the seam below page walks. Without a second stage RAM begins at address 0 and
 * what lies beyond it is a device's. Pages alone are asked for, and only when the TLB does not know them.
 */
import { ACCESS_WRITE, C_INDEX, C_TRANSLATION, TRANSLATE_SECOND_STAGE } from '../state/layout';
import { hostSecondStage } from '../state/host';
import { ramSize } from '../state/state';

/**
 * A PC's chipset shows the BIOS at the top of the first 4 GiB, where the reset vector is, and below 1 MiB (82371SB data
 * sheet, XBCS). There is one copy here, the lower one.
 */
const ROM: i64 = 0xffff0000;
const ROM_END: i64 = 0x100000000;
const ROM_COPY: i64 = 0xf0000;

/** Guest-physical address of the RAM that answers, without a second stage; −1: none does. */
function inRam(guest: i64, access: i32): i64 {
  const at = guest >= ROM && guest < ROM_END && access != ACCESS_WRITE ? guest - ROM + ROM_COPY : guest;
  return <u64>at < <u64>ramSize ? at : -1;
}

/** Host-physical address of a guest-physical one that is accessed (ACCESS_*); −1: no RAM, or the instruction was given up. */
export function hostPhysical(cpu: i32, guest: i64, access: i32): i64 {
  if (!(load<i32>(cpu, C_TRANSLATION) & TRANSLATE_SECOND_STAGE)) return inRam(guest, access);
  const page = guest & ~0xfff;
  const host = <i64>hostSecondStage(load<i32>(cpu, C_INDEX), <i32>page, <i32>(page >> 32), access);
  return <u64>host < <u64>ramSize ? host | (guest & 0xfff) : -1;
}
