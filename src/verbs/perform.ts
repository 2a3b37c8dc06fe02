/** From a verb's name and what a model gives it to an answer: everything that goes wrong is an answer too. */
import { reasonOf } from '../run/reason';
import { didYouMean } from '../scenario/nearest';
import { TraceFileError } from '../trace/file/error';
import { clipped, fitted, MOST_BYTES, type Answer } from './answer';
import type { VerbContext } from './context';
import { VERBS, verbNamed } from './table';
import { VerbError, type CheckedVerb } from './verb';

/** What a verb comes to. A message says what was wrong and what to do. */
export type Outcome = { ok: true; answer: Answer } | { ok: false; message: string };

/** Characters of a message: of three bytes at most each, and more where they have to be escaped. */
const MOST_MESSAGE = Math.floor(MOST_BYTES / 4);

/** @throws VerbError when there is no such verb, or the input does not fit */
export function checkCall(name: string, input: unknown): CheckedVerb {
  const verb = verbNamed(name);
  if (verb) return verb.check(input);
  throw new VerbError(
    `There is no verb ${name}.${didYouMean(
      name,
      VERBS.map((each) => each.name),
    )} There are: ${VERBS.map((each) => each.name).join(', ')}.`,
  );
}

/** Never rejects. */
export async function performVerb(name: string, input: unknown, context: VerbContext): Promise<Outcome> {
  try {
    return { ok: true, answer: fitted(await checkCall(name, input).perform(context)) };
  } catch (error) {
    return { ok: false, message: failureText(error) };
  }
}

/** What is said of whatever was thrown. */
export function failureText(error: unknown): string {
  const said = error instanceof VerbError || error instanceof TraceFileError;
  const text = said ? error.message : `Trapline failed: ${reasonOf(error)}`;
  return clipped(text, MOST_MESSAGE);
}
