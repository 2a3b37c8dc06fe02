import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { costKeys } from '../../../src/vmm/cost-keys';
import { publishedJsonSchema, type JsonSchema } from '../../../src/scenario/json-schema';

const file = join(import.meta.dirname, '../../../media/schemas/trapline.schema.json');
const schema = publishedJsonSchema();

/** Every schema node that stands for a field of the file, with its path. */
function fields(node: JsonSchema, path: string): [string, JsonSchema][] {
  const below = [...(node.anyOf ?? []), ...(node.oneOf ?? [])].flatMap((each) => fields(each, path));
  const items = node.items ? fields(node.items, `${path}[]`) : [];
  const named = Object.entries(node.properties ?? {}).flatMap(([key, each]): [string, JsonSchema][] => [
    [`${path}.${key}`, each],
    ...fields(each, `${path}.${key}`),
  ]);
  return [...below, ...items, ...named];
}

it('the committed schema is the one that the definition gives', () => {
  // When this fails: node scripts/build-schema.mjs
  expect(readFileSync(file, 'utf8')).toBe(`${JSON.stringify(schema, null, 2)}\n`);
});

describe('for the editor', () => {
  it('explains every field', () => {
    // Figures of `expect` are many and alike: they share one definition.
    const all = fields(schema, '').filter(([path]) => !path.startsWith('.expect.'));
    expect(all.length).toBeGreaterThan(40);
    expect(all.filter(([, node]) => !node['markdownDescription']).map(([path]) => path)).toEqual([]);
  });

  it('has only the guest without a default', () => {
    expect(schema.required).toEqual(['vms']);
    expect(schema.properties!.vms.items!.required).toEqual(['guest']);
  });

  it('refuses unknown fields', () => {
    const objects = fields(schema, '').filter(([path, node]) => node.properties && path !== '.expect');
    expect(objects.filter(([, node]) => node.additionalProperties !== false).map(([path]) => path)).toEqual(
      [],
    );
  });

  it('offers the figures of a run and the kinds of events', () => {
    const { expect: expectations, trace } = schema.properties!;
    expect(Object.keys(expectations.properties!)).toEqual(
      expect.arrayContaining(['packets.rx', 'exits.EPT_MISCONFIG', 'interrupts.handled', 'traceHash']),
    );
    expect(schema.definitions).toHaveProperty('expectation.anyOf');
    const list = trace.properties!.kinds.anyOf!.find(({ items }) => items)!;
    expect(list.items!.enum).toEqual(expect.arrayContaining(['exit', 'exit.HLT', 'dma.read', 'packet']));
  });

  it('offers the figures of the cost profile, and snippets', () => {
    const host = schema.properties!.host.properties!;
    expect(Object.keys(host.costsOverride.properties!)).toEqual(Object.keys(costKeys));
    expect(schema.properties!.vms.items!.properties!.devices.items!.defaultSnippets).toHaveLength(1);
    expect(schema.properties!.expect.defaultSnippets).toHaveLength(3);
    expect(schema).toMatchObject({ allowComments: true, allowTrailingCommas: true });
  });
});
