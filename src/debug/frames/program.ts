/** A guest's file as the debugger asks it: code, names, lines, debug information, and how to unwind. */
import { FrameTable } from '../../guest/dwarf/frame';
import type { LineTable } from '../../guest/dwarf/line';
import type { DebugInfo } from '../../guest/dwarf/model';
import type { GuestImage } from '../../guest/image';
import type { SymbolTable } from '../../guest/symbols';
import { architectureOf, type Architecture } from './architecture';

/** What frames and expressions ask. */
export interface Program {
  readonly architecture: Architecture;
  /** Undefined: the file has no debug information. */
  readonly debug: DebugInfo | undefined;
  readonly frames: FrameTable;
  readonly symbols: SymbolTable;
  readonly lines: LineTable;
  /** Whether an address lies in what the file brings as code. */
  isCode(address: bigint): boolean;
}

/** The program of a guest. */
export function programOf(image: GuestImage): Program {
  const code = image.file.segments
    .filter(({ executable }) => executable)
    .map(({ virtualAddress, memorySize }) => ({ low: virtualAddress, high: virtualAddress + memorySize }));
  return {
    architecture: architectureOf(image.file.addressBytes),
    debug: image.debug,
    frames: FrameTable.of(image.file),
    symbols: image.symbols,
    lines: image.lines,
    isCode: (address) => code.some(({ low, high }) => address >= low && address < high),
  };
}
