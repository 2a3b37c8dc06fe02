/** *Show History*: what a register of a device or a value in memory has been, with the present marked; choosing a change goes there. */
import { QuickPickItemKind, Uri, commands, l10n, window, ProgressLocation } from 'vscode';
import type { Disposable, QuickPickItem } from 'vscode';
import type { SeekTarget, ValueHistory, WatchTarget } from '../../protocol/debug';
import type { RegisterHistory } from '../../protocol/state';
import type { TraceView } from '../trace-service/trace-view';
import type { TraceEditors } from '../editor/trace-editors';
import { Command } from '../names';
import { formatTime } from '../../trace/vocabulary/format';
import { DebugSessions, type DebuggedRun } from './debug-sessions';
import { targetOf } from './debug-commands';
import type { MachineItem } from './machine-view';

/** One change as the list shows it. */
export interface HistoryEntry {
  /** Cycles. */
  time: number;
  /** `0x0 → 0x7`. */
  change: string;
  /** Who made it, and where. */
  who: string;
  target: SeekTarget;
}

/** A register that the trace's rows tell of. */
export interface RegisterItem {
  trace: Uri;
  /** As in `registerHistory`. */
  path: readonly string[];
}

interface Choice extends QuickPickItem {
  target?: SeekTarget;
}

const hex = (value: number): string => `0x${value.toString(16)}`;

/** Entries of what the trace's rows tell of a register. */
export function registerEntries({ changes }: RegisterHistory): HistoryEntry[] {
  return changes.map(({ row, time, value, before, place }) => ({
    time,
    change: before === undefined ? hex(value) : `${hex(before)} → ${hex(value)}`,
    who: place,
    target: { row },
  }));
}

/** Entries of what run control found. */
export function valueEntries({ changes }: ValueHistory): HistoryEntry[] {
  return changes.map(({ moment, who, isDevice, before, after, function: name }) => ({
    time: moment.cycles,
    change: `${before} → ${after}`,
    who: isDevice ? l10n.t('{0} by DMA', who) : name === undefined ? who : `${who} · ${name}()`,
    target: { instructions: moment.instructions },
  }));
}

/** How many entries are not behind the present. */
export function pastOf(entries: readonly HistoryEntry[], present: number): number {
  const at = entries.findIndex(({ time }) => time > present);
  return at < 0 ? entries.length : at;
}

export class HistoryCommand implements Disposable {
  private readonly registration: Disposable;

  constructor(
    private readonly sessions: DebugSessions,
    private readonly editors: TraceEditors,
  ) {
    this.registration = commands.registerCommand(Command.showHistory, (item: unknown) => this.show(item));
  }

  dispose(): void {
    this.registration.dispose();
  }

  private async show(item: unknown): Promise<void> {
    try {
      const run = this.sessions.active;
      if (isRegisterItem(item)) return await this.ofTrace(item);
      if (!run) {
        void window.showInformationMessage(
          l10n.t('No run is being debugged. Press F5 in a driver or a scenario.'),
        );
        return;
      }
      const target = targetOf(item);
      if (target) await this.ofValue(run, target, item);
      else await this.ofRegister(run, item as MachineItem);
    } catch (error) {
      void window.showErrorMessage(error instanceof Error ? error.message : String(error));
    }
  }

  /** Of a device's register while debugging: its writes are rows. */
  private async ofRegister(run: DebuggedRun, { path }: MachineItem): Promise<void> {
    const view = run.traceUri && this.editors.document(run.traceUri)?.content.view;
    if (!view) throw new Error(l10n.t('The trace of this run is not open: it has the writes of registers.'));
    const history = await view.registerHistory(path);
    const target = await this.choose(
      path.at(-1) ?? '',
      registerEntries(history),
      history.total,
      view.meta.frequencyHz,
      run.moment?.cycles,
    );
    if (target) await DebugSessions.request(run, 'trapline/seek', target);
  }

  /** Of a register of a trace that nobody debugs: choosing a write shows it in the timeline. */
  private async ofTrace({ trace, path }: RegisterItem): Promise<void> {
    const view: TraceView | undefined = this.editors.document(trace)?.content.view;
    const [panel] = this.editors.panelsOf(trace);
    if (!view || !panel) return;
    const { selectedRow } = panel.state;
    const history = await view.registerHistory(path);
    const present = selectedRow < 0 ? undefined : (await view.describe(selectedRow)).start;
    const { frequencyHz } = view.meta;
    const entries = registerEntries(history);
    const target = await this.choose(path.at(-1) ?? '', entries, history.total, frequencyHz, present);
    if (target && 'row' in target) panel.reveal(target.row);
  }

  /** Of a variable or of memory: the run is gone through once more for it. */
  private async ofValue(run: DebuggedRun, target: WatchTarget, item: unknown): Promise<void> {
    const history = await window.withProgress(
      { location: ProgressLocation.Notification, title: l10n.t('Looking for the changes of the value') },
      () => DebugSessions.request(run, 'trapline/history', target),
    );
    const view = run.traceUri && this.editors.document(run.traceUri)?.content.view;
    const name = 'expression' in target ? target.expression : ((item as MachineItem).path.at(-1) ?? '');
    const chosen = await this.choose(
      name,
      valueEntries(history),
      history.total,
      view?.meta.frequencyHz ?? 1e9,
      history.present.cycles,
    );
    if (chosen) await DebugSessions.request(run, 'trapline/seek', chosen);
  }

  private async choose(
    name: string,
    entries: readonly HistoryEntry[],
    total: number,
    frequencyHz: number,
    present: number | undefined,
  ): Promise<SeekTarget | undefined> {
    if (entries.length === 0) {
      void window.showInformationMessage(
        l10n.t('{0} has not been changed in what has been simulated.', name),
      );
      return undefined;
    }
    const choices = entries.map(({ time, change, who, target }): Choice => ({
      label: change,
      description: [formatTime(time, frequencyHz), who].filter((part) => part !== '').join('  ·  '),
      target,
    }));
    const past = present === undefined ? entries.length : pastOf(entries, present);
    const now: Choice = {
      label: present === undefined ? '' : l10n.t('the present, {0}', formatTime(present, frequencyHz)),
      kind: QuickPickItemKind.Separator,
    };
    const items = present === undefined ? choices : [...choices.slice(0, past), now, ...choices.slice(past)];
    const picker = window.createQuickPick<Choice>();
    picker.items = items;
    picker.title =
      total > entries.length
        ? l10n.t('{0}: {1} of {2} changes', name, entries.length, total)
        : l10n.t('{0}: {1} changes', name, total);
    picker.placeholder = l10n.t('Choose a change to go there');
    picker.matchOnDescription = true;
    const latest = choices[past - 1];
    if (latest) picker.activeItems = [latest];
    return new Promise((resolve) => {
      picker.onDidAccept(() => {
        resolve(picker.selectedItems[0]?.target);
        picker.hide();
      });
      picker.onDidHide(() => {
        resolve(undefined);
        picker.dispose();
      });
      picker.show();
    });
  }
}

function isRegisterItem(item: unknown): item is RegisterItem {
  return (
    typeof item === 'object' &&
    item !== null &&
    'trace' in item &&
    item.trace instanceof Uri &&
    'path' in item
  );
}
