/** What the index and the lanes ask of a kind, by its id. */
import { modeRoles } from '../../vocabulary/modes';
import { byKind } from '../../vocabulary/events';

/** 1: a fault. */
export const isFault = byKind(({ role }) => (role === 'fault' ? 1 : 0));

/** 1: a fault that is an instant: shown in the pixel where it begins alone, whatever time was recorded with it. */
export const isFaultInstant = byKind(({ role, shape }) => (role === 'fault' && shape === 'instant' ? 1 : 0));

/** Where a kind's time goes in `LaneBins.shares`; -1 nowhere. */
export const modeOf = byKind(({ mode }) => modeRoles.findIndex((role) => role === mode));
