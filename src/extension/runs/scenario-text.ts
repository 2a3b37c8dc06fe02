/** What lists tell of a scenario, from its text. Knows no editor. */
import { findNodeAtLocation, parseTree, type Node } from 'jsonc-parser';

/** A stretch of a text, counted in UTF-16 code units from its beginning. */
export interface TextSpan {
  readonly offset: number;
  readonly length: number;
}

/** The parts of a scenario that are for readers. */
export interface ScenarioText {
  /** Undefined where the file has none, or is broken. */
  readonly title: string | undefined;
  readonly about: string | undefined;
  /** The whole member `"expect": { … }`; undefined where there is none. */
  readonly expectations: TextSpan | undefined;
}

function stringAt(tree: Node | undefined, name: string): string | undefined {
  const value: unknown = tree && findNodeAtLocation(tree, [name])?.value;
  return typeof value === 'string' && value.trim() !== '' ? value : undefined;
}

/** Reads what it can of a text that may be broken. */
export function describeScenario(text: string): ScenarioText {
  const tree = parseTree(text, [], { allowTrailingComma: true });
  const member = tree && findNodeAtLocation(tree, ['expect'])?.parent;
  return {
    title: stringAt(tree, 'title'),
    about: stringAt(tree, 'about'),
    expectations: member && { offset: member.offset, length: member.length },
  };
}

/** The member of `expect` that is about a figure; undefined where the text has none of that name. */
export function expectationSpan(text: string, figure: string): TextSpan | undefined {
  const tree = parseTree(text, [], { allowTrailingComma: true });
  const member = tree && findNodeAtLocation(tree, ['expect', figure])?.parent;
  return member && { offset: member.offset, length: member.length };
}
