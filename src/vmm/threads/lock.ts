/** A lock of the host that threads wait for, in the order in which they came: QEMU's big lock. */
import type { Stateful } from '../../machine/bus';
import type { Inspectable, StateNode, StatePath } from '../../machine/inspect';
import { nodeAt } from '../../machine/registers';
import { textNode } from '../../machine/state-nodes';
import { SnapshotError, requireVersion } from '../../machine/snapshot';
import type { Cycles } from '../../machine/time/event-queue';
import { Kind } from '../../trace/vocabulary/events';
import type { RowRef, Tracer } from '../../trace/record/tracer';
import type { ThreadScheduler } from './scheduler';
import type { HostThread } from './thread';
import type { Work } from './work';

/** A thread that does work under a lock. */
export interface LockUser {
  readonly thread: HostThread;
  /** What it does, step by step: whatever the lock protects adds to the work of whoever holds the lock. */
  readonly work: Work;
}

/** Snapshot of a `HostLock`: threads by name. */
export interface HostLockState {
  version: 1;
  owner: string | undefined;
  waiters: { name: string; row: RowRef }[];
}

/** One lock. */
export class HostLock implements Inspectable, Stateful<HostLockState> {
  private holder: LockUser | undefined;
  private waiters: { user: LockUser; row: RowRef }[] = [];
  private readonly users = new Map<string, LockUser>();

  /** @param index its key in the `locks` of its users' tracks */
  constructor(
    private readonly scheduler: ThreadScheduler,
    private readonly tracer: Tracer,
    private readonly index: number,
  ) {}

  /** Makes a user known, so that a snapshot can name it. */
  register(user: LockUser): void {
    this.users.set(user.thread.name, user);
  }

  /** Who holds the lock; undefined: nobody. */
  get owner(): LockUser | undefined {
    return this.holder;
  }

  get free(): boolean {
    return this.holder === undefined;
  }

  /**
   * Takes the lock at the present instant.
   *
   * @returns false when somebody else holds it: the thread then sleeps, and has the lock when it is dispatched again
   */
  acquire(user: LockUser, time: Cycles): boolean {
    if (!this.holder) {
      this.holder = user;
      return true;
    }
    const row = this.tracer.open(
      time,
      user.thread.track,
      Kind.LockWait,
      this.index,
      this.holder.thread.track,
    );
    this.waiters.push({ user, row });
    this.scheduler.block(user.thread, time);
    return false;
  }

  /** Gives the lock up at the present instant: to the first that waits, which wakes up. */
  release(time: Cycles): void {
    // Given up at each exit to QEMU and most often with nobody waiting: to take from an empty list costs as much as the rest.
    const next = this.waiters.length > 0 ? this.waiters.shift() : undefined;
    this.holder = next?.user;
    if (!next) return;
    this.tracer.close(next.row, time);
    this.scheduler.wake(next.user.thread);
  }

  /** Who holds it, and who waits for it, in that order. */
  inspect(path: StatePath): StateNode | undefined {
    const holder = textNode('holder', this.holder?.thread.name ?? 'nobody');
    const waiters = this.waiters.map(({ user }, index) => textNode(String(index), user.thread.name));
    return nodeAt({ name: 'lock', children: [holder, { name: 'waiting', children: waiters }] }, path);
  }

  save(): HostLockState {
    return {
      version: 1,
      owner: this.holder?.thread.name,
      waiters: this.waiters.map(({ user, row }) => ({ name: user.thread.name, row })),
    };
  }

  load(state: HostLockState): void {
    requireVersion('a lock', state.version, 1);
    this.holder = state.owner === undefined ? undefined : this.named(state.owner);
    this.waiters = state.waiters.map(({ name, row }) => ({ user: this.named(name), row }));
  }

  private named(name: string): LockUser {
    const user = this.users.get(name);
    if (!user)
      throw new SnapshotError(`snapshot has a lock held by '${name}', which this machine does not have`);
    return user;
  }
}
