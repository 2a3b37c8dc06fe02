/** What the page knows and shows: one signal per thing that parts of the page watch. */
import type { EventChain, EventDetails } from '../../src/protocol/details';
import type { QueryLane } from '../../src/protocol/query-lanes';
import type { RunProgress } from '../../src/protocol/run';
import { defaultChoices, type Bookmark, type LaneChoices } from '../../src/protocol/choices';
import type { Lane } from '../../src/protocol/viewport';
import type { DebugPosition, FailedExpectations } from '../../src/protocol/webview';
import type { RunState, Track, TraceMeta } from '../../src/trace/model';
import { Signal } from '../host/signal';
import type { ArrangedLanes } from '../lanes/arrange';
import type { Clock } from '../time/clock';
import { Folding } from '../time/fold';
import type { TimeWindow } from '../time/window';

/** How far the trace reaches and how its run stands. */
export interface Extent {
  rows: number;
  /** Cycles. */
  endTime: number;
  state: RunState;
  message?: string;
  progress?: RunProgress;
  /** What the scenario expected in vain. */
  failed?: FailedExpectations;
}

/** The chain that is shown: that of the event at `row`, which the selected one is part of. */
export interface Chain extends EventChain {
  row: number;
}

/** How far chains are followed each way, at most; the reader may choose, and the last is all of it. */
export const chainSteps = [4, 8, 16, 32, 10_000] as const;
const USUAL_STEPS = 16;
/** Events of a chain that are shown unless the reader asks for more. */
export const CHAIN_EVENTS = 200;

/** Tabs of the lower panel. */
export const tabIds = [
  'details',
  'chain',
  'path',
  'operations',
  'statistics',
  'translations',
  'events',
] as const;
export type TabId = (typeof tabIds)[number];

export class Model {
  /** Undefined until the host has sent it. */
  readonly meta = new Signal<TraceMeta | undefined>(undefined);
  readonly extent = new Signal<Extent>({ rows: 0, endTime: 0, state: 'running' });
  /** Every lane of the trace. */
  readonly lanes = new Signal<readonly Lane[]>([]);
  /** Lanes that the reader made of queries; they are among `lanes`, too. */
  readonly queryLanes = new Signal<readonly QueryLane[]>([]);
  readonly choices = new Signal<LaneChoices>(defaultChoices);
  /** The lanes as the reader chose to see them. */
  readonly arranged = new Signal<ArrangedLanes>({ pinned: [], lanes: [] });
  /** How time lies on screen. */
  readonly folding = new Signal(Folding.none);
  readonly window = new Signal<TimeWindow>({ from: 0, to: 1000 });
  readonly follow = new Signal(false);
  /** Row of the selected event, -1 none. */
  readonly selection = new Signal(-1);
  readonly details = new Signal<EventDetails | undefined>(undefined);
  readonly chain = new Signal<Chain | undefined>(undefined);
  /** How far chains are followed: steps each way, and events in all. */
  readonly reach = new Signal({ steps: USUAL_STEPS, limit: CHAIN_EVENTS });
  /** A stretch of time that the reader marked. */
  readonly range = new Signal<TimeWindow | undefined>(undefined);
  /** Events that begin in the marked range, once counted. */
  readonly measured = new Signal<number | undefined>(undefined);
  /** Cursors that the reader put down, in cycles. */
  readonly cursors = new Signal<{ readonly a?: number; readonly b?: number }>({});
  /** In order of time. */
  readonly bookmarks = new Signal<readonly Bookmark[]>([]);
  /** Id of the lane that the keyboard works on, empty none. */
  readonly lane = new Signal('');
  /** Where the debugger stands; undefined: none does. */
  readonly debugger = new Signal<DebugPosition | undefined>(undefined);
  /** Time to which the reader drags the debugger's cursor; undefined while nobody drags it. */
  readonly dragged = new Signal<number | undefined>(undefined);
  readonly tab = new Signal<TabId>('details');
  readonly panelHeight = new Signal(Math.round(Math.min(250, Math.max(150, innerHeight * 0.28))));
  readonly query = new Signal('');
  readonly scroll = new Signal(0);
  /** Whether events have come to the lanes at all. */
  readonly arrived = new Signal(false);

  get frequencyHz(): number {
    return this.meta.value?.frequencyHz ?? 1e9;
  }

  /** How times are written. */
  get clock(): Clock {
    const { clock } = this.choices.value;
    const since = clock === 'selected' && this.selection.value >= 0 ? this.details.value?.start : undefined;
    return { frequencyHz: this.frequencyHz, cycles: clock === 'cycles', origin: since ?? 0 };
  }

  get endTime(): number {
    return this.extent.value.endTime;
  }

  /** Whether the run still goes on. */
  get live(): boolean {
    return this.extent.value.state === 'running';
  }

  track(id: number): Track | undefined {
    return this.meta.value?.tracks.find((track) => track.id === id);
  }
}
