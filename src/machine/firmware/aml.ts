/** ACPI machine language, as far as a list of devices needs it (ACPI specification 6.4, chapter 20), and resources (6.4). */
import { Fields } from './fields';

/** Opcodes (table 20.1 and what stands in 20.2). */
const Op = {
  zero: 0x00,
  one: 0x01,
  name: 0x08,
  byte: 0x0a,
  string: 0x0d,
  scope: 0x10,
  buffer: 0x11,
  extension: 0x5b,
  device: 0x82,
} as const;

/** Of large resource items (table 6.40), and the item that ends a list (6.4.2.9). */
const Item = { memory32Fixed: 0x86, extendedInterrupt: 0x89, end: 0x79 } as const;
const READ_WRITE = 1;
/** Flags of an interrupt (table 6.56): a consumer's; level-triggered, active high, not shared. */
const CONSUMER = 1;

const SEGMENT = 4;
/** Most bytes that a length of one byte, and of two to four, can tell. */
const SHORT_LENGTH = 0x3f;
const LONG_LENGTH_BITS = 4;

/** A term of the language, encoded. */
export type Aml = Uint8Array;

/**
 * An integer of one byte.
 * @throws RangeError for another one
 */
export function integer(value: number): Aml {
  if (value < 0 || value > 0xff) throw new RangeError(`integer ${value}: 0 to 255 are encoded`);
  return Uint8Array.from(value <= 1 ? [value === 0 ? Op.zero : Op.one] : [Op.byte, value]);
}

/** A string of ASCII characters. */
export function string(value: string): Aml {
  return new Fields().add(1, Op.string).text(value).zeros(1).done();
}

/** A name of up to four characters for a value. */
export function named(name: string, value: Aml): Aml {
  return new Fields()
    .add(1, Op.name)
    .add(1, ...segment(name), ...value)
    .done();
}

/** Terms within a namespace below the root. */
export function scope(name: string, terms: readonly Aml[]): Aml {
  return packaged([Op.scope], new TextEncoder().encode('\\'), segment(name), ...terms);
}

/** A device with its objects. */
export function device(name: string, objects: readonly Aml[]): Aml {
  return packaged([Op.extension, Op.device], segment(name), ...objects);
}

/** The resources of a device, as `_CRS` has them. */
export function resources(items: readonly Aml[]): Aml {
  const end = Uint8Array.of(Item.end, 0); // a checksum of 0 holds for any list
  const bytes = [...items, end].flatMap((item) => [...item]);
  return packaged([Op.buffer], integer(bytes.length), Uint8Array.from(bytes));
}

/** Memory at a fixed address below 4 GiB, to be read and written (6.4.3.4). */
export function memory32Fixed(base: number, bytes: number): Aml {
  return largeItem(Item.memory32Fixed, new Fields().add(1, READ_WRITE).add(4, base, bytes));
}

/** A global system interrupt that the device alone raises: by a level, high when it is asserted (6.4.3.6). */
export function levelInterrupt(gsi: number): Aml {
  return largeItem(Item.extendedInterrupt, new Fields().add(1, CONSUMER, 1).add(4, gsi));
}

function largeItem(item: number, body: Fields): Aml {
  return new Fields()
    .add(1, item)
    .add(2, body.length)
    .add(1, ...body.done())
    .done();
}

function segment(name: string): Aml {
  return new TextEncoder().encode(name.padEnd(SEGMENT, '_'));
}

/** An opcode with the length of what follows, which counts itself (20.2.4). */
function packaged(opcode: readonly number[], ...parts: readonly Aml[]): Aml {
  const body = parts.flatMap((part) => [...part]);
  return Uint8Array.from([...opcode, ...lengthBefore(body.length), ...body]);
}

/** @param following bytes behind it */
function lengthBefore(following: number): number[] {
  if (following + 1 <= SHORT_LENGTH) return [following + 1];
  for (let more = 1; ; more++) {
    const length = following + 1 + more;
    const rest = Math.floor(length / 2 ** LONG_LENGTH_BITS);
    if (rest >= 2 ** (8 * more)) continue;
    const first = (more << 6) | (length % 2 ** LONG_LENGTH_BITS);
    return [first, ...new Fields().add(more, rest).done()];
  }
}
