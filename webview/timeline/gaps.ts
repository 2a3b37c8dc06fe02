/** Marks the stretches of time of which events are missing, so that an empty stretch always means that nothing happened. */
import { gapLabel } from '../../src/trace/vocabulary/gaps';
import type { TraceGap } from '../../src/trace/model';
import type { Model } from '../app/model';
import { gapBox } from '../lanes/gap-box';
import { h } from '../ui/dom';

/** Narrower marks have no room for words; the banner has them. */
const LABELLED = 60;

/** The marks over the lanes. `draw` places them in the model's window. */
export function gapMarks(model: Model): { element: HTMLElement; draw(width: number): void } {
  const element = h('div', { class: 'gaps' });
  let shown: readonly TraceGap[] = [];
  let marks: HTMLElement[] = [];
  const draw = (width: number): void => {
    const gaps = model.meta.value?.gaps ?? [];
    if (gaps !== shown) {
      shown = gaps;
      marks = gaps.map((gap) => {
        const label = gapLabel(gap);
        return h('div', { class: 'gap' }, h('span', { class: 'gap-label', text: label }));
      });
      element.replaceChildren(...marks);
    }
    gaps.forEach((gap, i) => {
      const mark = marks[i];
      if (!mark) return;
      const folding = model.folding.value;
      const shown = {
        ...gap,
        from: folding.toShown(gap.from),
        ...(gap.to !== undefined && { to: folding.toShown(gap.to) }),
      };
      const window = folding.windowToShown(model.window.value);
      const box = gapBox(shown, folding.toShown(model.endTime), window, width);
      mark.hidden = box === undefined;
      if (!box) return;
      mark.style.transform = `translateX(${box.left}px)`;
      mark.style.width = `${box.width}px`;
      mark.classList.toggle('narrow', box.width < LABELLED);
    });
  };
  return { element, draw };
}
