/** Where a trace is incomplete, in words: an empty stretch without such a mark always means that nothing happened. */
import type { TraceGap } from '../model';
import { formatCount, formatTime } from './format';

const causes: Record<TraceGap['why'], (gap: TraceGap) => string> = {
  limit: ({ limit }) =>
    limit === undefined
      ? 'the limit of events was reached'
      : `the limit of ${formatCount(limit)} events was reached`,
  cut: () => 'the file is cut short',
  lost: () => 'the run was cut off before it had handed over the rest',
  dropped: ({ cpu, dropped }) => {
    const whose = cpu === undefined ? '' : ` of CPU ${cpu}`;
    return `the tracer had no room for ${dropped === undefined ? 'some' : formatCount(dropped)} events${whose}`;
  },
};

const advice: Record<TraceGap['why'], string> = {
  limit:
    'Raise trace.maxEvents in the scenario, or narrow trace.kinds to what you look for. The figures count all events.',
  cut: 'Copy the file again from its source, or run the scenario again.',
  lost: 'Run the scenario again.',
  dropped: 'Trace again with larger buffers (trace-cmd record -b, perf record -m) or fewer events.',
};

/** What stands at the region: `not recorded: the limit of 10 000 000 events was reached`. */
export function gapLabel(gap: TraceGap): string {
  return `not recorded: ${causes[gap.why](gap)}`;
}

/** The same as sentences, with the time and what to do. */
export function gapSentence(gap: TraceGap, frequencyHz: number): string {
  const to = gap.to === undefined ? ' on' : ` to ${formatTime(gap.to, frequencyHz)}`;
  const when = `From ${formatTime(gap.from, frequencyHz)}${to}`;
  return `${when} events were not recorded: ${causes[gap.why](gap)}. ${advice[gap.why]}`;
}

/** The last cycle that gaps with an end reach to; 0 without any. */
export function gapsEnd(gaps: readonly TraceGap[]): number {
  return gaps.reduce((end, { to }) => Math.max(end, to ?? 0), 0);
}
