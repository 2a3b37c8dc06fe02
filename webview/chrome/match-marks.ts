/** Where the matches of the find box are in the whole run: marks under the overview, the darker the more of them a pixel holds. */
import type { DensityResult } from '../../src/protocol/details';
import type { Explorer } from '../app/explorer';
import type { Finder } from '../app/finder';
import { Latest } from '../host/latest';
import type { Signal } from '../host/signal';
import { wholeRun } from '../time/window';
import { h } from '../ui/dom';
import type { Theme } from '../ui/theme';

/** Pixels of a mark. */
const HEIGHT = 6;
/** Milliseconds between two questions while the trace grows. */
const PATIENCE = 300;
/** Least opacity of a mark: a single match is seen, too. */
const FAINTEST = 0.45;

/** Builds the marks; they follow the width of what they are put into. */
export function matchMarks(explorer: Explorer, finder: Finder, theme: Signal<Theme>): HTMLElement {
  const { model } = explorer;
  const canvas = h('canvas');
  const element = h('div', { class: 'match-marks', attrs: { 'aria-hidden': 'true' } }, canvas);
  let width = 0;
  let counts: readonly number[] | undefined;
  let timer = 0;

  const draw = (): void => {
    const ratio = devicePixelRatio;
    canvas.width = Math.max(1, Math.round(width * ratio));
    canvas.height = Math.round(HEIGHT * ratio);
    canvas.style.width = `${width}px`;
    const context = canvas.getContext('2d');
    if (!context || !counts) return;
    context.scale(ratio, ratio);
    context.fillStyle = getComputedStyle(canvas).color;
    const most = counts.reduce((greatest, count) => Math.max(greatest, count), 1);
    counts.forEach((count, x) => {
      if (count === 0) return;
      const share = most > 1 ? Math.log(count) / Math.log(most) : 1;
      context.globalAlpha = theme.value.highContrast ? 1 : FAINTEST + (1 - FAINTEST) * share;
      // A lone match is as wide as an eye needs it.
      context.fillRect(Math.max(0, x - 0.5), 0, 2, HEIGHT);
    });
  };
  const latest = new Latest<string, DensityResult>(
    (query) => {
      const { from, to } = wholeRun(model.endTime);
      return explorer.host.call('density', query, from, to, width);
    },
    (result, query) => {
      if (query !== finder.filter.value) return;
      ({ counts } = result);
      draw();
      if (!result.complete) latest.request(query);
    },
    () => undefined,
  );
  const ask = (): void => {
    clearTimeout(timer);
    timer = 0;
    const query = finder.filter.value;
    if (width > 0 && query !== '' && model.extent.value.rows > 0) latest.request(query);
  };
  const changed = (): void => {
    counts = undefined;
    element.classList.toggle('on', finder.filter.value !== '');
    draw();
    ask();
  };
  new ResizeObserver(() => {
    const next = element.clientWidth;
    if (next === width) return;
    width = next;
    changed();
  }).observe(element);
  finder.filter.subscribe(changed);
  model.extent.subscribe(() => {
    timer ||= window.setTimeout(ask, PATIENCE);
  });
  theme.subscribe(draw);
  return element;
}
