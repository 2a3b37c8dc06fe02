/** Calls, and what is known of their arguments (DWARF 5, 3.4). */
import type { CallSite, CallTarget } from './model';
import { At, Tag } from './numbers';
import type { Program } from './program';
import type { Entry, Unit } from './units';

const GNU_PARAMETER_REF = 0xfa;

/**
 * Calls of a unit by return address. GNU compilers put some of a function's into its abstract instance, so that only their addresses
 * tell whose they are.
 * @throws GuestImageError when the unit is damaged
 */
export function readCallSites(program: Program, unit: Unit): ReadonlyMap<bigint, CallSite> {
  const sites = new Map<bigint, CallSite>();
  for (const entry of descendants(unit.root)) {
    if (entry.tag !== Tag.callSite && entry.tag !== Tag.gnuCallSite) continue;
    const isTail = isSet(entry, At.callTailCall) || isSet(entry, At.gnuTailCall);
    // GNU compilers gave the return address as DW_AT_low_pc before there was an attribute for it.
    const after = entry.address(At.callReturnPc) ?? entry.address(At.lowPc);
    const jump = entry.address(At.callPc);
    // Clang gives the address of a jump, which is one byte or more before its end.
    const address = after ?? (isTail && jump !== undefined ? jump + 1n : undefined);
    if (address === undefined) continue;
    const returnAddress = program.inMemory(address);
    if (sites.has(returnAddress)) continue;
    sites.set(returnAddress, {
      returnAddress,
      target: targetOf(program, entry),
      isTail,
      parameters: [...entry.children()].flatMap(parameterOf),
      unit: program.contextOf(unit),
    });
  }
  return sites;
}

/** DW_AT_call_origin and DW_AT_call_target (DWARF 5, 3.4.1), and what GNU compilers had before them. */
function targetOf(program: Program, site: Entry): CallTarget | undefined {
  const callee = site.reference(At.callOrigin) ?? site.reference(At.abstractOrigin);
  const [home] = (callee && program.rangesOf(callee)) ?? [];
  if (home) {
    const first = callee?.address(At.lowPc);
    return { kind: 'address', address: first === undefined ? home.low : program.inMemory(first) };
  }
  if (callee?.name !== undefined) return { kind: 'name', name: callee.name };
  const target = site.get(At.callTarget) ?? site.get(At.gnuCallSiteTarget);
  return target?.kind === 'block' ? { kind: 'expression', bytes: target.bytes } : undefined;
}

/** A flag of this very entry: a call site completes no other entry, though GNU compilers name the callee by DW_AT_abstract_origin. */
function isSet(entry: Entry, attribute: number): boolean {
  const value = entry.get(attribute);
  return value?.kind === 'flag' && value.value;
}

/** A register or place of an argument, or the parameter itself, and what it had at the call. */
function parameterOf(entry: Entry): CallSite['parameters'] {
  if (entry.tag !== Tag.callSiteParameter && entry.tag !== Tag.gnuCallSiteParameter) return [];
  const place = entry.get(At.location);
  const location = place?.kind === 'block' ? place.bytes : referenceTo(entry);
  const value = entry.get(At.callValue) ?? entry.get(At.gnuCallSiteValue);
  return location && value?.kind === 'block' ? [{ location, value: value.bytes }] : [];
}

/**
 * DW_AT_call_parameter (DWARF 5, 3.4.2): of a parameter that the compiler has taken away and that has no place. As GNU compilers refer
 * to it in the callee: DW_OP_GNU_parameter_ref with its offset in the unit.
 */
function referenceTo(entry: Entry): Uint8Array | undefined {
  const parameter = entry.reference(At.callParameter) ?? entry.reference(At.abstractOrigin);
  if (parameter?.unit !== entry.unit) return undefined;
  const expression = new DataView(new ArrayBuffer(5));
  expression.setUint8(0, GNU_PARAMETER_REF);
  expression.setUint32(1, parameter.offset, true);
  return new Uint8Array(expression.buffer);
}

/** All entries below one, in the file's order. */
function* descendants({ unit, hasChildren, end }: Entry): Generator<Entry> {
  if (!hasChildren) return;
  const cursor = unit.cursorAt(end);
  for (let depth = 1; depth > 0 && cursor.left > 0;) {
    const entry = unit.entryAt(cursor.offset);
    if (!entry) {
      cursor.ulebNumber(); // the end of a list
      depth--;
      continue;
    }
    yield entry;
    cursor.seek(entry.end);
    if (entry.hasChildren) depth++;
  }
}
