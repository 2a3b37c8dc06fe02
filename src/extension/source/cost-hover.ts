/** What a hover over code tells of its exits, with the way to their events. */
import { MarkdownString, l10n, type Uri } from 'vscode';
import { formatCount, formatTime } from '../../trace/vocabulary/format';
import type { CodeFigures } from '../../trace/query/source-figures';
import { quoted } from '../../trace/query/query';
import { Command } from '../names';
import { costLabel } from './line-costs';

/** A command link of a hover. */
export function commandLink(command: string, args: readonly unknown[]): string {
  return `command:${command}?${encodeURIComponent(JSON.stringify(args))}`;
}

/** Of which trace figures are. */
export interface FiguresOf {
  trace: Uri;
  title: string;
  frequencyHz: number;
  inSight: boolean;
  outdated: boolean;
}

/** The words behind a line, with what restricts them. */
export function costText(of: FiguresOf, figures: Pick<CodeFigures, 'exits' | 'cycles'>): string {
  const label = costLabel(figures, of.frequencyHz);
  const seen = of.inSight ? l10n.t('{0} in sight', label) : label;
  return of.outdated ? l10n.t('{0} before the edit', seen) : seen;
}

/** Exits and cycles with their reasons. */
export function costHover(
  of: FiguresOf,
  figures: Pick<CodeFigures, 'exits' | 'cycles' | 'byReason' | 'query'>,
): MarkdownString {
  const text = new MarkdownString(undefined, true);
  text.isTrusted = { enabledCommands: [Command.revealLine] };
  const average = formatTime(figures.cycles / Math.max(1, figures.exits), of.frequencyHz);
  text.appendMarkdown(`**${costLabel(figures, of.frequencyHz)}** — ${l10n.t('{0} each', average)}`);
  text.appendText(l10n.t(' in {0}', of.title));
  if (of.inSight) text.appendText(l10n.t(', in the part of the run that the timeline shows'));
  text.appendMarkdown('\n\n');
  for (const { reason, exits, cycles } of figures.byReason) {
    const row = `\`${reason}\` ${formatCount(exits)} · ${formatTime(cycles, of.frequencyHz)}`;
    const query = `${figures.query} exit:${quoted(reason)}`;
    text.appendMarkdown(
      `- ${row} · [${l10n.t('Show')}](${commandLink(Command.revealLine, [of.trace.toString(), query])})\n`,
    );
  }
  const link = commandLink(Command.revealLine, [of.trace.toString(), figures.query]);
  text.appendMarkdown(`\n[$(graph-line) ${l10n.t('Show in timeline')}](${link})`);
  if (of.outdated)
    text.appendMarkdown(
      `\n\n${l10n.t('The file has been edited since the run: the figures are those of the text that ran.')}`,
    );
  return text;
}
