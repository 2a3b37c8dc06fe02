/**
 * The host's driver of an 82599 whose virtual functions work for VMs (the physical function's part of ixgbe of Linux): it brings the
 * device up before the VMs run, and answers what the virtual functions ask for by their mailboxes, in a thread of its own that its
 * interrupt wakes (a threaded handler, `irq/…-nic0` of Linux). All that it knows of them it has from the device's registers, and each
 * access takes the time that it takes on the host's bus.
 */
import type { Stateful } from '../../machine/bus';
import { Cause } from '../../machine/devices/ixgbe/bits';
import { MAILBOX_WORDS, Reg } from '../../machine/devices/ixgbe/offsets';
import { requireVersion } from '../../machine/snapshot';
import { Kind } from '../../trace/vocabulary/events';
import { Message, MessageFlag, refusalNames } from '../../trace/vocabulary/mailbox-messages';
import type { RowRef } from '../../trace/record/tracer';
import type { Site } from '../host';
import type { InterruptUser } from '../host-bus/device-interrupts';
import type { HostDevice } from '../host-bus/host-device';
import type { Step, StepTarget } from '../threads/work';
import { Worker, type JobTarget } from '../threads/worker';
import { AccessPlan, carryOut, type Registers } from './access-plan';
import { answer, forget, newState, type PfState, type Reply } from './requests';
import { OTHER_VECTOR, startUp } from './start-up';

/** What the thread has seen that a virtual function waits for: it was reset, it has sent a message. */
interface Errand {
  what: 'reset' | 'message';
  vf: number;
}

/** Snapshot of a `PfDriver`. */
export interface PfDriverState extends PfState {
  version: 1;
  errands: Errand[];
  /** Row that all of them hang on. */
  seen: RowRef;
  called: boolean;
}

/** PFMAILBOX (8.2.3.29.1). */
const Mailbox = { sent: 1 << 0, acknowledged: 1 << 1, lock: 1 << 3 } as const;
/** PFMBICR (8.2.3.5.20): requests of 16 functions, and above them their acknowledgements. */
const PER_WORD = 16;
const ACKNOWLEDGED = 0xffff << PER_WORD;
/** Functions in a register of PFVFLRE. */
const PER_RESET_WORD = 32;
const RESET_WORDS = [Reg.VFLRE0, Reg.VFLRE1] as const;
const NOTHING = new Uint8Array(0);
const NO_MORE = { b: 0, c: 0 } as const;

/** Steps of the thread. */
const Do = {
  /** Find out why the device has interrupted. */
  look: 0,
  /** Take the message out of the mailbox: `a` is the virtual function. */
  take: 1,
  /** Do what a plan has, and with it answer: `b` is the message's first word, `c` why it is refused. */
  reply: 2,
  /** Do what a plan has. */
  settle: 3,
} as const;

/** The driver of one device. */
export class PfDriver implements InterruptUser, JobTarget, StepTarget, Stateful<PfDriverState> {
  readonly jobTargetId: string;
  readonly stepTargetId: string;
  private readonly worker: Worker;
  private readonly track: number;
  private readonly registers: Registers;
  private state: PfState;
  /** One is done before the next is begun: what one writes, the next may read. */
  private errands: Errand[] = [];
  private seen: RowRef = 0;
  /** It has interrupted since the thread last began to look. */
  private called = false;

  /** @param vfs virtual functions: 1 to 63 */
  constructor(
    private readonly site: Site,
    private readonly device: HostDevice,
    private readonly vfs: number,
  ) {
    const { tracer, island, scheduler, units } = site;
    const name = `host/ixgbe-${device.name}`;
    this.jobTargetId = name;
    this.stepTargetId = name;
    this.track = tracer.addTrack({
      type: 'thread',
      name: `ixgbe ${device.name}`,
      group: 'host',
      vm: -1,
      reasons: { ...refusalNames },
    });
    const targets = new Map<string, StepTarget>([[name, this]]);
    this.worker = new Worker(island, scheduler, tracer, {
      name: `${name}/thread`,
      track: this.track,
      // Beside its accesses the handler does little: they take its time.
      takeCycles: 0,
      targets,
    });
    this.worker.register(this);
    this.registers = {
      read: (offset) => device.readRegister(0, offset),
      write: (offset, value) => device.writeRegister(0, offset, value),
    };
    this.state = newState(vfs);
    units.keep(name, this);
    units.keep(`${name}/thread`, this.worker);
  }

  /** Brings the device up, before the VMs run: this takes no time of theirs. */
  start(): void {
    const { device, vfs, site } = this;
    startUp(device.pci, this.registers, vfs);
    device.interrupts.connect(this);
    device.interrupts.useMsix();
    device.interrupts.useVector(OTHER_VECTOR);
    site.tracer.instant(site.island.now(), device.lane.track, Kind.VfsEnabled, vfs, 0);
  }

  /** However often it interrupts before the thread looks, the thread looks once (IRQTF_RUNTHREAD of Linux). */
  messageCame(): void {
    if (this.called) return;
    this.called = true;
    this.worker.post(this, 0, 0);
  }

  /** It uses messages. */
  pinCame(): void {}

  onJob(): void {
    this.called = false;
    // EICR, PFVFLRE, PFMBICR.
    const reads = 1 + RESET_WORDS.length + this.mailWords;
    this.add(Do.look, reads * this.site.costs['bus.read'], 0);
  }

  begin(step: Step, time: number): RowRef {
    if (step.kind !== Do.reply) return step.cause;
    return this.site.tracer.open(time, this.track, Kind.VfRequest, step.a, step.b);
  }

  finish(step: Step, row: RowRef): void {
    const { tracer, island } = this.site;
    if (step.kind === Do.look) return this.look();
    if (step.kind === Do.take) return this.take(step.a);
    carryOut(step.bytes ?? NOTHING, this.registers);
    if (step.kind === Do.reply) {
      if (step.c !== 0) tracer.instant(island.now(), this.track, Kind.VfRefused, step.a, step.c);
      tracer.close(row, island.now());
    }
    this.goOn();
  }

  save(): PfDriverState {
    const { functions, vlans } = this.state;
    return {
      version: 1,
      functions: functions.map((each) => ({ ...each })),
      vlans: [...vlans],
      errands: [...this.errands],
      seen: this.seen,
      called: this.called,
    };
  }

  load({ version, functions, vlans, errands, seen, called }: PfDriverState): void {
    requireVersion('the driver of a physical function', version, 1);
    this.state = { functions: functions.map((each) => ({ ...each })), vlans: [...vlans] };
    this.errands = [...errands];
    this.seen = seen;
    this.called = called;
  }

  private get mailWords(): number {
    return Math.ceil(this.vfs / PER_WORD);
  }

  /** Sees who wants what: resets before requests, which may have followed them. */
  private look(): void {
    const { registers, vfs } = this;
    const causes = registers.read(Reg.EICR);
    const resets = RESET_WORDS.map((register) => registers.read(register));
    const mail = Array.from({ length: this.mailWords }, (_, word) => registers.read(Reg.PFMBICR + 4 * word));
    for (let vf = 0; vf < vfs; vf++) {
      if (hasBit(resets, vf, PER_RESET_WORD)) this.errands.push({ what: 'reset', vf });
      if (hasBit(mail, vf, PER_WORD)) this.errands.push({ what: 'message', vf });
    }
    this.seen = this.site.tracer.cause;
    const plan = this.plan();
    mail.forEach((word, index) => {
      const acknowledged = word & ACKNOWLEDGED;
      if (acknowledged !== 0) plan.write(Reg.PFMBICR + 4 * index, acknowledged);
    });
    if ((causes & Cause.LINK_CHANGE) !== 0) this.tellAll(plan);
    this.settle(plan);
  }

  /** The next errand, if there is one. */
  private goOn(): void {
    const next = this.errands.shift();
    if (!next) return;
    const { what, vf } = next;
    this.site.tracer.cause = this.seen;
    if (what === 'reset') this.wasReset(vf);
    else this.add(Do.take, this.takeCycles, vf);
  }

  private wasReset(vf: number): void {
    const plan = this.plan();
    plan.write(Reg.VFLREC + 4 * Math.floor(vf / PER_RESET_WORD), 1 << (vf % PER_RESET_WORD));
    forget(this.state, vf, plan);
    this.settle(plan);
  }

  /** Each function that listens looks at the link when it gets a message. */
  private tellAll(plan: AccessPlan): void {
    this.state.functions.forEach(({ clearToSend }, vf) => {
      if (clearToSend) this.send(plan, vf, [Message.control | MessageFlag.clearToSend]);
    });
  }

  /** Takes the request's bit back, the lock, all words, and says that it has them. */
  private get takeCycles(): number {
    const { costs } = this.site;
    return 3 * costs['bus.write'] + (1 + MAILBOX_WORDS) * costs['bus.read'];
  }

  private take(vf: number): void {
    const { registers } = this;
    const mailbox = Reg.PFMAILBOX + 4 * vf;
    registers.write(Reg.PFMBICR + 4 * Math.floor(vf / PER_WORD), 1 << (vf % PER_WORD));
    registers.write(mailbox, Mailbox.lock);
    // A function that keeps the lock after its request is not heard.
    if ((registers.read(mailbox) & Mailbox.lock) === 0) return this.goOn();
    const words = Array.from({ length: MAILBOX_WORDS }, (_, word) => registers.read(wordAt(vf, word)));
    registers.write(mailbox, Mailbox.acknowledged);
    const plan = this.plan();
    const reply = answer(this.state, vf, words, plan);
    if (reply) this.reply(plan, vf, words[0], reply);
    else this.goOn();
  }

  private reply(plan: AccessPlan, vf: number, head: number, { words, refusal }: Reply): void {
    this.send(plan, vf, words);
    this.add(Do.reply, plan.cycles(this.site.costs), vf, { b: head, c: refusal, bytes: plan.bytes() });
  }

  private send(plan: AccessPlan, vf: number, words: readonly number[]): void {
    const mailbox = Reg.PFMAILBOX + 4 * vf;
    plan.write(mailbox, Mailbox.lock);
    words.forEach((word, index) => plan.write(wordAt(vf, index), word));
    plan.write(mailbox, Mailbox.sent);
  }

  private settle(plan: AccessPlan): void {
    this.add(Do.settle, plan.cycles(this.site.costs), 0, { b: 0, c: 0, bytes: plan.bytes() });
  }

  private plan(): AccessPlan {
    return new AccessPlan(this.registers);
  }

  private add(
    kind: number,
    cycles: number,
    vf: number,
    rest: Pick<Step, 'b' | 'c' | 'bytes'> = NO_MORE,
  ): void {
    const { cause } = this.site.tracer;
    this.worker.work.add({ target: this.stepTargetId, cycles, kind, a: vf, ...rest, cause });
  }
}

function wordAt(vf: number, word: number): number {
  return Reg.PFMBMEM + 4 * (vf * MAILBOX_WORDS + word);
}

/** A bit of some registers' values, so many to each. */
function hasBit(words: readonly number[], index: number, perWord: number): boolean {
  return (words[Math.floor(index / perWord)] & (1 << (index % perWord))) !== 0;
}
