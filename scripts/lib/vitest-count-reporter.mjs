/** Vitest reporter that writes how many tests passed, failed and were skipped, and why, to `TRAPLINE_COUNTS`. */
import { writeFileSync } from 'node:fs';

/** Why a test was skipped: what it said when it skipped itself, else the brackets of its title or of a suite's around it. */
function reasonOf(test) {
  const brackets = [...test.fullName.matchAll(/\(((?:needs|only) [^()]*)\)/g)];
  return test.result().note ?? brackets.at(-1)?.[1] ?? '';
}

export default class CountReporter {
  onTestRunEnd(modules, errors) {
    const counts = { passed: 0, failed: errors.length, skipped: [] };
    for (const module of modules) {
      // A file that cannot be loaded has no tests to fail.
      counts.failed += module.errors().length;
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state === 'skipped') counts.skipped.push({ name: test.fullName, why: reasonOf(test) });
        else counts[result.state === 'passed' ? 'passed' : 'failed'] += 1;
      }
      for (const suite of module.children.allSuites()) counts.failed += suite.errors().length;
    }
    writeFileSync(process.env.TRAPLINE_COUNTS, JSON.stringify(counts));
  }
}
