import { describe, expect, it } from 'vitest';
import { runCli } from '../../../src/cli/cli';
import { ProgressLine, progressText } from '../../../src/cli/progress-line';
import { FakeHost, fakeRun } from './fake-host';

const HZ = 1e9;
const ESCAPE = String.fromCharCode(27);

/** A line on a terminal whose clock the test moves; `shown` is what a reader sees of it. */
function lineOn(columns = 200) {
  const terminal = { at: 0, columns: () => columns, now: () => terminal.at };
  let written = '';
  const line = new ProgressLine(terminal, (text) => (written += text), 0.2);
  line.begin(HZ);
  const shown = (): string => written.split(`\r${ESCAPE}[K`).at(-1) ?? '';
  return { terminal, line, shown, written: () => written };
}

describe('the line of progress', () => {
  it('tells the simulated time, its share of the stop time, exits by the second and the time left', () => {
    const { terminal, line, shown } = lineOn();
    line.tell({ cycles: 0, exits: 0 });
    terminal.at = 1000;
    // A quarter of 200 ms in one second: three more to come.
    line.tell({ cycles: 50e6, exits: 12_345 });
    expect(shown()).toBe('50 ms of 200 ms (25 %), 12 345 exits/s, at most 3 s left');
  });

  it('counts the exits of the last second alone', () => {
    const { terminal, line, shown } = lineOn();
    for (let second = 0; second <= 5; second++) {
      terminal.at = second * 1000;
      line.tell({ cycles: second * 1e6, exits: second < 5 ? 0 : 700 });
    }
    expect(shown()).toContain('700 exits/s');
  });

  it('is not written more often than a reader can follow, nor wider than the terminal', () => {
    const { terminal, line, shown, written } = lineOn(20);
    line.tell({ cycles: 1e6, exits: 0 });
    const once = written();
    terminal.at = 20;
    line.tell({ cycles: 2e6, exits: 0 });
    expect(written()).toBe(once);
    terminal.at = 500;
    line.tell({ cycles: 3e6, exits: 0 });
    expect(shown().length).toBeLessThan(20);
  });

  it('leaves nothing behind when it is cleared', () => {
    const { line, shown } = lineOn();
    line.clear();
    expect(shown()).toBe('');
    line.tell({ cycles: 1e6, exits: 0 });
    expect(shown()).not.toBe('');
    line.clear();
    expect(shown()).toBe('');
  });

  it('does without a stop time, and guesses nothing at the very beginning', () => {
    expect(progressText(0.001, undefined, 1, undefined)).toBe('1 ms');
    expect(progressText(0.0001, 10, 1, 5)).toBe('100 µs of 10 s (0 %), 5 exits/s');
    expect(progressText(1, 10_000, 10, undefined)).not.toContain('left');
    expect(progressText(1, 100, 100, undefined)).toContain('at most 2 h 45 min left');
  });
});

describe('trapline run', () => {
  const failing = () => fakeRun({ failure: 'gone', serial: ['hello\n'] });

  it('draws the line on a terminal, and takes it away for what the guest prints and at the end', async () => {
    const host = new FakeHost();
    host.run = failing();
    host.terminal = { columns: () => 80, now: () => 0 };
    await runCli(['run', 's'], host);
    expect(host.stderr).toContain(`\r${ESCAPE}[K`);
    expect(host.stderr).toMatch(/exits|ms/);
    expect(host.stderr.lastIndexOf(`\r${ESCAPE}[K`)).toBeLessThan(host.stderr.indexOf('error: gone'));
    expect(host.stdout).toContain('vm0 | hello\n');
  });

  it('writes no control character elsewhere, nor where quiet was asked for', async () => {
    for (const [terminal, ...args] of [
      [false, 'run', 's'],
      [true, 'run', 's', '--quiet'],
    ] as const) {
      const host = new FakeHost();
      host.run = failing();
      if (terminal) host.terminal = { columns: () => 80, now: () => 0 };
      await runCli([...args], host);
      expect(host.stderr + host.stdout).not.toContain(ESCAPE);
    }
  });

  it('paints what held and what did not only where colours are wanted, and never by colour alone', async () => {
    const expectations = [
      { figure: 'packets.rx', expected: '64', actual: 64, held: true },
      { figure: 'exits.HLT', expected: '3', actual: 4, held: false },
    ];
    const texts: string[] = [];
    for (const colours of [true, false]) {
      const host = new FakeHost();
      host.run = fakeRun();
      host.run.summary = { ...host.run.summary, expectations };
      host.colours = colours;
      await runCli(['run', 's'], host);
      texts.push(host.stdout);
    }
    expect(texts[0]).toContain(`${ESCAPE}[31m✗ exits.HLT`);
    expect(texts[1]).not.toContain(ESCAPE);
    expect(texts[0].replaceAll(new RegExp(`${ESCAPE}\\[\\d+m`, 'g'), '')).toBe(texts[1]);
  });
});
