import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createNonce, problemPage, tracePage } from '../../../../src/extension/editor/page-html';

const parts = {
  cspSource: 'https://files.example',
  nonce: 'abc123',
  script: 'https://files.example/main.js?a=1&b=2',
  style: 'https://files.example/main.css',
  title: 'b7 "quoted" <i>',
  loading: 'Loading <the trace>',
  language: 'en',
};

/** The policy as directive → sources, decoded from the page. */
function policyOf(html: string): Map<string, string[]> {
  const content = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(html)?.[1] ?? '';
  const text = content.replaceAll('&#39;', "'").replaceAll('&amp;', '&');
  return new Map(
    text.split(';').map((directive) => {
      const [name = '', ...sources] = directive.trim().split(/\s+/);
      return [name, sources];
    }),
  );
}

describe('the page', () => {
  it('allows nothing by default and scripts by nonce alone', () => {
    const policy = policyOf(tracePage(parts));
    expect(policy.get('default-src')).toEqual(["'none'"]);
    expect(policy.get('script-src')).toEqual(["'nonce-abc123'"]);
    expect([...policy.values()].flat()).not.toContain("'unsafe-inline'");
    expect([...policy.values()].flat()).not.toContain("'unsafe-eval'");
  });

  it('allows the one empty inline style and no other', () => {
    const empty = createHash('sha256').update('').digest('base64');
    expect(policyOf(tracePage(parts)).get('style-src')).toEqual([
      'https://files.example',
      `'sha256-${empty}'`,
    ]);
  });

  it('holds one script, with the nonce, and no inline script, style or handler', () => {
    const html = tracePage(parts);
    expect(html.match(/<script/g)).toHaveLength(1);
    expect(html).toContain('nonce="abc123" src="https://files.example/main.js?a=1&amp;b=2"></script>');
    expect(html).not.toMatch(/<style|\sstyle=|\son\w+=/);
    // Until the script has come the page is not blank.
    expect(html).toContain('Loading &lt;the trace&gt;');
  });

  it('says what is wrong with a trace, and runs no script then', () => {
    const html = problemPage(parts, { title: 'No <trace>', detail: 'cut & short', advice: 'run "again"' });
    expect(html).not.toContain('<script');
    expect(policyOf(html)).toEqual(
      new Map([
        ['default-src', ["'none'"]],
        ['style-src', ["'nonce-abc123'"]],
      ]),
    );
    expect(html).toContain('No &lt;trace&gt;');
    expect(html).toContain('cut &amp; short');
    expect(html).toContain('run &quot;again&quot;');
  });

  it('draws a new nonce of 128 bits each time', () => {
    const nonces = new Set(Array.from({ length: 100 }, createNonce));
    expect(nonces.size).toBe(100);
    for (const nonce of nonces) expect(nonce).toMatch(/^[0-9a-f]{32}$/);
  });
});
