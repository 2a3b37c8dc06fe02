/** What is to be known of each VMM before anything is built: whoever checks a scenario needs no machine for it. */

/** Facts of one VMM. */
export interface VmmFacts {
  /** Guests share the host: their CPUs are threads of it. False: the guest is the computer, and there is one. */
  readonly hosts: boolean;
  /** Threads of the host that a guest with so many CPUs has. */
  threadsOf(cpus: number): number;
}

/** By the name that a scenario has for it. */
export const vmmFacts = {
  none: { hosts: false, threadsOf: (cpus: number) => cpus },
  // The main loop of its QEMU beside its vCPUs.
  kvm: { hosts: true, threadsOf: (cpus: number) => cpus + 1 },
} as const satisfies Record<string, VmmFacts>;

/** What a scenario has in `vmm`. */
export type VmmName = keyof typeof vmmFacts;

/** All of them. */
export const vmmNames = Object.keys(vmmFacts) as VmmName[];
