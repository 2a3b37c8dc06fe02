/**
 * A small static linker: x86-64 objects to one executable laid out as the guest kit's linker script lays it out. For compilers
 * that come without a linker for ELF.
 */
import { GuestImageError } from '../errors';
import { writeExecutable, type OutputSection, type OutputSymbol } from './executable';
import { parseObject, SectionFlag, type ObjectFile, type ObjectSection, type ObjectSymbol } from './object';
import { fits, RELOCATION_NONE, relocationKinds } from './relocate';

/** Where the image begins: 1 MiB. */
const IMAGE_BASE = 0x100000;
const PAGE = 4096;
const GOT_SLOT_BYTES = 8;
/** Contents of an image, and its zeros; more is taken for damage. */
const MAX_BYTES = 1 << 28;
const MAX_MEMORY = 2 ** 31;

const ENTRY = '_start';
/** First page after the image, as the guest kit's linker script defines it; and the table of constructors. */
const IMAGE_END = 'tl_image_end';
const CONSTRUCTORS = {
  section: '.init_array',
  start: '__init_array_start',
  end: '__init_array_end',
} as const;
/** A constructor with a priority (`.init_array.00101`) runs before those without one, in the order of the numbers. */
const PRIORITY = /^\.init_array\.(\d+)$/;
const NO_PRIORITY = 65_536;
const DISCARDED = /^\.(note\.GNU-stack|note\.gnu\.property|eh_frame|eh_frame_hdr)$/;

/** A section of an object at its place in the output. */
interface Placed {
  output: OutputSection;
  offset: number;
}

/** A symbol's address; `absent` for a weak one that nobody defines. */
type Definition = { object: ObjectFile; symbol: ObjectSymbol };

/**
 * Links objects. The result begins at the symbol `_start`.
 * @throws GuestImageError that names object and symbol
 */
export function linkObjects(inputs: readonly { name: string; bytes: Uint8Array }[]): Uint8Array {
  return new Linker(inputs.map(({ name, bytes }) => parseObject(bytes, name))).link();
}

class Linker {
  private readonly outputs = new Map<string, OutputSection>();
  private readonly places = new Map<ObjectSection, Placed>();
  private readonly globals = new Map<string, Definition>();
  private readonly commons = new Map<string, { offset: number }>();
  private fileBytes = 0;
  private zeroBytes = 0;
  private readonly slots = new Map<string, number>();

  constructor(private readonly objects: readonly ObjectFile[]) {}

  link(): Uint8Array {
    for (const name of ['.text', '.rodata', CONSTRUCTORS.section, '.data', '.bss'])
      this.output(name, name === '.bss');
    this.collectGlobals();
    this.placeSections();
    this.placeCommons();
    this.placeSlots();
    const end = this.layOut();
    const resolve = (definition: Definition): bigint => this.addressOf(definition);
    this.fill(end);
    const entry = this.globals.get(ENTRY);
    if (!entry)
      throw new GuestImageError(
        `No object defines ${ENTRY}, where a guest begins: add one that does, as the guest kit's start.S.`,
      );
    return writeExecutable([...this.outputs.values()], this.outputSymbols(end), resolve(entry));
  }

  private output(name: string, nobits: boolean): OutputSection {
    let output = this.outputs.get(name);
    if (!output) {
      output = {
        name,
        nobits,
        address: 0,
        size: 0,
        bytes: new Uint8Array(0),
        alloc: !name.startsWith('.debug'),
      };
      this.outputs.set(name, output);
    }
    return output;
  }

  private collectGlobals(): void {
    for (const object of this.objects) {
      for (const symbol of object.symbols) {
        if (symbol.binding === 'local' || symbol.where === 'undefined' || symbol.name === '') continue;
        const other = this.globals.get(symbol.name);
        if (!other || strength(symbol) > strength(other.symbol))
          this.globals.set(symbol.name, { object, symbol });
        else if (strength(symbol) === STRONG && strength(other.symbol) === STRONG) {
          throw new GuestImageError(
            `${symbol.name} is defined in ${other.object.name} and in ${object.name}: leave one of them out, or make it static.`,
          );
        } else if (
          symbol.where === 'common' &&
          other.symbol.where === 'common' &&
          symbol.size > other.symbol.size
        ) {
          this.globals.set(symbol.name, { object, symbol });
        }
      }
    }
  }

  private placeSections(): void {
    const pieces = this.objects
      .flatMap(({ sections }) => sections)
      .filter(({ name }) => !DISCARDED.test(name));
    // What has to stand at the image's beginning comes first, and constructors stand in the order in which they run.
    const rank = ({ name }: ObjectSection): number =>
      name === '.text.start' ? -1 : Number(PRIORITY.exec(name)?.[1] ?? NO_PRIORITY);
    pieces.sort((a, b) => rank(a) - rank(b));
    for (const section of pieces) {
      const name = outputName(section);
      if (name !== undefined) this.append(section, this.output(name, name === '.bss'));
    }
  }

  private append(section: ObjectSection, output: OutputSection): void {
    const offset = alignUp(output.size, section.alignment);
    this.grow(output, offset + section.size);
    this.places.set(section, { output, offset });
  }

  private grow(output: OutputSection, size: number): void {
    const limit = output.nobits ? MAX_MEMORY : MAX_BYTES;
    const total = (output.nobits ? this.zeroBytes : this.fileBytes) + size - output.size;
    if (output.nobits) this.zeroBytes = total;
    else this.fileBytes = total;
    output.size = size;
    if (total > limit) {
      throw new GuestImageError(
        `The objects have more than ${limit} bytes together: that is no guest, or a damaged object.`,
      );
    }
  }

  private placeCommons(): void {
    const bss = this.output('.bss', true);
    for (const [name, { symbol, object }] of this.globals) {
      if (symbol.where !== 'common') continue;
      const alignment = symbol.value === 0n ? 1 : Number(symbol.value);
      if (!Number.isInteger(Math.log2(alignment)) || alignment > PAGE || symbol.size > BigInt(MAX_MEMORY))
        throw new GuestImageError(
          `${object.name} is damaged: common symbol ${name} of ${symbol.size} bytes at ${alignment}.`,
        );
      const offset = alignUp(bss.size, alignment);
      this.grow(bss, offset + Number(symbol.size));
      this.commons.set(name, { offset });
    }
  }

  /** A slot of the global offset table for each symbol that is reached by one. */
  private placeSlots(): void {
    const got = this.output('.data', false);
    this.grow(got, alignUp(got.size, GOT_SLOT_BYTES));
    for (const object of this.objects) {
      for (const { type, symbol } of object.relocations) {
        const key = this.slotKey(object, symbol);
        if (!relocationKinds.get(type)?.got || this.slots.has(key)) continue;
        this.slots.set(key, got.size);
        this.grow(got, got.size + GOT_SLOT_BYTES);
      }
    }
  }

  private slotKey(object: ObjectFile, index: number): string {
    const symbol = object.symbols[index];
    return symbol.binding === 'local' ? `${this.objects.indexOf(object)}:${index}` : symbol.name;
  }

  /** Gives every section its address; returns the first page after the image. */
  private layOut(): number {
    let next = IMAGE_BASE;
    for (const output of this.outputs.values()) {
      if (!output.nobits) output.bytes = new Uint8Array(output.size);
      if (!output.alloc) continue;
      output.address = alignUp(next, PAGE);
      next = output.address + output.size;
    }
    for (const [section, { output, offset }] of this.places)
      if (!output.nobits) output.bytes.set(section.bytes, offset);
    return alignUp(next, PAGE);
  }

  private addressOf({ object, symbol }: Definition): bigint {
    if (symbol.where === 'absolute') return symbol.value;
    if (symbol.where === 'common') {
      const bss = this.output('.bss', true);
      return BigInt(bss.address + (this.commons.get(symbol.name)?.offset ?? 0));
    }
    const placed = this.places.get(object.sections[symbol.section]);
    return placed ? BigInt(placed.output.address + placed.offset) + symbol.value : 0n;
  }

  private fill(end: number): void {
    const got = this.output('.data', false);
    for (const object of this.objects) {
      for (const { section, offset, type, symbol: index, addend } of object.relocations) {
        const source = object.sections[section];
        const placed = this.places.get(source);
        if (!placed || type === RELOCATION_NONE) continue;
        const kind = relocationKinds.get(type);
        const symbol = object.symbols[index];
        const where = `${object.name}: the relocation at ${source.name}+0x${offset.toString(16)}`;
        if (!kind)
          throw new GuestImageError(
            `${where} is of type ${type}, which a static image cannot have: compile with -fno-pic -mcmodel=small.`,
          );
        if (source.nobits || offset + kind.bytes > source.size)
          throw new GuestImageError(`${where} lies outside its section: the object is damaged.`);
        const place = BigInt(placed.output.address + placed.offset + offset);
        let target = this.resolve(object, symbol, end);
        if (kind.got) {
          const slot = this.slots.get(this.slotKey(object, index)) ?? 0;
          put(got.bytes, slot, GOT_SLOT_BYTES, target);
          target = BigInt(got.address + slot);
        }
        const value = target + addend - (kind.relative ? place : 0n);
        if (!fits(kind, value))
          throw new GuestImageError(
            `${where} to ${symbol.name || 'a section'} does not reach 0x${BigInt.asUintN(64, target).toString(16)} by ${kind.name}.`,
          );
        put(placed.output.bytes, placed.offset + offset, kind.bytes, value);
      }
    }
  }

  private resolve(object: ObjectFile, symbol: ObjectSymbol, end: number): bigint {
    if (symbol.binding === 'local')
      return symbol.where === 'undefined' ? 0n : this.addressOf({ object, symbol });
    const found = this.globals.get(symbol.name);
    if (found) return this.addressOf(found);
    const own = this.ownSymbols(end).get(symbol.name);
    if (own !== undefined) return BigInt(own);
    if (symbol.binding === 'weak') return 0n;
    throw new GuestImageError(
      `${object.name} uses ${symbol.name}, and no object defines it: add the one that does.`,
    );
  }

  private outputSymbols(end: number): OutputSymbol[] {
    const symbols: OutputSymbol[] = [];
    for (const object of this.objects) {
      for (const symbol of object.symbols) {
        const { name, type, size, where, section, binding } = symbol;
        if (name === '' || where === 'undefined' || type === 3 || type === 4) continue;
        const own = binding === 'local' || this.globals.get(name)?.symbol === symbol;
        if (!own || (where === 'section' && !this.places.has(object.sections[section]))) continue;
        symbols.push({
          name,
          type,
          size,
          global: binding !== 'local',
          address: this.addressOf({ object, symbol }),
        });
      }
    }
    for (const [name, address] of this.ownSymbols(end)) {
      if (!this.globals.has(name))
        symbols.push({ name, type: 0, size: 0n, global: true, address: BigInt(address) });
    }
    return symbols;
  }

  /** What the linker script would define. */
  private ownSymbols(end: number): Map<string, number> {
    const { address, size } = this.output(CONSTRUCTORS.section, false);
    return new Map([
      [IMAGE_END, end],
      [CONSTRUCTORS.start, address],
      [CONSTRUCTORS.end, address + size],
    ]);
  }
}

const STRONG = 3;

/** A definition goes before a common symbol, and that before a weak definition. */
function strength({ binding, where }: ObjectSymbol): number {
  if (binding === 'weak') return 1;
  return where === 'common' ? 2 : STRONG;
}

/** Which part of the image a section belongs to; undefined: none. */
function outputName({ name, flags, nobits }: ObjectSection): string | undefined {
  if ((flags & SectionFlag.alloc) === 0) return name.startsWith('.debug_') && !nobits ? name : undefined;
  if (nobits) return '.bss';
  if (name === CONSTRUCTORS.section || PRIORITY.test(name)) return CONSTRUCTORS.section;
  if ((flags & SectionFlag.execute) !== 0) return '.text';
  return (flags & SectionFlag.write) !== 0 ? '.data' : '.rodata';
}

function alignUp(value: number, alignment: number): number {
  return Math.ceil(value / alignment) * alignment;
}

function put(bytes: Uint8Array, at: number, count: number, value: bigint): void {
  let rest = BigInt.asUintN(64, value);
  for (let i = 0; i < count; i++, rest >>= 8n) bytes[at + i] = Number(rest & 0xffn);
}
