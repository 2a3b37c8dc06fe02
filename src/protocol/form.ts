/** The scenario form between the extension and its page: a tree of fields, made from the schema and a scenario's text. */

/** Where something stands in a scenario. */
export type FormPath = readonly (string | number)[];

interface FormBase {
  readonly path: FormPath;
  readonly label: string;
  /** What the schema says about it. */
  readonly description: string;
  /** What is wrong with it, for a reader. */
  readonly problems: readonly string[];
}

/** One value. */
export interface FormField extends FormBase {
  readonly kind: 'field';
  /**
   * How it is entered. `lines`: a list of texts, one a line. `expectation`: `64`, `≥ 64`, `≤ 400`, `64 to 400`. `json`: what has no
   * field of its own. `kind`: a choice that may bring a section of its own.
   */
  readonly input: 'text' | 'number' | 'choice' | 'kind' | 'lines' | 'expectation' | 'json';
  /** As entered; empty where the scenario does not give it. */
  readonly text: string;
  /** What holds where it is not given. */
  readonly otherwise: string;
  /** Of a choice. */
  readonly choices: readonly string[];
  /** It is an entry of a map or a list and can be taken away. */
  readonly isEntry: boolean;
}

/** Fields that belong together. */
export interface FormSection extends FormBase {
  readonly kind: 'section';
  /** The scenario gives something of it. */
  readonly isGiven: boolean;
  readonly isEntry: boolean;
  readonly nodes: readonly FormNode[];
}

/** Any number of sections of one kind, or values by name. */
export interface FormList extends FormBase {
  readonly kind: 'list';
  readonly nodes: readonly FormNode[];
  /** What can be added: names of kinds; empty names: the only kind. For a map, names that are known. */
  readonly additions: readonly string[];
  /** Entries have names that the user gives. */
  readonly isMap: boolean;
}

export type FormNode = FormField | FormSection | FormList;

/** To the page. */
export interface ToForm {
  readonly type: 'show';
  readonly nodes: readonly FormNode[];
  /** Problems that belong to no field. */
  readonly problems: readonly string[];
  /** The text is no JSON: nothing can be entered until it is. */
  readonly isBroken: boolean;
  /** Texts of the page in the user's language. */
  readonly words: FormWords;
}

/** Texts of the page. */
export interface FormWords {
  readonly add: string;
  readonly remove: string;
  readonly broken: string;
  readonly openText: string;
  readonly notGiven: string;
}

/** From the page. */
export type FromForm =
  | { readonly type: 'ready' }
  | { readonly type: 'openText' }
  /** An empty text takes the value away. */
  | { readonly type: 'set'; readonly path: FormPath; readonly text: string }
  | { readonly type: 'remove'; readonly path: FormPath }
  /** `name`: one of the additions, or the name of a map's entry. */
  | { readonly type: 'add'; readonly path: FormPath; readonly name: string };

function isPath(value: unknown): value is FormPath {
  return (
    Array.isArray(value) &&
    value.length < 32 &&
    value.every((step) => typeof step === 'string' || (Number.isInteger(step) && Number(step) >= 0))
  );
}

/** Takes a message of the page; undefined where it is none. */
export function fromForm(message: unknown): FromForm | undefined {
  if (typeof message !== 'object' || message === null) return undefined;
  const { type, path, text, name }: Partial<Record<string, unknown>> = message;
  if (type === 'ready' || type === 'openText') return { type };
  if (!isPath(path)) return undefined;
  if (type === 'remove') return { type, path };
  if (type === 'set' && typeof text === 'string') return { type, path, text };
  if (type === 'add' && typeof name === 'string') return { type, path, name };
  return undefined;
}
