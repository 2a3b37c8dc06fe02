/** Expectations as the form has them: `64`, `≥ 64`, `≤ 400`, `64 to 400`. Knows no editor. */

const NUMBER = String.raw`(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)`;
const AT_LEAST = new RegExp(`^(?:≥|>=|at least)\\s*${NUMBER}$`, 'i');
const AT_MOST = new RegExp(`^(?:≤|<=|at most)\\s*${NUMBER}$`, 'i');
const BETWEEN = new RegExp(`^${NUMBER}\\s*(?:to|\\.\\.|–)\\s*${NUMBER}$`, 'i');
const EXACTLY = new RegExp(`^=?\\s*${NUMBER}$`, 'i');

/** How a value of `expect` reads; what has no such form is JSON. */
export function expectationField(value: unknown): string {
  if (typeof value === 'number') return String(value);
  if (typeof value === 'string') return EXACTLY.test(value) ? JSON.stringify(value) : value;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? '';
  const { atLeast, atMost, ...others } = value as Record<string, unknown>;
  const isNumber = (bound: unknown): bound is number => typeof bound === 'number';
  if (Object.keys(others).length === 0) {
    if (isNumber(atLeast) && isNumber(atMost)) return `${atLeast} to ${atMost}`;
    if (isNumber(atLeast) && atMost === undefined) return `≥ ${atLeast}`;
    if (isNumber(atMost) && atLeast === undefined) return `≤ ${atMost}`;
  }
  return JSON.stringify(value);
}

/** What was entered, as a value of `expect`. */
export function expectationValue(text: string): unknown {
  const trimmed = text.trim();
  const exactly = EXACTLY.exec(trimmed);
  if (exactly) return Number(exactly[1]);
  const least = AT_LEAST.exec(trimmed);
  if (least) return { atLeast: Number(least[1]) };
  const most = AT_MOST.exec(trimmed);
  if (most) return { atMost: Number(most[1]) };
  const between = BETWEEN.exec(trimmed);
  if (between) return { atLeast: Number(between[1]), atMost: Number(between[2]) };
  if (/^["{[]/.test(trimmed)) {
    try {
      return JSON.parse(trimmed) as unknown;
    } catch {
      return trimmed;
    }
  }
  return trimmed;
}
