/** A brake for news that come faster than anyone can look. Knows no editor. */

/** Calls through at once, then at most once per interval, and always once more after the last request. */
export class Throttle {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private wanted = false;

  /** `intervalMs` is the least time between two calls of `action`. */
  constructor(
    private readonly action: () => void,
    private readonly intervalMs: number,
  ) {}

  /** Asks for the action: now when it has rested, else when the interval is over. */
  request(): void {
    if (this.timer !== undefined) {
      this.wanted = true;
      return;
    }
    this.timer = setTimeout(() => this.rested(), this.intervalMs);
    this.action();
  }

  /** Drops what was asked for and not yet done. */
  dispose(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.wanted = false;
  }

  private rested(): void {
    this.timer = undefined;
    if (!this.wanted) return;
    this.wanted = false;
    this.request();
  }
}
