/** The program of one VM as a debugger asks for it: files, statements, functions. */
import { realpathSync } from 'node:fs';
import { normalize } from 'node:path';
import type { DebugInfo } from '../guest/dwarf/model';
import type { SourcePlace } from '../guest/dwarf/line';
import type { GuestImage } from '../guest/image';
import { programOf, type Program as UnwindProgram } from './frames/program';

/** Where a breakpoint has come to lie. */
export interface BreakpointPlace {
  readonly line: number;
  /** 0: not known. */
  readonly column: number;
  /** Where to stop: several when the statement was inlined or unrolled. */
  readonly addresses: readonly bigint[];
}

export class Program {
  /** What a client calls a file → what the debug information calls it. */
  private readonly files = new Map<string, string | undefined>();
  private unwound: UnwindProgram | undefined;
  private entered: readonly bigint[] | undefined;

  constructor(
    readonly vm: number,
    readonly vmName: string,
    /** Absolute path of the guest's file. */
    readonly path: string,
    readonly image: GuestImage,
  ) {}

  /** As unwinding and expressions see it. */
  get unwinding(): UnwindProgram {
    return (this.unwound ??= programOf(this.image));
  }

  get debug(): DebugInfo {
    return this.image.debug;
  }

  /** The file of the debug information that a path means; undefined: the program has no code of it. */
  fileFor(path: string): string | undefined {
    if (!this.files.has(path)) this.files.set(path, this.findFile(path));
    return this.files.get(path);
  }

  private findFile(path: string): string | undefined {
    const { files } = this.image.lines;
    const wanted = normalize(path);
    const same = files.find((each) => normalize(each) === wanted);
    if (same !== undefined) return same;
    const real = realOf(path);
    return real === undefined ? undefined : files.find((each) => realOf(each) === real);
  }

  /** Where a breakpoint on a line goes: to its code, or to that of the next line that has any. */
  placeOf(path: string, line: number, column = 0): BreakpointPlace | undefined {
    const file = this.fileFor(path);
    if (file === undefined) return undefined;
    const { lines } = this.image;
    const found = lines.nextLineWithCode(file, line);
    if (found === undefined) return undefined;
    if (found !== line || column === 0) return this.place(found, 0, lines.addressesOf(file, found));
    const columns = lines.statementsIn(file, found, found).map((each) => each.column);
    const chosen = columns.findLast((each) => each <= column) ?? columns[0] ?? 0;
    return this.place(found, chosen, lines.addressesOf(file, found, chosen));
  }

  /**
   * A breakpoint on the line of a function's opening is hit where its parameters have come to their places, as every debugger has
   * it.
   */
  private place(line: number, column: number, addresses: readonly bigint[]): BreakpointPlace {
    const behind = addresses.map((address) => {
      const own = this.debug.functionAt(address);
      return own?.entry === address ? own.afterPrologue : address;
    });
    const moved = behind.map((address) => this.lookup(address)?.line ?? line);
    return { line: Math.max(line, Math.min(...moved)), column, addresses: [...new Set(behind)] };
  }

  /** Where a step into a function stops: behind the prologue of each that has source lines. */
  bodiesOfFunctions(): readonly bigint[] {
    this.entered ??= this.image.symbols.functions().flatMap(({ address }) => {
      if (!this.hasLines(address)) return [];
      const own = this.debug.functionAt(address);
      return [own?.entry === address ? own.afterPrologue : address];
    });
    return this.entered;
  }

  /** Source place of an instruction. */
  lookup(pc: bigint): SourcePlace | undefined {
    return this.image.lines.lookup(pc);
  }

  /** Whether there is source for the code at an address. */
  hasLines(pc: bigint): boolean {
    return this.image.lines.lookup(pc) !== undefined;
  }

  /** Name of the function at an address, with or without debug information. */
  nameOf(pc: bigint): string | undefined {
    return this.debug.functionAt(pc)?.name ?? this.image.symbols.functionAt(pc)?.name;
  }
}

function realOf(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}
