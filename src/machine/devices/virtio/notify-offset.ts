/** Where a driver notifies a queue: what a VMM registers an ioeventfd for. */
export interface NotifyOffset {
  /** Index of the BAR; 0 on a transport without. */
  readonly bar: number;
  readonly offset: number;
  /** Width of the register (4.1.4.4, 4.2.2). */
  readonly bytes: 2 | 4;
  readonly queue: number;
  /** The queues share the register: the write concerns the queue whose index is written. */
  readonly shared: boolean;
}
