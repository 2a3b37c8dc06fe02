/**
 * State and behaviour of one local APIC (SDM vol. 3, chapter 10), whatever interface software reaches it by: vectors through
 * IRR and ISR, priorities, local vector table, outgoing IPIs.
 */
import type { Cycles, Scheduler } from '../time/event-queue';
import {
  requireVersion,
  type Checkpoint,
  type HardwareState,
  type Migratable,
  type RunState,
} from '../snapshot';
import {
  ApicBase,
  ApicError,
  ICR_WRITABLE,
  LAPIC_BASE,
  Lapic,
  LVT_MASKED,
  SVR_ENABLE,
} from './lapic-registers';
import { LapicTimer, type LapicTimerHardware, type LapicTimerRun, type TscToHostTime } from './lapic-timer';
import { DeliveryMode, Shorthand, type InterruptMessage, type IpiMessage } from './message';
import { wordOf } from './register-bank';
import { RegisterPage } from './register-page';

/** What a LAPIC tells the world. */
export interface LapicHost {
  /** The INTR signal to the CPU changed. */
  output(asserted: boolean): void;
  /** A level-triggered interrupt ended: IOAPICs look for it. */
  eoiBroadcast(vector: number): void;
  /** Software sent an inter-processor interrupt. */
  ipi(message: IpiMessage): void;
  /** The local vector table asks for an NMI. */
  nmi?(): void;
  /** The timer has come to its end; `accept` has to be called once, and puts its vector into the IRR. Absent: at once. */
  timerExpired?(accept: () => void): void;
  /** The 8259A, for interrupts of delivery mode ExtINT, by LINT0 or by message: its vector, and its acknowledge cycle. */
  readonly external?: { readonly pendingVector: number; acknowledge(): number };
  /**
   * A vector has come that is to be handed to the CPU by somebody, who has it taken into the IRR by `LocalApic.take`, now or
   * later. Absent: it is taken at once.
   */
  post?(vector: number): void;
  /** A vector entered the IRR (from anywhere, the timer included). */
  accepted?(vector: number, level: boolean): void;
  /** An in-service bit was cleared. */
  ended?(vector: number): void;
  /** IA32_APIC_BASE was written: the page answers at `base` while `mmio`. */
  baseChanged?(base: number, mmio: boolean): void;
  /** What messages find the LAPIC by has been written, or is as after a reset: its ID, LDR or DFR. */
  identityChanged?(): void;
}

/** Construction of a `LocalApic`. */
export interface LocalApicOptions {
  /** Initial APIC ID; below 255 for the xAPIC. */
  id: number;
  /** The bootstrap processor's has IA32_APIC_BASE.BSP set. */
  bootstrap: boolean;
  /** Unique name, for its event target. */
  name: string;
  scheduler: Scheduler;
  /** Cycles of one undivided timer tick. */
  timerCyclesPerTick: number;
  /** Cycles that a period of the timer has at least; absent: it is as software programs it. */
  timerLeastPeriod?: Cycles;
  /** Of the CPU's TSC, which a deadline is compared with; absent: it is the host's. */
  toHostTime?: TscToHostTime | undefined;
  /** Starts in x2APIC mode, as firmware may leave it. */
  x2apic?: boolean;
  /** CPUID tells of x2APIC (the default); without it the mode cannot be entered. */
  x2apicSupported?: boolean;
  /** After a reset LINT0 passes the 8259A's interrupts on, as KVM has it for the bootstrap processor. */
  virtualWire?: boolean;
  /**
   * Words of the page that its registers stand in, which others may write to as well (AMD64 vol. 2, 15.29: a virtual APIC backing
   * page); absent: nobody else reaches them.
   */
  page?: Uint32Array | undefined;
}

/** What the hardware has of a `LocalApic`. */
export interface LocalApicHardware extends HardwareState {
  version: 5;
  base: number;
  /** ID of the xAPIC, which software may have changed. */
  xapicId: number;
  tpr: number;
  ldr: number;
  dfr: number;
  svr: number;
  esr: number;
  errors: number;
  icrLow: number;
  icrHigh: number;
  lvt: number[];
  irr: Uint32Array;
  isr: Uint32Array;
  tmr: Uint32Array;
  output: boolean;
  lint0: boolean;
  extInt: boolean;
  timer: LapicTimerHardware;
}

/** What the run has of it. */
export interface LocalApicRun extends RunState {
  timer: LapicTimerRun;
}

/** What messages find a LAPIC by. */
export interface ApicIdentity {
  /** IA32_APIC_BASE has not disabled it. */
  enabled: boolean;
  /** The ID of its present mode. */
  apicId: number;
  /** Of the xAPIC: the 8 bits of the logical ID. */
  ldr: number;
  /** DFR: the flat model of logical destinations, and not that of clusters. */
  flat: boolean;
}

const TIMER_ENTRY = 0;
const LINT0_ENTRY = 3;
const ERROR_ENTRY = 5;
/** Mask and delivery mode of an entry. */
const LVT_WAY = LVT_MASKED | 0x700;
const LVT_EXT_INT = DeliveryMode.ExtInt << 8;

/** The local APIC without its register interfaces. */
export class LapicCore extends RegisterPage implements Migratable<LocalApicHardware, LocalApicRun> {
  /** The initial ID, which x2APIC mode keeps. */
  readonly id: number;
  readonly timer: LapicTimer;
  protected readonly x2apicSupported: boolean;
  protected base: number;
  /** Others write to the page of the registers. */
  private readonly shared: boolean;
  protected errors = 0;
  protected outputLevel = false;
  /** Level of LINT0. */
  private lint0 = false;
  /** A message of delivery mode ExtINT has come: an acknowledge cycle is owed to the 8259A. */
  private extInt = false;
  private readonly virtualWire: boolean;
  private readonly initialBase: number;

  constructor(
    options: LocalApicOptions,
    protected readonly host: LapicHost,
  ) {
    super(options.page);
    this.id = options.id;
    this.shared = options.page !== undefined;
    this.xapicId = options.id & 0xff;
    this.x2apicSupported = options.x2apicSupported ?? true;
    this.virtualWire = options.virtualWire ?? false;
    this.resetLvt();
    this.initialBase =
      LAPIC_BASE +
      ApicBase.Enable +
      (options.bootstrap ? ApicBase.Bsp : 0) +
      (options.x2apic ? ApicBase.X2 : 0);
    this.base = this.initialBase;
    this.timer = new LapicTimer(
      `${options.name}.timer`,
      options.scheduler,
      options.timerCyclesPerTick,
      () => this.timerExpired(),
      options.toHostTime,
      options.timerLeastPeriod,
    );
  }

  /** True when it takes fixed interrupts: neither IA32_APIC_BASE nor software (SVR) has disabled it. */
  get takesVectors(): boolean {
    return this.enabled && (this.svr & SVR_ENABLE) !== 0;
  }

  /** True unless IA32_APIC_BASE has disabled it as a whole: CPUID then denies it. */
  get enabled(): boolean {
    return (this.base & ApicBase.Enable) !== 0;
  }

  /** True in x2APIC mode: registers are MSRs and the page does not answer. */
  get x2apic(): boolean {
    return (this.base & ApicBase.X2) !== 0;
  }

  /** What messages find it by. */
  get identity(): ApicIdentity {
    return {
      enabled: this.enabled,
      apicId: this.x2apic ? this.id : this.xapicId,
      ldr: this.ldr >>> 24,
      flat: this.dfr >>> 28 === 0xf,
    };
  }

  /** True while the xAPIC page answers (enabled and not in x2APIC mode). */
  get mmioEnabled(): boolean {
    return (this.base & (ApicBase.Enable | ApicBase.X2)) === ApicBase.Enable;
  }

  /** Physical address of the xAPIC page. */
  get pageAddress(): number {
    return (this.base & ApicBase.AddressMask) >>> 0;
  }

  /** CR8: the task-priority class, 0..15 (10.8.6). */
  get cr8(): number {
    return this.tpr >> 4;
  }

  set cr8(value: number) {
    this.setTpr((value & 15) << 4);
  }

  /** Power-on: as INIT, with the ID and IA32_APIC_BASE as they were at first. */
  reset(): void {
    this.base = this.initialBase;
    this.xapicId = this.id & 0xff;
    this.init();
  }

  /** INIT: everything to its reset state but IA32_APIC_BASE and the ID (10.4.7.3). */
  init(): void {
    this.tpr = this.esr = this.errors = this.icrLow = this.icrHigh = this.ldr = 0;
    this.dfr = 0xffffffff;
    this.svr = 0xff;
    this.resetLvt();
    this.extInt = false;
    for (const bank of [this.irr, this.isr, this.tmr]) bank.fill(0);
    this.timer.reset();
    this.showTimer();
    this.update();
    this.host.identityChanged?.();
  }

  /**
   * Takes a fixed interrupt into the IRR. False when the LAPIC does not take it: disabled by hardware or software, or an
   * illegal vector (which is noted in the ESR).
   */
  accept(vector: number, level: boolean): boolean {
    if (!this.takesVectors) return false;
    if (vector < 16) {
      this.error(ApicError.ReceiveIllegalVector);
      return false;
    }
    if (level) this.tmr.add(vector);
    else this.tmr.remove(vector);
    if (this.host.post) this.host.post(vector);
    else this.take(vector);
    return true;
  }

  /** Puts a vector into the IRR that `accept` has let in. */
  take(vector: number): void {
    this.irr.add(vector);
    this.host.accepted?.(vector, this.isLevel(vector));
    this.update();
  }

  /** Takes an interrupt of delivery mode ExtINT: its vector is the 8259A's to give, by an acknowledge cycle. */
  acceptExternal(): boolean {
    const { external } = this.host;
    if (!this.takesVectors || !external) return false;
    this.extInt = true;
    this.host.accepted?.(external.pendingVector, false);
    this.update();
    return true;
  }

  /**
   * The vector the CPU would get now: that of the 8259A at LINT0, which knows no priorities of ours, or else the highest in
   * the IRR whose class is above the processor priority; -1 for none.
   */
  highestPending(): number {
    // Asked at every entry and most often in vain; the output is brought up to date with each change of the LAPIC's own.
    if (!this.outputLevel && !this.shared) return -1;
    return this.externalPending ? (this.host.external?.pendingVector ?? -1) : this.highestAllowed();
  }

  /**
   * The 8259A asks: by a message, or by LINT0 when that is asserted and passed on, by its entry or past a LAPIC that is
   * disabled as a whole (10.4.3).
   */
  get externalPending(): boolean {
    if (this.extInt) return true;
    return this.lint0 && (!this.enabled || (this.lvt.get(LINT0_ENTRY) & LVT_WAY) === LVT_EXT_INT);
  }

  private resetLvt(): void {
    this.lvt.fill(LVT_MASKED);
    if (this.virtualWire) this.lvt.set(LINT0_ENTRY, LVT_EXT_INT);
  }

  private highestAllowed(): number {
    if ((this.svr & SVR_ENABLE) === 0) return -1;
    const vector = this.irr.highest();
    return vector >= 0 && vector >> 4 > this.ppr() >> 4 ? vector : -1;
  }

  /** Highest vector in service; -1 for none. */
  highestInService(): number {
    return this.isr.highest();
  }

  /** Interrupt acknowledge: moves the highest pending vector from IRR to ISR; the spurious vector when there is none (10.9). */
  acknowledge(): number {
    if (this.externalPending && this.host.external) {
      this.extInt = false;
      const vector = this.host.external.acknowledge();
      this.update();
      return vector;
    }
    const vector = this.highestPending();
    if (vector < 0) return this.svr & 0xff;
    this.irr.remove(vector);
    this.isr.add(vector);
    this.update();
    return vector;
  }

  /**
   * Level of pin LINT0 or LINT1 (10.5.1). What an edge does, the pin's entry in the local vector table says; only ExtINT
   * follows the level.
   */
  setLint(pin: 0 | 1, asserted: boolean): void {
    const entry = LINT0_ENTRY + pin;
    const way = this.enabled ? this.lvt.get(entry) & LVT_WAY : LVT_MASKED;
    if (asserted && way === DeliveryMode.Nmi << 8) this.host.nmi?.();
    else if (asserted && way === DeliveryMode.Fixed << 8) this.raiseLvt(entry);
    if (pin === 1) return;
    this.lint0 = asserted;
    const { external } = this.host;
    if (external && this.externalPending) this.host.accepted?.(external.pendingVector, false);
    this.update();
  }

  /** End of interrupt: clears the highest in-service bit and returns its vector (-1: none was in service). */
  eoi(): number {
    const vector = this.clearInService();
    if (vector < 0) return -1;
    if (this.isLevel(vector)) this.broadcastEoi(vector);
    this.update();
    return vector;
  }

  /** The same, but for what an IOAPIC would be told: whoever calls this does that itself, by `broadcastEoi`. */
  endService(): number {
    const vector = this.clearInService();
    this.update();
    return vector;
  }

  /** Tells the IOAPICs of the end of a level-triggered interrupt. */
  broadcastEoi(vector: number): void {
    this.host.eoiBroadcast(vector);
  }

  /** Whether a vector came from a level the last time: an IOAPIC waits for its end (10.8.4, TMR). */
  isLevel(vector: number): boolean {
    return this.tmr.has(vector);
  }

  /** Processor priority (10.8.3.1). */
  ppr(): number {
    const inService = Math.max(0, this.isr.highest());
    return this.tpr >> 4 >= inService >> 4 ? this.tpr : inService & 0xf0;
  }

  /** Whether a message's destination means this LAPIC (10.6.2). */
  matches(message: Pick<InterruptMessage, 'logical' | 'destination'>): boolean {
    if (!this.enabled) return false;
    const { destination } = message;
    if (destination === 0xffffffff || (destination === 0xff && !this.x2apic)) return true;
    if (!message.logical) return destination === (this.x2apic ? this.id : this.xapicId);
    if (this.x2apic) {
      const own = this.logicalX2();
      return own >>> 16 === destination >>> 16 && (own & destination & 0xffff) !== 0;
    }
    const { ldr: own, flat } = this.identity;
    if (flat) return (own & destination) !== 0;
    return own >> 4 === destination >> 4 && (own & destination & 0xf) !== 0;
  }

  save(): Checkpoint<LocalApicHardware, LocalApicRun> {
    const timer = this.timer.save();
    const hardware: LocalApicHardware = {
      version: 5,
      base: this.base,
      xapicId: this.xapicId,
      tpr: this.tpr,
      ldr: this.ldr,
      dfr: this.dfr,
      svr: this.svr,
      esr: this.esr,
      errors: this.errors,
      icrLow: this.icrLow,
      icrHigh: this.icrHigh,
      lvt: this.lvt.values(),
      irr: Uint32Array.from(this.irr.values()),
      isr: Uint32Array.from(this.isr.values()),
      tmr: Uint32Array.from(this.tmr.values()),
      output: this.outputLevel,
      lint0: this.lint0,
      extInt: this.extInt,
      timer: timer.hardware,
    };
    return { hardware, run: { timer: timer.run } };
  }

  /** Tells nobody: whoever follows the output or the page's address has a snapshot of its own. */
  load({ hardware, run }: Checkpoint<LocalApicHardware, LocalApicRun>): void {
    this.loadRegisters(hardware);
    this.outputLevel = hardware.output;
    this.timer.load({ hardware: hardware.timer, run: run.timer });
    this.showTimer();
  }

  /** The CPU is told of a level that it does not know; whoever follows the page's address has to look. */
  adopt(hardware: LocalApicHardware): void {
    this.loadRegisters(hardware);
    this.timer.adopt(hardware.timer);
    this.showTimer();
    this.host.identityChanged?.();
    if (hardware.output !== this.outputLevel) this.drive(hardware.output);
  }

  private loadRegisters(state: LocalApicHardware): void {
    requireVersion('a local APIC', state.version, 5);
    this.base = state.base;
    this.xapicId = state.xapicId;
    this.tpr = state.tpr;
    this.ldr = state.ldr;
    this.dfr = state.dfr;
    this.svr = state.svr;
    this.esr = state.esr;
    this.errors = state.errors;
    this.icrLow = state.icrLow;
    this.icrHigh = state.icrHigh;
    this.lvt.load(state.lvt);
    this.irr.load(state.irr);
    this.isr.load(state.isr);
    this.tmr.load(state.tmr);
    this.lint0 = state.lint0;
    this.extInt = state.extInt;
  }

  protected setTpr(value: number): void {
    if (value === this.tpr) return;
    this.tpr = value;
    this.update();
  }

  protected setSvr(value: number): void {
    this.svr = value;
    if ((value & SVR_ENABLE) === 0) this.lvt.values().forEach((entry, i) => this.setLvt(i, entry));
    this.update();
  }

  protected setLvt(entry: number, value: number): void {
    // While software-disabled, LVT entries stay masked (10.4.7.2).
    const stored = (this.svr & SVR_ENABLE) === 0 ? value | LVT_MASKED : value;
    this.lvt.set(entry, stored);
    if (entry === LINT0_ENTRY) this.update();
    if (entry === TIMER_ENTRY) this.timer.configure((stored >> 17) & 3, (stored & LVT_MASKED) !== 0);
  }

  private clearInService(): number {
    const vector = this.isr.highest();
    if (vector < 0) return -1;
    this.isr.remove(vector);
    this.host.ended?.(vector);
    return vector;
  }

  private timerExpired(): void {
    const accept = (): void => this.raiseLvt(TIMER_ENTRY);
    if (this.host.timerExpired) this.host.timerExpired(accept);
    else accept();
  }

  protected raiseLvt(entry: number): void {
    const lvt = this.lvt.get(entry);
    if ((lvt & LVT_MASKED) === 0) this.accept(lvt & 0xff, false);
  }

  protected error(bit: number): void {
    if ((this.errors & bit) !== 0) return;
    this.errors |= bit;
    // An error entry with an illegal vector of its own would otherwise call itself.
    if ((this.lvt.get(ERROR_ENTRY) & 0xff) >= 16) this.raiseLvt(ERROR_ENTRY);
  }

  protected latchErrors(): void {
    this.esr = this.errors;
    this.errors = 0;
  }

  protected sendIpi(low: number): void {
    this.icrLow = low;
    const mode = (low >> 8) & 7;
    const level = (low & 0x8000) !== 0;
    // "INIT level de-assert" reaches no LAPIC since the Pentium 4 (10.6.1).
    if (mode === DeliveryMode.Init && level && (low & 0x4000) === 0) return;
    const vector = low & 0xff;
    if ((mode === DeliveryMode.Fixed || mode === DeliveryMode.LowestPriority) && vector < 16) {
      this.error(ApicError.SendIllegalVector);
      return;
    }
    this.host.ipi(this.ipiOf(low));
  }

  /** The processor has sent by itself what software has written to the ICR's low half. */
  commandSent(low: number): void {
    this.icrLow = (low & ICR_WRITABLE) >>> 0;
  }

  /** What a value of the ICR's low half sends, with its high half as it is. */
  ipiOf(low: number): IpiMessage {
    return {
      mode: (low >> 8) & 7,
      vector: low & 0xff,
      level: false,
      logical: (low & 0x800) !== 0,
      shorthand: (low >> 18) & 3,
      destination: this.x2apic ? this.icrHigh : this.icrHigh >>> 24,
    };
  }

  protected selfIpi(vector: number): void {
    if (vector < 16) this.error(ApicError.SendIllegalVector);
    else {
      this.host.ipi({
        mode: DeliveryMode.Fixed,
        vector,
        level: false,
        logical: false,
        shorthand: Shorthand.Self,
        destination: this.id,
      });
    }
  }

  protected logicalX2(): number {
    return (((this.id >>> 4) << 16) | (1 << (this.id & 15))) >>> 0;
  }

  /** Registers of the timer, as the page has them; the current count is in no memory. */
  protected showTimer(): void {
    this.page[wordOf(Lapic.InitialCount)] = this.timer.initial;
    this.page[wordOf(Lapic.Divide)] = this.timer.divideConfiguration;
  }

  protected update(): void {
    if (this.shared) this.page[wordOf(Lapic.Ppr)] = this.ppr();
    const external = this.externalPending && this.host.external !== undefined;
    const wanted = external || this.highestAllowed() >= 0;
    if (wanted !== this.outputLevel) this.drive(wanted);
  }

  private drive(asserted: boolean): void {
    this.outputLevel = asserted;
    this.host.output(asserted);
  }
}
