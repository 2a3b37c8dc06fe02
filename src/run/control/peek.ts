/** Looks at other moments of a run: a second session, which goes from one to the next while the first stays where it is. */
import type { RunJob } from '../../protocol/run';
import { RunSession } from '../session';
import { Seat, type Checkpoints } from './checkpoints';
import type { ControlReader, Goal } from './control';
import { Edits, type EditLog } from './edits';
import { InterruptFlag } from './interrupt-flag';
import { MachineReader, cpusOf } from './machine-reader';
import { Travel } from './travel';
import { Watchers } from './watchers';

interface Visitor {
  readonly reader: MachineReader;
  readonly travel: Travel;
}

export class Peek {
  private visitor: Visitor | undefined;

  constructor(
    private readonly job: RunJob,
    private readonly checkpoints: Checkpoints,
    private readonly log: EditLog,
  ) {}

  /** See `RunControl.at`. */
  at<T>(goal: Goal, read: (there: ControlReader) => T): T {
    const { reader, travel } = (this.visitor ??= this.newVisitor());
    travel.seek(goal);
    return read(reader);
  }

  /** The run has another future: the session may stand in the one that was. */
  forget(): void {
    this.visitor?.travel.stray();
  }

  private newVisitor(): Visitor {
    const session = new RunSession(this.job, undefined, true);
    const reader = new MachineReader(session);
    const edits = new Edits({ session, reader }, this.log);
    const watchers = new Watchers(session, cpusOf(session), () => false);
    const seat = new Seat(session, {
      save: () => ({ printed: [], edits: edits.made }),
      load: (state) => {
        edits.made = state.edits;
      },
      beforeSave: () => undefined,
    });
    const { checkpoints } = this;
    checkpoints.addSeat(seat);
    const travel = new Travel({
      session,
      checkpoints: {
        get now() {
          return seat.now;
        },
        latest: (fits) => checkpoints.latest(fits),
        latestByCounts: (fits) => checkpoints.latestByCounts(fits),
        after: (moment) => checkpoints.after(moment),
        isWide: () => false,
        // Checkpoints are of the first session alone.
        take: () => undefined,
        restore: (checkpoint) => checkpoints.put(seat, checkpoint),
      },
      edits,
      watchers,
      flag: new InterruptFlag(),
      news: () => undefined,
      leavesFrontier: () => undefined,
    });
    travel.stray();
    return { reader, travel };
  }
}
