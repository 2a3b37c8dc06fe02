/** The VMMs by the names that a scenario has for them. */
import type { Vmm } from './guest';
import { KvmVm } from './kvm/vm';
import { BareMachine } from './none/machine';

/** Each takes the plans of guests, and the sites they stand at, and gives guests. */
export const vmms = {
  none: (guests) => guests.map(({ site, plan }) => new BareMachine(site, plan)),
  kvm: (guests) => guests.map(({ site, plan }) => new KvmVm(site, plan)),
} as const satisfies Record<string, Vmm>;
