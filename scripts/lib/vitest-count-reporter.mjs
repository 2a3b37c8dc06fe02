/** Vitest reporter that writes how many tests passed, failed and were skipped, and why, to `TRAPLINE_COUNTS`. */
import { writeFileSync } from 'node:fs';

export default class CountReporter {
  onTestRunEnd(modules, errors) {
    const counts = { passed: 0, failed: errors.length, skipped: [] };
    for (const module of modules) {
      // A file that cannot be loaded has no tests to fail.
      counts.failed += module.errors().length;
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state === 'skipped') counts.skipped.push({ name: test.fullName, why: result.note ?? '' });
        else counts[result.state === 'passed' ? 'passed' : 'failed'] += 1;
      }
      for (const suite of module.children.allSuites()) counts.failed += suite.errors().length;
    }
    writeFileSync(process.env.TRAPLINE_COUNTS, JSON.stringify(counts));
  }
}
