import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { describeScenario, expectationSpan } from '../../../../src/extension/runs/scenario-text';
import { sample } from '../../../support/runs';

describe('what lists tell of a scenario', () => {
  const text = readFileSync(sample('b7-e1000-emulated'), 'utf8');

  it('is its title, what it is about, and where its expectations stand', () => {
    const { title, about, expectations } = describeScenario(text);
    expect(text).toContain(`"title": ${JSON.stringify(title)}`);
    expect(about).toContain('Click an EPT_MISCONFIG exit');
    expect(text.slice(expectations?.offset)).toMatch(/^"expect"/);
  });

  it('finds the member of each expectation, comments beside it or not', () => {
    for (const figure of ['packets.tx', 'exits.EPT_MISCONFIG', 'vms.vm0.exitCode']) {
      const span = expectationSpan(text, figure);
      const member = text.slice(span?.offset, (span?.offset ?? 0) + (span?.length ?? 0));
      expect(JSON.parse(`{${member}}`)).toHaveProperty([figure]);
    }
    expect(expectationSpan(text, 'no.such.figure')).toBeUndefined();
  });

  it('is nothing for a broken file, and nothing is thrown', () => {
    expect(describeScenario('{ "title": 7, "about": " " }')).toEqual({});
    fc.assert(
      fc.property(fc.nat({ max: text.length }), fc.string({ maxLength: 4 }), (at, put) => {
        const broken = text.slice(0, at) + put;
        const { expectations } = describeScenario(broken);
        expect((expectations?.offset ?? 0) <= broken.length).toBe(true);
        expectationSpan(broken, 'packets.tx');
      }),
      { numRuns: 200 },
    );
  });
});
