/** Where a vCPU may be. */
import type { CpuActivity } from '../guest';

/**
 * Where a vCPU is: `polling` has halted and KVM looks before it lets it sleep; `bus` is in the guest, in the midst of an access that does not leave it; `root` is in KVM or QEMU, between an exit and the next entry; `waiting` for a start-up IPI; `stopped` for
 * a reset of the machine.
 */
export type VcpuPlace = 'guest' | 'bus' | 'root' | 'polling' | 'halted' | 'waiting' | 'stopped' | 'ended';

/** What a place looks like to whoever debugs the guest. */
export function activityAt(place: VcpuPlace): CpuActivity {
  if (place === 'waiting') return place;
  return inGuest(place) || place === 'root' ? 'running' : 'halted';
}

/** It runs guest code, or is in the midst of an access that does not leave the guest. */
export function inGuest(place: VcpuPlace): boolean {
  return place === 'guest' || place === 'bus';
}
