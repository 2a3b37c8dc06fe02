/** Exits of the scenarios of section B (KVM with QEMU), as their tests ask for them. */
import type { TraceEvent } from '../../src/trace/query/store';
import { Kind, kinds } from '../../src/trace/vocabulary/events';
import type { CountedRun } from './section-a';

/** An exit with its legs, in order. */
export interface Exit {
  /** As the kernel prints it: `EPT_MISCONFIG`. */
  reason: string;
  row: TraceEvent;
  /** RIP of its instruction. */
  rip: bigint;
  legs: TraceEvent[];
}

/** The legs of an exit that KVM serves itself, and of one that goes on to QEMU. */
export const KERNEL_LEGS = [Kind.KvmHandle, Kind.Entry];
export const USER_LEGS = [Kind.KvmHandle, Kind.UserExit, Kind.QemuHandle, Kind.UserEnter, Kind.Entry];

/** All exits of a vCPU, in the order of time. */
export function exitsOf(run: Pick<CountedRun, 'rows' | 'store'>, vcpu = 0): Exit[] {
  const track = run.store.meta.tracks.filter(({ type }) => type === 'vcpu')[vcpu].id;
  const places = new Map(run.store.meta.places.map((place) => [place.id, place]));
  const exits = new Map<number, Exit>();
  for (const row of run.rows) {
    if (row.track !== track) continue;
    const kind = kinds.get(row.kind)!;
    if (kind.group === 'exit') {
      const rip = BigInt(places.get(row.place)?.rip ?? '0');
      exits.set(row.row, { reason: kind.reason ?? '', row, rip, legs: [] });
    } else if (kind.group === 'leg') exits.get(row.cause)?.legs.push(row);
  }
  return [...exits.values()];
}

/** How often QEMU is entered in an exit. */
export function userExits({ legs }: Exit): number {
  return legs.filter(({ kind }) => kind === Kind.UserExit).length;
}

/** Rows of the trace that hang on an exit directly. */
export function causedBy(run: CountedRun, exit: Exit): TraceEvent[] {
  return run.rows.filter(({ cause }) => cause === exit.row.row);
}
