/**
 * From guest-physical to host-physical addresses: the seam below page walks. Without a second stage RAM begins at address 0 and
 * what lies beyond it is a device's. Pages alone are asked for, and only when the TLB does not know them.
 */
import { C_INDEX, C_TRANSLATION, TRANSLATE_SECOND_STAGE } from '../state/layout';
import { hostSecondStage } from '../state/host';
import { ramSize } from '../state/state';

/** Host-physical address of a guest-physical one that is accessed (ACCESS_*); −1: no RAM, or the instruction was given up. */
export function hostPhysical(cpu: i32, guest: i64, access: i32): i64 {
  if (!(load<i32>(cpu, C_TRANSLATION) & TRANSLATE_SECOND_STAGE)) return <u64>guest < <u64>ramSize ? guest : -1;
  const page = guest & ~0xfff;
  const host = <i64>hostSecondStage(load<i32>(cpu, C_INDEX), <i32>page, <i32>(page >> 32), access);
  return <u64>host < <u64>ramSize ? host | (guest & 0xfff) : -1;
}
