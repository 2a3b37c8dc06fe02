/** What code cost in exits: by function and by instruction, in a stretch of time. Lines of source are in `statistics.ts`. */
import { kindRow } from '../vocabulary/events';
import type { Place } from '../model';
import type { PlaceFigures } from './index/figures';
import { quoted } from './query';
import { perLine, type LineFigures } from './statistics';
import type { TraceStore } from './store';

/** A stretch of time in cycles, without its end. */
export interface TimeSpan {
  from: number;
  to: number;
}

/** All of a trace, also of one that grows. */
export const ALL_TIME: Readonly<TimeSpan> = { from: -Infinity, to: Infinity };

/** Exits of some code. */
export interface CodeFigures {
  exits: number;
  /** Cycles of these exits. */
  cycles: number;
  /** Cycles of the longest. */
  longest: number;
  /** Exits and cycles by reason, dearest first. */
  byReason: { reason: string; exits: number; cycles: number }[];
  /** Finds the events that are counted here. */
  query: string;
}

/** Exits of one function of a guest, with what is inlined into it. */
export interface FunctionFigures extends CodeFigures {
  name: string;
  /** Files that its exits have lines in, as the debug information names them. */
  files: string[];
}

/** Exits of one instruction. */
export interface InstructionFigures extends CodeFigures {
  /** Its address: hexadecimal with 0x. */
  rip: string;
}

/** What is written beside the source. */
export interface SourceFigures {
  lines: LineFigures[];
  functions: FunctionFigures[];
}

/** Exits of a stretch of time by guest source line and by function, dearest first. */
export function sourceFigures(store: TraceStore, { from, to }: TimeSpan): SourceFigures {
  return { lines: perLine(store, from, to), functions: perFunction(store, { from, to }) };
}

/** Exits of a stretch of time by function, dearest first. Functions of one name in several guests count together, as a query finds them. */
export function perFunction(store: TraceStore, span: TimeSpan): FunctionFigures[] {
  return grouped(store, span, ({ symbol }) => symbol).map(({ key: name, places, ...figures }) => ({
    ...figures,
    name,
    files: [...new Set(places.flatMap(({ file }) => file ?? []))],
    query: `fn:${quoted(name)} group:exit`,
  }));
}

/**
 * Exits of a stretch of time by instruction of a guest, dearest first.
 * @param vm index of the guest's VM
 */
export function perInstruction(store: TraceStore, vm: number, span: TimeSpan): InstructionFigures[] {
  const several = store.meta.guests.length > 1;
  return grouped(store, span, (place) => (place.vm === vm ? place.rip : undefined)).map(
    ({ key: rip, places: _, ...figures }) => ({
      ...figures,
      rip,
      query: `rip:${rip}${several ? ` vm:${vm}` : ''} group:exit`,
    }),
  );
}

interface Group extends Omit<CodeFigures, 'query'> {
  key: string;
  places: Place[];
}

/** Adds up by a property of places; those without it are left out. */
function grouped(
  store: TraceStore,
  { from, to }: TimeSpan,
  keyOf: (place: Place) => string | undefined,
): Group[] {
  const groups = new Map<string, { places: Set<Place>; figures: PlaceFigures[] }>();
  for (const figures of store.figures().between(from, to).places.values()) {
    const place = store.placeAt(figures.place);
    const key = place && keyOf(place);
    if (place === undefined || key === undefined) continue;
    let group = groups.get(key);
    if (group === undefined) groups.set(key, (group = { places: new Set(), figures: [] }));
    group.places.add(place);
    group.figures.push(figures);
  }
  return [...groups]
    .map(([key, { places, figures }]) => ({ key, places: [...places], ...sumOf(figures) }))
    .sort((x, y) => y.cycles - x.cycles || x.key.localeCompare(y.key));
}

function sumOf(figures: readonly PlaceFigures[]): Omit<CodeFigures, 'query'> {
  const byKind = new Map<number, { reason: string; exits: number; cycles: number }>();
  let [all, total, longest] = [0, 0, 0];
  for (const { kind, exits, cycles, longest: most } of figures) {
    let ofKind = byKind.get(kind);
    if (ofKind === undefined)
      byKind.set(kind, (ofKind = { reason: kindRow(kind).reason ?? '', exits: 0, cycles: 0 }));
    ofKind.exits += exits;
    ofKind.cycles += cycles;
    all += exits;
    total += cycles;
    longest = Math.max(longest, most);
  }
  const byReason = [...byKind.values()].sort(
    (x, y) => y.cycles - x.cycles || x.reason.localeCompare(y.reason),
  );
  return { exits: all, cycles: total, longest, byReason };
}
