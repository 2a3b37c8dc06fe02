import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { functionLines } from '../../../../src/extension/source/function-places';

const drivers = join(__dirname, '../../../../media/workspace/drivers');
const found = (text: string, ...names: string[]) => Object.fromEntries(functionLines(text, new Set(names)));

describe('the lines of functions in a text', () => {
  it('are those of definitions, not of declarations or calls', () => {
    const text = [
      'static int send(int a);',
      '/* void send(int) { */',
      'int main(void)',
      '{',
      '  send(3); if (x) { recv(4); }',
      '}',
      'static __attribute__((noinline)) int',
      'send(int a,',
      '     int b) {',
      '  return a;',
      '}',
    ].join('\n');
    expect(found(text, 'main', 'send', 'recv')).toEqual({ main: 2, send: 7 });
  });

  it('are found behind comments of many lines, strings with braces and macros', () => {
    const text = ['/* a {', ' * b(', ' */', '#define X(y) {', 'char *s = "{";', 'void go(void) {', '}'].join(
      '\n',
    );
    expect(found(text, 'go', 'X', 'b')).toEqual({ go: 5 });
  });

  it('are as many in each sample driver as an independent reading finds', () => {
    for (const file of readdirSync(drivers).filter((name) => name.endsWith('.c'))) {
      const text = readFileSync(join(drivers, file), 'utf8');
      // Drivers are written in one style: a definition begins in the first column and ends in an opening brace.
      const heads = [...text.matchAll(/^(?:\w[\w \t*]*?)\b(\w+)\([^;{}]*\)\s*\{$/gm)].map(
        ([, name]) => name ?? '',
      );
      expect([...functionLines(text, new Set(heads)).keys()].sort(), file).toEqual(
        [...new Set(heads)].sort(),
      );
    }
  });

  it('lie in the text and hold the name, whatever the text is', () => {
    const piece = fc.constantFrom(
      'f',
      'g',
      '(',
      ')',
      '{',
      '}',
      ';',
      '\n',
      '/*',
      '*/',
      '//',
      '"',
      ' ',
      '#',
      '=',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
        const text = pieces.join('');
        for (const [name, line] of functionLines(text, new Set(['f', 'g'])))
          expect(text.split('\n')[line]).toContain(name);
      }),
      { numRuns: 300 },
    );
  });
});
