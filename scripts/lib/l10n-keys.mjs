/** Finds the texts that the extension translates: the first argument of each `l10n.t(…)`. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { root } from './shell.mjs';

/** Sources whose texts are translated. */
const FOLDER = join(root, 'src', 'extension');

/**
 * Texts of all calls, sorted, each once; and the places of calls whose text is no literal, which nobody can translate.
 * @returns {{ keys: string[], dynamic: string[] }}
 */
export function l10nKeys() {
  const keys = new Set();
  const dynamic = [];
  const files = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.ts'),
  );
  for (const file of files) {
    const source = ts.createSourceFile(
      file,
      readFileSync(join(FOLDER, file), 'utf8'),
      ts.ScriptTarget.Latest,
      true,
    );
    const visit = (node) => {
      if (ts.isCallExpression(node) && node.expression.getText(source) === 'l10n.t') {
        const [first] = node.arguments;
        if (first && ts.isStringLiteralLike(first)) keys.add(first.text);
        else dynamic.push(`${file}:${source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1}`);
      }
      ts.forEachChild(node, visit);
    };
    visit(source);
  }
  return { keys: [...keys].sort(), dynamic };
}
