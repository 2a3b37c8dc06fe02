/** What a unit or a whole file has, by name. */
import { textAt } from './form';
import { At, Tag } from './numbers';
import { scan, type Head } from './scan';
import type { Entry, Unit } from './units';
import { canonicalTypeName } from './c-names';

/** An entry that has not been read. */
export interface Place {
  readonly unit: Unit;
  readonly offset: number;
  readonly depth: number;
}

/** How C tells a type of a tag from others of the same name. */
const typePrefixes: Readonly<Record<number, string | undefined>> = {
  [Tag.base]: '',
  [Tag.typedef]: '',
  [Tag.structure]: 'struct ',
  [Tag.class]: 'struct ',
  [Tag.union]: 'union ',
  [Tag.enumeration]: 'enum ',
};

const hasCode = ({ abbreviation: { has } }: Head): boolean => has.has(At.lowPc) || has.has(At.ranges);

/** DW_FORM_sec_offset and DW_FORM_loclistx: a location that is a list. */
const LIST_FORMS: ReadonlySet<number> = new Set([0x17, 0x22]);

/** Names of one unit, or of all. */
export class NameIndex {
  /** Functions with code. */
  readonly functions = new Map<string, Place[]>();
  /** Variables outside of functions. */
  readonly globals = new Map<string, Place[]>();
  /** Definitions, by the name that C gives them: `struct ring`. */
  readonly types = new Map<string, Place>();
  /** The enumeration of each value. */
  readonly enumerators = new Map<string, Place>();
  /** All functions with code, those in functions too. */
  readonly code: Place[] = [];
  /** Whether a variable has different places for different code. */
  hasLocationLists = false;
  private readonly texts = new Map<number, string>();
  private enumeration: Place | undefined;

  /**
   * Adds a unit's names.
   * @param deep whether to look into functions, too: at their types and the functions in them
   * @throws GuestImageError when the unit is damaged; what stands before the damage is added
   */
  add(unit: Unit, deep: boolean): void {
    scan(unit, deep, (head) => visitors[head.abbreviation.tag]?.(this, unit, head));
  }

  addFunction(unit: Unit, head: Head): void {
    if (!hasCode(head)) return;
    const place = placeOf(unit, head);
    this.code.push(place);
    const name = this.nameOf(unit, head);
    if (name !== undefined) append(this.functions, name, place);
  }

  addVariable(unit: Unit, head: Head): void {
    const { attributes } = head.abbreviation;
    this.hasLocationLists ||= attributes.some(
      (each) => each.attribute === At.location && LIST_FORMS.has(each.form),
    );
    if (head.abbreviation.tag !== Tag.variable || head.depth > 1 || head.abbreviation.has.has(At.declaration))
      return;
    const name = this.nameOf(unit, head);
    if (name !== undefined) append(this.globals, name, placeOf(unit, head));
  }

  addType(unit: Unit, head: Head): void {
    const { tag, has } = head.abbreviation;
    if (tag === Tag.enumeration) this.enumeration = placeOf(unit, head);
    if (has.has(At.declaration) || head.name === undefined) return;
    const own = this.text(unit, head.name);
    const name = tag === Tag.base ? canonicalTypeName(own) : `${typePrefixes[tag] ?? ''}${own}`;
    const known = this.types.get(name);
    if (!known || (known.unit === unit && known.depth > head.depth))
      this.types.set(name, placeOf(unit, head));
  }

  addEnumerator(unit: Unit, head: Head): void {
    if (head.name === undefined || !this.enumeration) return;
    const name = this.text(unit, head.name);
    if (!this.enumerators.has(name)) this.enumerators.set(name, this.enumeration);
  }

  /** The name of an entry or of what it completes. */
  private nameOf(unit: Unit, head: Head): string | undefined {
    return head.name === undefined ? entryOf(placeOf(unit, head)).name : this.text(unit, head.name);
  }

  /** Headers repeat their names in every unit, and linkers keep one of each: they are decoded once. */
  private text(unit: Unit, name: string | number): string {
    if (typeof name === 'string') return name;
    let text = this.texts.get(name);
    if (text === undefined) {
      text = textAt(unit.context.strings, name, '.debug_str');
      this.texts.set(name, text);
    }
    return text;
  }
}

const visitors: Readonly<Record<number, ((index: NameIndex, unit: Unit, head: Head) => void) | undefined>> = {
  [Tag.subprogram]: (index, unit, head) => index.addFunction(unit, head),
  [Tag.variable]: (index, unit, head) => index.addVariable(unit, head),
  [Tag.formalParameter]: (index, unit, head) => index.addVariable(unit, head),
  [Tag.enumerator]: (index, unit, head) => index.addEnumerator(unit, head),
  ...Object.fromEntries(
    Object.keys(typePrefixes).map((tag) => [
      tag,
      (index: NameIndex, unit: Unit, head: Head) => index.addType(unit, head),
    ]),
  ),
};

/** The entry at a place. Throws GuestImageError where there is none. */
export function entryOf({ unit, offset }: Place): Entry {
  return unit.entryAt(offset) ?? unit.root;
}

function placeOf(unit: Unit, { offset, depth }: Head): Place {
  return { unit, offset, depth };
}

function append(map: Map<string, Place[]>, name: string, place: Place): void {
  const places = map.get(name);
  if (places) places.push(place);
  else map.set(name, [place]);
}
