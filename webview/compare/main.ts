/** Entry of the page that compares runs: shows the report that the extension sends, and tells where the reader wants to go. */
import '../styles/base.css';
import './compare.css';
import type { ComparisonReport, FromComparison, ToComparison } from '../../src/protocol/comparison';
import type { RunState } from '../../src/trace/model';
import { labelOf, saysSomething } from '../../src/trace/query/comparison-text';
import { stageName } from '../../src/trace/query/difference-text';
import { formatCount, formatTime } from '../../src/trace/vocabulary/format';
import { h } from '../ui/dom';
import { watchTheme } from '../ui/theme';
import { runsChart, type ChartData, type ChartKind } from './charts';
import { coursesView, type CourseChoice, type CoursesView } from './courses';
import { card, linesCard, partingCard, reasonsCard, stagesCard, type Beside } from './differences';
import { figuresTable } from './figures';
import { letterMark } from './runs';

interface ComparisonApi {
  postMessage(message: FromComparison): void;
  getState(): unknown;
  setState(state: PageState): void;
}
declare function acquireVsCodeApi(): ComparisonApi;

/** What the reader has chosen, over a hidden page. */
interface PageState {
  /** Place among the differences. */
  difference: number;
  course: CourseChoice;
  scroll: number;
}

const STATES: Record<RunState, string> = {
  running: 'still running',
  finished: 'finished',
  cancelled: 'stopped by the user',
  crashed: 'the guest crashed',
  failed: 'Trapline failed',
  truncated: 'the trace is not complete',
};

/** Bars of a chart: what is rarer is in the table. */
const MOST_BARS = 8;

const api = acquireVsCodeApi();
const send = (message: FromComparison): void => api.postMessage(message);
const app = document.getElementById('app') ?? document.body;
const theme = watchTheme();
const state: PageState = {
  difference: 0,
  scroll: 0,
  ...(api.getState() as Partial<PageState> | undefined),
  course: {
    sort: 'received',
    index: 0,
    alignment: 'begin',
    ...(api.getState() as Partial<PageState> | undefined)?.course,
  },
};
const keep = (): void => api.setState(state);

const problem = h('p', { class: 'problem', attrs: { role: 'alert' } });
let courses: CoursesView | undefined;
let redraw: () => void = () => undefined;

function runsList({ comparison, about }: ComparisonReport): HTMLElement {
  const list = h('ul', { class: 'runs' });
  comparison.runs.forEach(({ name, title, state: ended, traceHash }, run) => {
    const { events = 0, gaps = [] } = about[run] ?? {};
    const facts = [STATES[ended], `${formatCount(events)} events`, traceHash === '' ? '' : `trace ${traceHash}`];
    list.append(
      h(
        'li',
        {},
        letterMark(run),
        h('strong', { text: name }),
        h('span', { text: title }),
        h('span', { class: 'muted', text: facts.filter((fact) => fact !== '').join(' · ') }),
        ...gaps.map((text) => h('p', { class: 'gap', text: `⚠ ${text}` })),
      ),
    );
  });
  return list;
}

interface DrawnChart {
  title: string;
  note: string;
  kind: ChartKind;
  data: ChartData;
  /** Places of the runs that it shows. */
  runs: readonly number[];
}

function chartsOf(report: ComparisonReport): DrawnChart[] {
  const { comparison, overTime, modes } = report;
  const all = comparison.runs.map((_, run) => run);
  const printTime = (seconds: number): string => formatTime(seconds, 1);
  const rows = comparison.rows.filter(saysSomething);
  const byRun = (chosen: readonly { values: readonly (number | null)[] }[]): (number | null)[][] =>
    all.map((run) => chosen.map(({ values }) => values[run] ?? null));
  const reasons = rows.filter(({ figure }) => figure.startsWith('exits.')).slice(0, MOST_BARS);
  const latencies = rows.filter(({ figure }) => /^latency\..*\.p/.test(figure));
  const stretches: Record<string, string> = { send: 'driver to wire', receive: 'wire to handler', roundTrip: 'driver to handler' };
  return [
    {
      title: 'VM exits by reason',
      note: 'how many',
      kind: {
        label: 'VM exits by reason',
        shape: 'bars',
        print: formatCount,
        follow: (run, index) => {
          const figure = reasons[index]?.figure;
          if (figure !== undefined) send({ type: 'figure', run, figure });
        },
      },
      data: { labels: reasons.map(({ figure }) => labelOf(figure).trim()), values: byRun(reasons) },
      runs: all,
    },
    {
      title: 'Latency of packets',
      note: 'percentiles, on a scale of powers',
      kind: {
        label: 'Percentiles of the latency of packets',
        shape: 'bars',
        logarithmic: true,
        print: printTime,
        follow: (run, index) => {
          const figure = latencies[index]?.figure;
          if (figure !== undefined) send({ type: 'figure', run, figure });
        },
      },
      data: {
        labels: latencies.map(({ figure }) => {
          const [, stretch = '', rank = ''] = figure.split('.');
          return `${stretches[stretch] ?? stretch} ${rank}`;
        }),
        values: byRun(latencies),
      },
      runs: all,
    },
    {
      title: 'Time of vCPUs',
      note: 'by who has them',
      kind: { label: 'Time of vCPUs by mode', shape: 'bars', print: printTime, follow: () => undefined },
      data: { labels: modes.map(({ name }) => name), values: all.map((run) => modes.map(({ seconds }) => seconds[run] ?? null)) },
      runs: all,
    },
    {
      title: 'VM exits over time',
      note: `in each ${printTime(overTime.step)} of simulated time`,
      kind: {
        label: 'VM exits over simulated time',
        shape: 'lines',
        print: formatCount,
        follow: (run, index) => send({ type: 'time', run, seconds: index * overTime.step }),
      },
      data: {
        labels: Array.from({ length: Math.max(0, ...overTime.exits.map(({ length }) => length)) }, (_, i) => printTime(i * overTime.step)),
        values: overTime.exits,
      },
      runs: all,
    },
  ];
}

/** The mean time of each stage of the operations that are looked at. */
function stageChart(report: ComparisonReport, difference: number): DrawnChart | undefined {
  const shown = report.differences[difference];
  const operations = shown?.operations.find(({ sort }) => sort === state.course.sort);
  if (!shown || !operations || operations.stages.length === 0) return undefined;
  const stages = operations.stages.slice(0, MOST_BARS);
  const runs = [0, difference + 1];
  return {
    title: 'Time by stage',
    note: 'mean of each operation',
    kind: {
      label: 'Mean time by stage of operations',
      shape: 'bars',
      print: (seconds) => formatTime(seconds, 1),
      follow: (side, index) => {
        const row = stages[index]?.longest[side === 0 ? 0 : 1] ?? -1;
        if (row >= 0) send({ type: 'event', run: runs[side] ?? 0, row });
      },
    },
    data: {
      labels: stages.map(stageName),
      values: ([0, 1] as const).map((side) => stages.map(({ cycles }) => cycles[side] / shown.frequencyHz[side])),
    },
    runs,
  };
}

function drawCharts(report: ComparisonReport, charts: readonly DrawnChart[]): HTMLElement[] {
  return charts
    .filter(({ data }) => data.labels.length > 0)
    .map(({ title, note, kind, data, runs }) => {
      const chart = runsChart(kind);
      const drawn = (): void =>
        chart.show(
          data,
          runs.map((run) => ({ run, name: report.comparison.runs[run]?.name ?? '' })),
          theme.value,
        );
      afterLayout.push(drawn);
      return card(title, h('p', { class: 'muted', text: note }), chart.element);
    });
}

/** Charts measure their places, which they have once the page is laid out. */
let afterLayout: (() => void)[] = [];

function besideChoice(report: ComparisonReport): HTMLElement {
  const title = h('h2', { class: 'beside' });
  const [first] = report.comparison.runs;
  const select = h('select', { attrs: { 'aria-label': 'Run beside the first' } });
  report.comparison.runs.slice(1).forEach(({ name }, i) => select.append(h('option', { text: name, attrs: { value: String(i) } })));
  select.value = String(state.difference);
  select.addEventListener('change', () => {
    state.difference = Number(select.value);
    keep();
    show(report);
  });
  const other = report.comparison.runs[state.difference + 1]?.name ?? '';
  title.append(
    letterMark(state.difference + 1),
    ...(report.differences.length > 1 ? [select] : [` ${other} `]),
    ' beside ',
    letterMark(0),
    ` ${first?.name ?? ''}`,
  );
  return title;
}

function show(report: ComparisonReport): void {
  const scroll = app.scrollTop || state.scroll;
  state.difference = Math.min(state.difference, Math.max(0, report.differences.length - 1));
  const difference = report.differences[state.difference];
  const beside: Beside = { difference: state.difference, send };
  afterLayout = [];
  courses = undefined;
  const head = h(
    'header',
    {},
    h('h1', { text: 'Runs side by side' }),
    h('span', { class: 'spring' }),
    h('button', {
      class: 'copy',
      text: 'Copy as Markdown',
      attrs: { type: 'button' },
      on: { click: () => send({ type: 'copy' }) },
    }),
  );
  const parts: HTMLElement[] = [head, problem, runsList(report)];
  parts.push(h('div', { class: 'cards' }, ...drawCharts(report, chartsOf(report))));
  parts.push(
    card(
      'Figures',
      h('p', { class: 'muted', text: '× is how many times the first run’s value. ★ best, ▼ worst of a row. Each figure opens the trace at its events.' }),
      figuresTable(report, send),
    ),
  );
  if (difference) {
    const operations = difference.operations.filter(({ paired }) => paired > 0);
    const chosen = operations.find(({ sort }) => sort === state.course.sort) ?? operations[0];
    if (chosen) {
      if (chosen.sort !== state.course.sort) Object.assign(state.course, { sort: chosen.sort, index: 0 });
      courses = coursesView({ ...difference, operations }, state.difference, state.course, send, () => {
        const isOther = chosen.sort !== state.course.sort;
        keep();
        if (isOther) show(report);
      });
    }
    const stage = stageChart(report, state.difference);
    parts.push(
      besideChoice(report),
      partingCard(difference, beside),
      ...(courses ? [card('The nth beside the nth', courses.element)] : []),
      h(
        'div',
        { class: 'cards wide' },
        ...(chosen ? [stagesCard(chosen, difference.frequencyHz, beside)] : []),
        ...(stage ? drawCharts(report, [stage]) : []),
        linesCard(difference, beside),
        reasonsCard(difference, beside),
      ),
    );
  }
  app.replaceChildren(...parts);
  app.removeAttribute('aria-busy');
  redraw = () => afterLayout.forEach((draw) => draw());
  redraw();
  app.scrollTop = scroll;
}

theme.subscribe(() => redraw());
app.addEventListener('scrollend', () => {
  state.scroll = app.scrollTop;
  keep();
});

window.addEventListener('message', ({ data }: MessageEvent<ToComparison>) => {
  problem.textContent = '';
  if (data.type === 'show') show(data.report);
  else if (data.type === 'courses') courses?.show(data.query, data.courses);
  else problem.textContent = data.message;
});
send({ type: 'ready' });
