/** Where a value lies (DWARF 5, 2.6), and how its bytes are fetched from there and put back. */
import type { DebugVariable } from '../../guest/dwarf/model';
import type { Architecture } from './architecture';
import { DebugError, ImplicitPointerError, OptimisedOutError } from './errors';
import { bytesOf, integerOf, readExactly, type MachineReader, type MachineWriter } from './machine';

/** A place of a value, or of a part of one. */
export type Location =
  | { readonly kind: 'memory'; readonly address: bigint }
  /** By DWARF number, as the frame has it. */
  | { readonly kind: 'register'; readonly register: number }
  /** It lies nowhere: the debug information has the value itself. */
  | { readonly kind: 'value'; readonly bytes: Uint8Array }
  | { readonly kind: 'pieces'; readonly pieces: readonly Piece[] }
  /** A pointer to a variable that lies in no memory, so that the pointer has no value (DWARF 5, 2.6.1.1.4). */
  | { readonly kind: 'implicit-pointer'; readonly target: ImplicitTarget }
  /** The compiler has not kept it. `why` is a sentence. */
  | { readonly kind: 'lost'; readonly why: string };

/** What a pointer without a value points to: a byte of a variable. */
export interface ImplicitTarget {
  /** Undefined: the debug information does not have it. */
  readonly variable: DebugVariable | undefined;
  readonly offset: number;
}

/** A part of a value that is spread over several places. */
export interface Piece {
  /** Bits of the value that it holds. */
  readonly bits: number;
  /** The lowest of them in its place. */
  readonly first: number;
  readonly location: Location;
}

/** What fetching needs of a frame. */
export interface LocationFrame extends MachineReader {
  readonly architecture: Architecture;
}

/** What putting back needs besides. */
export interface WritableFrame extends LocationFrame {
  /** Where this frame's register really is: a callee may have saved it in memory. */
  registerPlace(number: number): Location;
}

/** What is said of something that the compiler has not kept. */
export const OPTIMISED_OUT: Location = {
  kind: 'lost',
  why: 'It has been optimised out at this place of the program.',
};

/** Whether nothing of a value has been kept. */
export function isLost(location: Location): boolean {
  return (
    location.kind === 'lost' ||
    (location.kind === 'pieces' && location.pieces.every((each) => isLost(each.location)))
  );
}

/** What a pointer without a value points to; undefined: it has one. */
export function implicitTargetOf(location: Location): ImplicitTarget | undefined {
  if (location.kind === 'implicit-pointer') return location.target;
  const [piece, ...others] = location.kind === 'pieces' ? location.pieces : [];
  return piece && others.length === 0 ? implicitTargetOf(piece.location) : undefined;
}

/** What is larger than this is not fetched at once; no value of C is larger than its guest. */
const MAX_BYTES = 1 << 26;

/**
 * Fetches the first bytes of what is at a location.
 * @throws DebugError when it is lost, or cannot be read
 */
export function fetch(location: Location, length: number, frame: LocationFrame): Uint8Array {
  if (length > MAX_BYTES) throw new DebugError(`It is too large to be read: ${length} bytes.`);
  switch (location.kind) {
    case 'memory':
      return length === 0 ? new Uint8Array() : readExactly(frame, location.address, length);
    case 'register': {
      const bytes = bytesOf(
        registerValue(location.register, frame),
        frame.architecture.bytesOf(location.register),
      );
      return padded(bytes, length);
    }
    case 'value':
      return padded(location.bytes, length);
    case 'lost':
      throw new OptimisedOutError(location.why);
    case 'pieces':
      return fetchPieces(location.pieces, length, frame);
    case 'implicit-pointer':
      throw new ImplicitPointerError();
  }
}

/**
 * Puts the first bytes of what is at a location.
 * @throws DebugError when it lies nowhere
 */
export function store(
  location: Location,
  bytes: Uint8Array,
  frame: WritableFrame,
  writer: MachineWriter,
): void {
  switch (location.kind) {
    case 'memory':
      writer.writeMemory(location.address, bytes);
      return;
    case 'register':
      storeRegister(location.register, bytes, frame, writer);
      return;
    case 'value':
      throw new DebugError(
        'It cannot be changed: the compiler has put its value into the code, and it lies nowhere.',
      );
    case 'lost':
      throw new OptimisedOutError(location.why);
    case 'pieces':
      storePieces(location.pieces, bytes, frame, writer);
      return;
    case 'implicit-pointer':
      throw new ImplicitPointerError();
  }
}

/**
 * Value of a register in a frame.
 * @throws DebugError when the frame does not know it
 */
export function registerValue(register: number, frame: LocationFrame): bigint {
  const value = frame.register(register);
  if (value !== undefined) return value;
  const name = frame.architecture.nameOf(register);
  throw new DebugError(`Register ${name} is not known in this frame.`);
}

/** A register keeps the bits that are not written. */
function storeRegister(
  register: number,
  bytes: Uint8Array,
  frame: WritableFrame,
  writer: MachineWriter,
): void {
  const place = frame.registerPlace(register);
  if (place.kind === 'memory') {
    writer.writeMemory(place.address, bytes);
    return;
  }
  if (place.kind !== 'register') {
    const name = frame.architecture.nameOf(register);
    throw new DebugError(`Register ${name} cannot be changed in this frame: its value is kept nowhere.`);
  }
  const width = frame.architecture.bytesOf(register);
  const whole = bytesOf(registerValue(register, frame), width);
  whole.set(bytes.subarray(0, width));
  writer.writeRegister(place.register, integerOf(whole));
}

function padded(bytes: Uint8Array, length: number): Uint8Array {
  if (bytes.length >= length) return bytes.subarray(0, length);
  const whole = new Uint8Array(length);
  whole.set(bytes);
  return whole;
}

/** Bytes that hold bits `first` to `first + bits`. */
const bytesFor = (first: number, bits: number): number => (first + bits + 7) >> 3;

function fetchPieces(pieces: readonly Piece[], length: number, frame: LocationFrame): Uint8Array {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const { bits, first, location } of pieces) {
    const wanted = Math.min(bits, 8 * length - at);
    if (wanted <= 0) break;
    const bytes = fetch(location, bytesFor(first, wanted), frame);
    copyBits(bytes, first, whole, at, wanted);
    at += bits;
  }
  if (at < 8 * length) throw new OptimisedOutError('A part of it has been optimised out.');
  return whole;
}

function storePieces(
  pieces: readonly Piece[],
  bytes: Uint8Array,
  frame: WritableFrame,
  writer: MachineWriter,
): void {
  let at = 0;
  for (const { bits, first, location } of pieces) {
    const wanted = Math.min(bits, 8 * bytes.length - at);
    if (wanted <= 0) break;
    const part = new Uint8Array(fetch(location, bytesFor(first, wanted), frame));
    copyBits(bytes, at, part, first, wanted);
    store(location, part, frame, writer);
    at += bits;
  }
}

/** The place of `length` bytes of a value, from byte `offset` on. */
export function partOf(location: Location, offset: number, length: number): Location {
  switch (location.kind) {
    case 'memory':
      return { kind: 'memory', address: location.address + BigInt(offset) };
    case 'value':
      return { kind: 'value', bytes: location.bytes.subarray(offset, offset + length) };
    case 'lost':
    case 'implicit-pointer':
      return location;
    case 'register':
      if (offset === 0) return location;
      return { kind: 'pieces', pieces: [{ bits: 8 * length, first: 8 * offset, location }] };
    case 'pieces':
      return { kind: 'pieces', pieces: partOfPieces(location.pieces, 8 * offset, 8 * length) };
  }
}

function partOfPieces(pieces: readonly Piece[], from: number, count: number): Piece[] {
  const parts: Piece[] = [];
  let at = 0;
  for (const { bits, first, location } of pieces) {
    const low = Math.max(at, from);
    const high = Math.min(at + bits, from + count);
    if (low < high) parts.push({ bits: high - low, first: first + low - at, location });
    at += bits;
  }
  return parts;
}

/** Copies bits, lowest first; whole bytes at once where both lie on bytes. */
export function copyBits(
  from: Uint8Array,
  fromBit: number,
  to: Uint8Array,
  toBit: number,
  count: number,
): void {
  if (((fromBit | toBit | count) & 7) === 0) {
    to.set(from.subarray(fromBit >> 3, (fromBit + count) >> 3), toBit >> 3);
    return;
  }
  for (let i = 0; i < count; i++) {
    const source = fromBit + i;
    const target = toBit + i;
    const bit = (from[source >> 3] >> (source & 7)) & 1;
    to[target >> 3] = (to[target >> 3] & ~(1 << (target & 7))) | (bit << (target & 7));
  }
}
