/** Where functions of C begin in a text, by their names: a text that is being edited has no other index. Knows no editor. */

/** Lines that a function's head may have from its name to its brace. */
const MOST_HEAD_LINES = 24;
/** Longer texts are none that anybody wrote. */
const MOST_LINES = 100_000;

const comments = /\/\/.*$|\/\*.*?\*\/|"(?:\\.|[^"\\])*"/g;

/**
 * The line at which each function's definition has its name; those that the text does not define are missing. A definition
 * is taken to be a name before a parenthesis outside all braces, behind which a brace comes before a semicolon.
 * @returns lines from 0
 */
export function functionLines(text: string, names: ReadonlySet<string>): Map<string, number> {
  const lines = bareLines(text);
  const found = new Map<string, number>();
  let depth = 0;
  lines.forEach((line, at) => {
    if (/^\s*#/.test(line)) return;
    if (depth === 0) {
      const name = headOf(line);
      if (name !== undefined && names.has(name) && !found.has(name) && isDefinition(lines, at, name))
        found.set(name, at);
    }
    for (const brace of line) {
      if (brace === '{') depth++;
      else if (brace === '}') depth = Math.max(0, depth - 1);
    }
    // A brace in the first column ends a function, whatever macros have done to the count.
    if (line.startsWith('}')) depth = 0;
  });
  return found;
}

/** Lines without their comments and strings. */
function bareLines(text: string): string[] {
  let inComment = false;
  return text.split('\n', MOST_LINES).map((line) => {
    const end = inComment ? line.indexOf('*/') : -2;
    if (end === -1) return '';
    const bare = line.slice(end + 2).replace(comments, '');
    const start = bare.indexOf('/*');
    inComment = start >= 0;
    return inComment ? bare.slice(0, start) : bare;
  });
}

/** The name before the first parenthesis of a line that is no attribute's. */
function headOf(line: string): string | undefined {
  const bare = line.replace(/__attribute__\s*\(\(.*?\)\)/g, '');
  return /([A-Za-z_]\w*)\s*\(/.exec(bare)?.[1];
}

function isDefinition(lines: readonly string[], at: number, name: string): boolean {
  const first = lines[at] ?? '';
  const rest = [first.slice(first.indexOf(name)), ...lines.slice(at + 1, at + MOST_HEAD_LINES)].join('\n');
  return /^[^;{]*\{/.test(rest) && /^\w+\s*\([^;{]*\)[^;{=]*\{/.test(rest);
}
