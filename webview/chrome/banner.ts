/** The slim line that says how the run stands, with what one may do next. */
import type { Explorer } from '../app/explorer';
import type { FailedExpectations } from '../../src/protocol/webview';
import type { RunState } from '../../src/trace/model';
import { foreignSentence, needsSaying } from '../../src/trace/exchange/foreign-source';
import { gapSentence } from '../../src/trace/vocabulary/gaps';
import { formatCount, formatDuration, formatTime } from '../time/format';
import { h, icons } from '../ui/dom';
import { button, iconButton } from '../ui/toolkit';

/** Milliseconds without lanes after which the page says what it waits for. */
const PATIENCE = 400;

type Look = 'quiet' | 'busy' | 'warning' | 'error';

interface Saying {
  look: Look;
  text: string;
  steps?: readonly Step[];
}

interface Step {
  label: string;
  act: () => void;
}

/** Builds the banner; it hides itself when there is nothing to say. */
export function banner(explorer: Explorer): HTMLElement {
  const { model } = explorer;
  const text = h('span', { class: 'banner-text' });
  const mark = h('span', { class: 'banner-mark', attrs: { 'aria-hidden': 'true' } });
  const step = h('span', { class: 'banner-step' });
  const element = h('div', { class: 'banner', attrs: { role: 'status' } }, mark, text, step);
  let shown = '';
  /** The lanes take so long that a reader wonders. */
  let isLate = false;

  const again = {
    label: 'Run again',
    act: () => void explorer.host.call('runAgain').catch((error: unknown) => explorer.report(error)),
  };
  const failures: Partial<Record<RunState, [Look, string]>> = {
    cancelled: ['warning', 'The run was stopped; the trace ends where it was.'],
    crashed: ['error', 'The guest crashed; the trace shows everything up to there.'],
    failed: ['error', 'The run failed; what was recorded up to there is shown.'],
    truncated: ['warning', 'The file is cut short; the trace shows what could be read.'],
  };
  const stepsOf = ({ row }: FailedExpectations): Step[] =>
    row === undefined
      ? [again]
      : [
          { label: 'Show the event', act: () => void explorer.reveal(row) },
          { label: 'Debug from here', act: () => void explorer.debugFrom(row) },
        ];
  const saying = (): Saying | undefined => {
    const { rows, endTime, state, message, progress, failed } = model.extent.value;
    if (!model.meta.value) return { look: 'busy', text: 'Loading the trace…' };
    const position = model.debugger.value;
    if (position?.stopped) {
      const at = formatTime(position.cycles, model.frequencyHz, 1);
      return {
        look: 'quiet',
        text: `The debugger stands at ${at}, after event ${formatCount(position.rows)}. Click an event, or drag the cursor, to go elsewhere.`,
      };
    }
    if (state === 'running') {
      const exits = progress ? `, ${formatCount(progress.exits)} exits` : '';
      const so =
        rows === 0
          ? 'Running: no event yet'
          : `Running: ${formatDuration(endTime, model.frequencyHz)} simulated, ${formatCount(rows)} events${exits}`;
      return { look: 'busy', text: so };
    }
    const failure = failures[state];
    if (failure) {
      const last = rows - 1;
      const show = {
        label: 'Show the last event',
        act: () => {
          void explorer.reveal(last);
          void explorer.openSource(last, true);
        },
      };
      return {
        look: failure[0],
        text: message ?? failure[1],
        steps: [state === 'crashed' && rows > 0 ? show : again],
      };
    }
    if (failed) return { look: 'error', text: failed.text, steps: stepsOf(failed) };
    const { gaps, source } = model.meta.value;
    const [gap] = gaps;
    if (gap) {
      const more = gaps.length > 1 ? ` (${formatCount(gaps.length)} such regions in all)` : '';
      const text = gapSentence(gap, model.frequencyHz) + more;
      return { look: 'warning', text, steps: source ? [] : [again] };
    }
    if (source && needsSaying(source))
      return { look: 'quiet', text: foreignSentence(source, model.frequencyHz), steps: [] };
    if (rows > 0 && isLate && !model.arrived.value)
      return { look: 'busy', text: `Reading ${formatCount(rows)} events…` };
    if (rows === 0)
      return {
        look: 'quiet',
        text: 'The run ended without an event. Does its scenario record any kind?',
        steps: [again],
      };
    return undefined;
  };
  const draw = (): void => {
    const trouble = explorer.trouble.value;
    const say: Saying | undefined = trouble === '' ? saying() : { look: 'error', text: trouble };
    element.hidden = say === undefined;
    if (!say) return;
    text.textContent = say.text;
    text.title = say.text;
    const steps = say.steps ?? [];
    const key = `${say.look}/${trouble === '' ? `${steps.map(({ label }) => label).join()}/${model.extent.value.failed?.row ?? ''}` : trouble}`;
    if (key === shown) return;
    shown = key;
    element.className = `banner ${say.look}`;
    mark.textContent = { quiet: 'i', busy: '', warning: '!', error: '✕' }[say.look];
    step.replaceChildren();
    if (trouble !== '')
      step.append(iconButton(icons.close, 'Close this message', () => (explorer.trouble.value = '')));
    else step.append(...steps.map(({ label, act }) => button(label, act)));
  };
  model.meta.subscribe(draw);
  const unsubscribe = model.meta.subscribe(() => {
    unsubscribe();
    setTimeout(() => {
      isLate = true;
      draw();
    }, PATIENCE);
  });
  model.arrived.subscribe(draw);
  model.extent.subscribe(draw);
  model.debugger.subscribe(draw);
  explorer.trouble.subscribe(draw);
  draw();
  return element;
}
