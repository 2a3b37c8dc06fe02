/** Single events: found, described, and followed along their causes. */
import { z } from 'zod';
import { chainOf } from '../../trace/query/chain';
import { describe } from '../../trace/query/describe';
import { criticalPath } from '../../trace/query/path';
import { QueryError } from '../../trace/query/query';
import { searchFor, type Search } from '../../trace/query/search';
import type { TraceStore } from '../../trace/query/store';
import { kindRow } from '../../trace/vocabulary/events';
import {
  aboutTrace,
  eventOf,
  eventOut,
  limitField,
  microseconds,
  moreOut,
  offsetField,
  pageOf,
  requireRow,
  rowField,
  textField,
  traceField,
  traceOut,
  windowFields,
  windowOf,
} from '../fields';
import { defineVerb, VerbError } from '../verb';

export const findEvents = defineVerb({
  name: 'find_events',
  title: 'Find events',
  says:
    'Finds the events that match a query, in the order of time. Terms side by side must all hold; "or", parentheses and a leading minus as usual. ' +
    'Examples: exit:EPT_MISCONFIG dur>5us; kind:mmio.write reg:TDT; file:e1000.c line:142; track:e1000; vm:0; kind:packet.tx,packet.rx; ' +
    'from:(kind:mmio.write reg:TDT) is what came of a doorbell; within:(handler) is what happened in interrupt handlers. A wrong query is answered with what fits.',
  input: z.strictObject({
    trace: traceField,
    query: textField('The query. Empty text matches everything.').or(z.literal('')),
    ...windowFields,
    offset: offsetField,
    limit: limitField,
  }),
  output: z.object({ ...traceOut, matches: z.int(), events: z.array(eventOut), ...moreOut }),
  async perform({ trace: name, query, fromUs, toUs, offset, limit }, context) {
    const trace = await context.open(name);
    const { store } = trace;
    const { from, to } = windowOf(store, { fromUs, toUs });
    const { rows } = search(store, query);
    const first = rows.before(from);
    const matches = Math.max(0, rows.before(to) - first);
    const page = rows.slice(first + Math.min(offset, matches), first + Math.min(matches, offset + limit));
    return aboutTrace(
      context,
      trace,
      { matches },
      {
        events: {
          items: [...page].map((row) => eventOf(store, row)),
          offset: Math.min(offset, matches),
          total: matches,
          rest: (next) => `offset ${next}`,
        },
      },
    );
  },
});

/** All that match. @throws VerbError for a query that cannot be understood */
function search(store: TraceStore, query: string): Search {
  try {
    const found = searchFor(store, query);
    found.advance();
    return found;
  } catch (error) {
    if (error instanceof QueryError) throw new VerbError(error.message);
    throw error;
  }
}

export const describeEvent = defineVerb({
  name: 'describe_event',
  title: 'Describe an event',
  says: 'Everything about one event: a sentence of what happened, what such an event means, its arguments and fields, the line of the driver, its cause, how many events it caused, and for a VM exit the legs that its time went to.',
  input: z.strictObject({ trace: traceField, row: rowField }),
  output: z.object({
    ...traceOut,
    event: eventOut,
    sentence: z.string(),
    meaning: z.string(),
    cause: z.int().optional().describe('Event that caused it.'),
    consequences: z.int().describe('How many events it caused directly; follow_chain lists them.'),
    file: z.string().optional(),
    line: z.int().optional(),
    function: z.string().optional(),
    facts: z.array(z.string()),
    legs: z.array(z.object({ row: z.int(), event: z.string(), forUs: z.number() })),
    ...moreOut,
  }),
  async perform({ trace: name, row }, context) {
    const trace = await context.open(name);
    requireRow(trace, row);
    const { store } = trace;
    const { sentence, meaning, cause, consequences, file, line, symbol, facts, legs } = describe(store, row);
    const whole = { offset: 0, limit: 64 };
    return aboutTrace(
      context,
      trace,
      {
        event: eventOf(store, row),
        sentence,
        meaning,
        ...(cause >= 0 && { cause }),
        consequences,
        file,
        line,
        function: symbol,
      },
      {
        facts: {
          ...pageOf(facts, whole, ({ name: fact, value }) => `${fact}: ${value}`),
          rest: () => 'the editor',
        },
        legs: {
          ...pageOf(legs, whole, (leg) => ({
            row: leg.row,
            event: leg.name,
            forUs: microseconds(store, leg.cycles),
          })),
          rest: () => `find_events within the time of event ${row}`,
        },
      },
    );
  },
});

/** Hops that a chain is followed at most. */
const MOST_HOPS = 64;
/** Events of a chain that are looked at. */
const MOST_LINKS = 10_000;

const hops = (what: string) => z.int().min(0).max(MOST_HOPS).default(8).describe(what);

export const followChain = defineVerb({
  name: 'follow_chain',
  title: 'Causes and consequences of an event',
  says: 'Why an event happened and what came of it: its causes back to the first, and its consequences, each with its number of hops from the event (negative: causes). Answers how a driver store led to an exit, a DMA, an interrupt and its handler.',
  input: z.strictObject({
    trace: traceField,
    row: rowField,
    back: hops('Hops that causes are followed back.'),
    forward: hops('Hops that consequences are followed.'),
    offset: offsetField,
    limit: limitField,
  }),
  output: z.object({
    ...traceOut,
    root: z.int().describe('The first cause of all.'),
    complete: z.boolean().describe('False: there is more beyond the hops that were asked for.'),
    links: z.array(eventOut.extend({ hop: z.int(), cause: z.int().optional() })),
    ...moreOut,
  }),
  async perform({ trace: name, row, back, forward, ...page }, context) {
    const trace = await context.open(name);
    requireRow(trace, row);
    const { store } = trace;
    const { links, root, ...more } = chainOf(store, row, { back, forward, limit: MOST_LINKS });
    const complete = !more.truncated && !more.moreBefore && !more.moreAfter;
    return aboutTrace(
      context,
      trace,
      { root, complete },
      {
        links: pageOf(links, page, ({ row: link, depth }) => {
          const cause = store.causeOf(link);
          return { hop: depth, ...eventOf(store, link), ...(cause >= 0 && { cause }) };
        }),
      },
    );
  },
});

export const criticalPathOf = defineVerb({
  name: 'critical_path',
  title: 'Critical path of an operation',
  says: 'The critical path of the I/O operation that an event is part of: from the access of the driver that began it to the end of the handler that learns of it, leg by leg; the legs add up to the whole.',
  input: z.strictObject({ trace: traceField, row: rowField, offset: offsetField, limit: limitField }),
  output: z.object({
    ...traceOut,
    first: z.int().describe('The event that it begins with.'),
    last: z.int().describe('The event that it ends with.'),
    us: z.number().describe('Time of the whole path in µs.'),
    legs: z.array(
      z.object({
        row: z.int(),
        leg: z.string().describe('An event that goes on, or that is waited for ("until").'),
        forUs: z.number(),
        track: z.string(),
      }),
    ),
    ...moreOut,
  }),
  async perform({ trace: name, row, ...page }, context) {
    const trace = await context.open(name);
    requireRow(trace, row);
    const { store } = trace;
    const { rows, legs, from, to } = criticalPath(store, row);
    return aboutTrace(
      context,
      trace,
      { first: rows[0] ?? row, last: rows.at(-1) ?? row, us: microseconds(store, to - from) },
      {
        legs: pageOf(legs, page, ({ what, row: at, cycles }) => {
          const { name: kind } = kindRow(store.kindOf(at));
          return {
            row: at,
            leg: what === 'until' ? `until ${kind}` : kind,
            forUs: microseconds(store, cycles),
            track: eventOf(store, at).track,
          };
        }),
      },
    );
  },
});
