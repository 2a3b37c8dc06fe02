/** What a value has been along the run: all its changes with who made them, while the run comes back to where it stands. */
import type { ValueChange, ValueHistory, WatchTarget } from '../protocol/debug';
import { compareMoments } from '../run/control/moments';
import type { PointHit, Stop } from '../run/control/control';
import { hexOf } from './breakpoint';
import type { Handlers, SessionContext } from './context';
import type { WatchedRange } from './data-breakpoints';
import { programOf } from './debuggee';
import { wholeNumber } from './errors';
import type { OwnPoint } from './motor';
import { plain } from './travel';

/** Changes that one answer holds: of more, those nearest to the present moment. */
const MOST_CHANGES = 500;

export class Histories {
  /** @param rangeOf the stretch of memory that is meant */
  constructor(
    private readonly context: SessionContext,
    private readonly rangeOf: (target: WatchTarget) => WatchedRange,
  ) {}

  readonly handlers: Handlers = {
    'trapline/history': (args: WatchTarget & { limit?: number }) => ({ body: this.history(args) }),
  };

  /** Goes through all that has been simulated, listens, and comes to stand here again. */
  private history(args: WatchTarget & { limit?: number }): ValueHistory {
    const range = this.rangeOf(args);
    const most = wholeNumber(args.limit ?? MOST_CHANGES, 'A limit', 1, MOST_CHANGES);
    const { control } = this.context.debuggee;
    const { moment, frontier } = control;
    const past: ValueChange[] = [];
    const future: ValueChange[] = [];
    let total = 0;
    const note = (hit: PointHit): boolean => {
      total++;
      const change = this.changeOf(hit, range);
      if (!change) return false;
      if (compareMoments(control.moment, moment) > 0) {
        if (future.length < most) future.push(change);
      } else if (past.push(change) > most) past.shift();
      return false;
    };
    const point: OwnPoint = { kind: 'data', ...range, access: 'change', when: note };
    const move = (motion: () => Stop, own: readonly OwnPoint[] = []): Stop =>
      this.context.motor.move('travel', motion, own, false).stop;
    let complete = false;
    try {
      move(() => control.seek({ kind: 'instructions', instructions: 0 }));
      const stop = move(() => control.forward({ kind: 'moment', moment: frontier }), [point]);
      complete = stop.reason !== 'interrupted';
    } finally {
      move(() => control.seek({ kind: 'moment', moment }));
    }
    // Each side has half of the room, and what the other leaves.
    const behind = Math.min(future.length, Math.max(Math.floor(most / 2), most - past.length));
    const changes = [...past.slice(-(most - behind)), ...future.slice(0, behind)];
    return { changes, total, complete, present: plain(moment) };
  }

  private changeOf({ access, cpu }: PointHit, range: WatchedRange): ValueChange | undefined {
    if (!access) return undefined;
    const { who, isDevice, address, before, after } = access;
    const from = Math.max(0, range.address - address);
    const to = Math.min(access.length, range.address + range.length - address);
    const { control } = this.context.debuggee;
    const place = isDevice ? undefined : this.functionOf(cpu);
    return {
      moment: plain(control.moment),
      who,
      isDevice,
      before: hexOf(before.subarray(from, to)),
      after: hexOf(after.subarray(from, to)),
      ...(place !== undefined && { function: place }),
    };
  }

  /** Function that a vCPU is in. */
  private functionOf(cpu: number): string | undefined {
    const { debuggee } = this.context;
    const rip = debuggee.control.register(cpu, 'rip');
    return programOf(debuggee, cpu)?.image.symbols.functionAt(rip)?.name;
  }
}
