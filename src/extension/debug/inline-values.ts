/** Values of a driver's variables at the ends of its lines while the debugger stands in it. */
import {
  InlineValueEvaluatableExpression,
  languages,
  Range,
  type CancellationToken,
  type Disposable,
  type InlineValue,
  type InlineValueContext,
  type InlineValuesProvider,
  type TextDocument,
} from 'vscode';

/** Lines above the debugger's that get values. */
const LINES_ABOVE = 60;
/** Values asked for at one stop. */
const MOST_VALUES = 80;

/** A name, with the members behind it; not before a bracket, which is a call. */
const names = /[A-Za-z_]\w*(?:(?:->|\.)[A-Za-z_]\w*)*(?!\s*\()/g;
/** Comments, strings and characters. */
const noise = /\/\/.*$|\/\*.*?\*\/|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'/g;
const keywords = new Set(
  (
    'auto break case char const continue default do double else enum extern float for goto if inline int long register ' +
    'restrict return short signed sizeof static struct switch typedef union unsigned void volatile while NULL true false'
  ).split(' '),
);

export class InlineValues implements InlineValuesProvider {
  provideInlineValues(
    document: TextDocument,
    _viewPort: Range,
    { stoppedLocation }: InlineValueContext,
    _token: CancellationToken,
  ): InlineValue[] {
    const values: InlineValue[] = [];
    const last = stoppedLocation.end.line;
    const first = startOfFunction(document, last);
    for (let line = last; line >= first && values.length < MOST_VALUES; line--) {
      const text = document.lineAt(line).text.replace(noise, (found) => ' '.repeat(found.length));
      if (/^\s*#/.test(text)) continue;
      const seen = new Set<string>();
      for (const { 0: name, index } of text.matchAll(names)) {
        if (keywords.has(name) || /^[A-Z][A-Z0-9_]*$/.test(name) || seen.has(name)) continue;
        seen.add(name);
        const range = new Range(line, index, line, index + name.length);
        values.push(new InlineValueEvaluatableExpression(range, name));
      }
    }
    return values;
  }
}

/** The line at which the function around a line begins: a brace in the first column, as drivers are written, or a few lines up. */
function startOfFunction(document: TextDocument, line: number): number {
  for (let at = line; at >= Math.max(0, line - LINES_ABOVE); at--) {
    if (/^[{}]/.test(document.lineAt(at).text) && at < line) return Math.max(0, at);
  }
  return Math.max(0, line - LINES_ABOVE);
}

/** Gives inline values in C. */
export function registerInlineValues(): Disposable {
  return languages.registerInlineValuesProvider([{ language: 'c' }, { language: 'cpp' }], new InlineValues());
}
