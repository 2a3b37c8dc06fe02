/** Validation of what a file says about where its trace comes from. */
import { z } from 'zod';
import type { ForeignSource } from './foreign-source';

const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

/** Shape of a `ForeignSource` in a file. */
export const foreignSourceSchema: z.ZodType<ForeignSource> = z.object({
  file: z.string(),
  form: z.enum(['ftrace', 'perf', 'bare']),
  clock: z.enum(['microseconds', 'nanoseconds', 'cycles']),
  frequency: z.enum(['clock', 'given', 'estimated', 'assumed']),
  epoch: z.string(),
  lines: count,
  events: count,
  headers: count,
  lostNotes: count,
  unknown: z.array(z.object({ reason: z.string(), count, line: count, example: z.string() })),
  clipped: count,
});
