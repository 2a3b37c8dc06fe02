/** A listing as the text of a document, and which of its lines is which instruction. Knows no editor. */
import type { GuestInstruction, GuestListing } from '../../debug/disassembly/guest-listing';

/** Longest line of source that is shown. */
const MOST_TEXT = 160;
const BYTES_WIDTH = 24;

/** Lines of a source file; undefined: it is not here, or it is another text than what ran. */
export type SourceText = (file: string) => readonly string[] | undefined;

export interface RenderedListing {
  text: string;
  /** Line of the document, from 0, by address. */
  lineOf: ReadonlyMap<string, number>;
  /** Address by line of the document. */
  addressOf: ReadonlyMap<number, string>;
}

/** @param head lines of comment at the top */
export function renderListing(
  listing: GuestListing,
  head: readonly string[],
  source: SourceText,
): RenderedListing {
  const lines = head.map((line) => `; ${line}`);
  const lineOf = new Map<string, number>();
  const addressOf = new Map<number, string>();
  const digits = Math.max(...listing.instructions.map(({ address }) => address.length - 2));
  let last = '';
  for (const instruction of listing.instructions) {
    const place = placeText(instruction);
    if (place !== last) lines.push('', ...sourceLine(instruction, source));
    last = place;
    lineOf.set(instruction.address, lines.length);
    addressOf.set(lines.length, instruction.address);
    lines.push(instructionLine(instruction, digits));
  }
  return { text: `${lines.join('\n')}\n`, lineOf, addressOf };
}

function placeText({ file, line }: GuestInstruction): string {
  return file === undefined ? '' : `${file}:${line}`;
}

function sourceLine({ file, line }: GuestInstruction, source: SourceText): string[] {
  if (file === undefined || line === undefined) return ['; no source line'];
  const name = file.slice(Math.max(file.lastIndexOf('/'), file.lastIndexOf('\\')) + 1);
  const text = (source(file)?.[line - 1] ?? '').trim().slice(0, MOST_TEXT);
  return [`; ${name}:${line}${text === '' ? '' : `  ${text}`}`];
}

/** `  100f3a  89 51 18                mov dword ptr [rcx + 0x18], edx`. */
function instructionLine({ address, bytes, text }: GuestInstruction, digits: number): string {
  const at = address.slice(2).padStart(digits);
  return `  ${at}  ${bytes.padEnd(BYTES_WIDTH)}  ${text === '' ? '(bad)' : text}`;
}
