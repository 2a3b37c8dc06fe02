/** Whatever the file holds, loading it gives a scenario or problems that lie inside the text. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { loadScenario } from '../../src/scenario/load';

const SAMPLE = `{
  // a comment
  "title": "t", "seed": 3,
  "host": { "cpus": 2, "costsOverride": { "kvm.apic": 1 } },
  "vms": [{ "name": "vm0", "guest": { "sources": ["a.c"], "defines": { "N": 1 } }, "devices": [{ "link": "wire" }] }],
  "links": [{ "id": "wire", "peer": { "kind": "generate", "count": 3 } }],
  "trace": { "kinds": ["exit"] },
  "expect": { "packets.rx": 64, "exits.HLT": { "atMost": 3 } },
}`;

function sound(text: string): void {
  const loaded = loadScenario(text, '/x/y.trapline.json');
  if (!loaded.ok) expect(loaded.problems.length).toBeGreaterThan(0);
  const lines = text.replace(/^\ufeff/, '').split(/\r\n|\r|\n/);
  for (const { line, column, message } of loaded.problems) {
    expect(line).toBeGreaterThanOrEqual(1);
    expect(line).toBeLessThanOrEqual(lines.length);
    expect(column).toBeGreaterThanOrEqual(1);
    expect(column).toBeLessThanOrEqual(lines[line - 1].length + 1);
    expect(message).not.toContain('undefined');
    expect(message.length).toBeLessThan(2500);
  }
}

/** Names that the schema or the language knows, so that random objects get past the first check. */
const name = fc.oneof(
  fc.constantFrom(
    ...[
      'vms',
      'guest',
      'elf',
      'sources',
      'defines',
      'devices',
      'links',
      'peer',
      'kind',
      'host',
      'expect',
      'trace',
      'kinds',
    ],
    ...['stop', 'costsOverride', '__proto__', 'constructor', 'toString', 'hasOwnProperty', 'length', '0', ''],
  ),
  fc.string(),
);

it('any text', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), sound));
});

it('any JSON', () => {
  fc.assert(fc.property(fc.json({ maxDepth: 6 }), sound));
});

it('any object of known names', () => {
  const { node } = fc.letrec((tie) => ({
    node: fc.oneof(
      { maxDepth: 5 },
      fc.oneof(
        fc.double(),
        fc.integer(),
        fc.string(),
        fc.boolean(),
        fc.constant(null),
        fc.constantFrom('echo', 'kvm', 'all'),
      ),
      fc.dictionary(name, tie('node')),
      fc.array(tie('node'), { maxLength: 4 }),
    ),
  }));
  fc.assert(fc.property(node, (value) => sound(JSON.stringify(value))));
});

it('a sample with a piece cut out, doubled or replaced', () => {
  const position = fc.nat(SAMPLE.length);
  const piece = fc.oneof(
    fc.constantFrom('{', '}', '[', ']', ',', ':', '"', '/*', '//', '\\', '\0', '1e999', '-', '\ufeff'),
    fc.string(),
  );
  fc.assert(
    fc.property(position, position, piece, (x, y, inserted) => {
      sound(SAMPLE.slice(0, Math.min(x, y)) + inserted + SAMPLE.slice(Math.max(x, y)));
      sound(SAMPLE.slice(0, Math.max(x, y)) + inserted + SAMPLE.slice(Math.min(x, y)));
    }),
    { numRuns: 500 },
  );
});

it('the sample itself is right', () => {
  expect(loadScenario(SAMPLE, '/x/y.trapline.json')).toMatchObject({ ok: true, problems: [] });
});
