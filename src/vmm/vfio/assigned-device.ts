/**
 * A device of the host in a VM (vfio-pci of Linux with the device of that name in QEMU): its registers are the physical device's, what
 * it interrupts by is set up in the host for what the guest programs, and each interrupt comes to the guest by an irqfd.
 *
 * A vector that the guest has masked is no irqfd's: its eventfd wakes QEMU, whose table remembers that it came
 * (vfio_msi_interrupt). A level at the pin is silenced in the host until the guest's end of interrupt (vfio_intx_handler, resample).
 */
import type { DeviceBus } from '../../machine/bus';
import { requireVersion, type Checkpoint, type HardwareState, type RunState } from '../../machine/snapshot';
import type { VectorMessage } from '../../machine/pci/msi';
import type { MsixVectors } from '../../machine/pci/msix';
import type { PciDevice } from '../../machine/platform/pci-slots';
import type { RowRef } from '../../trace/record/tracer';
import { Kind } from '../../trace/vocabulary/events';
import type { InterruptMode, InterruptUser } from '../host-bus/device-interrupts';
import type { HostDevice } from '../host-bus/host-device';
import { Irqfd, type KvmIrqchip } from '../kvm/irqfd';
import type { QemuProcess } from '../qemu/process';
import type { Step, StepTarget } from '../threads/work';
import type { JobTarget } from '../threads/worker';
import type { IrqBypass } from './irq-bypass';
import { OnDemandMemory } from './on-demand-memory';
import { VirtualFunction } from './virtual-function';

/** What the guest sees of the pin's level. */
export interface AssignedDeviceHardware extends HardwareState {
  version: 1;
  pinRaised: boolean;
}

/** A vector of MSI-X with the message that the guest has given it, for which the host was set up. */
interface ConnectedVector extends VectorMessage {
  readonly vector: number;
}

/** What the host was asked for. */
export interface AssignedDeviceRun extends RunState {
  connected: ConnectedVector[];
}

/** Where the device is in its VM. */
export interface AssignedPlace {
  /** Unique in the run: `vm0/nic0`. */
  readonly id: string;
  /** Global system interrupt of the VM's board that the virtual pin leads to; undefined: it has none. */
  gsi(): number | undefined;
  /** How its messages reach vCPUs without KVM; absent: they do not. */
  readonly bypass?: IrqBypass | undefined;
  /** Guest-physical addresses lead to the device no longer. */
  unmapped(base: number, size: number): void;
}

/** One device of one VM. */
export class AssignedDevice implements PciDevice, InterruptUser, StepTarget, JobTarget {
  readonly pci: VirtualFunction;
  readonly stepTargetId: string;
  readonly jobTargetId: string;
  private readonly irqfd: Irqfd;
  /** The guest has been told of the pin, and has not ended that interrupt yet. */
  private pinRaised = false;
  /** By vector of MSI-X. */
  private readonly connected = new Map<number, VectorMessage>();

  /** @param bus of the virtual function, in QEMU */
  constructor(
    private readonly host: HostDevice,
    private readonly qemu: QemuProcess,
    irqchip: KvmIrqchip,
    bus: DeviceBus,
    private readonly place: AssignedPlace,
  ) {
    const { site, mainLoop, targets } = qemu;
    const { id } = place;
    this.stepTargetId = `${id}/vfio`;
    this.jobTargetId = `${id}/vfio/masked`;
    targets.set(this.stepTargetId, this);
    mainLoop.register(this);
    this.pci = new VirtualFunction(host, {
      port: bus.msi,
      unmapped: (base, size) => place.unmapped(base, size),
      reset: () => this.functionReset(),
    });
    this.irqfd = new Irqfd(irqchip, { id: `${id}/vfio/irqfd`, track: () => host.lane.track }, site, targets);
    const gsi = place.gsi();
    if (gsi !== undefined) this.irqfd.resample(gsi, { signal: () => this.pinEnded() });
    for (const vectors of [this.pci.msi, this.pci.msix]) vectors?.watch(() => this.reprogrammed());
    host.interrupts.connect(this);
    host.interrupts.usePin();
    if (host.onDemand) new OnDemandMemory(host, qemu, `${id}/vfio/on-demand`, host.onDemand);
  }

  registerNames(): Record<string, string> {
    return this.host.registerNames();
  }

  /** The machine is reset, and QEMU has the kernel reset the device (vfio_pci_post_reset). */
  busReset(): void {
    this.pinRaised = false;
    this.disconnectAll();
    this.irqfd.reset();
    this.pci.disconnect();
    this.host.reset();
    this.host.interrupts.usePin();
  }

  /** Interrupts are as the guest has programmed them, also afterwards (pci_restore_msi_state). */
  private functionReset(): void {
    this.pinRaised = false;
    this.disconnectAll();
    this.host.reset();
    this.setUp();
  }

  /** The device's own time goes by in the host. */
  onEvent(): void {}

  onDma(): void {}

  // --- interrupts -------------------------------------------------------------------------------------------------------

  messageCame(vector: number): void {
    const message = this.pci.messages?.messageOf(vector);
    if (message) this.irqfd.msi(undefined, this.pci.requester, message.address, message.data);
    else this.qemu.mainLoop.post(this, 0, vector);
  }

  pinCame(): void {
    const gsi = this.place.gsi();
    if (gsi === undefined) return;
    this.pinRaised = true;
    this.irqfd.raise(undefined, gsi);
  }

  /** QEMU has read the eventfd of a vector that was masked. */
  onJob(_kind: number, vector: number): void {
    this.pci.messages?.raise(vector);
  }

  /** QEMU asks the kernel for other interrupts (VFIO_DEVICE_SET_IRQS). */
  begin(_step: Step, time: number): RowRef {
    const { tracer } = this.qemu.site;
    return tracer.instant(time, this.host.lane.track, Kind.VfioIrqs, this.vectorsWanted, 0);
  }

  finish(): void {
    this.setUp();
  }

  // --- snapshots ----------------------------------------------------------------------------------------------------------

  save(): Checkpoint<AssignedDeviceHardware, AssignedDeviceRun> {
    const connected = [...this.connected].map(([vector, message]) => ({ vector, ...message }));
    return { hardware: { version: 1, pinRaised: this.pinRaised }, run: { connected } };
  }

  load({ hardware, run }: Checkpoint<AssignedDeviceHardware, AssignedDeviceRun>): void {
    requireVersion('an assigned device', hardware.version, 1);
    this.pinRaised = hardware.pinRaised;
    this.connected.clear();
    for (const { vector, address, data } of run.connected) this.connected.set(vector, { address, data });
  }

  /** A device of a host does not move: what the guest had from it there is asked for anew here. */
  adopt(hardware: AssignedDeviceHardware): void {
    requireVersion('an assigned device', hardware.version, 1);
    this.pinRaised = false;
    this.disconnectAll();
    this.setUp();
  }

  // --- what the guest has programmed --------------------------------------------------------------------------------------

  /** Software has written to the capability or the table of messages: in QEMU, whose thread goes on when the kernel has done it. */
  private reprogrammed(): void {
    if (!this.isBehind) return;
    const { site, lock } = this.qemu;
    const { tracer, costs } = site;
    if (!lock.owner) return this.setUp();
    lock.owner.work.add({
      target: this.stepTargetId,
      cycles: costs['vfio.setIrqs'],
      kind: 0,
      a: 0,
      b: 0,
      c: 0,
      cause: tracer.cause,
    });
  }

  /** How the guest's driver expects interrupts. */
  private get wanted(): InterruptMode {
    const { msix, msi } = this.pci;
    if (msix?.enabled) return 'msix';
    if (msi?.enabled) return 'msi';
    return this.pci.identity.interruptPin === 0 ? 'off' : 'intx';
  }

  /** How many messages the guest's driver expects. */
  private get vectorsWanted(): number {
    const { msix, msi } = this.pci;
    if (msix?.enabled) return unmaskedOf(msix).length;
    return msi?.enabled ? msi.allocated : 0;
  }

  /** Vectors of MSI-X that the guest has let go, and that the host has none for yet. */
  private get lacking(): number[] {
    const { msix } = this.pci;
    if (!msix?.enabled) return [];
    const { interrupts } = this.host;
    return unmaskedOf(msix).filter((vector) => !interrupts.has(vector));
  }

  /** Vectors that are connected with a message which they do not have any more. */
  private get outdated(): number[] {
    return [...this.connected.keys()].filter((vector) => !this.isCurrent(vector));
  }

  /** Vectors that a bypass has not been asked for yet. */
  private get unconnected(): number[] {
    const { msix } = this.pci;
    if (!msix?.enabled || !this.place.bypass) return [];
    return unmaskedOf(msix).filter((vector) => !this.connected.has(vector));
  }

  private isCurrent(vector: number): boolean {
    const { msix } = this.pci;
    const now = msix?.enabled ? msix.messageOf(vector) : undefined;
    const before = this.connected.get(vector);
    return now !== undefined && now.address === before?.address && now.data === before.data;
  }

  private get isBehind(): boolean {
    if (this.host.interrupts.mode !== this.wanted) return true;
    return [this.lacking, this.outdated, this.unconnected].some(({ length }) => length > 0);
  }

  private setUp(): void {
    const { host, wanted, pci } = this;
    for (const vector of this.outdated) this.disconnect(vector);
    if (host.interrupts.mode !== wanted) {
      if (wanted === 'msi') host.interrupts.useMsi(pci.msi?.allocated ?? 1);
      else if (wanted === 'msix') host.interrupts.useMsix();
      else host.interrupts.usePin();
    }
    for (const vector of this.lacking) host.interrupts.useVector(vector);
    for (const vector of this.unconnected) this.connect(vector);
  }

  private connect(vector: number): void {
    const message = this.pci.msix?.messageOf(vector);
    if (!message) return;
    this.connected.set(vector, message);
    this.place.bypass?.connect(this.host.interrupts, vector, message);
  }

  private disconnect(vector: number): void {
    const message = this.connected.get(vector);
    if (message) this.place.bypass?.disconnect(this.host.interrupts, vector, message);
    this.connected.delete(vector);
  }

  private disconnectAll(): void {
    for (const vector of [...this.connected.keys()]) this.disconnect(vector);
  }

  /** The guest has ended the interrupt: if its device asks for service still, the pin comes again. */
  private pinEnded(): void {
    if (!this.pinRaised) return;
    this.pinRaised = false;
    if (this.host.interrupts.mode === 'intx') this.host.interrupts.unmaskPin();
  }
}

/** Vectors of MSI-X that the guest has not masked. */
function unmaskedOf(msix: MsixVectors): number[] {
  const all = Array.from({ length: msix.layout.vectors }, (_, vector) => vector);
  return all.filter((vector) => msix.messageOf(vector) !== undefined);
}
