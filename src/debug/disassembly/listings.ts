/** Code without source as a text of its own, which a client opens as it opens a file (`sourceReference`). */
import type { DebugProtocol } from '@vscode/debugprotocol';
import type { Debuggee } from '../debuggee';
import { virtual } from '../debuggee';
import type { Frame } from '../language';
import { codeBits } from './calls';
import { listFrom, type ListedInstruction } from './listing';

/** Instructions of a listing at most, and of one whose function is not known. */
const MOST_INSTRUCTIONS = 2_000;
const WITHOUT_FUNCTION = 64;
/** Listings that are kept: a client may ask for any that it has been told of. */
const MOST_LISTINGS = 10_000;

interface Listing {
  readonly vm: number;
  readonly name: string;
  readonly instructions: readonly ListedInstruction[];
}

/** Where a frame stands in its listing. */
export interface ListedPlace {
  readonly source: DebugProtocol.Source;
  /** 1-based. */
  readonly line: number;
}

export class Listings {
  /** By their references, from 1. */
  private readonly all: Listing[] = [];
  /** Where those of the present run begin: another may have other code. */
  private first = 0;

  constructor(private readonly debuggee: () => Debuggee) {}

  /** The listing of the function that a frame is in, and its line there; undefined: nothing can be read there. */
  placeOf(frame: Frame): ListedPlace | undefined {
    const known = this.all.findIndex(
      (each, index) => index >= this.first && each.vm === frame.program.vm && indexIn(each, frame.pc) >= 0,
    );
    const reference = known >= 0 ? known : this.add(this.listingOf(frame));
    const listing = this.all[reference];
    const index = listing ? indexIn(listing, frame.pc) : -1;
    if (!listing || index < 0) return undefined;
    return {
      source: { name: listing.name, sourceReference: reference + 1, origin: 'disassembly' },
      line: index + 1,
    };
  }

  /** Another run begins. */
  outdate(): void {
    this.first = this.all.length;
  }

  /** The text of a listing; undefined for a number that is none's. */
  textOf(reference: number): string | undefined {
    return this.all[reference - 1]?.instructions.map(lineOf).join('\n');
  }

  private add(listing: Listing): number {
    if (listing.instructions.length === 0 || this.all.length >= MOST_LISTINGS) return -1;
    return this.all.push(listing) - 1;
  }

  private listingOf({ cpu, pc, program }: Frame): Listing {
    const { control } = this.debuggee();
    const bits = codeBits(control.registers(cpu).mode);
    const read = (at: bigint, length: number): Uint8Array => control.readMemory(virtual(cpu), at, length);
    const symbol = program.image.symbols.functionAt(pc);
    const start = symbol?.address ?? pc;
    const end = symbol && symbol.size > 0n ? symbol.address + symbol.size : undefined;
    const most = end === undefined ? WITHOUT_FUNCTION : MOST_INSTRUCTIONS;
    const instructions: ListedInstruction[] = [];
    for (let at = start; instructions.length < most && (end === undefined || at < end);) {
      const [next] = listFrom(read, at, 1, bits);
      if (!next || next.bytes.length === 0) break;
      instructions.push(next);
      at = BigInt.asUintN(64, at + BigInt(next.bytes.length));
    }
    const name = `${symbol?.name ?? `0x${pc.toString(16)}`} (${program.vmName})`;
    return { vm: program.vm, name, instructions };
  }
}

/** Index of an instruction in a listing; -1: it is not in it. */
function indexIn({ instructions }: Listing, pc: bigint): number {
  return instructions.findIndex(({ address }) => address === pc);
}

/** `0x100050  48 89 c7              mov rdi,rax`. */
function lineOf({ address, bytes, text }: ListedInstruction): string {
  const digits = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
  return `0x${address.toString(16)}  ${digits.padEnd(32)}  ${text === '' ? '??' : text}`;
}
