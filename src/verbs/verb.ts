/** What an agent may ask of Trapline: one definition for each verb, from which its schemas, its checks and its answers come. */
import { z } from 'zod';
import type { Draft } from './answer';
import type { VerbContext } from './context';

/** What the caller can put right: the message says what and how. */
export class VerbError extends Error {
  override readonly name = 'VerbError';
}

/**
 * What a verb executes on this computer. `run`: it compiles a scenario's guests and runs them. `replay`: it does so again for a trace
 * that is there, to look into the machine. Undefined: it only reads.
 */
export type Execution = { what: 'run'; scenario: string } | { what: 'replay'; trace: string } | undefined;

/** A JSON schema as the protocols carry it. */
export type JsonObject = Record<string, unknown>;

/** A verb as its callers see it. */
export interface Verb {
  /** `find_events`. */
  readonly name: string;
  /** For people: what it does, in a few words. */
  readonly title: string;
  /** For a model: what it gives, and when to use it. */
  readonly says: string;
  /** A verb that may execute something, for some of its inputs. */
  readonly mayExecute: boolean;
  readonly inputSchema: JsonObject;
  readonly outputSchema: JsonObject;
  /** Whether an answer is as the schema says: for tests. */
  readonly output: z.ZodType;
  /** @throws VerbError for an input that does not fit */
  check(input: unknown): CheckedVerb;
}

/** A verb with an input that fits. */
export interface CheckedVerb {
  readonly executes: Execution;
  /** Rejects with VerbError where the caller can help it. */
  perform(context: VerbContext): Promise<Draft>;
}

/** How a verb is written. */
export interface VerbSpec<In extends z.ZodObject, Out extends z.ZodObject> {
  name: string;
  title: string;
  says: string;
  input: In;
  output: Out;
  executes?: (input: z.output<In>) => Execution;
  perform(input: z.output<In>, context: VerbContext): Promise<Draft>;
}

/** Where an input went wrong, in at most so many places. */
const MOST_ISSUES = 3;

/** Makes a verb of its definition. */
export function defineVerb<In extends z.ZodObject, Out extends z.ZodObject>(spec: VerbSpec<In, Out>): Verb {
  const { name, title, says, input, output, executes, perform } = spec;
  return {
    name,
    title,
    says,
    mayExecute: executes !== undefined,
    inputSchema: schemaOf(input, 'input'),
    outputSchema: schemaOf(output, 'output'),
    output,
    check(given) {
      const parsed = input.safeParse(given ?? {});
      if (!parsed.success) throw new VerbError(`${name}: ${issuesText(parsed.error)}`);
      const { data } = parsed;
      return { executes: executes?.(data), perform: (context) => perform(data, context) };
    },
  };
}

function issuesText({ issues }: z.ZodError): string {
  const texts = issues.slice(0, MOST_ISSUES).map(({ path, message }) => {
    const where = path.map(String).join('.');
    return where === '' ? message : `${where}: ${message}`;
  });
  const left = issues.length - texts.length;
  return left > 0 ? `${texts.join('; ')}; and ${left} more` : texts.join('; ');
}

function schemaOf(schema: z.ZodObject, io: 'input' | 'output'): JsonObject {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, {
    io,
    override: ({ jsonSchema }) => {
      // zod writes the bounds of safe integers where none were asked for.
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
    },
  });
  return rest;
}
