/** What a compiler, assembler or linker says, as places in files. */

import { withRemedy } from './remedies';

/** One message about one place. */
export interface Diagnostic {
  /** As the compiler names it; absolute when the source was given by an absolute path. Empty when no file is named. */
  file: string;
  /** 1-based; 1 when the tool does not tell. */
  line: number;
  /** 1-based; 1 when the tool does not tell. */
  column: number;
  severity: 'error' | 'warning' | 'note';
  message: string;
}

/** gcc and clang: `file:line:column: severity: message`, the column being left out by the assembler. */
const COMPILER = /^(.+?):(\d+):(?:(\d+):)? (fatal error|error|warning|note|Error|Warning|Fatal error): (.*)$/;
/** The linker, where debug information gave it a line: `[ld: ][object: ]file:line: message`. */
const LINKER =
  /^(?:\S*\bld(?:\.\w+)?: )?(?:[^:]*\.o: ?)?([^:()]+\.(?:c|cc|cpp|cxx|S|s|h|hh|hpp)):(\d+): (.*)$/;
/** The linker or the driver, about nothing in particular: `ld: message`, `gcc: error: message`. */
const GENERAL =
  /^\S*?\b(?:ld(?:\.\w+)?|gcc|g\+\+|clang(?:\+\+)?|cc1(?:plus)?|as|collect2)(?:-\d+)?: (?:(fatal error|error|warning): )?(.*)$/;
/** Lines that only say where the next one belongs, or that something failed which another line has told. */
const CHATTER = /in function `|In function|At top level|ld returned \d|linker command failed|^\s*$/;

/** The message of the linker when no source has a `main`, and what to do. */
const NO_MAIN = "undefined reference to `main'";

/**
 * Reads the messages out of a tool's standard error (under LC_ALL=C). Lines that are no messages (source excerpts, carets)
 * are left out.
 */
export function parseDiagnostics(text: string): Diagnostic[] {
  const found: Diagnostic[] = [];
  for (const line of text.split(/\r?\n/)) {
    const diagnostic =
      compilerLine(line) ?? (CHATTER.test(line) ? undefined : (linkerLine(line) ?? generalLine(line)));
    if (diagnostic && !found.some((each) => same(each, diagnostic))) found.push(diagnostic);
  }
  return found;
}

function compilerLine(text: string): Diagnostic | undefined {
  const match = COMPILER.exec(text);
  if (!match) return undefined;
  const [, file, line, column, severity, message] = match as unknown as string[];
  return place(file, line, column, severityOf(severity), message);
}

function linkerLine(text: string): Diagnostic | undefined {
  const match = LINKER.exec(text);
  if (!match) return undefined;
  const [, file, line, message] = match as unknown as string[];
  if (message.startsWith(NO_MAIN)) {
    return place('', '1', '1', 'error', 'no source defines main: a guest begins at int main(void)');
  }
  return place(file, line, undefined, message.startsWith('warning:') ? 'warning' : 'error', message);
}

function generalLine(text: string): Diagnostic | undefined {
  const match = GENERAL.exec(text);
  if (!match) return undefined;
  const [, severity, message] = match;
  return place(
    '',
    '1',
    '1',
    severityOf(severity ?? (message.startsWith('warning:') ? 'warning' : 'error')),
    message,
  );
}

function severityOf(word: string): Diagnostic['severity'] {
  const lower = word.toLowerCase();
  return lower === 'warning' || lower === 'note' ? lower : 'error';
}

function place(
  file: string,
  line: string | undefined,
  column: string | undefined,
  severity: Diagnostic['severity'],
  message: string,
): Diagnostic {
  return {
    file,
    line: Math.max(1, Number(line)),
    column: Math.max(1, Number(column ?? 1)),
    severity,
    message: withRemedy(message),
  };
}

function same(a: Diagnostic, b: Diagnostic): boolean {
  return a.file === b.file && a.line === b.line && a.column === b.column && a.message === b.message;
}
