/**
 * Ways by which a message of an assigned device reaches its vCPU without the host's kernel having a part in it, each time
 * (virt/lib/irqbypass.c of Linux): VFIO has the interrupt, KVM knows where it goes. Only vectors of MSI-X that the guest has let go
 * have such a way.
 */
import { decodeMsi, type InterruptMessage } from '../../machine/interrupts/message';
import type { VectorMessage } from '../../machine/pci/msi';
import type { PostingTarget } from '../host-bus/message-domain';

/** The interrupts of the device in the host, of which each vector has one of the host's. */
export interface BypassedInterrupts {
  /** @see DeviceInterrupts.useVector */
  useVector(vector: number, wanted?: number): number | undefined;
  /** @see DeviceInterrupts.postTo */
  postTo(vector: number, target: PostingTarget | undefined): boolean;
}

/** One such way. What it cannot carry comes to the kernel, and by an irqfd to the guest. */
export interface IrqBypass {
  /** The guest has programmed a vector with a message, and has it unmasked. */
  connect(interrupts: BypassedInterrupts, vector: number, message: VectorMessage): void;
  /** The message that was connected is not valid any more: the vector is masked, or has another one next. */
  disconnect(interrupts: BypassedInterrupts, vector: number, message: VectorMessage): void;
}

const VECTOR_MASK = 0xff;

/** Exitless interrupts: the physical CPU takes the very vector that the guest has programmed, and the guest's shadow IDT has it. */
export class ExitlessBypass implements IrqBypass {
  /** @param assign makes a vector of the physical CPUs the guest's, or takes it back */
  constructor(private readonly assign: (vector: number, assigned: boolean) => void) {}

  connect(interrupts: BypassedInterrupts, vector: number, { data }: VectorMessage): void {
    const wanted = data & VECTOR_MASK;
    if (interrupts.useVector(vector, wanted) === wanted) this.assign(wanted, true);
  }

  disconnect(_interrupts: BypassedInterrupts, _vector: number, { data }: VectorMessage): void {
    this.assign(data & VECTOR_MASK, false);
  }
}

/**
 * Posting by the IOMMU (kvm_arch_update_irqfd_routing of KVM): the entry of the interrupt-remapping table leads to a vCPU's descriptor, or
 * to its backing page.
 */
export class PostingBypass implements IrqBypass {
  /** @param targetOf the only vCPU that a message means; undefined: it means several, or is none that can be posted */
  constructor(private readonly targetOf: (message: InterruptMessage) => PostingTarget | undefined) {}

  connect(interrupts: BypassedInterrupts, vector: number, { address, data }: VectorMessage): void {
    const message = decodeMsi(address, data);
    const target = message && this.targetOf(message);
    if (target) interrupts.postTo(vector, target);
  }

  disconnect(interrupts: BypassedInterrupts, vector: number): void {
    interrupts.postTo(vector, undefined);
  }
}
