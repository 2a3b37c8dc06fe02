/** The machine code of a guest's function by its file alone, for a trace without a run: instructions, and the source lines they belong to. */
import type { GuestImage } from '../../guest/image';
import { listBefore, listFrom, type CodeReader, type ListedInstruction } from './listing';

/** Instructions of a listing at most, and those before and behind an address whose function is not known. */
const MOST_INSTRUCTIONS = 4_000;
const BEFORE = 16;
const BEHIND = 48;

/** What is to be listed: the code about an address (hexadecimal with 0x), or the function that a source line is in. */
export type ListingTarget = { address: string } | { file: string; line: number };

/** One instruction. */
export interface GuestInstruction {
  /** Hexadecimal with 0x. */
  address: string;
  /** Its bytes, in hexadecimal digits. */
  bytes: string;
  /** Intel syntax; empty: these bytes are no instruction. */
  text: string;
  file?: string;
  /** 1-based. */
  line?: number;
}

export interface GuestListing {
  /** Name of the function, or of none the address. */
  name: string;
  isFunction: boolean;
  /** What the code was taken for. */
  bits: 64 | 32;
  instructions: GuestInstruction[];
}

/** @returns undefined where the file has no code at the target */
export function listGuest(image: GuestImage, target: ListingTarget): GuestListing | undefined {
  const address =
    'address' in target
      ? BigInt(target.address)
      : (image.lines.addressesOf(target.file, target.line)[0] ?? undefined);
  if (address === undefined) return undefined;
  const bits = image.file.addressBytes === 8 ? 64 : 32;
  const read = readerOf(image);
  const symbol = image.symbols.functionAt(address);
  const listed = symbol
    ? wholeFunction(read, symbol.address, symbol.address + symbol.size, bits)
    : about(read, address, bits);
  if (listed.length === 0) return undefined;
  return {
    name: symbol?.name ?? `0x${address.toString(16)}`,
    isFunction: symbol !== undefined,
    bits,
    instructions: listed.map((each) => withPlace(image, each)),
  };
}

/** Reads what the file puts into memory; what a guest changes there itself is not in it. */
function readerOf({ file }: GuestImage): CodeReader {
  return (address, length) => {
    const home = file.segments.find(
      ({ virtualAddress, bytes }) =>
        address >= virtualAddress && address < virtualAddress + BigInt(bytes.length),
    );
    if (!home) return new Uint8Array();
    const at = Number(address - home.virtualAddress);
    return home.bytes.subarray(at, at + length);
  };
}

function wholeFunction(read: CodeReader, start: bigint, end: bigint, bits: 64 | 32): ListedInstruction[] {
  // The symbol table does not tell how long some functions of assembly are.
  const most = end > start ? MOST_INSTRUCTIONS : BEHIND;
  const listed: ListedInstruction[] = [];
  for (let at = start; listed.length < most && (end === start || at < end);) {
    const [next] = listFrom(read, at, 1, bits);
    if (!next || next.bytes.length === 0) break;
    listed.push(next);
    at += BigInt(next.bytes.length);
  }
  return listed;
}

function about(read: CodeReader, address: bigint, bits: 64 | 32): ListedInstruction[] {
  const isThere = ({ bytes }: ListedInstruction): boolean => bytes.length > 0;
  const behind = listFrom(read, address, BEHIND, bits).filter(isThere);
  if (behind.length === 0) return [];
  return [...listBefore(read, address, BEFORE, bits, () => undefined).filter(isThere), ...behind];
}

function withPlace(image: GuestImage, { address, bytes, text }: ListedInstruction): GuestInstruction {
  const place = image.lines.lookup(address);
  return {
    address: `0x${address.toString(16)}`,
    bytes: [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(' '),
    text,
    ...(place && { file: place.file, line: place.line }),
  };
}
