/** The expectations of a scenario that its run did not meet. */
import { z } from 'zod';
import type { ExpectationResult } from '../../trace/query/summary';

export const unmetOut = z.object({
  figure: z.string(),
  expected: z.string(),
  actual: z.union([z.number(), z.string(), z.null()]),
  row: z.int().optional().describe('The event that broke it.'),
});

/** Those that did not hold. */
export function unmetOf(expectations: readonly ExpectationResult[]): z.input<typeof unmetOut>[] {
  return expectations
    .filter(({ held }) => !held)
    .map(({ figure, expected, actual, event }) => ({
      figure,
      expected,
      actual,
      ...(event && { row: event.row }),
    }));
}
