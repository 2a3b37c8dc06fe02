/** Messages of logpoints: text with expressions in braces. */

export type LogPart = { readonly text: string } | { readonly expression: string };

/** Takes a message apart. Braces are doubled to stand for themselves; one that is not closed is text. */
export function parseLogMessage(message: string): LogPart[] {
  const parts: LogPart[] = [];
  let text = '';
  for (let at = 0; at < message.length; at++) {
    const char = message.charAt(at);
    if ((char === '{' || char === '}') && message.charAt(at + 1) === char) {
      text += char;
      at++;
      continue;
    }
    const end = char === '{' ? closing(message, at) : -1;
    if (end < 0) {
      text += char;
      continue;
    }
    if (text !== '') parts.push({ text });
    text = '';
    parts.push({ expression: message.slice(at + 1, end).trim() });
    at = end;
  }
  if (text !== '') parts.push({ text });
  return parts;
}

/** The brace that closes the one at `open`; -1: none. */
function closing(message: string, open: number): number {
  let depth = 0;
  for (let at = open; at < message.length; at++) {
    if (message.charAt(at) === '{') depth++;
    if (message.charAt(at) === '}' && --depth === 0) return at;
  }
  return -1;
}

/** The text of a message, with each expression in place of its value or of why it has none. */
export function fillLogMessage(parts: readonly LogPart[], valueOf: (expression: string) => string): string {
  return parts.map((part) => ('text' in part ? part.text : valueOf(part.expression))).join('');
}
