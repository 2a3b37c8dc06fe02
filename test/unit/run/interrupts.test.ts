/** Row B6: injection, kicks and interrupt windows, counted from the rows of runs made for them. */
import { describe, expect, it } from 'vitest';
import { Kind, exitKind, kinds } from '../../../src/trace/vocabulary/events';
import { VmxExit } from '../../../src/trace/vocabulary/vmx-exit-reasons';
import { jobOf, runJob, sample, type FinishedRun } from '../../support/runs';

function rowsOf(run: FinishedRun, kind: number): number[] {
  const rows = [];
  for (let row = 0; row < run.store.rows; row++) if (run.store.get(row).kind === kind) rows.push(row);
  return rows;
}

describe('interrupt injection', () => {
  it('asks for a window when the guest has interrupts off, and injects when it opens', async () => {
    const run = runJob(await jobOf(sample('hog-interrupts-off')));
    expect(run.end.summary.vms[0]?.exitCode).toBe(0);
    const windows = rowsOf(run, exitKind(VmxExit.INTERRUPT_WINDOW));
    expect(windows.length).toBeGreaterThan(0);
    // Every window exit was asked for before, and ends in an injection before the guest runs on.
    expect(rowsOf(run, Kind.IrqWindow).length).toBeGreaterThanOrEqual(windows.length);
    const injections = rowsOf(run, Kind.IrqInject).map((row) => run.store.get(row).start);
    for (const row of windows) {
      const { start, duration } = run.store.get(row);
      expect(injections.filter((time) => time >= start && time <= start + duration).length).toBe(1);
    }
  });

  it('delivers each injected vector, and each handler ends', async () => {
    const run = runJob(await jobOf(sample('b7-e1000-emulated')));
    const { injected, handled } = run.end.summary.interrupts;
    expect(injected).toBe(handled);
    expect(rowsOf(run, Kind.IrqDeliver).length).toBe(injected);
    expect(rowsOf(run, Kind.IrqEoi).length).toBe(injected);
  });

  it('lets legs fill their exit without gap or overlap', async () => {
    const run = runJob(await jobOf(sample('b7-e1000-emulated')));
    const vcpu = run.store.meta.tracks.find((track) => track.type === 'vcpu')!;
    // A vCPU that has left the guest may also sleep, wait for QEMU's lock, or for a CPU.
    const waits = new Set<number>([Kind.Halted, Kind.LockWait, Kind.SchedReady]);
    let exit: { start: number; end: number } | undefined;
    let at = 0;
    for (let row = 0; row < run.store.rows; row++) {
      const event = run.store.get(row);
      if (event.track !== vcpu.id) continue;
      const group = kinds.get(event.kind)!.group;
      if (group === 'exit') {
        if (exit) expect(at).toBe(exit.end);
        exit = { start: event.start, end: event.start + event.duration };
        at = event.start;
      } else if (exit && (group === 'leg' || waits.has(event.kind))) {
        expect(event.start).toBe(at);
        at += event.duration;
      }
    }
    expect(at).toBe(exit?.end);
  });
});
