/** Runs of the traffic that every NIC can be given (`drivers/traffic.c`), with what driver and trace have counted of it. */
import { exitKind, isExit, Kind } from '../../src/trace/vocabulary/events';
import { VmxExit } from '../../src/trace/vocabulary/vmx-exit-reasons';
import type { TraceEvent } from '../../src/trace/query/store';
import { between, countedRun, mark, type CountedRun } from './section-a';

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
  rows: TraceEvent[];
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
  const rows = between(run.rows, mark(run, BEGIN), mark(run, END));
  const count = (wanted: (kind: number) => boolean): number => rows.filter(({ kind }) => wanted(kind)).length;
  return {
    run,
    log: { kicks, kicksKept, refills, refillsKept, interrupts },
    received,
    sleeps,
    rows,
    exits: count(isExit),
    userExits: count((kind) => kind === Kind.UserExit),
    mmioExits: count((kind) => kind === exitKind(VmxExit.EPT_MISCONFIG)),
    handlers: count((kind) => kind === Kind.Handler),
  };
}
