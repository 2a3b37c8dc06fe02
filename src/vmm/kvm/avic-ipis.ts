/** IPIs of the vCPUs of a VM with AVIC: the processor sends them by the tables, KVM does what these do not carry. */
import { refusedIpi, sendAvicIpi, type IncompleteIpi } from '../../machine/interrupts/avic/ipi';
import type { LocalApic } from '../../machine/interrupts/lapic';
import type { IpiMessage } from '../../machine/interrupts/message';
import { Kind } from '../../trace/vocabulary/events';
import type { InterruptLane } from '../cpu/interrupt-lane';
import type { Site } from '../host';
import type { VmAvic } from './avic';

/** An IPI that the processor could not send as a whole. */
export interface LeftIpi extends IncompleteIpi {
  /** vCPUs that have got the vector, by their positions. */
  reached: readonly number[];
  /** The processor has done nothing about it. */
  refused: boolean;
}

/** The VM, as its IPIs need it; vCPUs are given by their positions. */
export interface IpiVm {
  lapic(cpu: number): LocalApic;
  lane(cpu: number): InterruptLane;
  /** vCPUs that an IPI means. */
  targetsOf(sender: number, message: IpiMessage): readonly number[];
  /** Shows an IPI, which `send` sends to so many CPUs. */
  shown(sender: number, message: IpiMessage, send: () => number): void;
  /** Has KVM look at what a vCPU that has no physical CPU has got. */
  look(cpu: number): void;
}

/** Trigger mode, in the ICR's low half. */
const LEVEL = 1 << 15;

/** Those of one VM. Keeps nothing from one to the next. */
export class AvicIpis {
  constructor(
    private readonly site: Site,
    private readonly avic: VmAvic,
    private readonly vm: IpiVm,
  ) {}

  /** Of a write to the low half of the ICR that the processor does not send at all: what is left. */
  refused(sender: number, command: number): LeftIpi | undefined {
    const refusal = refusedIpi(this.messageOf(sender, command));
    return refusal && { ...refusal, reached: [], refused: true };
  }

  /**
   * The guest has written the low half of its ICR, and the processor sends.
   * @returns what is left to KVM behind the write; undefined: nothing
   */
  send(sender: number, command: number): LeftIpi | undefined {
    const { vm, avic, site } = this;
    const lapic = vm.lapic(sender);
    const message = this.messageOf(sender, command);
    const { apicId, flat } = lapic.identity;
    const reached: number[] = [];
    let incomplete: IncompleteIpi | undefined;
    lapic.commandSent(command);
    vm.shown(sender, message, () => {
      const { track } = vm.lane(sender);
      incomplete = sendAvicIpi(
        site.memory,
        avic.tables,
        { apicId, flat, backingPage: avic.pageOf(sender) },
        message,
        {
          logicalRead: (address, entry) => this.row(track, Kind.AvicLogicalEntry, address, entry),
          physicalRead: (_address, [low, high]) => this.row(track, Kind.AvicPhysicalEntry, low, high),
          requested: (page) => {
            const cpu = avic.cpuOf(page);
            if (cpu === undefined) return;
            reached.push(cpu);
            vm.lane(cpu).accepted(message.vector);
          },
          doorbell: (cpu) => {
            this.row(track, Kind.AvicDoorbell, message.vector, cpu);
            site.scheduler.interrupts.ringDoorbell(cpu, site.costs['irq.doorbell']);
          },
        },
      );
      return reached.length;
    });
    return incomplete && { ...incomplete, reached, refused: false };
  }

  /**
   * KVM has the exit behind the write: it sends to those of the targets that the processor did not reach, and looks at those that have
   * no CPU to be told at (avic_kick_target_vcpus).
   */
  complete(sender: number, command: number, { reached }: LeftIpi): void {
    const { vm } = this;
    const message = vm.lapic(sender).ipiOf(command);
    for (const cpu of vm.targetsOf(sender, message)) {
      if (!reached.includes(cpu)) vm.lapic(cpu).accept(message.vector, false);
      else vm.look(cpu);
    }
  }

  /** With the trigger mode, which no other processor minds. */
  private messageOf(sender: number, command: number): IpiMessage {
    return { ...this.vm.lapic(sender).ipiOf(command), level: (command & LEVEL) !== 0 };
  }

  private row(track: number, kind: number, a: number, b: number): void {
    this.site.tracer.instant(this.site.island.now(), track, kind, a, b);
  }
}
