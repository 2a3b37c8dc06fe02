/** The VMMs by the names that a scenario has for them. Nobody above this room knows which of them it has. */
import type { Vmm } from './guest';
import { KvmVm } from './kvm/vm';
import { BareMachine } from './none/machine';
import type { VmmName } from './vmm-facts';

/** Each makes the machines of the guests that it is given. */
export const vmms: Readonly<Record<VmmName, Vmm>> = {
  none: (guests) => guests.map(({ site, plan }) => new BareMachine(site, plan)),
  kvm: (guests) => guests.map(({ site, plan }) => new KvmVm(site, plan)),
};
