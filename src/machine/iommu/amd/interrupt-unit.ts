/**
 * The interrupt side of AMD's IOMMU (AMD I/O Virtualization Technology specification, 48882): interrupt remapping with entries of 128 bits
 * (`GAEn`), delivery to guests by their virtual APIC backing pages, the guest virtual APIC log, and the command buffer.
 *
 * Translation of DMA is not modelled: addresses of devices pass as they are, as with all of the device table in pass-through. Neither are
 * the event log and the peripheral page request log, nor entries of 32 bits: without `GAEn` each request that is to be remapped is refused.
 */
import type { AccessSize, RegisterBlock, RequesterId } from '../../bus';
import type { Inspectable, StateNode, StatePath } from '../../inspect';
import { requestVector } from '../../interrupts/avic/tables';
import {
  decodeMsi,
  DeliveryMode,
  MSI_BASE,
  MsiAddress,
  MsiData,
  widened,
  type InterruptMessage,
} from '../../interrupts/message';
import type { MessageRemapping, RemappedMessage } from '../../interrupts/message-remapping';
import type { DescriptorMemory } from '../../interrupts/posted-descriptor';
import { requireVersion, type Checkpoint, type HardwareState, type Migratable } from '../../snapshot';
import type { Cycles } from '../../time/event-queue';
import { SetCache, type SetCacheState } from '../set-cache';
import type { UnitClock } from '../unit-clock';
import { wordsOf, type Words } from '../words';
import { CommandBuffer, type CommandBufferRun } from './command-buffer';
import type { AmdCommand } from './commands';
import {
  AMD_IRTE_BYTES,
  decodeAmdIrte,
  decodeDeviceEntry,
  DEVICE_ENTRY_BYTES,
  IntCtl,
  irteEnabled,
  irteOfGuest,
  irteQuiet,
  type DeviceInterruptEntry,
  type GuestEntry,
} from './entries';
import { appendToLog, ringBytes, type AmdRing } from './guest-log';
import { amdIommuAt } from './inspect/amd-view';
import { AmdReg, amdRegisterNames, Control, GUEST_VIRTUAL_APIC, Status } from './layout';
import { AmdReason } from './reasons';
import { AmdRegisterFile } from './register-file';

/** What the unit does, told at the moment that it does it. */
export interface AmdInterruptObserver {
  /** It has read a device table entry from memory. @param words all eight */
  deviceEntryRead(device: RequesterId, address: number, words: Words): void;
  /** It has read an entry of a function's interrupt remapping table. @param words its four */
  entryRead(index: number, address: number, words: Words): void;
  /** The request goes on as a message. */
  remapped(index: number, message: InterruptMessage): void;
  /** The request is in the IRR of a backing page. */
  posted(vector: number, backingPage: number): void;
  /** It rings the doorbell of a physical CPU. */
  doorbell(vector: number, hostApicId: number): void;
  /** An entry is in the guest virtual APIC log. */
  logged(tag: number, address: number): void;
  /** One is lost, as the log is full or in no memory. */
  lost(tag: number): void;
  /** A request is refused. `quiet`: the entry says that this is no event. */
  blocked(device: RequesterId, reason: AmdReason, index: number, quiet: boolean): void;
  /** A command is done, which has begun at a time. @param dropped entries of caches */
  commandDone(command: AmdCommand, begin: Cycles, dropped: number): void;
}

/** Construction of an `AmdInterruptUnit`. */
export interface AmdInterruptOptions {
  memory: DescriptorMemory;
  clock: UnitClock;
  observer: AmdInterruptObserver;
  /** Interrupts on the unit's own account: address and data of a message that nobody remaps. @param after cycles from the present */
  send(address: number, data: number, after: Cycles): void;
  /** Rings the doorbell of a physical CPU. @param after cycles from the present */
  doorbell(hostApicId: number, after: Cycles): void;
  /** Entries that its caches hold, of each kind. */
  cacheEntries: number;
  costs: {
    /** A look into a cache. */
    lookup: Cycles;
    /** An access of memory. */
    reference: Cycles;
    /** The locked access of a backing page. */
    post: Cycles;
    /** A command. */
    command: Cycles;
  };
}

/** What the hardware has of it. */
export interface AmdInterruptHardware extends HardwareState {
  version: 1;
  registers: [offset: number, value: number][];
  deviceEntries: SetCacheState<number[]>;
  entries: SetCacheState<number[]>;
}

/** The level of all cached entries: they are found by function and index. */
const LEVEL = 0;
const INDEX_MASK = 0x7ff;
/** Bits of a device table's size, in pages less one. */
const TABLE_SIZE_MASK = 0x1ff;
const PAGE = 4096;
/** Of the register by which the log interrupts: destination mode, destination in two parts, vector. */
const Interrupt = { logical: 1 << 2, lowShift: 8, highShift: 24, vectorMask: 0xff } as const;

/** What was found in a table, and the cycles that it took; or why nothing was. */
type Found = { words: Words; cycles: Cycles } | { reason: AmdReason; cycles: Cycles };

/** One unit. */
export class AmdInterruptUnit
  implements MessageRemapping, RegisterBlock, Inspectable, Migratable<AmdInterruptHardware, CommandBufferRun>
{
  private readonly registers = new AmdRegisterFile();
  private readonly deviceEntries: SetCache<number[]>;
  private readonly entries: SetCache<number[]>;
  private readonly commands: CommandBuffer;

  constructor(private readonly options: AmdInterruptOptions) {
    const { clock, memory, costs, cacheEntries } = options;
    const shape = { sets: 1, ways: cacheEntries };
    this.deviceEntries = new SetCache<number[]>(shape);
    this.entries = new SetCache<number[]>(shape);
    this.commands = new CommandBuffer(this.registers, { clock, memory, cycles: costs.command }, (...done) =>
      this.perform(...done),
    );
  }

  // --- registers --------------------------------------------------------------------------------------------------------------

  /** Dwords at multiples of 4; other accesses read 0. */
  read(offset: number, size: AccessSize): number {
    return size === 4 && offset % 4 === 0 ? this.registers.get(offset) : 0;
  }

  /** Likewise; other accesses do nothing. */
  write(offset: number, size: AccessSize, value: number): void {
    if (size !== 4 || offset % 4 !== 0) return;
    this.registers.write(offset, value);
    if (offset === AmdReg.Control) this.controlled();
    else if (offset === AmdReg.CommandTail) this.commands.go();
  }

  registerName(offset: number): string | undefined {
    return amdRegisterNames.get(offset);
  }

  /** A command comes to its end. */
  onEvent(): void {
    this.commands.onEvent();
  }

  // --- requests ---------------------------------------------------------------------------------------------------------------

  remap(requester: RequesterId, address: number, data: number): RemappedMessage {
    if (!this.registers.controls(Control.IommuEn)) return passed(address, data, 0);
    const found = this.deviceEntry(requester);
    const index = data & INDEX_MASK;
    const { cycles } = found;
    if ('reason' in found) return this.blocked(requester, found.reason, index, cycles);
    const entry = decodeDeviceEntry(found.words);
    if (!entry.valid) return passed(address, data, cycles);
    const way = wayOf(entry, (data >> 8) & 7);
    if (way === 'pass') return passed(address, data, cycles);
    if (way !== 'remap') return this.blocked(requester, way, index, cycles);
    // A level that is taken back comes to no local APIC.
    const level = (data & MsiData.level) !== 0;
    if (level && (data & MsiData.assert) === 0) return { outcome: 'ignored', cycles };
    return this.byEntry(requester, entry, index, level, cycles);
  }

  /** What is at a path below the unit; see `Inspectable`. */
  inspect(path: StatePath): StateNode | undefined {
    const { registers, commands, logRing, options } = this;
    const deviceTable = { base: registers.base(AmdReg.DeviceTable), bytes: this.deviceTableBytes };
    const register = (offset: number): number => registers.get(offset);
    const { memory } = options;
    return amdIommuAt({ register, memory, deviceTable, commands: commands.ring, log: logRing }, path);
  }

  private get deviceTableBytes(): number {
    return ((this.registers.get(AmdReg.DeviceTable) & TABLE_SIZE_MASK) + 1) * PAGE;
  }

  // --- snapshots --------------------------------------------------------------------------------------------------------------

  save(): Checkpoint<AmdInterruptHardware, CommandBufferRun> {
    const hardware: AmdInterruptHardware = {
      version: 1,
      registers: this.registers.save(),
      deviceEntries: this.deviceEntries.save(),
      entries: this.entries.save(),
    };
    return { hardware, run: this.commands.save() };
  }

  load({ hardware, run }: Checkpoint<AmdInterruptHardware, CommandBufferRun>): void {
    this.loadHardware(hardware);
    this.commands.load(run);
  }

  /** The command that was under way is begun anew. */
  adopt(hardware: AmdInterruptHardware): void {
    this.loadHardware(hardware);
    this.commands.go();
  }

  private loadHardware({ version, registers, deviceEntries, entries }: AmdInterruptHardware): void {
    requireVersion("the interrupt side of AMD's IOMMU", version, 1);
    this.registers.load(registers);
    this.deviceEntries.load(deviceEntries);
    this.entries.load(entries);
  }

  // --- the way of one request -------------------------------------------------------------------------------------------------

  private deviceEntry(device: RequesterId): Found {
    const { registers, options } = this;
    const { memory, costs, observer } = options;
    const known = this.deviceEntries.find(device, LEVEL, 0);
    if (known) return { words: Uint32Array.from(known), cycles: costs.lookup };
    const size = this.deviceTableBytes;
    const cycles = costs.lookup + costs.reference;
    if ((device + 1) * DEVICE_ENTRY_BYTES > size)
      return { reason: AmdReason.DeviceBeyondTable, cycles: costs.lookup };
    const address = registers.base(AmdReg.DeviceTable) + device * DEVICE_ENTRY_BYTES;
    const bytes = memory.read(address, DEVICE_ENTRY_BYTES);
    if (!bytes) return { reason: AmdReason.DeviceEntryUnreadable, cycles };
    const words = wordsOf(bytes);
    observer.deviceEntryRead(device, address, words);
    this.deviceEntries.insert(device, LEVEL, 0, [...words]);
    return { words, cycles };
  }

  /**
   * Entries in guest mode are read each time: software changes whether and where the vCPU runs without an invalidation (2.2.5.2), so no
   * cache may have that.
   */
  private entry(device: RequesterId, { table, entries = 0 }: DeviceInterruptEntry, index: number): Found {
    const { memory, costs, observer } = this.options;
    if (index >= entries) return { reason: AmdReason.IndexBeyondTable, cycles: 0 };
    const known = this.entries.find(device, LEVEL, index);
    if (known) return { words: Uint32Array.from(known), cycles: costs.lookup };
    const cycles = costs.lookup + costs.reference;
    const address = table + index * AMD_IRTE_BYTES;
    const bytes = memory.read(address, AMD_IRTE_BYTES);
    if (!bytes) return { reason: AmdReason.EntryUnreadable, cycles };
    const words = wordsOf(bytes);
    observer.entryRead(index, address, words);
    if (irteEnabled(words) && !irteOfGuest(words)) this.entries.insert(device, LEVEL, index, [...words]);
    return { words, cycles };
  }

  private byEntry(
    device: RequesterId,
    of: DeviceInterruptEntry,
    index: number,
    level: boolean,
    before: Cycles,
  ): RemappedMessage {
    const { registers, options } = this;
    const found = this.entry(device, of, index);
    const cycles = before + found.cycles;
    if ('reason' in found) return this.blocked(device, found.reason, index, cycles);
    const { words } = found;
    const quiet = irteQuiet(words);
    if (!irteEnabled(words)) return this.blocked(device, AmdReason.NotEnabled, index, cycles, quiet);
    const irte = registers.controls(Control.GAEn) ? decodeAmdIrte(words) : undefined;
    const guests = registers.guestMode === GUEST_VIRTUAL_APIC;
    if (!irte || (irte.guest && !guests))
      return this.blocked(device, AmdReason.EntryReserved, index, cycles, quiet);
    if (irte.guest) return this.toGuest(device, irte, index, cycles, quiet);
    const { type, vector, logical, destination } = irte;
    const mode = type === 0 ? DeliveryMode.Fixed : DeliveryMode.LowestPriority;
    const message = { mode, vector, logical, destination, level };
    options.observer.remapped(index, message);
    return { outcome: 'message', message, cycles };
  }

  /** To a vCPU: by its backing page, and a doorbell where it runs, or an entry of the log where it does not. */
  private toGuest(
    device: RequesterId,
    { vector, backingPage, running, destination, logged, tag }: GuestEntry,
    index: number,
    before: Cycles,
    quiet: boolean,
  ): RemappedMessage {
    const { memory, observer, costs, doorbell } = this.options;
    const cycles = before + costs.post;
    if (!requestVector(memory, backingPage, vector))
      return this.blocked(device, AmdReason.BackingPageUnwritable, index, cycles, quiet);
    observer.posted(vector, backingPage);
    if (running) {
      observer.doorbell(vector, destination);
      doorbell(destination, cycles);
    } else if (logged) this.log(tag, device, cycles);
    return { outcome: 'posted', notification: undefined, cycles };
  }

  private blocked(
    device: RequesterId,
    reason: AmdReason,
    index: number,
    cycles: Cycles,
    quiet = false,
  ): RemappedMessage {
    this.options.observer.blocked(device, reason, index, quiet);
    return { outcome: 'blocked', reason, cycles };
  }

  private get logRing(): AmdRing {
    const { registers } = this;
    return {
      base: registers.base(AmdReg.GuestLogBase),
      size: ringBytes(registers.length(AmdReg.GuestLogBase)),
      head: registers.get(AmdReg.GuestLogHead),
      tail: registers.get(AmdReg.GuestLogTail),
    };
  }

  // --- the log ----------------------------------------------------------------------------------------------------------------

  /** While the log does not run, nothing is written to it; that is so from an overflow on until software has turned it on anew. */
  private log(tag: number, device: RequesterId, cycles: Cycles): void {
    const { registers, options } = this;
    const { memory, observer, costs } = options;
    if ((registers.get(AmdReg.Status) & Status.GALogRun) === 0) return observer.lost(tag);
    const outcome = appendToLog(memory, this.logRing, tag, device);
    if (outcome.written) {
      registers.set(AmdReg.GuestLogTail, outcome.tail);
      observer.logged(tag, outcome.address);
    } else {
      registers.status(Status.GALogOverflow, Status.GALogRun);
      observer.lost(tag);
    }
    this.interrupt(cycles + costs.reference);
  }

  /** The log has something to tell: once, until software has cleared the status bit. */
  private interrupt(after: Cycles): void {
    const { registers } = this;
    const known = (registers.get(AmdReg.Status) & Status.GALogInt) !== 0;
    registers.status(Status.GALogInt);
    // Without IntCapXTEn it would be an MSI of the unit's PCI function, which is not modelled.
    if (known || !registers.controls(Control.GAIntEn) || !registers.controls(Control.IntCapXTEn)) return;
    const low = registers.get(AmdReg.GuestLogInterrupt);
    const high = registers.get(AmdReg.GuestLogInterrupt + 4);
    const destination = (low >>> Interrupt.lowShift) + (high >>> Interrupt.highShift) * 2 ** 24;
    const logical = (low & Interrupt.logical) !== 0 ? MsiAddress.logical : 0;
    const address =
      MSI_BASE + (destination % 0x100) * PAGE + logical + Math.floor(destination / 0x100) * 2 ** 40;
    this.options.send(address, high & Interrupt.vectorMask, after);
  }

  // --- software's side --------------------------------------------------------------------------------------------------------

  private controlled(): void {
    const { registers } = this;
    const runs = (bit: number): boolean => registers.controls(Control.IommuEn) && registers.controls(bit);
    const overflowed = (registers.get(AmdReg.Status) & Status.GALogOverflow) !== 0;
    const logs = runs(Control.GALogEn) && !overflowed;
    registers.status(logs ? Status.GALogRun : 0, logs ? 0 : Status.GALogRun);
    this.commands.enable(runs(Control.CmdBufEn));
  }

  /** A command of the buffer, at its end. */
  private perform(command: AmdCommand, begin: Cycles): void {
    this.options.observer.commandDone(command, begin, this.dropped(command));
    if (command.kind !== 'wait') return;
    if (command.store) this.commands.store(command.store);
    if (command.interrupts) this.registers.status(Status.ComWaitInt);
  }

  /** Drops what a command invalidates. @returns how many entries */
  private dropped(command: AmdCommand): number {
    if (command.kind === 'device-entry')
      return this.deviceEntries.drop(({ space }) => space === command.device);
    if (command.kind === 'interrupt-table') return this.entries.drop(({ space }) => space === command.device);
    if (command.kind === 'all') return this.deviceEntries.drop(() => true) + this.entries.drop(() => true);
    return 0;
  }
}

/** What becomes of a request by its device table entry and the delivery mode that it asks for; a reason where it is refused. */
function wayOf(entry: DeviceInterruptEntry, mode: number): 'pass' | 'remap' | AmdReason {
  const passes: Readonly<Record<number, boolean>> = {
    [DeliveryMode.Nmi]: entry.nmiPasses,
    [DeliveryMode.Init]: entry.initPasses,
    [DeliveryMode.ExtInt]: entry.extIntPasses,
  };
  if (mode !== DeliveryMode.Fixed && mode !== DeliveryMode.LowestPriority)
    return passes[mode] ? 'pass' : AmdReason.NotPassed;
  if (entry.control === IntCtl.Pass) return 'pass';
  if (entry.control === IntCtl.Abort) return AmdReason.Aborted;
  if (entry.control !== IntCtl.Remap || entry.entries === undefined) return AmdReason.DeviceEntryReserved;
  return 'remap';
}

/** As it is without the unit. */
function passed(address: number, data: number, cycles: Cycles): RemappedMessage {
  const message = decodeMsi(address, data);
  return message ? { outcome: 'message', message: widened(message), cycles } : { outcome: 'ignored', cycles };
}
