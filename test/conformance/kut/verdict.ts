/** What a test kernel's output and end come to. */

/** One line of the report. */
export interface Verdict {
  name: string;
  result: 'pass' | 'fail' | 'skip';
  /** Counts, the first lines that failed, or why it did not run. */
  detail: string;
}

/** How the run of a kernel ended. */
export interface KernelEnd {
  /** Written to the exit port; undefined when the kernel never did. */
  exitCode: number | undefined;
  /** Everything the kernel printed. */
  output: string;
  /** Why the run stopped, where it was not the kernel's own doing. */
  message: string | undefined;
}

/** The exit code of a kernel all of whose tests were skipped: 77 as a test runner knows it, halved by the exit device. */
const ALL_SKIPPED = 77 >> 1;
/** Failing lines that are quoted. */
const QUOTED = 4;

function linesOf(output: string, start: string): string[] {
  return output.split(/\r?\n/).filter((line) => line.startsWith(start));
}

/** Judges one run. */
export function judge(name: string, { exitCode, output, message }: KernelEnd): Verdict {
  const failed = linesOf(output, 'FAIL');
  const passed = linesOf(output, 'PASS').length;
  const skipped = linesOf(output, 'SKIP');
  const counts = `${passed} passed, ${failed.length} failed, ${skipped.length} skipped`;
  const quoted = failed.slice(0, QUOTED).join('; ');
  if (exitCode === undefined) {
    const last = output.trimEnd().split(/\r?\n/).pop() ?? '';
    const where = last ? `; its last line: ${last}` : '; it printed nothing';
    return {
      name,
      result: 'fail',
      detail: [message ?? 'ended without an exit code', `${counts}${where}`, quoted]
        .filter(Boolean)
        .join('. '),
    };
  }
  if (exitCode === ALL_SKIPPED && failed.length === 0) {
    return {
      name,
      result: 'skip',
      detail: skipped.slice(0, QUOTED).join('; ') || 'the kernel skipped itself',
    };
  }
  if (exitCode === 0 && failed.length === 0) {
    const rows = passed === 0 ? rowsOf(output) : counts;
    return { name, result: 'pass', detail: rows };
  }
  return {
    name,
    result: 'fail',
    detail: [`exit code ${exitCode}`, counts, quoted].filter(Boolean).join('; '),
  };
}

/** Kernels that measure print rows of two columns instead of verdicts. */
function rowsOf(output: string): string {
  const rows = output.split(/\r?\n/).filter((line) => /^\S+ +\d+$/.test(line));
  return rows.length > 0 ? rows.map((row) => row.replace(/ +/, ' ')).join('; ') : 'exit code 0';
}

/**
 * One verdict per kernel file that is run in more than one way, or under another name than its own: it passes when every way
 * passes, and is skipped when every way is.
 */
export function perKernel(verdicts: readonly (Verdict & { file: string })[]): Verdict[] {
  const byFile = new Map<string, Verdict[]>();
  for (const { file, ...verdict } of verdicts) {
    const base = file.replace(/\.flat$/, '');
    byFile.set(base, [...(byFile.get(base) ?? []), verdict]);
  }
  const names = new Set(verdicts.map((each) => each.name));
  return [...byFile]
    .filter(([base]) => !names.has(base))
    .map(([base, ways]) => {
      const ran = ways.filter((way) => way.result !== 'skip');
      const failed = ran.filter((way) => way.result === 'fail');
      const result = failed.length > 0 ? 'fail' : ran.length > 0 ? 'pass' : 'skip';
      return { name: base, result, detail: ways.map((way) => `${way.name}: ${way.result}`).join(', ') };
    });
}
