/** What the parts of a queue's engine share. */
import type { QueueHost } from '../contract';
import type { QueueFault } from './faults';
import type { QueueSetup } from './setup';
import type { Transactions } from './transactions';

/** A queue at work. */
export interface QueueCore {
  readonly index: number;
  readonly host: QueueHost;
  readonly setup: QueueSetup;
  readonly transactions: Transactions;
  /** The driver broke a rule: the queue stands still from now on. Whoever calls it does nothing more. */
  fail(why: QueueFault): void;
}
