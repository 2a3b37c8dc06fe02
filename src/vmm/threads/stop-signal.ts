/** That a run is to stop: one flag of the whole host, and who has to notice it at once. */
export class StopSignal {
  private raised = false;
  /** Whoever runs guest code now. */
  private running: { limitDeadline(deadline: number): void } | undefined;

  /** The run is to stop, at the next boundary. */
  get wanted(): boolean {
    return this.raised;
  }

  raise(): void {
    this.raised = true;
    this.running?.limitDeadline(0);
  }

  lower(): void {
    this.raised = false;
  }

  /** Somebody begins to run guest code; undefined: nobody does any more. */
  turnOf(runnable: { limitDeadline(deadline: number): void } | undefined): void {
    this.running = runnable;
  }
}
