/**
 * Call frame information, .debug_frame (DWARF 5, 6.4; versions 1, 3 and 4) and .eh_frame (Linux Standard Base Core): by which
 * rules the frame of a caller is found from that of its callee, at each instruction.
 */
import { ByteReader } from '../elf/byte-reader';
import { GuestImageError } from '../errors';
import type { GuestFile } from '../file';
import { readInitialLength } from './form';
import { POINTER_OMITTED, readAddress, readPointer } from './frame-pointer';
import { runFrameProgram, type FrameProgramContext, type FrameRules } from './frame-program';
import { upperBound } from '../sorted';

/** The rules at one instruction, and what its function's common entry says. */
export interface FrameRow extends FrameRules {
  /** The column whose rule gives the return address. */
  readonly returnAddress: number;
  /** Augmentation S: entered by a signal or an interrupt, so that the return address is that of an instruction yet to execute. */
  readonly isSignalFrame: boolean;
}

/** A section of call frame information. */
export interface FrameSection {
  readonly bytes: Uint8Array;
  /** Where it is loaded; 0 for .debug_frame, which is not. */
  readonly address: bigint;
  readonly kind: 'debug_frame' | 'eh_frame';
}

/** Common information entry. */
interface CommonEntry extends FrameProgramContext {
  readonly returnAddress: number;
  readonly isSignalFrame: boolean;
  /** Whether the augmentation begins with z: its entries' augmentation data has a length. */
  readonly hasLength: boolean;
  /** First byte of the instructions, and the byte after the last. */
  readonly program: number;
  readonly end: number;
}

/** Frame description entry: the instructions of a function. Addresses are those of the running program. */
interface DescriptionEntry {
  readonly section: ByteReader;
  readonly common: CommonEntry;
  readonly low: bigint;
  readonly high: bigint;
  readonly program: number;
  readonly end: number;
  /** What has been added to the section's addresses to get `low` and `high`. */
  readonly bias: bigint;
}

/** Augmentations without a length that are understood: they have no data. GNU as writes S so into .debug_frame. */
const PLAIN = /^(?:eh|S)?$/;
/** Rows kept so that an address asked for again costs nothing. */
const KEPT_ROWS = 1024;
const NO_RULES: FrameRules = { cfa: undefined, registers: new Map() };

/** The call frame information of one file. */
export class FrameTable {
  private readonly starts: BigUint64Array;
  private readonly rows = new Map<bigint, FrameRow | undefined>();

  private constructor(
    private readonly entries: readonly DescriptionEntry[],
    /** What is damaged in it, for a reader; empty when all is well. What stands before the damage is read. */
    readonly problems: readonly string[],
  ) {
    this.starts = BigUint64Array.from(entries, ({ low }) => low);
  }

  /** A table that knows no function. */
  static readonly empty = new FrameTable([], []);

  /** Reads the sections of a guest's file. */
  static of(file: GuestFile): FrameTable {
    const problems: string[] = [];
    const sections: FrameSection[] = [];
    for (const kind of ['debug_frame', 'eh_frame'] as const) {
      try {
        const bytes = file.section(`.${kind}`);
        const address = file.sections.find(({ name }) => name === `.${kind}`)?.address ?? 0n;
        if (bytes) sections.push({ bytes, address: kind === 'eh_frame' ? address : 0n, kind });
      } catch (error) {
        problems.push(messageOf(error));
      }
    }
    return FrameTable.parse(sections, file.addressBytes, file.bias, problems);
  }

  /**
   * Reads sections; where two describe one function, the earlier section's word counts.
   * @param addressSize bytes of an address where the section does not tell: 4 or 8
   * @param bias added to the addresses of .debug_frame; those of .eh_frame are relocated with the program
   * @param earlier problems that are already known
   */
  static parse(
    sections: readonly FrameSection[],
    addressSize: 4 | 8,
    bias = 0n,
    earlier: readonly string[] = [],
  ): FrameTable {
    const problems = [...earlier];
    const entries: DescriptionEntry[] = [];
    // The last of two with one start is found, so that the more important section goes last.
    for (const section of [...sections].reverse()) {
      try {
        readSection(section, addressSize, section.kind === 'debug_frame' ? bias : 0n, entries);
      } catch (error) {
        problems.push(messageOf(error));
      }
    }
    entries.sort((a, b) => (a.low < b.low ? -1 : a.low > b.low ? 1 : 0));
    return new FrameTable(entries, problems);
  }

  /** Whether there is anything in it. */
  get isEmpty(): boolean {
    return this.entries.length === 0;
  }

  /** The rules at an instruction; undefined where none are known, or where they are damaged. */
  rowAt(pc: bigint): FrameRow | undefined {
    if (this.rows.has(pc)) return this.rows.get(pc);
    const row = this.work(pc);
    if (this.rows.size >= KEPT_ROWS) this.rows.clear();
    this.rows.set(pc, row);
    return row;
  }

  /** First and last address of the function that an instruction belongs to, as its entry has them. */
  functionAt(pc: bigint): { readonly low: bigint; readonly high: bigint } | undefined {
    const entry = this.entries[upperBound(this.starts, pc) - 1];
    return entry && pc < entry.high ? entry : undefined;
  }

  private work(pc: bigint): FrameRow | undefined {
    const entry = this.entries[upperBound(this.starts, pc) - 1];
    if (!entry || pc >= entry.high) return undefined;
    const { common, section, bias } = entry;
    const program = (from: number, to: number): ByteReader =>
      new ByteReader(section.bytes.subarray(0, to), section.name, from);
    const start = entry.low - bias;
    try {
      const initial = runFrameProgram(
        program(common.program, common.end),
        common,
        start,
        undefined,
        NO_RULES,
      );
      const rules = runFrameProgram(program(entry.program, entry.end), common, start, pc - bias, initial);
      return { ...rules, returnAddress: common.returnAddress, isSignalFrame: common.isSignalFrame };
    } catch (error) {
      if (!(error instanceof GuestImageError)) throw error;
      return undefined;
    }
  }
}

function messageOf(error: unknown): string {
  if (!(error instanceof GuestImageError)) throw error;
  return `Stacks may be incomplete. ${error.message}`;
}

/** Goes through the entries of a section. */
function readSection(
  section: FrameSection,
  addressSize: 4 | 8,
  bias: bigint,
  into: DescriptionEntry[],
): void {
  const reader = new ByteReader(section.bytes, `section .${section.kind}`);
  const commons = new Map<number, CommonEntry | undefined>();
  while (reader.left >= 4) {
    const start = reader.offset;
    const { length, offsetSize } = readInitialLength(reader);
    if (length === 0) {
      // The end of .eh_frame, or padding between what several objects brought.
      continue;
    }
    const body = reader.offset;
    reader.skip(length);
    const next = reader.offset;
    const entry = new ByteReader(section.bytes.subarray(0, next), reader.name, body);
    const id = readId(entry, section.kind, offsetSize, body);
    if (id !== undefined) {
      if (!commons.has(id)) commons.set(id, readCommonAt(section, id, addressSize));
      const common = commons.get(id);
      const description = common && readDescription(entry, common, next, bias);
      if (description) into.push(description);
    } else if (!commons.has(start)) commons.set(start, readCommonAt(section, start, addressSize));
    reader.seek(next);
  }
}

/** Offset of the common entry that an entry belongs to; undefined: it is a common entry itself. */
function readId(
  reader: ByteReader,
  kind: FrameSection['kind'],
  offsetSize: 4 | 8,
  body: number,
): number | undefined {
  if (kind === 'eh_frame') {
    const back = reader.u32();
    return back === 0 ? undefined : body - back;
  }
  const value = offsetSize === 8 ? reader.u64() : BigInt(reader.u32());
  const isCommon = value === (offsetSize === 8 ? 0xffffffffffffffffn : 0xffffffffn);
  return isCommon ? undefined : Number(value);
}

/** A common entry; undefined when it is of a version or an augmentation that is not understood. */
function readCommonAt(section: FrameSection, offset: number, addressSize: 4 | 8): CommonEntry | undefined {
  const whole = new ByteReader(section.bytes, `section .${section.kind}`, offset);
  const { length, offsetSize } = readInitialLength(whole);
  const body = whole.offset;
  whole.skip(length);
  const end = whole.offset;
  const reader = new ByteReader(section.bytes.subarray(0, end), whole.name, body);
  if (readId(reader, section.kind, offsetSize, body) !== undefined)
    throw new GuestImageError(`${reader.name}: the entry at offset ${offset} is no common entry.`);
  const version = reader.u8();
  if (version !== 1 && version !== 3 && version !== 4) return undefined;
  const augmentation = reader.string();
  let ownAddressSize: number = addressSize;
  if (augmentation === 'eh') reader.skip(addressSize); // a table that GCC 2 had
  if (version === 4) {
    ownAddressSize = reader.u8();
    if (reader.u8() !== 0 || (ownAddressSize !== 4 && ownAddressSize !== 8)) return undefined;
  }
  const codeAlignment = reader.uleb();
  const dataAlignment = reader.sleb();
  const returnAddress = version === 1 ? reader.u8() : reader.ulebNumber();
  const hasLength = augmentation.startsWith('z');
  if (!hasLength && !PLAIN.test(augmentation)) return undefined;
  const context = { addressSize: ownAddressSize, sectionAddress: section.address };
  let pointerEncoding = 0;
  let isSignalFrame = augmentation === 'S';
  if (hasLength) {
    const data = reader.ulebNumber();
    const program = reader.offset + data;
    for (const letter of augmentation.slice(1)) {
      if (letter === 'R') pointerEncoding = reader.u8();
      else if (letter === 'S') isSignalFrame = true;
      else if (letter === 'L') reader.skip(1);
      else if (letter === 'P') readPointer(reader, reader.u8(), context);
      else break; // of what follows the length tells where it ends
    }
    reader.seek(program);
  }
  return {
    ...context,
    codeAlignment,
    dataAlignment,
    pointerEncoding,
    returnAddress,
    isSignalFrame,
    hasLength,
    program: reader.offset,
    end,
  };
}

function readDescription(
  reader: ByteReader,
  common: CommonEntry,
  end: number,
  bias: bigint,
): DescriptionEntry | undefined {
  const { pointerEncoding, addressSize } = common;
  const encoded = pointerEncoding !== 0 && pointerEncoding !== POINTER_OMITTED;
  const low = encoded ? readPointer(reader, pointerEncoding, common) : readAddress(reader, addressSize);
  const size = encoded
    ? readPointer(reader, pointerEncoding, common, true)
    : readAddress(reader, addressSize);
  if (low === undefined || size === undefined || size <= 0n) return undefined;
  if (common.hasLength) reader.skip(reader.ulebNumber());
  const start = BigInt.asUintN(64, low + bias);
  const section = new ByteReader(reader.bytes, reader.name);
  return { section, common, low: start, high: start + size, program: reader.offset, end, bias };
}
