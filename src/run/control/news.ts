/** What a run under control records, for whoever streams its trace: each row once, whatever ways through time it takes. */
import type { TraceDelta } from '../../trace/model';
import type { RunSession } from '../session';

/** How often the listener hears of a motion that goes on, in milliseconds of wall time. */
const EVERY_MS = 50;

export class News {
  /** Handed out by the recorder, and not yet taken. */
  private waiting: TraceDelta[] = [];
  private told = performance.now();

  /**
   * @param wanted false: nobody takes what is recorded, and nothing of it is kept
   * @param listener called about every 50 ms of wall time during a motion
   */
  constructor(
    private readonly session: RunSession,
    private readonly wanted: boolean,
    private readonly listener: () => void,
  ) {}

  /**
   * Takes from the recorder what it has.
   * @param isNew whether it is of the latest moment of the run: what is recorded before that has been handed out
   */
  collect(isNew: boolean): void {
    const delta = this.session.recorder.takeDelta();
    if (isNew && this.wanted && tellsSomething(delta)) this.waiting.push(delta);
  }

  /** What was collected, oldest first; undefined: nothing is left. */
  take(): TraceDelta | undefined {
    return this.waiting.shift();
  }

  /** Time passes in a motion. */
  tick(): void {
    const now = performance.now();
    if (now - this.told < EVERY_MS) return;
    this.told = now;
    this.listener();
  }
}

function tellsSomething({ truncated, chunks, patches, tracks, places, hashes }: TraceDelta): boolean {
  const lists = [chunks, patches.row, tracks, places, hashes?.known ?? [], hashes?.unhashed ?? []];
  return truncated !== undefined || lists.some(({ length }) => length > 0);
}
