/** The run that is debugged, with all that a session asks of it. */
import type { MemorySpace, RunControl } from '../run/control/control';
import type { TraceStore } from '../trace/query/store';
import type { Language } from './language';
import type { Program } from './program';

export interface Debuggee {
  readonly control: RunControl;
  /** By VM. */
  readonly programs: readonly Program[];
  /** What has been recorded up to the frontier. */
  readonly trace: TraceStore;
  /** Frames and expressions. */
  readonly language: Language;
}

/** The program that a vCPU executes. */
export function programOf({ control, programs }: Debuggee, cpu: number): Program | undefined {
  const found = control.cpus[cpu];
  return found && programs[found.vm];
}

/** Linear addresses of a vCPU. */
export function virtual(cpu: number): MemorySpace {
  return { kind: 'virtual', cpu };
}

/** `vm0 vCPU 1`. */
export function cpuName({ control }: Debuggee, cpu: number): string {
  const found = control.cpus[cpu];
  return found ? `${found.vmName} vCPU ${found.number}` : `vCPU ${cpu}`;
}

/** The name that a thread has in the protocol: vCPUs counted from 1, for 0 is none to some clients. */
export function threadOf(cpu: number): number {
  return cpu + 1;
}
