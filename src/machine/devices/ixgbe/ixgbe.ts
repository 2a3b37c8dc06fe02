/**
 * The Intel 82599 10 Gigabit Ethernet controller, by the Intel 82599 10 GbE Controller Datasheet, revision 3.4, whose sections all
 * comments in this folder name: 128 receive and 128 transmit queues, MSI-X with throttling, offloads, and virtual functions with a
 * switch between their pools. One port. Whatever a guest programs, nothing here throws, and no register write begins work without end.
 *
 * It is a machine of small ones, joined by asynchronous DMA: nothing has an effect before the end of the transaction that it takes.
 *
 *     transmit   doorbell → transmit-queue.ts → transmit.ts with switch.ts → wire, or receive.ts for another pool
 *     receive    wire → receive.ts with filter.ts and rss.ts → packet buffer → receive-queue.ts
 *     both       used descriptors → interrupts.ts, or vf.ts, with vectors.ts → messages
 *
 * Where the datasheet leaves a choice, or something is left out:
 *
 * | what                        | here                                                                                  |
 * |-----------------------------|---------------------------------------------------------------------------------------|
 * | the port                    | a backplane's (KX4), always up with a cable: drivers look for no module                 |
 * | narrow accesses             | a write of less than 32 bits is ignored, with a note; a narrow read reads the whole      |
 * | RSC, header split           | never done: the driver may allow both, and the hardware need not                        |
 * | flow director, L3/L4 filters | kept and never matched: RSS and pools choose the queue                                  |
 * | IPsec, FCoE, timestamps, DCB | their registers keep their bits                                                         |
 * | mirroring                   | PFMRCTL keeps its bits                                                                  |
 * | a frame that lacks room     | waits in the packet buffer until its queue has descriptors for all of it, or is dropped  |
 * |                             | with DROP_EN or PFQDE                                                                   |
 * | DMA that meets a fault      | a received packet's descriptors say RXE, a sent packet is dropped with a note            |
 * | no bus master               | nothing is begun; what was under way has met a fault                                    |
 * | a tail outside the ring     | one round of descriptors, with a note                                                   |
 * | ring registers of a live queue | descriptors on the chip are void, with a note (4.6.7)                                |
 */
import type { AccessSize, BusDevice, DeviceBus, DmaResult, RegisterBlock } from '../../bus';
import type { Inspectable, StateNode, StatePath } from '../../inspect';
import { branches, type Branch } from '../../registers';
import type { BitField } from '../../../trace/vocabulary/kind-row';
import { descriptions } from './descriptions';
import { receiveDescriptor, transmitDescriptor } from './descriptor-view';
import { ringBranch } from '../intel-nic/ring-view';
import type { NetworkPort, Wire } from '../../link/wire';
import { ExpressType } from '../../pci/capabilities';
import type { PciFunction } from '../../pci/function';
import { MsiVectors } from '../../pci/msi';
import { MsixVectors } from '../../pci/msix';
import { Sriov } from '../../pci/sriov';
import { requireVersion, type Checkpoint, type Migratable } from '../../snapshot';
import { Kind } from '../../../trace/vocabulary/events';
import { Dma, type BusMaster } from '../intel-nic/dma';
import { RegisterTable, registerBranch } from '../intel-nic/register-table';
import { Timers } from '../intel-nic/timers';
import { DropReason, RAH_VALID, USES } from './bits';
import { IxgbeCore } from './core';
import { Eeprom } from './eeprom';
import { DEVICE_ID, IxgbeFunction } from './function';
import { Direction, InterruptUnit } from './interrupts';
import { Mailboxes } from './mailbox';
import { BAR0_BYTES, QUEUES, Reg, REGISTER_BYTES, VECTORS } from './offsets';
import { Receiver } from './receive';
import { registerTable } from './registers';
import { RESET_VALUES } from './reset-values';
import type { IxgbeHardware, IxgbeRun } from './state';
import { Transmitter } from './transmit';
import { IxgbeVf, VF_BARS } from './vf';

/** Construction of an `Ixgbe`. */
export interface IxgbeOptions {
  /** Station address, six bytes. */
  mac: Uint8Array;
  /** Buses of its virtual functions, as many as it can have: 0 to 63. */
  virtual: readonly DeviceBus[];
}

const MSIX = { vectors: VECTORS, bar: 4, table: 0, pending: 0x2000 } as const;
const MSIX_BAR_BYTES = 0x4000;
/** Timers: of the vectors, by number, and of the wire. */
const WIRE_TIMER = VECTORS;

/** The device. BAR 0 is the device itself as a register block. */
export class Ixgbe
  implements BusDevice, RegisterBlock, NetworkPort, Inspectable, Migratable<IxgbeHardware, IxgbeRun>
{
  readonly network: NetworkPort = this;
  readonly queueFull = DropReason.QueueFull;
  readonly pci: PciFunction;
  readonly sriov: Sriov | undefined;
  readonly virtualFunctions: readonly IxgbeVf[];
  private readonly core: IxgbeCore;
  private readonly timers: Timers;
  private readonly dma: Dma;
  private readonly interrupts: InterruptUnit;
  private readonly receiver: Receiver;
  private readonly transmitter: Transmitter;
  private readonly mailboxes: Mailboxes;
  private readonly eeprom = new Eeprom();
  private readonly table: RegisterTable;
  private readonly view: readonly Branch[];

  constructor(
    bus: DeviceBus,
    private readonly options: IxgbeOptions,
  ) {
    const { virtual } = options;
    const msix = new MsixVectors(bus.msi, MSIX);
    this.pci = new IxgbeFunction(
      [
        { index: 0, kind: 'memory64', size: BAR0_BYTES, block: this, name: 'registers' },
        { index: MSIX.bar, kind: 'memory64', size: MSIX_BAR_BYTES, block: msix.block, name: 'MSI-X table' },
      ],
      () => this.resume(),
      () => this.reset(),
    );
    const msi = new MsiVectors(this.pci, bus.msi, 1);
    msix.addTo(this.pci);
    if (virtual.length > 0) {
      this.sriov = new Sriov(this.pci, {
        total: virtual.length,
        deviceId: DEVICE_ID.virtual,
        bars: VF_BARS,
        type: ExpressType.endpoint,
      });
    }
    this.core = new IxgbeCore(bus, {
      physical: masterOf(bus, () => this.pci),
      virtual: virtual.map((each, number) => masterOf(each, () => this.virtualFunctions[number].pci)),
      present: () => this.sriov?.count ?? 0,
    });
    const { core } = this;
    this.timers = new Timers(bus, VECTORS + 1, WIRE_TIMER);
    const { timers } = this;
    this.dma = new Dma(QUEUES * USES, (channel) => core.masterOf(Math.floor(channel / USES)));
    this.interrupts = new InterruptUnit(core, timers, { msix, msi }, (vector) =>
      this.flush(undefined, vector),
    );
    const signals = {
      queueDone: (queue: number, direction: Direction) => this.queueDone(queue, direction),
      raise: (causes: number) => this.interrupts.raise(causes),
      waits: (queue: number) => this.whenOver(queue),
    };
    this.receiver = new Receiver(core, this.dma, signals);
    this.transmitter = new Transmitter(core, this.dma, timers, WIRE_TIMER, this.receiver, signals);
    this.mailboxes = new Mailboxes(core, virtual.length, {
      raise: signals.raise,
      tellVf: (vf) => this.virtualFunctions[vf].mailed(),
    });
    const { interrupts, receiver, transmitter, mailboxes, eeprom } = this;
    const reset = (): void => this.reset();
    const registers = registerTable({ core, interrupts, receiver, transmitter, mailboxes, eeprom, reset });
    this.table = new RegisterTable(core, registers, REGISTER_BYTES, descriptions);
    this.view = [
      registerBranch(this.table),
      ...receiver.queues.map((queue, n) =>
        ringBranch(`Receive queue ${n}`, queue.ring, () => core.masterOf(n), receiveDescriptor),
      ),
      ...transmitter.queues.map((queue, n) =>
        ringBranch(`Transmit queue ${n}`, queue.ring, () => core.masterOf(n), transmitDescriptor),
      ),
    ];
    this.virtualFunctions = this.makeVirtual();
    this.setReset();
  }

  connect(wire: Wire): void {
    this.core.wire = wire;
  }

  /** As in `FrameReceiver`: the link is up, the receiver is on, and the packet buffer has room. */
  canReceive(length: number): boolean {
    return this.receiver.canReceive(length);
  }

  /** A frame has arrived from the link. */
  receive(frame: Uint8Array): void {
    this.receiver.arrived(frame);
  }

  /** Timer of `DeviceBus.schedule`. */
  onEvent(kind: number): void {
    this.timers.fired(kind);
    if (kind === WIRE_TIMER) this.transmitter.wireFree();
    else this.interrupts.onTimer(kind);
    this.receiver.tellRoom();
  }

  onDma(tag: number, result: DmaResult): void {
    this.dma.ended(tag, result);
    this.receiver.tellRoom();
  }

  read(offset: number, size: AccessSize): number {
    return this.table.read(offset, size);
  }

  write(offset: number, size: AccessSize, value: number): void {
    this.table.write(offset, size, value);
    this.receiver.tellRoom();
  }

  registerName(offset: number): string | undefined {
    return this.table.registerName(offset);
  }

  /** Names of all registers by offset, for a trace's track. */
  registerNames(): Record<string, string> {
    return this.table.names();
  }

  registerFields(): Record<string, readonly BitField[]> {
    return this.table.fields();
  }

  /** Of its queues those that have a ring. */
  inspect(path: StatePath): StateNode | undefined {
    const { receiver, transmitter } = this;
    const queues = [...receiver.queues, ...transmitter.queues];
    const used = this.view.filter((_branch, at) => at === 0 || queues[at - 1].ring.size > 0);
    return branches('ixgbe', used, path, 'Intel 82599, a 10 Gigabit Ethernet controller');
  }

  /** RST# of the bus. */
  busReset(): void {
    this.reset();
  }

  /** A checkpoint: whole at any moment, also with DMA in flight. */
  save(): Checkpoint<IxgbeHardware, IxgbeRun> {
    const { core, interrupts, timers, dma, transmitter, receiver, mailboxes, eeprom } = this;
    return {
      hardware: {
        version: 1,
        registers: core.saveRegisters(),
        interrupts: interrupts.save(),
        timers: timers.saveHardware(),
        dma: dma.saveHardware(),
        transmitter: transmitter.saveHardware(),
        receiver: receiver.saveHardware(),
        mailboxes: mailboxes.save(),
        eerd: eeprom.save(),
      },
      run: {
        timers: timers.saveRun(),
        dma: dma.saveRun(),
        transmitter: transmitter.saveRun(),
        receiver: receiver.saveRun(),
      },
    };
  }

  load({ hardware, run }: Checkpoint<IxgbeHardware, IxgbeRun>): void {
    this.loadParts(hardware, run);
  }

  /** The functions' configuration and the memory have to be there already. */
  adopt(hardware: IxgbeHardware): void {
    this.loadParts(hardware, undefined);
    this.interrupts.resume();
    this.resume();
  }

  private loadParts(hardware: IxgbeHardware, run: IxgbeRun | undefined): void {
    requireVersion('an 82599', hardware.version, 1);
    this.transmitter.reset();
    this.receiver.reset();
    this.core.loadRegisters(hardware.registers);
    this.interrupts.load(hardware.interrupts);
    this.timers.load(hardware.timers, run?.timers);
    this.transmitter.load(hardware.transmitter, run?.transmitter);
    this.receiver.load(hardware.receiver, run?.receiver);
    this.mailboxes.load(hardware.mailboxes);
    this.eeprom.load(hardware.eerd);
    this.dma.load(hardware.dma, run?.dma);
  }

  /** The function became a bus master, or the device has moved. */
  private resume(): void {
    this.transmitter.resume();
    this.receiver.resume();
    this.interrupts.update();
  }

  /** CTRL.RST, a function-level reset, a reset of the bus (4.2.1). */
  private reset(): void {
    this.setReset();
    this.transmitter.reset();
    this.receiver.reset();
    this.interrupts.reset();
    this.mailboxes.physicalReset();
    for (const each of this.virtualFunctions) each.busReset();
  }

  private setReset(): void {
    const { core, options } = this;
    const { mac } = options;
    core.regs.fill(0);
    for (const [offset, value] of RESET_VALUES) core.set(offset, value >>> 0);
    core.set(Reg.RAL, (mac[0] | (mac[1] << 8) | (mac[2] << 16) | (mac[3] << 24)) >>> 0);
    core.set(Reg.RAH, (mac[4] | (mac[5] << 8) | RAH_VALID) >>> 0);
  }

  private makeVirtual(): IxgbeVf[] {
    const { core, table, mailboxes, sriov } = this;
    if (!sriov) return [];
    return this.options.virtual.map(
      (bus, number) =>
        new IxgbeVf(bus, sriov, number, {
          device: {
            read: (offset) => table.read(offset, 4),
            write: (offset, value) => this.write(offset, 4, value),
          },
          queues: (vf) => ({ first: vf * core.vfQueues, count: core.vfQueues }),
          links: () => core.links(),
          readMailbox: (vf) => mailboxes.readVf(vf),
          lookAtMailbox: (vf) => mailboxes.lookAtVf(vf),
          writeMailbox: (vf, value) => mailboxes.writeVf(vf, value),
          wasReset: (vf) => this.virtualReset(vf),
          expired: (vf, vector) => this.flush(vf, vector),
          onDma: (tag, result) => this.onDma(tag, result),
        }),
    );
  }

  /** A virtual function was reset: its queues are off, and it may send and receive no more until the physical one lets it (4.2.2). */
  private virtualReset(vf: number): void {
    const { core, receiver, transmitter } = this;
    core.aside(Kind.FunctionReset, vf, 0);
    const first = vf * core.vfQueues;
    for (let queue = first; queue < first + core.vfQueues; queue++) {
      receiver.queues[queue].controlWritten(0);
      transmitter.queues[queue].controlWritten(0);
    }
    for (const register of [Reg.VFRE, Reg.VFTE]) {
      const at = register + 4 * (vf >> 5);
      core.set(at, (core.get(at) & ~(1 << (vf & 31))) >>> 0);
    }
    this.mailboxes.virtualReset(vf);
  }

  private queueDone(queue: number, direction: Direction): void {
    const { core } = this;
    const vf = core.vfOf(queue);
    if (vf === undefined) this.interrupts.queueDone(queue, direction);
    else this.virtualFunctions[vf].queueDone(queue % core.vfQueues, direction);
  }

  /** Used transmit descriptors of a queue wait for the end of the interval of its interrupt: without one they are written now. */
  private whenOver(queue: number): void {
    const { core, interrupts } = this;
    const vf = core.vfOf(queue);
    const vector = this.vectorOf(queue);
    if (vector === undefined) return;
    if (vf === undefined) interrupts.vectors.whenOver(vector);
    else this.virtualFunctions[vf].whenOver(vector);
  }

  private vectorOf(queue: number): number | undefined {
    const { core } = this;
    const vf = core.vfOf(queue);
    if (vf === undefined) return this.interrupts.vectorOf(queue, Direction.transmit);
    return this.virtualFunctions[vf].vectorOf(queue % core.vfQueues, Direction.transmit);
  }

  /** The interval of a vector is over: used descriptors of its transmit queues go to memory. */
  private flush(vf: number | undefined, vector: number): void {
    const { core, transmitter } = this;
    transmitter.queues.forEach((each, queue) => {
      if (each.enabled && core.vfOf(queue) === vf && this.vectorOf(queue) === vector) each.flush();
    });
  }
}

function masterOf(bus: DeviceBus, fn: () => PciFunction): BusMaster {
  return { bus, requester: () => fn().requester, busMaster: () => fn().busMaster };
}
