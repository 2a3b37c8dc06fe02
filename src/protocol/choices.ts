/** What a reader chose about a scenario's timeline, and the places they marked: kept by the host, over runs and windows. */

/** How lanes stand under headings: by the machine they belong to, or by what they are. */
export const groupings = ['machine', 'type'] as const;
export type Grouping = (typeof groupings)[number];

/** How times are written: in seconds, in cycles, or in seconds since the selected event. */
export const clocks = ['time', 'cycles', 'selected'] as const;
export type ClockChoice = (typeof clocks)[number];

/** Lanes and headings are named by their ids, which stay the same from run to run. */
export interface LaneChoices {
  grouping: Grouping;
  /** Headings whose lanes are folded away. */
  collapsed: string[];
  /** Lanes that stay at the top; absent: the first mode lane. */
  pinned?: string[];
  hidden: string[];
  /** Lanes in the order that the reader gave them; others stand where they would. */
  order: string[];
  clock: ClockChoice;
  /** Idle stretches are shown short. */
  foldIdle: boolean;
}

/** What counts when nobody has chosen. */
export const defaultChoices: LaneChoices = {
  grouping: 'machine',
  collapsed: [],
  hidden: [],
  order: [],
  clock: 'time',
  foldIdle: false,
};

/** A place in a trace with a name. */
export interface Bookmark {
  /** Cycles. */
  time: number;
  name: string;
  /** What the reader wrote to it; may be empty. */
  note: string;
}

/** Upper bounds of what is kept. */
export const choiceLimits = { lanes: 4096, text: 512, bookmarks: 1000, note: 4000 };
