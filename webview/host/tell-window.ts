/** Tells the host which stretch of time is in sight, so that figures beside the source are those of it. */
import type { Model } from '../app/model';
import { showsWholeRun, type TimeWindow } from '../time/window';
import type { HostClient } from './client';

/** Milliseconds between two words: figures in an editor need not follow each step of a gesture. */
const REST = 200;

/** Follows the window from now on. */
export function tellWindow(model: Model, host: HostClient): void {
  let told: TimeWindow | undefined;
  let timer = 0;
  const tell = (): void => {
    timer = 0;
    const { from, to } = model.window.value;
    const span = showsWholeRun({ from, to }, model.endTime) ? undefined : { from, to };
    if (span?.from === told?.from && span?.to === told?.to) return;
    told = span;
    host.notify({ type: 'window', ...(span && { span }) });
  };
  model.window.subscribe(() => {
    if (timer === 0 && model.meta.value) timer = window.setTimeout(tell, REST);
  });
}
