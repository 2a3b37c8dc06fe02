/**
 * The exit that an access makes, and its way to whoever serves it: what of it is always the same. Most accesses go the whole way
 * at once, as nothing else comes in between; the others go leg by leg, with the same rows and the same time.
 */
import type { UnitClass } from '../../machine/platform/environment';
import type { Cycles } from '../../machine/time/event-queue';
import { VmxExit } from '../../trace/vocabulary/vmx-exit-reasons';
import type { CostKey, Costs } from '../cost-keys';
import { placements } from './placement';
import { processorOf, type Processor } from './processor';

/** One such way. */
export interface ExitWay {
  /** VMX basic exit reason, and the kind of its row. */
  readonly reason: number;
  readonly kind: number;
  /** Cycles of the exit and of KVM's part. */
  readonly kernel: Cycles;
  /** It goes on to QEMU: KVM_RUN returns, and QEMU finds the device model. */
  readonly toUser: boolean;
  readonly userExit: Cycles;
  readonly dispatch: Cycles;
  /** It ends in KVM with a signal to an eventfd, and no register is accessed. */
  readonly signals: boolean;
  /** All of it, to the access itself. */
  readonly cycles: Cycles;
}

/** The way to a unit of a class, or to nobody, through memory or through ports. */
export function wayTo(
  unit: UnitClass | undefined,
  space: 'memory' | 'ports',
  costs: Costs,
  processor = processorOf('intel', 'inject'),
  places = placements,
): ExitWay {
  const toUser = unit === undefined || places[unit] === 'user';
  const [reason, work] = exitOf(unit, space, costs, processor.knowsApicPage);
  const inKvm = unit === 'ioapic' && space === 'memory' && !toUser ? costs['kvm.ioapic'] : 0;
  const kernel = costs['exit.hardware'] + costs['kvm.dispatch'] + work + inKvm;
  const userExit = toUser ? costs['user.exit'] : 0;
  const dispatch = toUser ? costs['qemu.dispatch'] : 0;
  const cycles = kernel + userExit + dispatch;
  return {
    reason,
    kind: processor.kindOf(reason, 0),
    kernel,
    toUser,
    userExit,
    dispatch,
    signals: false,
    cycles,
  };
}

/** Reason of the exit, and cycles of KVM's own part but for finding out what it is. */
function exitOf(
  unit: UnitClass | undefined,
  space: 'memory' | 'ports',
  costs: Costs,
  knowsApicPage: boolean,
): [number, Cycles] {
  if (space === 'ports') return [VmxExit.IO_INSTRUCTION, costs['kvm.pio']];
  if (unit === 'lapic')
    return knowsApicPage
      ? [VmxExit.APIC_ACCESS, costs['kvm.apic']]
      : [VmxExit.EPT_MISCONFIG, costs['kvm.mmio'] + costs['kvm.apic']];
  return [VmxExit.EPT_MISCONFIG, costs['kvm.mmio']];
}

/** How KVM finds out that a write signals: by a port, by an address alone (fast MMIO), or once it has decoded the instruction. */
export type SignalWays = Readonly<Record<'port' | 'fast' | 'decoded', ExitWay>>;

/** The ways of writes that signal an eventfd. */
export function signalWays(costs: Costs, processor: Processor): SignalWays {
  const way = (reason: number, work: CostKey): ExitWay => {
    const kernel = costs['exit.hardware'] + costs['kvm.dispatch'] + costs[work] + costs['kvm.eventfd'];
    const none = { toUser: false, userExit: 0, dispatch: 0 };
    return { reason, kind: processor.kindOf(reason, 0), kernel, ...none, signals: true, cycles: kernel };
  };
  return {
    port: way(VmxExit.IO_INSTRUCTION, 'kvm.fastWrite'),
    fast: way(VmxExit.EPT_MISCONFIG, 'kvm.fastWrite'),
    decoded: way(VmxExit.EPT_MISCONFIG, 'kvm.mmio'),
  };
}
