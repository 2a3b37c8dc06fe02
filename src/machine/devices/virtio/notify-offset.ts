/** Where a driver notifies a queue: what a VMM registers an ioeventfd for. */
export interface NotifyOffset {
  /** Index of the BAR; 0 on a transport without. */
  readonly bar: number;
  readonly offset: number;
  readonly queue: number;
  /** The queues share the register: the write concerns the queue whose index is written. */
  readonly shared: boolean;
}
