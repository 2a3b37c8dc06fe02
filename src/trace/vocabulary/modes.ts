/** Modes: what a CPU or thread does, in the order and under the names in which views show them. */
import { kindRow } from './events';
import type { ColourRole, ModeRole } from './kind-row';

/** All modes, in the order in which a column of a mode lane is stacked and `LaneBins.shares` has them. */
export const modeRoles = [
  'guest-kernel',
  'guest-user',
  'vmm-kernel',
  'transition',
  'vmm-user',
  'asleep',
  'idle',
] as const satisfies readonly ModeRole[];

const looks: Record<ModeRole, { colour: ColourRole; name: string }> = {
  'guest-kernel': { colour: 'guest', name: 'guest kernel' },
  'guest-user': { colour: 'guest', name: 'guest user' },
  'vmm-kernel': { colour: 'kernel', name: 'VMM kernel' },
  transition: { colour: 'transition', name: 'transitions' },
  'vmm-user': { colour: 'user', name: 'VMM user space' },
  asleep: { colour: 'halted', name: 'asleep' },
  idle: { colour: 'halted', name: 'not scheduled' },
};

/** The colour of a mode. */
export function modeColour(mode: ModeRole): ColourRole {
  return looks[mode].colour;
}

/**
 * What each mode is called in a trace with events of these kinds: after whoever does the work, as in `KVM` or `QEMU`, and by
 * its general name where that is nobody or more than one.
 */
export function modeNames(kinds: Iterable<number>): Record<ModeRole, string> {
  const actors = new Map<ModeRole, Set<string>>();
  for (const kind of kinds) {
    const { mode, actor } = kindRow(kind);
    if (mode === undefined || actor === undefined) continue;
    actors.set(mode, (actors.get(mode) ?? new Set()).add(actor));
  }
  const nameOf = (mode: ModeRole): string => {
    const [only, ...others] = actors.get(mode) ?? [];
    return only !== undefined && others.length === 0 ? only : looks[mode].name;
  };
  return Object.fromEntries(modeRoles.map((mode) => [mode, nameOf(mode)])) as Record<ModeRole, string>;
}
