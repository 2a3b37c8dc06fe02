/** Hands the guests' console output on once, however often the run prints it on its ways through time. */
export class ConsoleTape {
  /** By VM: characters printed up to the present moment, and handed on. */
  private printed: number[] = [];
  private readonly handed: number[] = [];

  constructor(private readonly hear: (vm: number, text: string) => void) {}

  /** The run prints. */
  readonly print = (vm: number, text: string): void => {
    const from = this.printed[vm] ?? 0;
    const handed = this.handed[vm] ?? 0;
    this.printed[vm] = from + text.length;
    if (from + text.length <= handed) return;
    this.handed[vm] = from + text.length;
    this.hear(vm, text.slice(Math.max(0, handed - from)));
  };

  save(): number[] {
    return Array.from(this.printed, (count) => count ?? 0);
  }

  load(printed: readonly number[]): void {
    this.printed = [...printed];
  }

  /** What will be printed from here on is new. */
  discardFuture(): void {
    this.handed.length = 0;
    this.handed.push(...this.save());
  }
}
