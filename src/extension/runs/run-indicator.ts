/** What the window shows of runs that are going on: a status bar item at once, a notification when it takes longer. */
import { ProgressLocation, StatusBarAlignment, commands, l10n, window, type Disposable } from 'vscode';
import { DisposableStore } from '../disposables';
import { Command, runningContext } from '../names';
import { formatCount, formatTime } from '../../trace/vocabulary/format';
import type { ActiveRun, RunService } from './run-service';

/** Short runs need no notification. */
const notifyAfterMs = 1_500;
const refreshMs = 200;

function describe(run: ActiveRun): string {
  const { session } = run;
  if (!session?.progress || !session.trace) return l10n.t('{0}: preparing', run.name);
  const { exits, cycles } = session.progress;
  const time = formatTime(cycles, session.trace.meta.frequencyHz);
  return l10n.t('{0}: {1} exits, {2}', run.name, formatCount(exits), time);
}

/** Follows the run service for as long as it lives. */
export class RunIndicator implements Disposable {
  private readonly owned = new DisposableStore();
  private readonly item = this.owned.add(
    window.createStatusBarItem('trapline.run', StatusBarAlignment.Left, 10),
  );
  private readonly announced = new Set<ActiveRun>();
  private timer: ReturnType<typeof setInterval> | undefined;

  constructor(private readonly runs: RunService) {
    this.item.name = l10n.t('Trapline Run');
    this.item.command = Command.stopRun;
    this.item.tooltip = l10n.t('Stop the run');
    this.owned.add(runs.onDidChangeActive(() => this.follow()));
  }

  dispose(): void {
    clearInterval(this.timer);
    this.owned.dispose();
  }

  private follow(): void {
    const active = this.runs.activeRuns;
    void commands.executeCommand('setContext', runningContext, active.length > 0);
    for (const run of active) this.announce(run);
    if (active.length === 0) {
      clearInterval(this.timer);
      this.timer = undefined;
      this.item.hide();
      return;
    }
    this.timer ??= setInterval(() => this.refresh(), refreshMs);
    this.refresh();
    this.item.show();
  }

  private refresh(): void {
    const [first, ...others] = this.runs.activeRuns;
    if (!first) return;
    const more = others.length > 0 ? ` +${others.length}` : '';
    this.item.text = `$(sync~spin) ${describe(first)}${more}`;
    this.item.accessibilityInformation = {
      label: l10n.t('Trapline: {0}. Press to stop.', describe(first)),
      role: 'button',
    };
  }

  /** Puts up a notification with Cancel for a run that is not over soon. */
  private announce(run: ActiveRun): void {
    if (this.announced.has(run)) return;
    this.announced.add(run);
    const later = setTimeout(() => void this.notify(run), notifyAfterMs);
    void run.over.then(() => {
      clearTimeout(later);
      this.announced.delete(run);
    });
  }

  private async notify(run: ActiveRun): Promise<void> {
    await window.withProgress(
      { location: ProgressLocation.Notification, cancellable: true, title: 'Trapline' },
      async (progress, token) => {
        token.onCancellationRequested(() => run.stop());
        const show = (): void => progress.report({ message: describe(run) });
        show();
        const timer = setInterval(show, refreshMs);
        await run.over;
        clearInterval(timer);
      },
    );
  }
}
