/** Numbers by which a client names things of the present stop. They are good until the run moves. */
import { DebugErrorId } from '../protocol/debug';
import { RequestError } from './errors';

/** Numbers for things; never one twice in a session, so that one of an earlier stop is known for what it is. */
export class Handles<T> {
  private readonly things = new Map<number, T>();
  private next = 1;

  /** @param what completes “This … belongs to a moment that the run has left” */
  constructor(private readonly what: string) {}

  add(thing: T): number {
    this.things.set(this.next, thing);
    return this.next++;
  }

  /** @throws RequestError when the number is of an earlier stop, or of nothing */
  get(id: unknown): T {
    const thing = typeof id === 'number' ? this.things.get(id) : undefined;
    if (thing !== undefined) return thing;
    throw new RequestError(
      `This ${this.what} belongs to a moment that the run has left: ask for the stack again.`,
      DebugErrorId.Stale,
    );
  }

  clear(): void {
    this.things.clear();
  }
}
