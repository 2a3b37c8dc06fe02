/** Guest instructions of a text trace. */
import type { Recorder } from '../../record/recorder';
import { halves } from './numbers';

/** Places that are told apart. Each takes memory, and a hostile file has as many as it has lines. */
const MOST_PLACES = 1_000_000;

export class Places {
  private last = 0;

  constructor(private readonly recorder: Recorder) {}

  /** Id of an address; 0 once there are too many. @param rip hexadecimal */
  of(vm: number, rip: string): number {
    if (this.last >= MOST_PLACES) return 0;
    const place = this.recorder.internPlace(vm, ...halves(rip));
    this.last = Math.max(this.last, place);
    return place;
  }
}
