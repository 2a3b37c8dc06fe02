/**
 * The Intel 82540EM Gigabit Ethernet controller, by its software developer's manual ("8254x Family of Gigabit Ethernet
 * Controllers"): legacy descriptors, INTx, EEPROM, PHY, statistics. Whatever a guest programs, nothing here throws.
 */
import type { AccessSize, DeviceBus, RegisterBlock } from '../../bus';
import type { FrameReceiver, Wire } from '../../link/wire';
import { PciFunction } from '../../pci/function';
import { requireVersion } from '../../snapshot';
import { Ctrl, Reg, Rctl, Timer } from './constants';
import { E1000Core, REGISTER_FILE_BYTES, type E1000Timing } from './core';
import { Eeprom, type EepromState } from './eeprom';
import { RAH_VALID } from './filter';
import { InterruptUnit, type InterruptUnitState } from './interrupts';
import { Phy, type PhyState } from './phy';
import { Receiver, type ReceiverState } from './receive';
import { registerTable, type Register } from './registers';
import { Transmitter, type TransmitterState } from './transmit';

/** Construction of an `E1000`. */
export interface E1000Options {
  /** Station address, six bytes. */
  mac: Uint8Array;
  /** Absent: all work is done in the access that asks for it, as QEMU does. */
  timing?: E1000Timing;
}

/** Snapshot of an `E1000`; its PCI function belongs to the PCI bus's snapshot. */
export interface E1000State {
  version: 1;
  /** Registers that are not zero: word index, value, word index, value, … */
  registers: Uint32Array;
  ioAddress: number;
  interrupts: InterruptUnitState;
  transmitter: TransmitterState;
  receiver: ReceiverState;
  eeprom: EepromState;
  phy: PhyState;
}

const DEVICE_ID = 0x100e;
const BAR0_SIZE = 0x20000;
const BAR1_SIZE = 0x40;
/** CTRL after reset: the EEPROM has the link come up by itself. */
const CTRL_RESET = Ctrl.FD | Ctrl.SLU | Ctrl.SPEED_1000;
/** Packet buffer: 48 KiB for reception. */
const PBA_RESET = 0x30;
const VET_RESET = 0x8100;
const IO_REGISTERS = { IOADDR: 0, IODATA: 4 } as const;

/** The device. BAR 0 is the device itself as a register block; BAR 1 is `ioBlock`. */
export class E1000 implements RegisterBlock, FrameReceiver {
  readonly pci: PciFunction;
  /** IOADDR and IODATA (manual 13.2.2). */
  readonly ioBlock: RegisterBlock;
  private readonly core: E1000Core;
  private readonly interrupts: InterruptUnit;
  private readonly transmitter: Transmitter;
  private readonly receiver: Receiver;
  private readonly eeprom: Eeprom;
  private readonly phy = new Phy();
  private readonly table: readonly (Register | undefined)[];
  private ioAddress = 0;

  constructor(bus: DeviceBus, options: E1000Options) {
    this.core = new E1000Core(bus, options.timing ?? { transmitNanoseconds: 0, receiveNanoseconds: 0 });
    this.interrupts = new InterruptUnit(this.core);
    this.receiver = new Receiver(this.core, this.interrupts);
    this.transmitter = new Transmitter(this.core, this.interrupts, (frame) => this.loopBack(frame));
    this.eeprom = new Eeprom(options.mac, DEVICE_ID);
    const { core, interrupts, transmitter, receiver, eeprom, phy } = this;
    const registers = registerTable({
      core,
      interrupts,
      transmitter,
      receiver,
      eeprom,
      phy,
      reset: () => this.reset(),
    });
    this.table = Array.from({ length: REGISTER_FILE_BYTES / 4 }, (_, word) => registers.get(word * 4));
    this.ioBlock = this.makeIoBlock();
    this.pci = new PciFunction(
      {
        vendorId: 0x8086,
        deviceId: DEVICE_ID,
        revision: 3,
        classCode: 0x020000,
        subsystemVendorId: 0x1af4,
        subsystemId: 0x1100,
        interruptPin: 1,
      },
      [
        { index: 0, kind: 'memory32', size: BAR0_SIZE, block: this, name: 'registers' },
        { index: 1, kind: 'io', size: BAR1_SIZE, block: this.ioBlock, name: 'I/O window' },
      ],
    );
    this.setReset();
  }

  /** Plugs the cable in, before the machine is turned on: no link change is signalled. */
  connect(wire: Wire): void {
    this.core.wire = wire;
  }

  /** A frame has arrived from the link. */
  receive(frame: Uint8Array): void {
    this.receiver.arrived(frame);
  }

  /** Timer of `DeviceBus.schedule`. */
  onEvent(kind: number, _arg: number): void {
    if (kind === Timer.Transmit) this.transmitter.onTimer();
    else if (kind === Timer.Receive) this.receiver.onTimer();
    else this.interrupts.onTimer(kind);
  }

  read(offset: number, size: AccessSize): number {
    const register = this.table[offset >> 2];
    if (!register) return 0;
    const value = register.read ? register.read() : this.core.get(offset & ~3);
    return size === 4 ? value >>> 0 : (value >>> (8 * (offset & 3))) & (size === 1 ? 0xff : 0xffff);
  }

  /** Registers are 32 bits wide; a narrower store comes as the whole word with zeroes beside it. */
  write(offset: number, _size: AccessSize, value: number): void {
    const register = this.table[offset >> 2];
    if (!register) return;
    const word = (value << (8 * (offset & 3))) >>> 0;
    if (register.write) register.write(word);
    else if (register.writable !== 0) this.core.set(offset & ~3, (word & register.writable) >>> 0);
  }

  registerName(offset: number): string | undefined {
    return this.table[offset >> 2]?.name;
  }

  /** Names of all registers by offset, for a trace's track. */
  registerNames(): Record<string, string> {
    const named = this.table.flatMap((register, word) =>
      register ? [[String(word * 4), register.name]] : [],
    );
    return Object.fromEntries(named) as Record<string, string>;
  }

  save(): E1000State {
    const registers: number[] = [];
    this.core.regs.forEach((value, word) => void (value !== 0 && registers.push(word, value)));
    return {
      version: 1,
      registers: Uint32Array.from(registers),
      ioAddress: this.ioAddress,
      interrupts: this.interrupts.save(),
      transmitter: this.transmitter.save(),
      receiver: this.receiver.save(),
      eeprom: this.eeprom.save(),
      phy: this.phy.save(),
    };
  }

  /** The event queue's own snapshot brings the timers back. */
  load(state: E1000State): void {
    requireVersion('an e1000', state.version, 1);
    this.core.regs.fill(0);
    for (let i = 0; i < state.registers.length; i += 2)
      this.core.regs[state.registers[i]] = state.registers[i + 1]!;
    this.ioAddress = state.ioAddress;
    this.interrupts.load(state.interrupts);
    this.transmitter.load(state.transmitter);
    this.receiver.load(state.receiver);
    this.eeprom.load(state.eeprom);
    this.phy.load(state.phy);
  }

  /** CTRL.RST: everything but the PCI configuration, the EEPROM's contents and the PHY (manual 14.1). */
  private reset(): void {
    this.transmitter.reset();
    this.receiver.reset();
    this.setReset();
    this.interrupts.reset();
  }

  private setReset(): void {
    const { core, eeprom } = this;
    core.regs.fill(0);
    core.set(Reg.CTRL, CTRL_RESET);
    core.set(Reg.PBA, PBA_RESET);
    core.set(Reg.VET, VET_RESET);
    core.set(Reg.RAL0, (eeprom.words[0] | (eeprom.words[1] << 16)) >>> 0);
    core.set(Reg.RAL0 + 4, (eeprom.words[2] | RAH_VALID) >>> 0);
  }

  /** RCTL.LBM = 11 sends what is transmitted to the own receiver. */
  private loopBack(frame: Uint8Array): boolean {
    if ((this.core.get(Reg.RCTL) & Rctl.LBM) !== Rctl.LBM) return false;
    this.receiver.arrived(frame);
    return true;
  }

  private makeIoBlock(): RegisterBlock {
    const inWindow = (): boolean => this.ioAddress < BAR0_SIZE;
    return {
      read: (offset, size) => {
        if (offset === IO_REGISTERS.IOADDR) return this.ioAddress;
        return offset === IO_REGISTERS.IODATA && inWindow() ? this.read(this.ioAddress & ~3, size) : 0;
      },
      write: (offset, size, value) => {
        if (offset === IO_REGISTERS.IOADDR) this.ioAddress = value;
        else if (offset === IO_REGISTERS.IODATA && inWindow()) this.write(this.ioAddress & ~3, size, value);
      },
      registerName: (offset) => ({ 0: 'IOADDR', 4: 'IODATA' })[offset],
    };
  }
}
