/** What the debug information says of an address of code, worked out once: a breakpoint's condition asks it at every hit. */
import type { FrameRow } from '../../guest/dwarf/frame';
import type { SourcePlace } from '../../guest/dwarf/line';
import type { DebugFunction, DebugLocation, DebugScope } from '../../guest/dwarf/model';
import type { Program } from './program';

/** A frame at an address, without the machine's part in it. */
export interface FrameLayout {
  /** Blocks around the address, the innermost first; the last is that of the function itself. */
  readonly scopes: readonly DebugScope[];
  /** Where it has another function inlined: the place of that call. */
  readonly place: SourcePlace | undefined;
  /** Set where the function itself is inlined. */
  readonly inlinedName: string | undefined;
}

/** All that is known of an address. */
export interface CodePlace {
  readonly function: DebugFunction | undefined;
  readonly row: FrameRow | undefined;
  readonly frameBase: DebugLocation | undefined;
  /** The innermost inlined function first; at least one. */
  readonly layouts: readonly FrameLayout[];
}

/** Places kept for each program. */
const KEPT = 4096;
const MAX_NESTING = 256;

const known = new WeakMap<Program, Map<bigint, CodePlace>>();

/** What is known of an address by which rules, scopes and lines are looked up. */
export function codePlaceAt(program: Program, pc: bigint): CodePlace {
  const places = known.get(program) ?? new Map<bigint, CodePlace>();
  if (places.size === 0) known.set(program, places);
  const found = places.get(pc);
  if (found) return found;
  if (places.size >= KEPT) places.clear();
  const place = workOut(program, pc);
  places.set(pc, place);
  return place;
}

function workOut(program: Program, pc: bigint): CodePlace {
  const home = program.debug?.functionAt(pc);
  return {
    function: home,
    row: program.frames.rowAt(pc),
    frameBase: home?.frameBaseAt(pc),
    layouts: layoutsOf(scopesAt(home, pc)),
  };
}

/** Blocks within which an address lies, from the function inwards. */
function scopesAt(outermost: DebugScope | undefined, pc: bigint): DebugScope[] {
  const chain: DebugScope[] = [];
  for (let scope = outermost; scope && chain.length < MAX_NESTING;) {
    chain.push(scope);
    scope = scope.scopes.find(({ ranges }) => ranges.some(({ low, high }) => pc >= low && pc < high));
  }
  return chain;
}

function layoutsOf(chain: readonly DebugScope[]): FrameLayout[] {
  const layouts: FrameLayout[] = [];
  let place: SourcePlace | undefined;
  let scopes: DebugScope[] = [];
  for (const scope of [...chain].reverse()) {
    scopes.push(scope);
    if (!scope.inlined) continue;
    layouts.push({ scopes, place, inlinedName: scope.inlined.name });
    place = scope.inlined.callSite;
    scopes = [];
  }
  layouts.push({ scopes, place, inlinedName: undefined });
  return layouts;
}
