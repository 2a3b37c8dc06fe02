/** What is offered while a query is written: fields, and values that the trace has, each of which finds something. */
import { describe, expect, it } from 'vitest';
import { completeQuery, valuesIn, vocabularyValues } from '../../../src/trace/query/complete';
import { fieldSpec, queryFieldNames } from '../../../src/trace/query/fields';
import { find } from '../../../src/trace/query/find';
import { parseQuery } from '../../../src/trace/query/query';
import { sampleStore } from './sample';

const { store } = sampleStore(2);
const values = valuesIn(store);

/** The text with a bar where the cursor is; the labels, and the text once the first one is taken. */
function at(marked: string, of = values): { labels: string[]; first: string } {
  const cursor = marked.indexOf('|');
  const text = marked.replace('|', '');
  const { from, to, items } = completeQuery(text, cursor, of);
  const [first] = items;
  return {
    labels: items.map(({ label }) => label),
    first: first ? text.slice(0, from) + first.insert + text.slice(to) : text,
  };
}

describe('completion of a query', () => {
  it('begins with fields', () => {
    expect(at('|').labels.map((label) => label.replace(/[:>]$/, ''))).toEqual(queryFieldNames);
    expect(at('ex|').labels[0]).toBe('exit:');
    expect(at('-du|')).toMatchObject({ labels: ['dur>'], first: '-dur>' });
  });

  it('has the values of a field that the trace has, and no others', () => {
    expect(at('exit:|').labels).toEqual(['EPT_MISCONFIG']);
    expect(at('exit:|', vocabularyValues).labels.length).toBeGreaterThan(30);
    expect(at('reg:|').labels).toEqual(['TDT', 'ICR']);
    expect(at('fn:e1|')).toMatchObject({ labels: ['e1000_transmit'], first: 'fn:e1000_transmit' });
    expect(at('file:|').labels).toEqual(['e1000.c']);
    expect(at('track:io|').labels).toEqual([]);
    expect(at('track:|').labels).not.toContain('QEMU I/O thread');
    expect(at('vm:|').labels).toEqual(['0', 'vm0', 'host', 'network']);
  });

  it('puts quotation marks where they are needed, and takes the place of what stands there', () => {
    expect(at('track:v| dur>5us').first).toBe('track:"vCPU 0" dur>5us');
    expect(at('track:"vCPU| 0" exit').first).toBe('track:"vCPU 0" exit');
    expect(at('(exit:EP|T or mmio)').first).toBe('(exit:EPT_MISCONFIG or mmio)');
    expect(at('kind:mmio.write,pack|').first).toBe('kind:mmio.write,packet.tx');
  });

  it('finds names for a word that has no field', () => {
    expect(at('e1000_t|').labels).toEqual(['fn:e1000_transmit']);
    expect(at('tdt|').labels).toEqual(['reg:TDT']);
    expect(at('ept|').labels).toContain('exit:EPT_MISCONFIG');
  });

  it('knows the arguments of kinds that are named', () => {
    expect(at('virtq.kick q|').labels).toEqual(['queue:']);
  });

  it('shows how numbers are written', () => {
    expect(at('dur>|').labels).toEqual(['5us', '1us..5us']);
  });

  it('gives queries that can be understood and, of a trace, find something', () => {
    const tried = new Set<string>();
    for (const field of queryFieldNames) {
      for (const { insert, is } of completeQuery(`${field}:`, field.length + 1, values).items) {
        expect(is).toBe('value');
        const query = `${field}:${insert}`;
        expect(() => parseQuery(query), query).not.toThrow();
        // Examples of numbers are not of this trace; a register and a heading may be there without events.
        if (fieldSpec(field).values === 'text' && !['reg:ICR', 'vm:host'].includes(query)) {
          expect(find(store, query, -1, 1).matches, query).toBeGreaterThan(0);
          tried.add(field);
        }
      }
    }
    expect(tried.size).toBeGreaterThan(7);
  });

  it('has examples in its table that can be understood', () => {
    for (const field of queryFieldNames)
      for (const example of fieldSpec(field).examples) expect(() => parseQuery(example)).not.toThrow();
  });
});
