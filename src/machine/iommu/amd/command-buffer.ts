/** The command buffer of AMD's IOMMU (48882, 2.4): a ring of memory, whose commands are done one after the other, each in its time. */
import type { Stateful } from '../../bus';
import type { DescriptorMemory } from '../../interrupts/posted-descriptor';
import type { RunState } from '../../snapshot';
import type { Cycles, EventHandle } from '../../time/event-queue';
import type { UnitClock } from '../unit-clock';
import { bytesOf, wordsOf } from '../words';
import { COMMAND_BYTES, decodeCommand, type AmdCommand } from './commands';
import type { AmdRing } from './guest-log';
import { AmdReg, Status } from './layout';
import type { AmdRegisterFile } from './register-file';

/** What the run has of a `CommandBuffer`: the event at the end of the command under way, 0 none, and when that began. */
export interface CommandBufferRun extends RunState {
  event: EventHandle;
  begin: Cycles;
}

/** Where it stands. */
export interface CommandBufferPlace {
  readonly clock: UnitClock;
  readonly memory: DescriptorMemory;
  /** Of one command. */
  readonly cycles: Cycles;
}

/** The length field of its base register counts from here, which is 256 commands. */
const LEAST_LENGTH = 8;
const LEAST_BYTES = 256 * COMMAND_BYTES;

/** The buffer; head, tail and base are registers. */
export class CommandBuffer implements Stateful<CommandBufferRun> {
  private event: EventHandle = 0;
  private begin: Cycles = 0;

  /** @param perform does a command, which has begun at a time */
  constructor(
    private readonly registers: AmdRegisterFile,
    private readonly place: CommandBufferPlace,
    private readonly perform: (command: AmdCommand, begin: Cycles) => void,
  ) {}

  /** Software turns it on or off: turned off, what is under way is left. */
  enable(wanted: boolean): void {
    const running = this.running;
    if (wanted === running) return;
    this.registers.status(wanted ? Status.CmdBufRun : 0, wanted ? 0 : Status.CmdBufRun);
    if (wanted) return this.go();
    this.place.clock.cancel(this.event);
    this.event = 0;
  }

  /** Begins the next command, unless one is under way or there is none. */
  go(): void {
    const { registers, place } = this;
    if (this.event !== 0 || !this.running) return;
    if (registers.get(AmdReg.CommandHead) === registers.get(AmdReg.CommandTail) % this.size) return;
    this.begin = place.clock.now();
    this.event = place.clock.schedule(place.cycles, 0, 0);
  }

  /** The command under way is done. One that does not exist, or is in no memory, stops the buffer (2.4.10, ILLEGAL_COMMAND_ERROR). */
  onEvent(): void {
    const { registers, place, begin } = this;
    this.event = 0;
    const head = registers.get(AmdReg.CommandHead);
    const bytes = place.memory.read(registers.base(AmdReg.CommandBase) + head, COMMAND_BYTES);
    const command = bytes && decodeCommand(wordsOf(bytes));
    if (!command) return registers.status(0, Status.CmdBufRun);
    registers.set(AmdReg.CommandHead, (head + COMMAND_BYTES) % this.size);
    this.perform(command, begin);
    this.go();
  }

  /** What a COMPLETION_WAIT writes. */
  store({ address, low, high }: { address: number; low: number; high: number }): void {
    this.place.memory.write(address, bytesOf([low, high]));
  }

  /** Where it is, and what of it waits. */
  get ring(): AmdRing {
    const { registers, size } = this;
    return {
      base: registers.base(AmdReg.CommandBase),
      size,
      head: registers.get(AmdReg.CommandHead),
      tail: registers.get(AmdReg.CommandTail),
    };
  }

  save(): CommandBufferRun {
    return { event: this.event, begin: this.begin };
  }

  load({ event, begin }: CommandBufferRun): void {
    this.event = event;
    this.begin = begin;
  }

  private get running(): boolean {
    return (this.registers.get(AmdReg.Status) & Status.CmdBufRun) !== 0;
  }

  private get size(): number {
    return LEAST_BYTES * 2 ** Math.max(0, this.registers.length(AmdReg.CommandBase) - LEAST_LENGTH);
  }
}
