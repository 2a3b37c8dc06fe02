/** The tree of a scenario's form, made from the JSON schema. Knows no editor. */
import type { FormField, FormList, FormNode, FormPath, FormSection } from '../../protocol/form';
import type { JsonSchema } from '../../scenario/json-schema';
import { expectationField } from './expectation-field';

/** What is wrong, by where it stands. */
export interface PlacedProblem {
  readonly path: FormPath;
  readonly message: string;
}

/** A schema and the place where a form shows it. */
interface Place {
  readonly schema: JsonSchema;
  readonly value: unknown;
  readonly path: FormPath;
  readonly label: string;
  readonly isEntry: boolean;
}

/** Members that are no matter of a form. */
const HIDDEN: ReadonlySet<string> = new Set(['$schema']);
/** Deeper than any scenario. */
const DEEPEST = 12;

type Members = Readonly<Record<string, unknown>>;

function membersOf(value: unknown): Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Members) : {};
}

/** Makes the tree of one scenario. */
export class FormTree {
  private readonly definitions: Readonly<Record<string, JsonSchema>>;

  constructor(private readonly root: JsonSchema) {
    this.definitions = (root['definitions'] ?? {}) as Readonly<Record<string, JsonSchema>>;
  }

  /** @param value the scenario as it is in the file, right or wrong */
  nodes(value: unknown, problems: readonly PlacedProblem[]): readonly FormNode[] {
    const scenario = this.section(
      { schema: this.root, value, path: [], label: '', isEntry: false },
      this.root,
    );
    return scenario.nodes.map((node) => withProblems(node, problems));
  }

  /**
   * What is put in the place of a new entry.
   * @param name of the kind, as `additions` has it
   */
  newEntry(path: FormPath, scenario: unknown, name: string): unknown {
    const schema = this.schemaAt(path, scenario);
    const item = schema?.items && this.resolved(schema.items);
    if (!item) return isExpectation(schema) ? 0 : this.starter(valueSchemaOf(schema));
    const kinds = kindsOf(this.alternatives(item));
    return this.starter(kinds?.schemas.get(name) ?? this.alternatives(item)[0] ?? item);
  }

  /** What a value becomes whose kind is chosen by name: a constant, or an object of that kind. */
  ofKind(path: FormPath, scenario: unknown, name: string): unknown {
    const schema = this.schemaAt(path, scenario, false);
    const all = schema ? this.alternatives(schema) : [];
    const constant = all.find((each) => each.type !== 'object' && String(each.const) === name);
    if (constant) return constant.const;
    const kind = kindsOf(all)?.schemas.get(name);
    return kind ? this.starter(kind) : name;
  }

  private resolved(schema: JsonSchema): JsonSchema {
    const reference = schema['$ref'];
    if (typeof reference !== 'string') return schema;
    return this.definitions[reference.replace('#/definitions/', '')] ?? {};
  }

  /** Alternatives of a schema, those within alternatives among them; the schema itself where it has none. */
  private alternatives(schema: JsonSchema): readonly JsonSchema[] {
    const own = schema.anyOf ?? schema.oneOf;
    return own ? own.flatMap((each) => this.alternatives(this.resolved(each))) : [schema];
  }

  private schemaAt(path: FormPath, scenario: unknown, choosesLast = true): JsonSchema | undefined {
    let schema: JsonSchema | undefined = this.root;
    let value = scenario;
    for (const step of path) {
      if (!schema) return undefined;
      const chosen: JsonSchema = this.chosen(schema, value);
      value =
        typeof step === 'number' && Array.isArray(value)
          ? (value[step] as unknown)
          : membersOf(value)[String(step)];
      const next: JsonSchema | undefined =
        typeof step === 'number' ? chosen.items : (chosen.properties?.[step] ?? valueSchemaOf(chosen));
      schema = next && this.resolved(next);
    }
    return schema && choosesLast ? this.chosen(schema, value) : schema;
  }

  /** Of several alternatives the one that a value is meant to be. */
  private chosen(schema: JsonSchema, value: unknown): JsonSchema {
    const all = this.alternatives(schema);
    if (all.length === 1) return all[0] ?? schema;
    const kinds = kindsOf(all);
    const members = membersOf(value);
    const named = kinds && kindOf(kinds, members);
    if (named) return named;
    const required = all.find(
      ({ required: needed = [] }) => needed.length > 0 && needed.every((key) => key in members),
    );
    return required ?? all.find(({ type }) => type === typeof value) ?? all[0] ?? schema;
  }

  private node(place: Place): FormNode {
    const schema = this.resolved(place.schema);
    const { value, path } = place;
    if (path.length > DEEPEST) return field({ ...place, schema }, 'json', jsonText(value));
    if (path[0] === 'expect' && path.length === 2)
      return field({ ...place, schema }, 'expectation', value === undefined ? '' : expectationField(value));
    const all = this.alternatives(schema);
    const constants = all.map((each) => each.const);
    if (schema.enum) return choice({ ...place, schema }, schema.enum);
    if (all.length > 1 && constants.every((each) => each !== undefined))
      return choice({ ...place, schema }, constants);
    if (schema.type === 'boolean') return choice({ ...place, schema }, [true, false]);
    if (schema.type === 'array') return this.list({ ...place, schema });
    const kinds = all.length > 1 ? kindsOf(all) : undefined;
    const scalars = constants.filter((each) => each !== undefined);
    if (kinds && scalars.length > 0 && isScalar(value))
      return field({ ...place, schema }, 'kind', scalarText(value), [
        ...scalars.map(String),
        ...kinds.schemas.keys(),
      ]);
    // Taken away, it can be chosen anew.
    if (kinds && scalars.length > 0)
      return this.section({ ...place, schema, isEntry: true }, this.chosen(schema, value));
    const chosen = this.chosen(schema, value);
    if (chosen.type === 'object' && (value === undefined || !isScalar(value)))
      return chosen.properties && !isMap(chosen)
        ? this.section({ ...place, schema }, chosen)
        : this.map({ ...place, schema: chosen });
    if (schema.type === 'number' || schema.type === 'integer')
      return field({ ...place, schema }, 'number', scalarText(value));
    if (schema.type === 'string') return field({ ...place, schema }, 'text', scalarText(value));
    return field({ ...place, schema }, 'json', jsonText(value));
  }

  private section(place: Place, chosen: JsonSchema): FormSection {
    const members = membersOf(place.value);
    const all = this.alternatives(place.schema);
    const kinds = all.length > 1 ? kindsOf(all) : undefined;
    const nodes = Object.entries(chosen.properties ?? {})
      .filter(([name]) => !HIDDEN.has(name))
      .map(([name, schema]) =>
        this.node({
          // The member that tells kinds apart may be any of them.
          schema: kinds?.key === name ? { ...schema, enum: [...kinds.schemas.keys()] } : schema,
          value: members[name],
          path: [...place.path, name],
          label: name,
          isEntry: false,
        }),
      );
    return {
      kind: 'section',
      ...base(place),
      isGiven: place.value !== undefined,
      isEntry: place.isEntry,
      nodes,
    };
  }

  private list(place: Place): FormNode {
    const { schema, value, path } = place;
    const item = this.resolved(schema.items ?? {});
    const all = this.alternatives(item);
    if (value !== undefined && !Array.isArray(value)) return field(place, 'json', jsonText(value));
    const values: readonly unknown[] = value ?? [];
    if (item.type === 'string' && values.every((each) => typeof each === 'string'))
      return field(place, 'lines', values.join('\n'));
    if (!all.some(({ type }) => type === 'object')) return field(place, 'json', jsonText(value));
    return {
      kind: 'list',
      ...base(place),
      nodes: values.map((each, index) =>
        this.node({
          schema: item,
          value: each,
          path: [...path, index],
          label: entryLabel(each, index),
          isEntry: true,
        }),
      ),
      additions: [...(kindsOf(all)?.schemas.keys() ?? [''])],
      isMap: false,
    };
  }

  private map(place: Place): FormList {
    const { schema, value, path } = place;
    const entry = valueSchemaOf(schema) ?? {};
    return {
      kind: 'list',
      ...base(place),
      nodes: Object.entries(membersOf(value)).map(([name, each]) =>
        this.node({
          schema: schema.properties?.[name] ?? entry,
          value: each,
          path: [...path, name],
          label: name,
          isEntry: true,
        }),
      ),
      additions: Object.keys(schema.properties ?? {}),
      isMap: true,
    };
  }

  /** The least that a schema asks for. */
  private starter(given: JsonSchema | undefined): unknown {
    const schema = given && this.chosen(this.resolved(given), undefined);
    if (!schema) return 0;
    if (schema.const !== undefined) return schema.const;
    if (schema.enum) return schema.enum[0];
    if (schema.type === 'object') {
      const named = (schema.required ?? []).concat(
        Object.entries(schema.properties ?? {}).flatMap(([name, each]) =>
          each.const === undefined ? [] : [name],
        ),
      );
      return Object.fromEntries(
        [...new Set(named)].map((name) => [name, this.starter(schema.properties?.[name])]),
      );
    }
    if (schema.type === 'array') return (schema.minItems ?? 0) > 0 ? [this.starter(schema.items)] : [];
    if (schema.type === 'string') return '';
    return schema.minimum ?? 0;
  }
}

/** Objects that are told apart by the constant value of a member, `model` or `kind`; one without it by a member that it needs. */
interface Kinds {
  readonly key: string;
  readonly schemas: ReadonlyMap<string, JsonSchema>;
}

function kindsOf(all: readonly JsonSchema[]): Kinds | undefined {
  const objects = all.filter(({ type }) => type === 'object');
  const names = objects.flatMap(({ properties = {} }) =>
    Object.entries(properties).flatMap(([name, each]) => (each.const === undefined ? [] : [name])),
  );
  const key = names.find((name, index) => names.indexOf(name) !== index);
  if (key === undefined) return undefined;
  const schemas = objects.map((each): [string, JsonSchema] => [
    nameOf(each.properties?.[key]?.const ?? each.required?.[0]),
    each,
  ]);
  return { key, schemas: new Map(schemas) };
}

/** The kind that a value says it is; undefined where it says nothing. */
function kindOf({ key, schemas }: Kinds, members: Members): JsonSchema | undefined {
  const named = schemas.get(nameOf(members[key]));
  return named ?? [...schemas].find(([name]) => name !== '' && Object.hasOwn(members, name))?.[1];
}

/** Of a map: what its values are. */
function valueSchemaOf(schema: JsonSchema | undefined): JsonSchema | undefined {
  const more = schema?.additionalProperties;
  return typeof more === 'object' ? more : Object.values(schema?.properties ?? {})[0];
}

/** Names of its members are the user's matter: it says what names there may be, or what values. */
function isMap({ additionalProperties, propertyNames }: JsonSchema): boolean {
  return typeof additionalProperties === 'object' || propertyNames !== undefined;
}

function isExpectation(schema: JsonSchema | undefined): boolean {
  return JSON.stringify(schema?.additionalProperties ?? '').includes('/expectation');
}

type Scalar = string | number | boolean | null | undefined;

function isScalar(value: unknown): value is Scalar {
  return typeof value !== 'object' || value === null;
}

/** The name of a kind, as a constant of the schema or a member of a scenario has it; what cannot be one is none. */
function nameOf(value: unknown): string {
  return typeof value === 'string' ? value : typeof value === 'number' ? String(value) : '';
}

function scalarText(value: unknown): string {
  return value === undefined ? '' : isScalar(value) ? String(value) : jsonText(value);
}

function jsonText(value: unknown): string {
  return value === undefined ? '' : JSON.stringify(value);
}

function base({
  schema,
  path,
  label,
}: Place): Pick<FormField, 'path' | 'label' | 'description' | 'problems'> {
  return { path, label, description: schema.description ?? '', problems: [] };
}

function field(
  place: Place,
  input: FormField['input'],
  text: string,
  choices: readonly string[] = [],
): FormField {
  const otherwise = place.schema['default'];
  return {
    kind: 'field',
    ...base(place),
    input,
    text,
    otherwise: otherwise === undefined || !isScalar(otherwise) ? '' : String(otherwise),
    choices,
    isEntry: place.isEntry,
  };
}

function choice(place: Place, values: readonly unknown[]): FormField {
  return field(place, 'choice', scalarText(place.value), values.map(String));
}

/** `nic0`, `e1000`, or a number counted from 1. */
function entryLabel(value: unknown, index: number): string {
  const { name, id, model, kind } = membersOf(value);
  const named = [name, id, model, kind].find((each) => typeof each === 'string' && each !== '');
  return typeof named === 'string' ? named : String(index + 1);
}

/** Puts each problem at the deepest node that it is about. */
function withProblems(node: FormNode, problems: readonly PlacedProblem[]): FormNode {
  const about = problems.filter(({ path }) => node.path.every((step, index) => path[index] === step));
  if (about.length === 0) return node;
  if (node.kind === 'field') return { ...node, problems: about.map(({ message }) => message) };
  const nodes = node.nodes.map((each) => withProblems(each, about));
  const own = about.filter(
    ({ path }) => !node.nodes.some((each) => each.path.every((step, index) => path[index] === step)),
  );
  return { ...node, nodes, problems: own.map(({ message }) => message) };
}
