/** The way of interrupt messages from their senders to LAPICs: the system bus of one machine. */
import type { LocalApic } from './lapic';
import { DeliveryMode, Shorthand, widened, type InterruptMessage, type IpiMessage } from './message';

/** What a message does that is not a vector for a LAPIC. `cpu` is the index of the LAPIC in the router. */
export interface RouterHost {
  nmi?(cpu: number): void;
  /** Whoever takes it resets the CPU and its LAPIC (`LocalApic.init`). */
  init?(cpu: number): void;
  /** Start-up IPI: real-mode code begins at `vector` * 4096. */
  startUp?(cpu: number, vector: number): void;
}

/** Delivers messages to the LAPICs of one machine. Keeps no state. */
export class InterruptRouter {
  constructor(
    private readonly lapics: readonly LocalApic[],
    private readonly host: RouterHost,
  ) {}

  /**
   * Delivers a message of an IOAPIC or an MSI, which has 8 bits of destination. Lowest priority goes to the matching LAPIC of
   * the lowest processor priority that is enabled, the first of equals. Returns the indices of the LAPICs it reached.
   */
  deliver(message: InterruptMessage): number[] {
    return this.deliverWide(widened(message));
  }

  /** The same of a message with 32 bits of destination, by which FFH is one processor's ID. */
  deliverWide(message: InterruptMessage): number[] {
    return this.reach(message, this.matching(message));
  }

  /** Delivers an IPI of the LAPIC with index `sender`. */
  ipi(sender: number, message: IpiMessage): number[] {
    return this.reach(message, this.targetsOf(sender, message));
  }

  /** Indices of the LAPICs that an IPI means. */
  targetsOf(sender: number, message: IpiMessage): number[] {
    const all = this.lapics.map((_, index) => index);
    const targets = {
      [Shorthand.None]: () => this.matching(message),
      [Shorthand.Self]: () => [sender],
      [Shorthand.AllIncludingSelf]: () => all,
      [Shorthand.AllExcludingSelf]: () => all.filter((index) => index !== sender),
    }[message.shorthand];
    return targets ? targets() : [];
  }

  /** Indices of the LAPICs that a message with 32 bits of destination means. */
  matching(message: InterruptMessage): number[] {
    return this.lapics.flatMap((lapic, index) => (lapic.matches(message) ? [index] : []));
  }

  private reach(message: InterruptMessage, targets: readonly number[]): number[] {
    if (message.mode === DeliveryMode.LowestPriority) {
      let best: number | undefined;
      for (const index of targets) {
        const lapic = this.lapics[index];
        if (!lapic.takesVectors) continue;
        if (best === undefined || lapic.ppr() < this.lapics[best].ppr()) best = index;
      }
      return best === undefined ? [] : this.fixed(message, [best]);
    }
    if (message.mode === DeliveryMode.Fixed) return this.fixed(message, targets);
    if (message.mode === DeliveryMode.ExtInt)
      return targets.filter((index) => this.lapics[index].acceptExternal());
    for (const index of targets) this.special(message, index);
    return [...targets];
  }

  private fixed(message: InterruptMessage, targets: readonly number[]): number[] {
    return targets.filter((index) => this.lapics[index].accept(message.vector, message.level));
  }

  private special(message: InterruptMessage, index: number): void {
    if (message.mode === DeliveryMode.Nmi) this.host.nmi?.(index);
    else if (message.mode === DeliveryMode.StartUp) this.host.startUp?.(index, message.vector);
    else if (message.mode === DeliveryMode.Init) this.host.init?.(index);
  }
}
