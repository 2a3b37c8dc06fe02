/** All verbs, in the order in which agents are told of them. */
import { countExits, ioOperations, summarizeTrace } from './about/figures';
import { criticalPathOf, describeEvent, findEvents, followChain } from './about/events';
import { lastWriter } from './about/last-writer';
import { listScenarios, listTraces } from './about/library';
import { machineState } from './about/machine';
import { compareTraces, firstDivergence } from './about/pairs';
import { runScenario } from './about/run';
import type { Verb } from './verb';

export const VERBS: readonly Verb[] = [
  listScenarios,
  listTraces,
  runScenario,
  summarizeTrace,
  countExits,
  findEvents,
  describeEvent,
  followChain,
  criticalPathOf,
  ioOperations,
  machineState,
  lastWriter,
  compareTraces,
  firstDivergence,
];

/** The verb of a name; undefined: there is none. */
export function verbNamed(name: string): Verb | undefined {
  return VERBS.find((verb) => verb.name === name);
}
