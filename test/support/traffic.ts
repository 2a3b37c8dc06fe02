/** Runs of the traffic that every NIC can be given (`drivers/traffic.c`), with what driver and trace have counted of it. */
import { exitKind, isExit, Kind } from '../../src/trace/vocabulary/events';
import { VmxExit } from '../../src/trace/vocabulary/vmx-exit-reasons';
import type { TraceEvent } from '../../src/trace/query/store';
import { countedRun, type CountedRun } from './section-a';

/** Marks of traffic.c. */
const BEGIN = 1;
const END = 2;

/** A run and its counts. Those of the trace are of what lies between the two marks: the traffic, without the set-up. */
export interface TrafficRun {
  run: CountedRun;
  /** As the driver has it, over the whole run. */
  log: { kicks: number; kicksKept: number; refills: number; refillsKept: number; interrupts: number };
  /** Frames that came back, and how often the driver slept. */
  received: number;
  sleeps: number;
  /** Rows between the marks. */
  readonly rows: TraceEvent[];
  exits: number;
  userExits: number;
  /** Exits by an access to a device's memory. */
  mmioExits: number;
  handlers: number;
}

/** Runs a sample. `defines` replaces values of its guest's macros, `change` anything else of its text. */
export async function trafficRun(
  name: string,
  defines: Record<string, number> = {},
  change = (text: string): string => text,
): Promise<TrafficRun> {
  const run = await countedRun(name, (text) =>
    Object.entries(defines).reduce(
      (all, [macro, value]) => all.replace(new RegExp(`"${macro}": \\d+`, 'g'), `"${macro}": ${value}`),
      change(text),
    ),
  );
  const [kicks, kicksKept, refills, refillsKept, interrupts] = run.words('nic_log');
  const [, received, sleeps] = run.words('traffic_log');
  const { store } = run;
  const marks = Array.from({ length: store.rows }, (_, row) => row).filter(
    (row) => store.kindOf(row) === Kind.Mark,
  );
  const [begin, end] = [BEGIN, END].map((id) => {
    const row = marks.find((each) => store.get(each).a === id);
    if (row === undefined) throw new Error(`${name}: the guest left no mark ${id}`);
    return store.startOf(row);
  });
  const counts = new Map<number, number>();
  for (let row = 0; row < store.rows; row++) {
    const kind = store.kindOf(row);
    const start = store.startOf(row);
    if (start >= begin && start < end) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  const count = (wanted: (kind: number) => boolean): number =>
    [...counts].reduce((sum, [kind, rows]) => sum + (wanted(kind) ? rows : 0), 0);
  return {
    run,
    log: { kicks, kicksKept, refills, refillsKept, interrupts },
    received,
    sleeps,
    get rows() {
      return run.rows.filter((row) => row.start >= begin && row.start < end);
    },
    exits: count(isExit),
    userExits: count((kind) => kind === Kind.UserExit),
    mmioExits: count((kind) => kind === exitKind(VmxExit.EPT_MISCONFIG)),
    handlers: count((kind) => kind === Kind.Handler),
  };
}
