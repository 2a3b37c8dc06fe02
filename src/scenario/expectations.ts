/** Holds the figures of a run against what its scenario expects. */
import type { ExpectationResult, Summary } from '../trace/query/summary';
import { readFigure } from './figures';
import type { Expectation } from './schema';

type Demand = { words: string; holds: (actual: number | string) => boolean };

/** Evaluates every expectation in the order of the file. A figure that does not exist holds nothing. */
export function evaluateExpectations(
  expect: Readonly<Record<string, Expectation>>,
  summary: Summary,
): ExpectationResult[] {
  return Object.entries(expect).map(([figure, expectation]) => {
    const demands = demandsOf(expectation);
    const actual = readFigure(summary, figure);
    return {
      figure,
      expected: demands.map(({ words }) => words).join(' and '),
      actual: actual ?? null,
      held: actual !== undefined && demands.every(({ holds }) => holds(actual)),
    };
  });
}

/** The most that a number may be; Infinity: there is no bound. */
export function mostOf(expectation: Expectation): number {
  if (typeof expectation === 'number') return expectation;
  if (typeof expectation !== 'object') return Infinity;
  const { atMost = Infinity, equals: exactly } = expectation;
  return Math.min(atMost, typeof exactly === 'number' ? exactly : Infinity);
}

function demandsOf(expectation: Expectation): Demand[] {
  if (typeof expectation !== 'object') return [equals(expectation)];
  const { atLeast, atMost, equals: exactly } = expectation;
  return [
    ...(exactly === undefined ? [] : [equals(exactly)]),
    ...(atLeast === undefined ? [] : [bound(`at least ${atLeast}`, (actual) => actual >= atLeast)]),
    ...(atMost === undefined ? [] : [bound(`at most ${atMost}`, (actual) => actual <= atMost)]),
  ];
}

function equals(value: number | string): Demand {
  return { words: String(value), holds: (actual) => actual === value };
}

function bound(words: string, holds: (actual: number) => boolean): Demand {
  return { words, holds: (actual) => typeof actual === 'number' && holds(actual) };
}
