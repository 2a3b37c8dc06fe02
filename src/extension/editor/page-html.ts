/** The trace editor's page as text, with its content security policy. Knows no editor. */

/** What the page is built from; URIs are already webview URIs. */
export interface PageParts {
  /** `webview.cspSource`. */
  cspSource: string;
  /** Fresh for each page, from a cryptographic source. */
  nonce: string;
  script: string;
  style: string;
  title: string;
  /** What the page says until its script has drawn anything. */
  loading: string;
  /** BCP 47 tag of the editor's display language. */
  language: string;
}

/** Hash of the empty string: the UI toolkit inserts one empty inline style element. */
const emptyStyleHash = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='";

const entities: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text made safe for element content and for attribute values in either quotes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? character);
}

/** The policy: nothing but our own files; scripts by nonce; no inline style but the empty one. */
export function contentSecurityPolicy(cspSource: string, nonce: string): string {
  return [
    "default-src 'none'",
    `img-src ${cspSource} data:`,
    `font-src ${cspSource}`,
    `style-src ${cspSource} ${emptyStyleHash}`,
    `script-src 'nonce-${nonce}'`,
  ].join('; ');
}

/** 128 random bits for a nonce, as letters and digits that need no escaping. */
export function createNonce(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))]
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('');
}

/** The page that hosts the trace explorer. */
export function tracePage(parts: PageParts): string {
  return `<!DOCTYPE html>
<html lang="${escapeHtml(parts.language)}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${escapeHtml(contentSecurityPolicy(parts.cspSource, parts.nonce))}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="${escapeHtml(parts.style)}">
<title>${escapeHtml(parts.title)}</title>
</head>
<body>
<main id="app" aria-busy="true"><p class="page-loading" role="status">${escapeHtml(parts.loading)}</p></main>
<script type="module" nonce="${parts.nonce}" src="${escapeHtml(parts.script)}"></script>
</body>
</html>
`;
}

/** What a page without a trace says. */
export interface TraceProblem {
  /** What is the matter, in one line. */
  title: string;
  /** Why, as far as known. */
  detail: string;
  /** What the reader can do. */
  advice: string;
}

/** The editor's own colours and fonts; the page is too small to need a file for that. */
const problemStyle = `
body { margin: 0; padding: 0 24px; font-family: var(--vscode-font-family); font-size: var(--vscode-font-size);
  color: var(--vscode-foreground); background: var(--vscode-editor-background); }
main { max-width: 60em; margin: 15vh auto 0; line-height: 1.5; }
h1 { font-size: 1.4em; font-weight: 600; }
.detail { padding: 8px 12px; color: var(--vscode-descriptionForeground); overflow-wrap: anywhere;
  border-inline-start: 3px solid var(--vscode-trapline-fault, var(--vscode-errorForeground)); }
`;

/** The page of a trace that cannot be shown: no script and no file, only the reason and the next step. */
export function problemPage(
  parts: Pick<PageParts, 'nonce' | 'title' | 'language'>,
  problem: TraceProblem,
): string {
  const policy = `default-src 'none'; style-src 'nonce-${parts.nonce}'`;
  return `<!DOCTYPE html>
<html lang="${escapeHtml(parts.language)}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${escapeHtml(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<style nonce="${parts.nonce}">${problemStyle}</style>
<title>${escapeHtml(parts.title)}</title>
</head>
<body>
<main role="alert">
<h1>${escapeHtml(problem.title)}</h1>
<p class="detail">${escapeHtml(problem.detail)}</p>
<p>${escapeHtml(problem.advice)}</p>
</main>
</body>
</html>
`;
}
