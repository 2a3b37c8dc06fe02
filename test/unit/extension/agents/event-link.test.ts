/** Links to events: what a link is made of comes out again, and nothing else is taken for one. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { eventOfQuery } from '../../../../src/extension/agents/event-link';

describe('a link to an event', () => {
  it('leads to the trace and the event that it was made of', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), fc.nat(), (trace, row) => {
        // The editor hands the query over decoded.
        const query = decodeURIComponent(`trace=${encodeURIComponent(trace)}&row=${row}`);
        expect(eventOfQuery(query)).toEqual({ trace, row });
      }),
      { examples: [['/a b&row=3&c.arrow', 7]] },
    );
  });

  it.each([
    '',
    'trace=&row=1',
    'trace=a',
    'row=1',
    'trace=a&row=',
    'trace=a&row=-1',
    'trace=a&row=1.5',
    'trace=a&row=99999999999',
    'trace=a&row=9999999999',
    'x=1&trace=a&row=1',
  ])('is none: %s', (query) => expect(eventOfQuery(query)).toBeUndefined());
});
