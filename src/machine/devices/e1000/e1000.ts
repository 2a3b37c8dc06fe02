/**
 * The Intel 82540EM Gigabit Ethernet controller, by its manual: PCI/PCI-X Family of Gigabit Ethernet Controllers Software
 * Developer's Manual, revision 4.0, whose sections all comments in this folder name. Legacy descriptors, INTx, EEPROM, PHY,
 * statistics. Whatever a guest programs, nothing here throws, and no register write begins work without end.
 *
 * It is a machine of small ones, joined by asynchronous DMA (`dma.ts`): nothing has an effect before the end of the
 * transaction, or of the time, that it takes.
 *
 *     transmit   doorbell → fetch.ts → transmit.ts with assemble.ts → packet buffer → send.ts → wire
 *                                          └→ writeback.ts → TXDW
 *     receive    wire → receive.ts → packet buffer → store.ts → writeback.ts → RDH, RXT0
 *                                     fetch.ts ──────┘
 *
 * Where the manual leaves a choice, or QEMU's 82540EM differs from it and drivers rely on that:
 *
 * | what                       | here                                                                                 |
 * |----------------------------|--------------------------------------------------------------------------------------|
 * | STATUS after reset         | 80080783H with a cable, as QEMU has it; by the manual bits 31, 19 and 10 are reserved  |
 * | narrow accesses (13.2)     | a write of less than 32 bits is ignored, with a note in the trace; a narrow read reads |
 * |                            | the whole register with its side effects. IOADDR (13.2.2.1) likewise                  |
 * | writes to nothing          | ignored, with a note: no register there, or a read-only one                           |
 * | a frame without IFCS       | sent: without its last four bytes where they are its FCS, whole where not, as QEMU does |
 * | DMA that meets a fault     | the packet is dropped with a note; a receive descriptor stays for the next frame, a     |
 * |                            | transmit descriptor counts as done; a write-back that fails moves no head              |
 * | no bus master              | nothing is begun; what was under way is done again once the function is one            |
 * | a tail outside the ring    | one round of descriptors, with a note (hardware would never meet it)                    |
 * | base, length, head written | descriptors on the chip are void; with a note while the direction is on (13.4.28)       |
 * | WTHRESH above the chip's 64 | written back when the chip is full                                                     |
 * | cache line size 0          | a threshold in cache lines counts descriptors                                           |
 * | PBA                        | takes effect at once, and CTRL.RST keeps it: software writes it before it resets        |
 * | TXQE                       | when TDH meets TDT and the reports asked for are written, so that DD never comes later   |
 */
import type { AccessSize, BusDevice, DeviceBus, DmaResult, RegisterBlock, RequesterId } from '../../bus';
import type { Inspectable, StateNode, StatePath } from '../../inspect';
import type { NetworkPort, Wire } from '../../link/wire';
import type { PciFunction } from '../../pci/function';
import { Config } from '../../pci/config';
import { branches, type Branch } from '../../registers';
import { requireVersion, type Checkpoint, type Migratable } from '../../snapshot';
import { Kind } from '../../../trace/vocabulary/events';
import type { BitField } from '../../../trace/vocabulary/kind-row';
import { coalesces } from './coalescing';
import { receiveDescriptor, transmitDescriptor } from './descriptor-view';
import { descriptions } from './descriptions';
import { ringBranch } from '../intel-nic/ring-view';
import { DropReason } from '../intel-nic/constants';
import { Dma } from '../intel-nic/dma';
import { RegisterTable, registerBranch } from '../intel-nic/register-table';
import { Timers } from '../intel-nic/timers';
import { CHANNELS, Ctrl, Reg, Timer, TIMERS } from './constants';
import { E1000Core, REGISTER_FILE_BYTES, type E1000Timing } from './core';
import { Eeprom } from './eeprom';
import { RAH_VALID } from './filter';
import { BAR0_SIZE, BAR1_SIZE, DEVICE_ID, E1000Function } from './function';
import { InterruptUnit } from './interrupts';
import { Phy } from './phy';
import { Receiver } from './receive';
import { registerTable } from './registers';
import type { E1000Hardware, E1000Run } from './state';
import { Transmitter } from './transmit';

/** Construction of an `E1000`. */
export interface E1000Options {
  /** Station address, six bytes. */
  mac: Uint8Array;
  /** Absent: the hardware's own work takes no time, and each step follows the end of the DMA before it. */
  timing?: E1000Timing;
  /** Whose its transactions are; absent: its PCI function's, once that is on a bus. */
  requester?: () => RequesterId;
}

/** CTRL after reset: the EEPROM has the link come up by itself. */
const CTRL_RESET = Ctrl.FD | Ctrl.SLU | Ctrl.SPEED_1000;
/** Packet buffer: 48 KiB for reception, 16 for transmission. */
const PBA_RESET = 0x30;
const VET_RESET = 0x8100;
const IO_REGISTERS = { IOADDR: 0, IODATA: 4 } as const;
/** Bits that IOADDR has (13.2.2.1). */
const IOADDR_MASK = 0xfffff;
const NO_TIME: E1000Timing = { transmitNanoseconds: 0, receiveNanoseconds: 0 };

/** The device. BAR 0 is the device itself as a register block; BAR 1 is `ioBlock`. */
export class E1000
  implements BusDevice, RegisterBlock, NetworkPort, Inspectable, Migratable<E1000Hardware, E1000Run>
{
  readonly network: NetworkPort = this;
  readonly queueFull = DropReason.QueueFull;
  /** Whether QEMU coalesces a write at an offset of BAR 0. */
  static readonly coalesces = coalesces;

  readonly pci: PciFunction;
  /** IOADDR and IODATA (manual 13.2.2). */
  readonly ioBlock: RegisterBlock;
  private readonly core: E1000Core;
  private readonly timers: Timers;
  private readonly dma: Dma;
  private readonly interrupts: InterruptUnit;
  private readonly transmitter: Transmitter;
  private readonly receiver: Receiver;
  private readonly eeprom: Eeprom;
  private readonly phy = new Phy();
  private readonly table: RegisterTable;
  private readonly view: readonly Branch[];
  private ioAddress = 0;

  constructor(bus: DeviceBus, options: E1000Options) {
    this.ioBlock = this.makeIoBlock();
    this.pci = new E1000Function(
      [
        { index: 0, kind: 'memory32', size: BAR0_SIZE, block: this, name: 'registers' },
        { index: 1, kind: 'io', size: BAR1_SIZE, block: this.ioBlock, name: 'I/O window' },
      ],
      () => this.resume(),
    );
    this.core = new E1000Core(bus, options.timing ?? NO_TIME, {
      requester: options.requester ?? (() => this.pci.requester),
      busMaster: () => this.pci.busMaster,
      cacheLineBytes: () => this.pci.read(Config.CacheLineSize, 1) * 4,
    });
    const { core, phy } = this;
    this.timers = new Timers(bus, TIMERS, Timer.Wire);
    const { master } = core;
    this.dma = new Dma(CHANNELS, () => master);
    this.interrupts = new InterruptUnit(core, this.timers);
    this.receiver = new Receiver(core, this.dma, this.timers, this.interrupts);
    this.transmitter = new Transmitter(core, this.dma, this.timers, this.interrupts, {
      phyLoops: () => phy.loopsBack,
      receive: (frame) => this.receiver.arrived(frame),
    });
    this.eeprom = new Eeprom(options.mac, DEVICE_ID);
    const { interrupts, transmitter, receiver, eeprom } = this;
    const reset = (): void => this.reset();
    const registers = registerTable({ core, interrupts, transmitter, receiver, eeprom, phy, reset });
    this.table = new RegisterTable(core, registers, REGISTER_FILE_BYTES, descriptions);
    this.view = [
      registerBranch(this.table),
      ringBranch('Transmit ring', transmitter.ring, () => master, transmitDescriptor),
      ringBranch('Receive ring', receiver.storer.ring, () => master, receiveDescriptor),
    ];
    core.set(Reg.PBA, PBA_RESET);
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
  onEvent(kind: number, _arg: number): void {
    this.timers.fired(kind);
    if (kind === Timer.Transmit) this.transmitter.workDone();
    else if (kind === Timer.Wire) this.transmitter.resume();
    else if (kind === Timer.Receive) this.receiver.storer.workDone();
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

  inspect(path: StatePath): StateNode | undefined {
    return branches('e1000', this.view, path, 'Intel 82540EM, a Gigabit Ethernet controller');
  }

  /** A checkpoint: whole at any moment, also with DMA in flight. */
  save(): Checkpoint<E1000Hardware, E1000Run> {
    return { hardware: this.saveHardware(), run: this.saveRun() };
  }

  load({ hardware, run }: Checkpoint<E1000Hardware, E1000Run>): void {
    this.loadParts(hardware, run);
  }

  /** The PCI function's configuration and the memory have to be there already. */
  adopt(hardware: E1000Hardware): void {
    this.loadParts(hardware, undefined);
    this.interrupts.resume();
    this.resume();
  }

  private saveHardware(): E1000Hardware {
    return {
      version: 3,
      registers: this.core.saveRegisters(),
      ioAddress: this.ioAddress,
      interrupts: this.interrupts.saveHardware(),
      timers: this.timers.saveHardware(),
      dma: this.dma.saveHardware(),
      transmitter: this.transmitter.saveHardware(),
      receiver: this.receiver.saveHardware(),
      eeprom: this.eeprom.save(),
      phy: this.phy.save(),
    };
  }

  private saveRun(): E1000Run {
    return {
      timers: this.timers.saveRun(),
      dma: this.dma.saveRun(),
      transmitter: this.transmitter.saveRun(),
      receiver: this.receiver.saveRun(),
    };
  }

  private loadParts(hardware: E1000Hardware, run: E1000Run | undefined): void {
    requireVersion('an e1000', hardware.version, 3);
    const { core } = this;
    core.loadRegisters(hardware.registers);
    this.ioAddress = hardware.ioAddress;
    this.interrupts.load(hardware.interrupts);
    this.timers.load(hardware.timers, run?.timers);
    this.transmitter.load(hardware.transmitter, run?.transmitter);
    this.receiver.load(hardware.receiver, run?.receiver);
    this.eeprom.load(hardware.eeprom);
    this.phy.load(hardware.phy);
    this.dma.load(hardware.dma, run?.dma);
  }

  /** RST# of the bus, and power-on: as CTRL.RST, and also what that leaves alone but the EEPROM's contents (14.1). */
  busReset(): void {
    this.core.set(Reg.PBA, PBA_RESET);
    this.ioAddress = 0;
    this.eeprom.reset();
    this.phy.reset();
    this.reset();
  }

  /** The function has become a bus master, or the device has moved: everything goes on where it can. */
  private resume(): void {
    this.transmitter.resume();
    this.receiver.storer.resume();
    this.receiver.tellRoom();
  }

  /** CTRL.RST: everything but the PCI configuration, the EEPROM's contents, the PHY and PBA (manual 14.1). */
  private reset(): void {
    this.setReset();
    this.timers.stopAll();
    this.transmitter.reset();
    this.receiver.reset();
    this.interrupts.update();
  }

  private setReset(): void {
    const { core, eeprom } = this;
    const packetBuffer = core.get(Reg.PBA);
    core.regs.fill(0);
    core.set(Reg.CTRL, CTRL_RESET);
    core.set(Reg.PBA, packetBuffer);
    core.set(Reg.VET, VET_RESET);
    core.set(Reg.RAL0, (eeprom.words[0] | (eeprom.words[1] << 16)) >>> 0);
    core.set(Reg.RAL0 + 4, (eeprom.words[2] | RAH_VALID) >>> 0);
  }

  private makeIoBlock(): RegisterBlock {
    const ignored = (offset: number, value: number): void =>
      this.core.aside(Kind.DeviceIgnored, offset, value);
    const inWindow = (): boolean => this.ioAddress < BAR0_SIZE;
    return {
      read: (offset, size) => {
        if (offset === IO_REGISTERS.IOADDR) return this.ioAddress % 2 ** (8 * size);
        return offset === IO_REGISTERS.IODATA && inWindow() ? this.read(this.ioAddress & ~3, size) : 0;
      },
      write: (offset, size, value) => {
        if (offset === IO_REGISTERS.IODATA && inWindow()) this.write(this.ioAddress & ~3, size, value);
        else if (offset === IO_REGISTERS.IOADDR && size === 4) this.ioAddress = value & IOADDR_MASK;
        else ignored(offset, value);
      },
      registerName: (offset) => ({ 0: 'IOADDR', 4: 'IODATA' })[offset],
    };
  }
}
