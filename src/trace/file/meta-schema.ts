/** Validation of the tables of a trace file: files come from anywhere. */
import { z } from 'zod';
import { foreignSourceSchema } from '../exchange/foreign-source-schema';
import { trackTypes, type TraceMeta } from '../model';

const uint = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const u16 = z.number().int().min(0).max(0xffff);
const exact = z.array(z.tuple([u16, u16, uint]));

const bit = z.number().int().min(0).max(63);
const field = z
  .object({
    name: z.string(),
    low: bit,
    high: bit,
    format: z.enum(['flag', 'hex', 'pointer', 'choice']),
    names: z.array(z.string()).optional(),
  })
  .refine(({ low, high }) => low <= high, 'a field ends at or after its first bit');

const track = z.object({
  id: u16,
  type: z.enum(trackTypes),
  name: z.string(),
  group: z.string(),
  vm: z.number().int().min(-1).max(0xffff),
  registers: z.record(z.string(), z.string()).optional(),
  fields: z.record(z.string(), z.array(field)).optional(),
  locks: z.record(z.string(), z.string()).optional(),
  reasons: z.record(z.string(), z.string()).optional(),
});

const place = z.object({
  id: uint.min(1),
  vm: z.number().int().min(-1).max(0xffff),
  rip: z.string().regex(/^0x[0-9a-f]{1,16}$/),
  symbol: z.string().optional(),
  file: z.string().optional(),
  line: uint.optional(),
});

const gap = z.object({
  from: uint,
  to: uint.optional(),
  why: z.enum(['limit', 'cut', 'lost', 'dropped']),
  limit: uint.optional(),
  cpu: uint.optional(),
  dropped: uint.optional(),
});

/** Shape of `TraceMeta`, with ids dense as the columns need them. */
export const traceMetaSchema: z.ZodType<TraceMeta> = z
  .object({
    version: z.literal(1),
    title: z.string(),
    state: z.enum(['running', 'finished', 'cancelled', 'crashed', 'failed', 'truncated']),
    message: z.string().optional(),
    frequencyHz: z.number().positive().finite(),
    tracks: z.array(track).max(0xffff),
    places: z.array(place),
    scenarioText: z.string(),
    scenarioName: z.string(),
    costs: z.record(z.string(), z.number()),
    guests: z.array(z.object({ vm: z.string(), sha256: z.string(), buildId: z.string().optional() })),
    traceHash: z
      .string()
      .regex(/^[0-9a-f]{16}$/)
      .optional(),
    facts: z.object({
      cycles: uint,
      vms: z.array(
        z.object({
          name: z.string(),
          guestInstructions: uint,
          exitCode: z.number().int().optional(),
          missingInstructions: z
            .array(z.object({ mnemonic: z.string(), rip: z.string(), count: uint }))
            .optional(),
        }),
      ),
    }),
    counts: exact,
    sums: exact,
    gaps: z.array(gap),
    source: foreignSourceSchema.optional(),
  })
  .refine((meta) => meta.tracks.every((row, i) => row.id === i), {
    message: 'ids must count from 0',
    path: ['tracks'],
  })
  .refine((meta) => meta.places.every((row, i) => row.id === i + 1), {
    message: 'ids must count from 1',
    path: ['places'],
  });

/** Tables of files that were written before gaps had a list. */
function withGaps(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || 'gaps' in value) return value;
  const at = 'truncatedAt' in value ? value.truncatedAt : undefined;
  return { ...value, gaps: at === undefined ? [] : [{ from: at, why: 'limit' }] };
}

/** Checks parsed JSON. The error text names the field. */
export function parseMeta(value: unknown): { meta: TraceMeta } | { error: string } {
  const result = traceMetaSchema.safeParse(withGaps(value));
  if (result.success) return { meta: result.data };
  const issue = result.error.issues[0];
  return {
    error: issue === undefined ? 'unknown' : `${issue.path.join('.') || 'the whole'}: ${issue.message}`,
  };
}
