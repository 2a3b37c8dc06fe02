/**
 * What the status bar tells of runs: how far they are, and how the last one came out. A notification only stands in for a trace
 * that nobody sees; where the trace is in view, its banner tells the same.
 */
import {
  ProgressLocation,
  StatusBarAlignment,
  ThemeColor,
  commands,
  l10n,
  window,
  type Disposable,
  type Uri,
} from 'vscode';
import { DisposableStore } from '../disposables';
import { Command, runningContext } from '../names';
import { formatCount, formatTime } from '../../trace/vocabulary/format';
import { figuresOf } from './run-record';
import { endText } from './run-description';
import { resultText, type ResultText } from './result-text';
import type { RunSession } from './run-session';
import type { ActiveRun, RunService } from './run-service';

/** How the last run's end looks in the status bar: an icon, and the background where it needs to be seen. */
const ENDS: Record<ResultText['level'], readonly [icon: string, background: string | undefined]> = {
  information: ['pass', undefined],
  warning: ['warning', 'statusBarItem.warningBackground'],
  error: ['error', 'statusBarItem.errorBackground'],
};

/** Short runs need no notification. */
const notifyAfterMs = 1_500;
const refreshMs = 200;
/** Of a sentence in the status bar. */
const MOST_CHARACTERS = 80;

function describe(run: ActiveRun): string {
  const { session } = run;
  if (!session?.progress || !session.store) return l10n.t('{0}: preparing', run.name);
  const { exits, cycles } = session.progress;
  const time = formatTime(cycles, session.store.meta.frequencyHz);
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

  /** The item tells of a run that is over. */
  private tellsEnd = false;

  /** @param isInView whether a trace is on the screen */
  constructor(
    private readonly runs: RunService,
    private readonly isInView: (trace: Uri) => boolean,
  ) {
    this.item.name = l10n.t('Trapline Run');
    this.owned.add(runs.onDidChangeActive(() => this.follow()));
    this.owned.add(runs.onDidEnd((session) => this.showEnd(session)));
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
      if (!this.tellsEnd) this.item.hide();
      return;
    }
    this.tellsEnd = false;
    this.item.backgroundColor = undefined;
    this.item.command = Command.stopRun;
    this.item.tooltip = l10n.t('Stop the run');
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

  /** How the last run came out stays until the next begins; a press opens its trace. */
  private showEnd(session: RunSession): void {
    const { end, failure } = session.outcome ?? {};
    if (
      this.runs.activeRuns.length > 0 ||
      this.runs.isInBackground(session) ||
      (!end && failure === undefined)
    )
      return;
    const text: ResultText = end
      ? resultText(session.name, end)
      : { level: 'error', text: l10n.t('Trapline failed to run {0}: {1}', session.name, failure ?? '') };
    const [icon, background] = ENDS[text.level];
    this.tellsEnd = true;
    const short = end ? `${session.name}: ${endText(figuresOf(end))}` : text.text;
    this.item.text = `$(${icon}) ${shortened(short)}`;
    this.item.tooltip = text.text;
    this.item.command = {
      command: Command.openTrace,
      title: l10n.t('Open Trace'),
      arguments: [session.traceUri],
    };
    this.item.backgroundColor = background === undefined ? undefined : new ThemeColor(background);
    this.item.accessibilityInformation = {
      label: l10n.t('Trapline: {0} Press to open the trace.', text.text),
      role: 'button',
    };
    this.item.show();
  }

  /** Puts up a notification with Cancel for a run that is not over soon and not in view. */
  private announce(run: ActiveRun): void {
    if (this.announced.has(run)) return;
    this.announced.add(run);
    const later = setTimeout(() => {
      if (!this.isSeen(run)) void this.notify(run);
    }, notifyAfterMs);
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
        // It goes as soon as the trace comes into view.
        let timer: ReturnType<typeof setInterval> | undefined;
        const seen = new Promise<void>((resolve) => {
          timer = setInterval(() => (this.isSeen(run) ? resolve() : show()), refreshMs);
        });
        await Promise.race([seen, run.over]);
        clearInterval(timer);
      },
    );
  }

  private isSeen({ session }: ActiveRun): boolean {
    return session !== undefined && (this.runs.isInBackground(session) || this.isInView(session.traceUri));
  }
}

/** As much of a sentence as a status bar has room for. */
function shortened(text: string): string {
  return text.length <= MOST_CHARACTERS ? text : `${text.slice(0, MOST_CHARACTERS - 1)}…`;
}
