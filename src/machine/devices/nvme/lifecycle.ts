/** From CC.EN to CSTS.RDY and back, and the shutdown (3.1.5, 3.1.6, 7.3, 7.6). */
import { PendingEvent, type PendingEventRun } from '../../time/pending-event';
import { Cc, Csts, PAGE, Reg, field } from './constants';
import type { NvmeCore } from './core';
import type { Dma } from './dma';
import type { Queues } from './queues';

/** Kinds of its events. */
export const ENABLED = 2;
export const SHUT_DOWN = 3;

/** How far the controller is. */
const Phase = {
  Off: 0,
  /** EN was set, RDY is not yet. */
  Starting: 1,
  Ready: 2,
  /** EN was cleared, and transactions of before are under way: RDY is cleared when memory has none to fear any more. */
  Stopping: 3,
} as const;

/** What the hardware has of it. */
export interface LifecycleHardware {
  cc: number;
  aqa: number;
  /** Words of ASQ and ACQ, low half first. */
  bases: number[];
  phase: number;
  shutdown: number;
  /** Cycles that remain of enabling and of the shutdown; -1: none. */
  enabling: number;
  ending: number;
}

/** What the run has of it. */
export interface LifecycleRun {
  enabling: PendingEventRun;
  ending: PendingEventRun;
}

/** Bits of AQA (3.1.8): entries of the admin queues, one less. */
const AQA = { writable: 0x0fff0fff, sq: { shift: 0, mask: 0xfff }, cq: { shift: 16, mask: 0xfff } } as const;
/** Words of `bases`. */
const Word = { sq: 0, cq: 2 } as const;
/** ASQ and ACQ begin with pages of 4 KiB (3.1.9). */
const BASE_LOW_BITS = 0xfffff000;

/** The controller as a whole. */
export class Lifecycle {
  private cc = 0;
  private aqa = 0;
  private bases = [0, 0, 0, 0];
  private phase: number = Phase.Off;
  /** CSTS.SHST, in its place. */
  private shutdown = 0;
  private readonly enabling: PendingEvent;
  private readonly ending: PendingEvent;

  /** @param resetParts has all parts forget what was under way */
  constructor(
    private readonly core: NvmeCore,
    private readonly dma: Dma,
    private readonly queues: Queues,
    private readonly resetParts: () => void,
  ) {
    const { bus } = core;
    this.enabling = new PendingEvent(bus, (time) => bus.schedule(time - bus.now(), ENABLED));
    this.ending = new PendingEvent(bus, (time) => bus.schedule(time - bus.now(), SHUT_DOWN));
  }

  /** Whether doorbells mean anything. */
  get ready(): boolean {
    return this.phase === Phase.Ready;
  }

  /** Whether new commands are taken. */
  get working(): boolean {
    return this.ready && !this.core.failed && this.shutdown === 0;
  }

  /** CC, as it reads. */
  get control(): number {
    return this.cc;
  }

  /** CSTS, as it reads. */
  get status(): number {
    const ready = this.phase === Phase.Ready || this.phase === Phase.Stopping;
    return (ready ? Csts.RDY : 0) | (this.core.failed ? Csts.CFS : 0) | this.shutdown;
  }

  /** AQA, as it reads. */
  get attributes(): number {
    return this.aqa;
  }

  set attributes(value: number) {
    this.aqa = value & AQA.writable;
  }

  /** A word of ASQ (0, 1) or ACQ (2, 3). */
  base(word: number): number {
    return this.bases[word];
  }

  setBase(word: number, value: number): void {
    this.bases[word] = word % 2 === 0 ? (value & BASE_LOW_BITS) >>> 0 : value;
  }

  /** CC was written. */
  setControl(value: number): void {
    const before = this.cc;
    this.cc = value & Cc.writable;
    const notified = field(this.cc, Cc.shn);
    if (notified !== 0 && field(before, Cc.shn) === 0) this.shutDown();
    else if (notified === 0) this.clearShutdown();
    if ((before & Cc.EN) !== 0 && (this.cc & Cc.EN) === 0) this.stop();
    this.settle();
  }

  /** Goes on where it waited for transactions to end. */
  settle(): void {
    if (!this.dma.quiet) return;
    if (this.phase === Phase.Stopping) this.phase = Phase.Off;
    if (this.phase === Phase.Off && (this.cc & Cc.EN) !== 0 && !this.core.failed) this.start();
  }

  /** `ENABLED`: the controller is ready, with its admin queues. */
  enabled(): void {
    this.enabling.came();
    this.phase = Phase.Ready;
    const base = (word: number): number => this.bases[word + 1] * 2 ** 32 + this.bases[word];
    const { aqa, queues } = this;
    const cq = { id: 0, base: base(Word.cq), size: field(aqa, AQA.cq) + 1, vector: 0, interrupts: true };
    queues.addCompletion(cq);
    queues.addSubmission({ id: 0, base: base(Word.sq), size: field(aqa, AQA.sq) + 1, cq: 0 });
  }

  /** `SHUT_DOWN`. */
  shutDownEnded(): void {
    this.ending.came();
    this.shutdown = Csts.SHST_COMPLETE;
  }

  /** RST# of the bus, or of the function. */
  reset(): void {
    this.stop();
    this.phase = Phase.Off;
    this.cc = this.aqa = 0;
    this.bases.fill(0);
  }

  saveHardware(): LifecycleHardware {
    const { cc, aqa, bases, phase, shutdown, enabling, ending } = this;
    return {
      cc,
      aqa,
      bases: [...bases],
      phase,
      shutdown,
      enabling: enabling.remaining,
      ending: ending.remaining,
    };
  }

  saveRun(): LifecycleRun {
    return { enabling: this.enabling.save(), ending: this.ending.save() };
  }

  /** @param run absent: on another host, where times run for what remained of them */
  load(hardware: LifecycleHardware, run: LifecycleRun | undefined): void {
    this.cc = hardware.cc;
    this.aqa = hardware.aqa;
    this.bases = [...hardware.bases];
    this.phase = hardware.phase;
    this.shutdown = hardware.shutdown;
    if (run) {
      this.enabling.load(run.enabling);
      this.ending.load(run.ending);
    } else {
      this.enabling.adopt(hardware.enabling);
      this.ending.adopt(hardware.ending);
    }
  }

  private start(): void {
    const { core, cc } = this;
    const pagePower = field(cc, Cc.mps);
    core.pageSize = PAGE.smallest << pagePower;
    if (!this.startable(pagePower)) {
      core.fail(Reg.CC, cc);
      return;
    }
    this.phase = Phase.Starting;
    this.enabling.comeAt(core.bus.now() + core.cycles(core.timing.enableNanoseconds));
  }

  /** Whether the driver has set what the controller has: NVM commands, round robin, pages, and admin queues of two entries or more. */
  private startable(pagePower: number): boolean {
    const { cc, aqa, bases, core } = this;
    const aligned = [bases[Word.sq], bases[Word.cq]].every((low) => low % core.pageSize === 0);
    const sized = field(aqa, AQA.sq) > 0 && field(aqa, AQA.cq) > 0;
    return (
      field(cc, Cc.css) === 0 && field(cc, Cc.ams) === 0 && pagePower <= PAGE.largestPower && aligned && sized
    );
  }

  private stop(): void {
    this.enabling.cancel();
    this.clearShutdown();
    this.resetParts();
    this.core.failed = false;
    if (this.phase === Phase.Starting) this.phase = Phase.Off;
    else if (this.phase === Phase.Ready) this.phase = Phase.Stopping;
  }

  private shutDown(): void {
    const { core } = this;
    this.shutdown = Csts.SHST_OCCURRING;
    this.ending.comeAt(core.bus.now() + core.cycles(core.timing.shutdownNanoseconds));
  }

  private clearShutdown(): void {
    this.shutdown = 0;
    this.ending.cancel();
  }
}
