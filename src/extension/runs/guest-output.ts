/** Serial consoles of guests as output channels: `Trapline Guest: vm0`. */
import { window, type Disposable, type OutputChannel } from 'vscode';
import type { RunService } from './run-service';
import type { RunSession } from './run-session';

/** One channel for each VM name, shared by all runs; each run says whose output begins. */
export class GuestOutput implements Disposable {
  private readonly channels = new Map<string, OutputChannel>();
  private readonly subscription: Disposable;
  private last: OutputChannel | undefined;

  constructor(runs: RunService) {
    this.subscription = runs.onDidStart((session) => this.attach(session));
  }

  /** Brings the channel that was last written to into view; false when no guest has run yet. */
  show(): boolean {
    this.last?.show(true);
    return this.last !== undefined;
  }

  dispose(): void {
    this.subscription.dispose();
    for (const channel of this.channels.values()) channel.dispose();
  }

  private attach(session: RunSession): void {
    const opened = new Set<number>();
    const open = (vm: number): OutputChannel => {
      const name = session.trace?.meta.guests[vm]?.vm ?? `vm${vm}`;
      const channel = this.channel(name);
      if (!opened.has(vm)) {
        opened.add(vm);
        channel.replace('');
      }
      return channel;
    };
    // Each VM's channel is emptied at once: old output must not pass for this run's.
    session.trace?.meta.guests.forEach((_, vm) => {
      const channel = open(vm);
      this.last ??= channel;
    });
    session.onDidPrint(({ vm, text }) => {
      this.last = open(vm);
      this.last.append(text);
    });
  }

  private channel(name: string): OutputChannel {
    const known = this.channels.get(name);
    if (known) return known;
    const channel = window.createOutputChannel(`Trapline Guest: ${name}`);
    this.channels.set(name, channel);
    return channel;
  }
}
