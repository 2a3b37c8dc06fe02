/** From the text of a scenario file to a scenario, or to everything that is wrong with it. */
import type { Problem } from '../protocol/problem';
import { checkScenario } from './checks';
import { parseDocument } from './document';
import { addIssues, ProblemList } from './problems';
import { fillIn, scenarioSchema, type Scenario } from './schema';

/** A scenario with warnings, or errors. */
export type LoadedScenario =
  { ok: true; scenario: Scenario; problems: Problem[] } | { ok: false; problems: Problem[] };

/**
 * Reads a scenario: JSON with comments and trailing commas. Never throws; all problems are reported at once, in the order
 * of the text, each at the field or value it is about.
 *
 * @param file absolute path, for the problems; its last part is the title when the scenario gives none.
 */
export function loadScenario(text: string, file: string): LoadedScenario {
  const document = parseDocument(text);
  const list = new ProblemList(document, file);
  for (const fault of document.faults) list.addRange(fault, fault.path, fault.message);
  if (document.value === undefined) return { ok: false, problems: list.sorted() };
  const parsed = scenarioSchema.safeParse(document.value);
  if (!parsed.success) addIssues(list, document, parsed.error.issues);
  if (!parsed.success || document.faults.length > 0) return { ok: false, problems: list.sorted() };
  const scenario = fillIn(parsed.data, file.split(/[\\/]/).at(-1) ?? file);
  checkScenario(scenario, parsed.data, list);
  const problems = list.sorted();
  if (problems.some(({ severity }) => severity === 'error')) return { ok: false, problems };
  return { ok: true, scenario, problems };
}
