/** Which stretch of the trace a view has figures of: the visible window, the marked range, or the whole run. */
import type { Explorer } from '../app/explorer';
import type { TabId } from '../app/model';
import type { TimeWindow } from '../time/window';
import { wholeRun } from '../time/window';
import { dropdown } from '../ui/toolkit';

/** Milliseconds of rest before figures follow the window. */
const REST = 200;

type Scope = 'window' | 'range' | 'run';

/**
 * The choice of a stretch, which asks for figures whenever they are shown and it has become another.
 * @param tab where the figures are shown
 * @param ask gets the stretch in whole cycles
 */
export function scopeChoice(
  { model }: Explorer,
  tab: TabId,
  label: string,
  ask: (stretch: TimeWindow) => void,
): HTMLElement {
  let scope: Scope = 'window';
  const now = (): void => {
    if (model.tab.value !== tab || !model.meta.value || model.extent.value.rows === 0) return;
    const whole = wholeRun(model.endTime);
    const of =
      scope === 'run' ? whole : ((scope === 'range' ? model.range.value : undefined) ?? model.window.value);
    ask({
      from: Math.max(0, Math.floor(of.from)),
      to: Math.min(Math.ceil(of.to), Math.max(1, Math.ceil(model.endTime) + 1)),
    });
  };
  let timer = 0;
  const later = (): void => {
    clearTimeout(timer);
    timer = window.setTimeout(now, REST);
  };
  model.window.subscribe(() => scope !== 'run' && later());
  model.range.subscribe(() => scope === 'range' && later());
  model.extent.subscribe(later);
  model.meta.subscribe(later);
  model.tab.subscribe((shown) => shown === tab && requestAnimationFrame(now));
  return dropdown(
    label,
    [
      ['window', 'Visible window'],
      ['range', 'Marked range'],
      ['run', 'Whole run'],
    ],
    (value) => {
      scope = value as Scope;
      now();
    },
  );
}
