/** Two operations above each other: their stages as bars on one scale of time. */
import type { CourseQuery, FromComparison, ShownDifference } from '../../src/protocol/comparison';
import type { OperationCourse, OperationSort, Pair } from '../../src/protocol/difference';
import { sortNames, stageName } from '../../src/trace/query/difference-text';
import { kindRow } from '../../src/trace/vocabulary/events';
import { formatCount, formatTime } from '../../src/trace/vocabulary/format';
import { h } from '../ui/dom';
import { link } from '../ui/toolkit';
import { letterMark } from './runs';

/** How both are put above each other. */
type Alignment = 'begin' | 'time';

/** What the reader has chosen; kept with the page. */
export interface CourseChoice {
  sort: OperationSort;
  index: number;
  alignment: Alignment;
}

export interface CoursesView {
  element: HTMLElement;
  /** What the page asked for has come. */
  show(query: CourseQuery, courses: Pair<OperationCourse | null>): void;
}

/** Steps of the axis. */
const STEPS = 4;
/** Share of the width in per cent from which on a stage's name fits. */
const ROOM_FOR_NAME = 9;

/** Makes the view and asks for the first pair. */
export function coursesView(
  shown: ShownDifference,
  difference: number,
  choice: CourseChoice,
  send: (message: FromComparison) => void,
  kept: (choice: CourseChoice) => void,
): CoursesView {
  const { operations, frequencyHz } = shown;
  const runs: Pair = [0, difference + 1];
  const lanes = h('div', { class: 'courses', attrs: { 'aria-live': 'polite' } });
  const known = (): (typeof operations)[number] | undefined =>
    operations.find(({ sort }) => sort === choice.sort) ?? operations.find(({ paired }) => paired > 0);
  let answered: Pair<OperationCourse | null> | undefined;

  const number = h('input', { attrs: { type: 'number', min: '1', 'aria-label': 'Number of the operation', step: '1' } });
  const sorts = select('Operations', operations.map(({ sort }) => [sort, sortNames[sort]] as const), (value) => {
    const found = operations.find(({ sort }) => sort === value);
    if (found) choose({ sort: found.sort, index: found.widest[0]?.index ?? 0 });
  });
  const alignments = select('Aligned', [['begin', 'aligned where they begin'], ['time', 'aligned by simulated time']], (value) =>
    choose({ alignment: value === 'time' ? 'time' : 'begin' }),
  );
  const widest = h('span', { class: 'widest' });
  number.addEventListener('change', () => {
    const typed = Math.floor(Number(number.value));
    choose({ index: Math.min(Math.max(1, Number.isFinite(typed) ? typed : 1), most()) - 1 });
  });
  const most = (): number => Math.max(1, ...(known()?.counts ?? []));

  const choose = (change: Partial<CourseChoice>): void => {
    Object.assign(choice, change);
    kept(choice);
    ask();
  };
  const ask = (): void => {
    const found = known();
    if (!found) return;
    choice.sort = found.sort;
    choice.index = Math.min(choice.index, most() - 1);
    sorts.value = choice.sort;
    alignments.value = choice.alignment;
    number.max = String(most());
    number.value = String(choice.index + 1);
    widest.replaceChildren(
      'differ most: ',
      ...found.widest.slice(0, 5).flatMap(({ index }) => [link(`${formatCount(index + 1)}.`, () => choose({ index })), ' ']),
    );
    widest.hidden = found.widest.length === 0;
    send({ type: 'courses', difference, sort: choice.sort, index: choice.index });
  };
  const draw = (): void => {
    if (!answered) return;
    const parts = lanesOf(answered, frequencyHz, choice.alignment, runs, send);
    lanes.replaceChildren(...parts);
  };
  const element = h(
    'div',
    {},
    h(
      'div',
      { class: 'controls' },
      sorts,
      h('label', {}, 'number ', number),
      widest,
      h('span', { class: 'spring' }),
      alignments,
    ),
    lanes,
  );
  ask();
  return {
    element,
    show(query, courses) {
      // A reader who goes on quickly gets answers to what was asked before.
      if (query.difference !== difference || query.sort !== choice.sort || query.index !== choice.index) return;
      answered = courses;
      draw();
    },
  };
}

function lanesOf(
  courses: Pair<OperationCourse | null>,
  frequencyHz: Pair,
  alignment: Alignment,
  runs: Pair,
  send: (message: FromComparison) => void,
): HTMLElement[] {
  const begins = courses.map((course, side) =>
    course === null || alignment === 'begin' ? 0 : course.from / (frequencyHz[side] ?? 1),
  );
  const there = begins.filter((_, side) => courses[side] !== null);
  const origin = Math.min(...there, Infinity);
  const ends = courses.map((course, side) =>
    course === null ? -Infinity : (begins[side] ?? 0) + course.cycles / (frequencyHz[side] ?? 1),
  );
  const whole = Math.max(Math.max(...ends) - origin, 1e-12);
  if (there.length === 0) return [h('p', { class: 'muted', text: 'Neither run has such an operation.' })];
  return [
    ...courses.map((course, side) => {
      const run = runs[side] ?? 0;
      const hz = frequencyHz[side] ?? 1;
      const at = (((begins[side] ?? 0) - origin) / whole) * 100;
      return course === null
        ? h('div', { class: 'course' }, head(run), h('p', { class: 'muted', text: 'has no operation of this number.' }))
        : lane(course, run, hz, at, whole, send);
    }),
    axis(whole),
  ];
}

const head = (run: number, ...content: (string | HTMLElement)[]): HTMLElement =>
  h('div', { class: 'course-head' }, letterMark(run), ...content);

function lane(
  course: OperationCourse,
  run: number,
  hz: number,
  begin: number,
  whole: number,
  send: (message: FromComparison) => void,
): HTMLElement {
  const track = h('div', { class: 'course-track' });
  for (const leg of course.legs) {
    const share = (leg.cycles / hz / whole) * 100;
    const name = stageName(leg);
    const { role } = kindRow(leg.kind);
    const text = `${name}: ${formatTime(leg.cycles, hz)}`;
    const bar = h('button', {
      class: `stage role-${role} ${leg.what}`,
      title: text,
      attrs: { type: 'button', 'aria-label': text },
      on: { click: () => send({ type: 'event', run, row: leg.row }) },
    });
    if (share > ROOM_FOR_NAME) bar.append(h('span', { class: 'stage-name', text: name }));
    bar.style.left = `${begin + (leg.from / hz / whole) * 100}%`;
    bar.style.width = `${share}%`;
    track.append(bar);
  }
  return h(
    'div',
    { class: 'course' },
    head(run, link(formatTime(course.cycles, hz), () => send({ type: 'event', run, row: course.row }))),
    track,
  );
}

function axis(whole: number): HTMLElement {
  const steps = h('div', { class: 'course-axis number', attrs: { 'aria-hidden': 'true' } });
  for (let i = 0; i <= STEPS; i++) {
    const step = h('span', { text: i === 0 ? '0' : formatTime((whole * i) / STEPS, 1) });
    step.style.left = `${(100 * i) / STEPS}%`;
    steps.append(step);
  }
  return steps;
}

function select(
  label: string,
  options: readonly (readonly [value: string, text: string])[],
  chosen: (value: string) => void,
): HTMLSelectElement {
  const element = h('select', { attrs: { 'aria-label': label } });
  for (const [value, text] of options) element.append(h('option', { text, attrs: { value } }));
  element.addEventListener('change', () => chosen(element.value));
  return element;
}
