/** The scenario form: every sample has one, and what is entered changes the text where it must and nowhere else. */
import fc from 'fast-check';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { expectationField, expectationValue } from '../../../../src/extension/form/expectation-field';
import { edited, editsFor, nodeAt, placed, valueOf } from '../../../../src/extension/form/form-edits';
import { FormTree } from '../../../../src/extension/form/form-tree';
import { fromForm, type FormField, type FormNode, type FormPath } from '../../../../src/protocol/form';
import { publishedJsonSchema } from '../../../../src/scenario/json-schema';
import { loadScenario } from '../../../../src/scenario/load';
import { root, sample } from '../../../support/runs';

const tree = new FormTree(publishedJsonSchema());
const style = { tabSize: 2, insertSpaces: true };
const folder = join(root, 'media/workspace/scenarios');
const samples = readdirSync(folder)
  .filter((name) => name.endsWith('.trapline.json'))
  .map((name) => [name, readFileSync(join(folder, name), 'utf8')] as const);
const b7 = readFileSync(sample('b7-e1000-emulated'), 'utf8');

function formOf(text: string): readonly FormNode[] {
  return tree.nodes(valueOf(text), placed(text, loadScenario(text, 'x.trapline.json').problems));
}

function fieldsOf(nodes: readonly FormNode[]): FormField[] {
  return nodes.flatMap((node) => (node.kind === 'field' ? [node] : fieldsOf(node.nodes)));
}

function set(text: string, path: FormPath, entered: string): string {
  const nodes = tree.nodes(valueOf(text), []);
  return edited(text, editsFor(text, { type: 'set', path, text: entered }, nodes, tree, style));
}

const comments = (text: string): string[] => text.match(/\/\/.*/g) ?? [];
const at = (value: unknown, path: FormPath): unknown =>
  path.reduce<unknown>((each, step) => (each as Record<string | number, unknown> | undefined)?.[step], value);

describe('the scenario form', () => {
  it.each(samples)(
    'of %s has a field for all that it says, and to enter that again changes nothing',
    (_name, text) => {
      const fields = fieldsOf(formOf(text));
      let again = text;
      expect(fields.flatMap(({ problems }) => problems)).toEqual([]);
      const given = fields.filter(({ text: entered }) => entered !== '');
      // Of a long scenario some: each of them has the whole form made anew.
      const step = Math.ceil(given.length / 30);
      for (const { path, text: entered } of given.filter((_, index) => index % step === 0))
        again = set(again, path, entered);
      expect(valueOf(again)).toEqual(valueOf(text));
      expect(comments(again)).toEqual(comments(text));
      // Every value of the file stands in some field.
      const leaves = (value: unknown, path: FormPath): FormPath[] =>
        typeof value === 'object' && value !== null
          ? Object.entries(value).flatMap(([key, each]) =>
              leaves(each, [...path, Array.isArray(value) ? Number(key) : key]),
            )
          : [path];
      const shown = fields.filter((each) => each.text !== '').map(({ path }) => path);
      const missing = leaves(valueOf(text), []).filter(
        (leaf) =>
          leaf[0] !== '$schema' && !shown.some((path) => path.every((step, index) => leaf[index] === step)),
      );
      expect(missing).toEqual([]);
    },
  );

  it('changes one value, and leaves comments and line ends as they are', () => {
    for (const text of [b7, b7.replaceAll('\n', '\r\n')]) {
      const changed = set(text, ['host', 'cpus'], '4');
      expect(changed).toBe(text.replace('"cpus": 2', '"cpus": 4'));
      const added = set(text, ['vms', 0, 'vcpus'], '3');
      expect(at(valueOf(added), ['vms', 0, 'vcpus'])).toBe(3);
      expect(comments(added)).toEqual(comments(text));
      expect(added.replaceAll('\r\n', '').includes('\n')).toBe(!text.includes('\r\n'));
    }
  });

  it('takes a value away that is left empty, and keeps what it cannot understand as a problem', () => {
    expect(at(valueOf(set(b7, ['seed'], '')), ['seed'])).toBeUndefined();
    const wrong = set(b7, ['host', 'cpus'], 'two');
    expect(at(valueOf(wrong), ['host', 'cpus'])).toBe('two');
    const field = nodeAt(formOf(wrong), ['host', 'cpus']);
    expect(field?.problems).toHaveLength(1);
    expect(fieldsOf(formOf(wrong)).filter(({ problems }) => problems.length > 0)).toEqual([field]);
  });

  it('adds devices, links and expectations that can be filled in, and takes them away', () => {
    const add = (text: string, path: FormPath, name: string): string =>
      edited(text, editsFor(text, { type: 'add', path, name }, formOf(text), tree, style));
    const withDevice = add(b7, ['vms', 0, 'devices'], 'virtio-net');
    expect(at(valueOf(withDevice), ['vms', 0, 'devices', 1, 'model'])).toBe('virtio-net');
    expect(comments(withDevice)).toEqual(comments(b7));
    const withFigure = add(b7, ['expect'], 'exits.HLT');
    expect(at(valueOf(withFigure), ['expect', 'exits.HLT'])).toBe(0);
    // There is one of that name already.
    expect(add(withFigure, ['expect'], 'exits.HLT')).toBe(withFigure);
    const twoLinks = add(b7, ['links'], '');
    expect(at(valueOf(twoLinks), ['links'])).toHaveLength(2);
    const message = { type: 'remove', path: ['links', 1] } as const;
    const removed = edited(twoLinks, editsFor(twoLinks, message, formOf(twoLinks), tree, style));
    expect(valueOf(removed)).toEqual(valueOf(b7));
  });

  it('makes of a link without a peer one that has one', () => {
    const remove = { type: 'remove', path: ['links', 0, 'peer'] } as const;
    const alone = edited(b7, editsFor(b7, remove, formOf(b7), tree, style));
    expect(at(valueOf(alone), ['links', 0, 'peer'])).toBeUndefined();
    const field = nodeAt(formOf(alone), ['links', 0, 'peer']);
    expect(field).toMatchObject({ kind: 'field', input: 'kind' });
    const echo = set(alone, ['links', 0, 'peer'], 'echo');
    expect(at(valueOf(echo), ['links', 0, 'peer'])).toEqual({ kind: 'echo' });
    expect(at(valueOf(set(alone, ['links', 0, 'peer'], 'none')), ['links', 0, 'peer'])).toBe('none');
  });

  it('does nothing for a path that it does not have', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.string(), fc.nat({ max: 3 }), fc.constantFrom('vms', 'guest', '__proto__')), {
          maxLength: 5,
        }),
        fc.constantFrom('set', 'add', 'remove'),
        fc.string({ maxLength: 5 }),
        (path, type, text) => {
          const message = fromForm({ type, path, text, name: text });
          if (!message || message.type === 'ready' || message.type === 'openText') return;
          const after = edited(b7, editsFor(b7, message, formOf(b7), tree, style));
          if (nodeAt(formOf(b7), path) === undefined) expect(after).toBe(b7);
          else expect(valueOf(after)).toBeDefined();
        },
      ),
      { numRuns: 60 },
    );
  });

  it('takes only messages that a page sends', () => {
    expect(fromForm({ type: 'set', path: ['seed'], text: '1', more: 1 })).toEqual({
      type: 'set',
      path: ['seed'],
      text: '1',
    });
    for (const wrong of [
      null,
      7,
      {},
      { type: 'set' },
      { type: 'set', path: [-1], text: '' },
      { type: 'add', path: 'x' },
    ])
      expect(fromForm(wrong)).toBeUndefined();
  });
});

describe('an expectation in the form', () => {
  it('reads as a reader writes it, and comes back as it was', () => {
    for (const value of [
      64,
      0,
      -1.5,
      { atLeast: 64 },
      { atMost: 400 },
      { atLeast: 64, atMost: 400 },
      'a hash',
      '64',
      { equals: 3 },
    ])
      expect(expectationValue(expectationField(value))).toEqual(value);
    expect(expectationField({ atLeast: 64, atMost: 400 })).toBe('64 to 400');
    expect(['>= 3', 'at least 3', '≥3'].map(expectationValue)).toEqual(Array(3).fill({ atLeast: 3 }));
    expect(expectationValue('1..2')).toEqual({ atLeast: 1, atMost: 2 });
  });
});
