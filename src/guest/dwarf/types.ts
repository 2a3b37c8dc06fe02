/** Types of the program as entries tell them (DWARF 5, chapter 5). */
import type { DebugMember, DebugType } from './model';
import { At, Tag } from './numbers';
import type { Problems } from './problems';
import type { Entry, Unit } from './units';

const VOID: DebugType = { kind: 'void' };

type Qualifier = Extract<DebugType, { kind: 'qualified' }>['qualifier'];
type BaseEncoding = Extract<DebugType, { kind: 'base' }>['encoding'];

const qualifiers: Readonly<Record<number, Qualifier | undefined>> = {
  [Tag.const]: 'const',
  [Tag.volatile]: 'volatile',
  [Tag.restrict]: 'restrict',
  [Tag.atomic]: 'atomic',
};

/** DW_ATE_… (DWARF 5, 7.8); what is not here is read as an unsigned number. */
const encodings: Readonly<Record<number, BaseEncoding | undefined>> = {
  0x02: 'boolean',
  0x04: 'float',
  0x05: 'signed',
  0x06: 'character',
  0x07: 'unsigned',
  0x08: 'unsigned-character',
  0x0d: 'signed', // signed fixed
  0x10: 'unsigned', // UTF
};
const COMPLEX_FLOAT = 0x03;

/** DW_OP_plus_uconst, by which DWARF 2 tells where a member is. */
const OP_PLUS_UCONST = 0x23;

/** More types than a program has on the way from a name to a thing; a longer way is taken for a circle. */
const LONGEST_CHAIN = 256;
const MOST_DIMENSIONS = 64;

/** Finds the definition of a struct, union or enum that a unit only declares. */
export type FindDefinition = (tag: number, name: string) => Entry | undefined;

/** The types of a file. One entry is always one object. */
export class Types {
  private readonly known = new Map<Unit, Map<number, DebugType>>();

  constructor(
    private readonly problems: Problems,
    private readonly find: FindDefinition,
  ) {}

  /** The type that an entry is; no entry is `void`. */
  of(entry: Entry | undefined): DebugType {
    if (!entry) return VOID;
    let ofUnit = this.known.get(entry.unit);
    if (!ofUnit) this.known.set(entry.unit, (ofUnit = new Map<number, DebugType>()));
    let type = ofUnit.get(entry.offset);
    if (!type) ofUnit.set(entry.offset, (type = this.make(entry)));
    return type;
  }

  /** The type that an entry has by DW_AT_type, itself or by what it completes. */
  ofTyped(entry: Entry): DebugType {
    return this.of(entry.typeEntry);
  }

  private make(entry: Entry): DebugType {
    const qualifier = qualifiers[entry.tag];
    if (qualifier) return this.qualified(entry, qualifier);
    const maker = makers[entry.tag];
    return maker ? maker(this, entry) : VOID;
  }

  private qualified(entry: Entry, qualifier: Qualifier): DebugType {
    if (this.isCircle(entry)) return VOID;
    const target = this.problems.later(() => this.ofTyped(entry), VOID);
    return {
      kind: 'qualified',
      qualifier,
      get target() {
        return target();
      },
    };
  }

  pointer(entry: Entry): DebugType {
    const target = this.problems.later(() => this.ofTyped(entry), VOID);
    const bytes = entry.number(At.byteSize) ?? entry.unit.context.addressSize;
    return {
      kind: 'pointer',
      bytes,
      get target() {
        return target();
      },
    };
  }

  typedef(entry: Entry): DebugType {
    if (this.isCircle(entry)) return VOID;
    const target = this.problems.later(() => this.ofTyped(entry), VOID);
    return {
      kind: 'typedef',
      name: entry.name ?? '',
      get target() {
        return target();
      },
    };
  }

  aggregate(entry: Entry, kind: 'struct' | 'union'): DebugType {
    const definition = this.problems.later(() => this.definition(entry), entry);
    const members = this.problems.later(() => this.members(definition()), []);
    return {
      kind,
      name: entry.name,
      get bytes() {
        return definition().number(At.byteSize) ?? 0;
      },
      get members() {
        return members();
      },
    };
  }

  enumeration(entry: Entry): DebugType {
    const definition = this.problems.later(() => this.definition(entry), entry);
    const underlying = this.problems.later(
      () => (definition().get(At.type) ? this.ofTyped(definition()) : undefined),
      undefined,
    );
    const values = this.problems.later(() => enumerators(definition()), []);
    return {
      kind: 'enum',
      name: entry.name,
      get bytes() {
        const type = underlying();
        return definition().number(At.byteSize) ?? (type && sizeOf(type)) ?? 0;
      },
      get signed() {
        const type = stripped(underlying() ?? VOID);
        return type?.kind === 'base' ? type.encoding === 'signed' : values().some(({ value }) => value < 0n);
      },
      get values() {
        return values();
      },
    };
  }

  /** Dimensions stand in one entry in DWARF; here each is an array of the next. */
  array(entry: Entry): DebugType {
    if (this.isCircle(entry)) return VOID;
    const counts = [...entry.children()]
      .filter(({ tag }) => tag === Tag.subrange)
      .slice(0, MOST_DIMENSIONS)
      .map(countOf);
    const element = this.problems.later(() => this.ofTyped(entry), VOID);
    const innermost = counts.length > 0 ? counts[counts.length - 1] : undefined;
    let type: DebugType = {
      kind: 'array',
      get element() {
        return element();
      },
      count: innermost,
    };
    for (const count of counts.slice(0, -1).reverse()) type = { kind: 'array', element: type, count };
    return type;
  }

  functionType(entry: Entry): DebugType {
    const result = this.problems.later(() => this.ofTyped(entry), VOID);
    const parameters = this.problems.later(() => this.parameterTypes(entry), []);
    const variadic = this.problems.later(
      () => [...entry.children()].some(({ tag }) => tag === Tag.unspecifiedParameters),
      false,
    );
    return {
      kind: 'function',
      get result() {
        return result();
      },
      get parameters() {
        return parameters();
      },
      get variadic() {
        return variadic();
      },
    };
  }

  private parameterTypes(entry: Entry): DebugType[] {
    return [...entry.children()]
      .filter(({ tag }) => tag === Tag.formalParameter)
      .map((parameter) => this.ofTyped(parameter));
  }

  /** The entry that has members or values: a declaration's definition, in its type unit or in another unit. */
  private definition(entry: Entry): Entry {
    if (!entry.get(At.declaration)) return entry;
    const name = entry.name;
    return (
      entry.reference(At.signature) ?? (name === undefined ? undefined : this.find(entry.tag, name)) ?? entry
    );
  }

  private members(entry: Entry): DebugMember[] {
    const members: DebugMember[] = [];
    for (const child of entry.children()) {
      if (child.tag !== Tag.member || child.get(At.external)) continue;
      const type = this.holds(child.typeEntry, entry) ? VOID : this.ofTyped(child);
      members.push(memberOf(child, type));
    }
    return members;
  }

  /** Whether the way from an alias or an array to what it is made of ends. */
  private isCircle(start: Entry): boolean {
    let entry: Entry | undefined = start;
    for (let count = 0; entry && isMadeOf(entry); count++) {
      if (count === LONGEST_CHAIN) {
        this.problems.note(
          `the type at offset ${start.offset} of a unit is made of itself: the file is damaged.`,
        );
        return true;
      }
      entry = entry.typeEntry;
    }
    return false;
  }

  /** Whether a type has a struct or union inside, which C knows only as a pointer. */
  private holds(type: Entry | undefined, whole: Entry): boolean {
    const seen = new Set<string>();
    const open = [type];
    while (open.length > 0) {
      let entry = open.pop();
      for (let count = 0; entry && isMadeOf(entry) && count < LONGEST_CHAIN; count++) entry = entry.typeEntry;
      if (!entry || !isAggregate(entry)) continue;
      const { unit, offset } = this.definition(entry);
      if (unit === whole.unit && offset === whole.offset) {
        this.problems.note(
          `the struct at offset ${offset} of a unit has itself inside: the file is damaged.`,
        );
        return true;
      }
      const key = `${unit.kind} ${unit.start} ${offset}`;
      if (seen.has(key)) continue;
      seen.add(key);
      const inner = unit.entryAt(offset);
      for (const child of inner?.children() ?? []) if (child.tag === Tag.member) open.push(child.typeEntry);
    }
    return false;
  }
}

const makers: Readonly<Record<number, ((types: Types, entry: Entry) => DebugType) | undefined>> = {
  [Tag.base]: (_, entry) => baseType(entry),
  [Tag.pointer]: (types, entry) => types.pointer(entry),
  [Tag.reference]: (types, entry) => types.pointer(entry),
  [Tag.rvalueReference]: (types, entry) => types.pointer(entry),
  [Tag.structure]: (types, entry) => types.aggregate(entry, 'struct'),
  [Tag.class]: (types, entry) => types.aggregate(entry, 'struct'),
  [Tag.union]: (types, entry) => types.aggregate(entry, 'union'),
  [Tag.enumeration]: (types, entry) => types.enumeration(entry),
  [Tag.array]: (types, entry) => types.array(entry),
  [Tag.typedef]: (types, entry) => types.typedef(entry),
  [Tag.subroutineType]: (types, entry) => types.functionType(entry),
  [Tag.subprogram]: (types, entry) => types.functionType(entry),
};

function isMadeOf({ tag }: Entry): boolean {
  return tag === Tag.typedef || tag === Tag.array || qualifiers[tag] !== undefined;
}

function isAggregate({ tag }: Entry): boolean {
  return tag === Tag.structure || tag === Tag.union || tag === Tag.class;
}

function baseType(entry: Entry): DebugType {
  const bytes = entry.number(At.byteSize) ?? 0;
  const name = entry.name ?? '';
  const encoding = entry.number(At.encoding) ?? 0;
  if (encoding === COMPLEX_FLOAT) {
    const element: DebugType = { kind: 'base', name, bytes: bytes / 2, encoding: 'float' };
    return { kind: 'array', element, count: 2 };
  }
  return { kind: 'base', name, bytes, encoding: encodings[encoding] ?? 'unsigned' };
}

/** Elements of a dimension; undefined where only runs have the number (DWARF 5, 5.13). */
function countOf(subrange: Entry): number | undefined {
  const count = subrange.number(At.count);
  if (count !== undefined) return count < 0 ? undefined : count;
  const bound = subrange.get(At.upperBound);
  if (bound?.kind !== 'constant') return undefined;
  const elements = BigInt.asUintN(64, bound.value + 1n); // -1 is how compilers say `[0]`
  return elements <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(elements) : undefined;
}

function enumerators(entry: Entry): { name: string; value: bigint }[] {
  const values: { name: string; value: bigint }[] = [];
  for (const child of entry.children()) {
    const value = child.get(At.constValue);
    const name = child.name;
    if (child.tag === Tag.enumerator && name !== undefined && value?.kind === 'constant')
      values.push({ name, value: value.value });
  }
  return values;
}

/** A member, with the place of a bit field counted from the lowest byte that it has a bit in. */
function memberOf(entry: Entry, type: DebugType): DebugMember {
  const name = entry.name;
  const start = memberOffset(entry);
  const width = entry.number(At.bitSize);
  if (width === undefined) return { name, type, offset: start };
  const bit = firstBit(entry, type, start, width);
  const offset = Math.floor(bit / 8);
  return { name, type, offset, bits: { first: bit - 8 * offset, width } };
}

function memberOffset(entry: Entry): number {
  const value = entry.get(At.dataMemberLocation);
  if (value?.kind !== 'block') return entry.number(At.dataMemberLocation) ?? 0;
  if (value.bytes[0] !== OP_PLUS_UCONST) return 0;
  // The operand is one LEB128.
  let offset = 0;
  value.bytes.subarray(1, 6).forEach((byte, index) => (offset += (byte & 0x7f) * 2 ** (7 * index)));
  return offset;
}

/** Bits before a bit field, from the beginning of the whole (DWARF 5, 5.7.6; the other way DWARF 3, 5.5.4). */
function firstBit(entry: Entry, type: DebugType, start: number, width: number): number {
  const direct = entry.number(At.dataBitOffset);
  if (direct !== undefined) return 8 * start + direct;
  // Counted from the highest bit of the unit of storage.
  const fromHighest = entry.number(At.bitOffset);
  if (fromHighest === undefined) return 8 * start;
  const storage = entry.number(At.byteSize) ?? sizeOf(type) ?? 0;
  return Math.max(0, 8 * (start + storage) - fromHighest - width);
}

/** What a type is without its names and qualifiers. */
export function stripped(
  type: DebugType,
): Exclude<DebugType, { readonly kind: 'typedef' } | { readonly kind: 'qualified' }> {
  let real = type;
  while (real.kind === 'typedef' || real.kind === 'qualified') real = real.target;
  return real;
}

/** Bytes of a type; undefined where it has no size that is known. */
export function sizeOf(type: DebugType): number | undefined {
  const real = stripped(type);
  if (real.kind === 'void' || real.kind === 'function') return undefined;
  if (real.kind !== 'array') return real.bytes;
  const element = sizeOf(real.element);
  return element === undefined || real.count === undefined ? undefined : element * real.count;
}
