/** How a kept run reads in a list. */
import { l10n } from 'vscode';
import { formatCount, formatTime } from '../../trace/vocabulary/format';
import type { Verdict } from '../../trace/query/verdict';
import type { ArchivedRun, RunFigures } from './run-record';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** When something was, from now on; a date where it was not today. */
export function whenText(then: Date, now: Date): string {
  const ago = now.getTime() - then.getTime();
  if (ago < MINUTE) return l10n.t('just now');
  if (ago < HOUR) return l10n.t('{0} min ago', Math.floor(ago / MINUTE));
  if (ago < DAY && then.getDate() === now.getDate())
    return then.toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit' });
  return then.toLocaleString(undefined, { dateStyle: 'short', timeStyle: 'short' });
}

/** How a run came out, in a few words. */
export function outcomeText({ state, verdict, missed, expectations }: RunFigures): string {
  if (state === 'crashed') return l10n.t('crashed');
  if (state === 'failed') return l10n.t('failed');
  if (verdict === 'stopped') return l10n.t('stopped');
  if (missed > 0) return l10n.t('{0} of {1} expectations failed', missed, expectations);
  if (verdict === 'missed') return l10n.t('not as expected');
  return expectations === 0 ? l10n.t('finished') : l10n.t('as expected');
}

/** `as expected · 26.2 ms · 182 exits`. */
export function endText(figures: RunFigures): string {
  return [outcomeText(figures), ...sizeTexts(figures)].join(' · ');
}

function sizeTexts({ cycles, frequencyHz, exits }: RunFigures): string[] {
  return [formatTime(cycles, frequencyHz), l10n.t('{0} exits', formatCount(exits))];
}

/** `just now · 26.2 ms · 182 exits`, and before it how it came out where that is not as expected. */
export function runDescription({ ended, figures }: ArchivedRun, now: Date): string {
  const when = whenText(new Date(ended), now);
  if (!figures) return when;
  const outcome = figures.verdict === 'passed' ? [] : [outcomeText(figures)];
  return [...outcome, when, ...sizeTexts(figures)].join(' · ');
}

/** Product icons and the colours of tests, by verdict. */
export const VERDICT_ICONS: Record<Verdict, readonly [icon: string, colour: string | undefined]> = {
  passed: ['pass', 'testing.iconPassed'],
  missed: ['error', 'testing.iconFailed'],
  failed: ['flame', 'testing.iconErrored'],
  stopped: ['debug-stop', undefined],
};
