/** The JSON schema of the scenario file, generated from the one definition; for the editor and for our own messages. */
import { z } from 'zod';
import { costKeys } from '../vmm/cost-keys';
import { costProfileNames } from './costs';
import { kinds, kindsByName } from '../trace/vocabulary/events';
import { figurePaths } from './figures';
import { scenarioSchema } from './schema';

/** A JSON schema, as far as anything here looks into one. */
export interface JsonSchema {
  type?: string;
  description?: string;
  properties?: Record<string, JsonSchema>;
  required?: string[];
  additionalProperties?: boolean | JsonSchema;
  propertyNames?: JsonSchema;
  items?: JsonSchema;
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
  enum?: unknown[];
  const?: unknown;
  pattern?: string;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  [keyword: string]: unknown;
}

const deviceSnippets = [
  {
    label: 'Emulated e1000',
    description: 'An Intel 82540EM NIC whose registers QEMU emulates',
    body: { model: 'e1000', backend: 'qemu', link: '${1:wire}' },
  },
];

const expectSnippets = [
  {
    label: 'Exactly',
    description: 'A figure has exactly this value',
    body: { '${1:packets.rx}': '^${2:64}' },
  },
  {
    label: 'At most',
    description: 'A figure is no more than this',
    body: { '${1:exits.EPT_MISCONFIG}': { atMost: '^${2:800}' } },
  },
  {
    label: 'At least',
    description: 'A figure is no less than this',
    body: { '${1:interrupts.handled}': { atLeast: '^${2:1}' } },
  },
];

/** The schema as zod gives it: what a scenario file may hold before defaults are filled in. */
export function plainJsonSchema(): JsonSchema {
  return z.toJSONSchema(scenarioSchema, {
    io: 'input',
    target: 'draft-7',
    override: ({ jsonSchema }) => {
      // zod writes the bounds of safe integers where none were asked for.
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
    },
  }) as JsonSchema;
}

/** The published schema: with what VS Code's JSON editor adds to the standard. */
export function publishedJsonSchema(): JsonSchema {
  const schema = plainJsonSchema();
  addMarkdown(schema);
  const vm = schema.properties!['vms'].items!;
  vm.properties!['devices'].items!['defaultSnippets'] = deviceSnippets;
  schema.properties!['expect']['defaultSnippets'] = expectSnippets;
  const host = schema.properties!['host'].properties!;
  host['costs']['enum'] = costProfileNames();
  host['costsOverride'].properties = Object.fromEntries(
    Object.entries(costKeys).map(([key, sentence]) => [
      key,
      {
        type: 'integer',
        minimum: 0,
        maximum: 1e9,
        description: `${sentence}, in cycles.`,
        markdownDescription: `${sentence}, in cycles.`,
      },
    ]),
  );
  host['costsOverride'].additionalProperties = false;
  nameKinds(schema);
  nameFigures(schema);
  return { ...schema, title: 'Trapline scenario', allowComments: true, allowTrailingCommas: true };
}

/** Offers the kinds and groups of events for `trace.kinds`. */
function nameKinds(schema: JsonSchema): void {
  const list = alternatives(schema.properties!.trace.properties!.kinds).find((each) => each.items);
  list!.items!.enum = [...new Set([...kinds.values()].map(({ group }) => group)), ...kindsByName.keys()];
}

/** Offers the figures of a run for `expect`. Those of single VMs, whose names nobody knows here, stay free. */
function nameFigures(schema: JsonSchema): void {
  const expectations = schema.properties!.expect;
  schema.definitions = { expectation: expectations.additionalProperties };
  const expectation: JsonSchema = { $ref: '#/definitions/expectation' };
  expectations.properties = Object.fromEntries(figurePaths([]).map((path) => [path, expectation]));
  expectations.additionalProperties = expectation;
}

function addMarkdown(node: JsonSchema): void {
  if (node.description !== undefined) node['markdownDescription'] = node.description;
  for (const child of [...Object.values(node.properties ?? {}), ...(node.anyOf ?? []), ...(node.oneOf ?? [])])
    addMarkdown(child);
  if (node.items) addMarkdown(node.items);
  if (typeof node.additionalProperties === 'object') addMarkdown(node.additionalProperties);
}

/** The alternatives of a node, and theirs; the node itself when it has none. */
export function alternatives(node: JsonSchema): JsonSchema[] {
  return (node.anyOf ?? node.oneOf)?.flatMap(alternatives) ?? [node];
}

/** The alternatives of a node that a value with its fixed names (`kind: "sink"`) belongs to; all when none does. */
export function alternativesFor(node: JsonSchema, value: unknown): JsonSchema[] {
  const all = alternatives(node);
  if (typeof value !== 'object' || value === null) return all;
  const objects = all.filter((each) => Array.isArray(value) || each.type === 'object');
  const fitting = objects.filter((each) =>
    Object.entries(each.properties ?? {}).every(([key, property]) => {
      const found: unknown = Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined;
      return property.const === undefined || found === undefined || found === property.const;
    }),
  );
  return fitting.length > 0 ? fitting : all;
}

/**
 * The nodes that may describe the value at a path, over all alternatives on the way.
 * @param value what is described as a whole, where it is known: alternatives that do not fit it are left out
 */
export function nodesAt(root: JsonSchema, path: readonly (string | number)[], value?: unknown): JsonSchema[] {
  let nodes = [root];
  let at = value;
  for (const step of path) {
    nodes = nodes.flatMap((node) => alternativesFor(node, at)).flatMap((node) => below(node, step));
    at = childOf(at, step);
  }
  return nodes;
}

function childOf(value: unknown, step: string | number): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
  return (value as Record<string | number, unknown>)[step];
}

function below(node: JsonSchema, step: string | number): JsonSchema[] {
  if (typeof step === 'number') return node.items ? [node.items] : [];
  if (node.properties && Object.hasOwn(node.properties, step)) return [node.properties[step]];
  return typeof node.additionalProperties === 'object' ? [node.additionalProperties] : [];
}

/** What a node allows, in words: `a whole number from 16 to 1024`. */
export function allowed(node: JsonSchema): string {
  const options = node.anyOf ?? node.oneOf;
  if (options) return [...new Set(options.map(allowed))].join(' or ');
  if (node.const !== undefined) return JSON.stringify(node.const);
  if (node.enum) return node.enum.map((each) => JSON.stringify(each)).join(', ');
  switch (node.type) {
    case 'integer':
      return `a whole number${bounds(node)}`;
    case 'number':
      return `a number${bounds(node)}`;
    case 'string':
      return node.pattern
        ? `a string of the form ${node.pattern}`
        : node.minLength
          ? 'a string that is not empty'
          : `a string${node.maxLength ? ` of at most ${node.maxLength} characters` : ''}`;
    case 'array':
      return `a list${listBounds(node)}, each entry ${node.items ? allowed(node.items) : 'any value'}`;
    case 'object':
      return `an object${node.required?.length ? ` with ${node.required.map((key) => `"${key}"`).join(', ')}` : ''}`;
    default:
      return 'another value';
  }
}

function bounds({ minimum, maximum, exclusiveMinimum }: JsonSchema): string {
  if (exclusiveMinimum !== undefined)
    return ` above ${exclusiveMinimum}${maximum === undefined ? '' : ` and up to ${maximum}`}`;
  if (minimum !== undefined && maximum !== undefined)
    return minimum === maximum ? `: ${minimum}` : ` from ${minimum} to ${maximum}`;
  if (minimum !== undefined) return ` of at least ${minimum}`;
  return maximum === undefined ? '' : ` of at most ${maximum}`;
}

function listBounds({ minItems, maxItems }: JsonSchema): string {
  if (minItems !== undefined && maxItems !== undefined) return ` of ${minItems} to ${maxItems} entries`;
  if (minItems !== undefined) return ` that is not empty`;
  return maxItems === undefined ? '' : ` of at most ${maxItems} entries`;
}
