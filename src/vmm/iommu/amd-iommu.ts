/**
 * The host kernel's driver of AMD's IOMMU, with drivers/iommu/amd of Linux as its model, for interrupts only: a device table in which each
 * function that interrupts has a remapping table, entries for the kernel's vectors and for vCPUs, invalidation, and the guest virtual
 * APIC log. Addresses of DMA pass.
 *
 * It costs nobody any time: what the kernel does in a handler is done at the instant of the interrupt.
 */
import type { RequesterId, Stateful } from '../../machine/bus';
import { MSI_BASE } from '../../machine/interrupts/message';
import { encodeInvalidation, encodeWait, COMMAND_BYTES, Opcode } from '../../machine/iommu/amd/commands';
import {
  AMD_IRTE_BYTES,
  DEVICE_ENTRY_BYTES,
  encodeAmdIrte,
  encodeDeviceInterrupts,
} from '../../machine/iommu/amd/entries';
import { LOG_ENTRY_BYTES, logTag } from '../../machine/iommu/amd/guest-log';
import { AmdReg, Control, GUEST_VIRTUAL_APIC, Status } from '../../machine/iommu/amd/layout';
import { wordsOf } from '../../machine/iommu/words';
import type { VectorMessage } from '../../machine/pci/msi';
import { requireVersion } from '../../machine/snapshot';
import { Kind } from '../../trace/vocabulary/events';
import type { Site } from '../host';
import {
  LEVEL_ACTIVE_LOW,
  type GuestApicPlace,
  type GuestApics,
  type GuestApicTarget,
  type MessageDomain,
  type PostingTarget,
  type Redirection,
} from '../host-bus/message-domain';
import type { HostIrqTarget, HostVectorPlace } from '../threads/host-vectors';
import { AMD_IOAPIC_REQUESTER, type HostAmdIommu } from './host-amd-iommu';
import { TABLE_BYTES, TablePages, type TablePagesState } from './table-pages';

/** A message of a function, and what its entry says. */
interface GivenMessage {
  requester: RequesterId;
  /** Of the function's messages, or the pin. */
  index: number;
  /** Place in the function's remapping table. */
  entry: number;
  count: number;
  place: HostVectorPlace;
  target: GuestApicTarget | undefined;
}

/** Snapshot of an `AmdIommu`; tables, buffer and log are memory. */
export interface AmdIommuState {
  version: 1;
  pages: TablePagesState;
  tables: [requester: RequesterId, table: number][];
  given: GivenMessage[];
  places: [tag: number, place: GuestApicPlace][];
  tail: number;
  waits: number;
  control: number;
}

/** Pages of the device table: functions of buses 0 to 7. */
const DEVICE_TABLE_PAGES = 16;
const DEVICES = (DEVICE_TABLE_PAGES * TABLE_BYTES) / DEVICE_ENTRY_BYTES;
/** Entries of a remapping table: as many as AMD's units support, whatever the length field can say. */
const ENTRIES_LOG2 = 9;
const ENTRIES = 2 ** ENTRIES_LOG2;
const TABLE_PAGES = (ENTRIES * AMD_IRTE_BYTES) / TABLE_BYTES;
/** The command buffer: all messages of a function can be given back and given anew at one instant. */
const COMMANDS_LENGTH = 12;
const COMMANDS_BYTES = 4096 * COMMAND_BYTES;
const COMMAND_PAGES = COMMANDS_BYTES / TABLE_BYTES;
/** The log: a page. */
const LOG_LENGTH = 8;
const LOG_BYTES = 512 * LOG_ENTRY_BYTES;
/** An index that no table has: the messages of those for whom no entry is left. */
const NOBODYS = 0x7ff;
/** Of a vector, those entries of the IOAPIC's table by which the end of its level finds the pin. */
const IOAPIC_VARIANTS = [0, 0x100] as const;
const MESSAGES = 4096;
const SIZE = 4;
/** The physical CPU that takes the log's interrupts. */
const LOG_CPU = 0;
const NOWHERE: GuestApicPlace = { running: false, hostApicId: 0, logged: true };

/** Pages of a room: for so many functions that interrupt, and the IOAPIC. */
export function amdIommuPages(functions: number): number {
  return DEVICE_TABLE_PAGES + COMMAND_PAGES + 2 + (functions + 1) * TABLE_PAGES;
}

/** The driver of one unit. */
export class AmdIommu implements MessageDomain, GuestApics, HostIrqTarget, Stateful<AmdIommuState> {
  readonly hostIrqId: string;
  private readonly pages: TablePages;
  private readonly deviceTable: number;
  private readonly commands: number;
  private readonly log: number;
  /** Where COMPLETION_WAIT stores. */
  private readonly done: number;
  /** Remapping tables, by function. */
  private readonly tables = new Map<RequesterId, number>();
  /** By function and message. */
  private readonly given = new Map<number, GivenMessage>();
  /** By tag. */
  private readonly places = new Map<number, GuestApicPlace>();
  private readonly told = new Map<number, () => void>();
  private tail = 0;
  private waits = 0;
  /** Lower dword of the control register. */
  private control = 0;

  /** @param room pages of host memory, zero as yet: `amdIommuPages` of them */
  constructor(
    private readonly site: Site,
    private readonly iommu: HostAmdIommu,
    room: { base: number; pages: number },
  ) {
    this.hostIrqId = `island${site.island.index}/amd-iommu`;
    this.pages = new TablePages(site.memory, room.base, room.pages);
    this.deviceTable = this.own(DEVICE_TABLE_PAGES);
    this.commands = this.own(COMMAND_PAGES);
    this.log = this.own(1);
    this.done = this.own(1);
    site.scheduler.interrupts.vectors.register(this);
    site.units.keep(this.hostIrqId, this);
    iommu.drivenBy(this);
    this.start();
  }

  // --- messages -----------------------------------------------------------------------------------------------------------------

  /** The data are the index of the entry (48882, 2.2.5.1); that of the first message of a function is 0, so that it can count up. */
  compose(requester: RequesterId, index: number, place: HostVectorPlace, count: number): VectorMessage {
    const entry = index + count <= ENTRIES ? index : undefined;
    const given = entry !== undefined && this.give({ requester, index, entry, count, place });
    return { address: MSI_BASE, data: given ? entry : NOBODYS };
  }

  /** The entry's index stands where the vector does, and is the vector: the local APIC tells the IOAPIC of its end by that. */
  redirect(pin: number, place: HostVectorPlace): Redirection {
    const taken = new Set(
      [...this.given.values()].flatMap((each) =>
        each.requester === AMD_IOAPIC_REQUESTER && each.index !== pin ? [each.entry] : [],
      ),
    );
    const entry = IOAPIC_VARIANTS.map((above) => above + place.vector).find((each) => !taken.has(each));
    const requester = AMD_IOAPIC_REQUESTER;
    const given = entry !== undefined && this.give({ requester, index: pin, entry, count: 1, place });
    return { low: LEVEL_ACTIVE_LOW | (given ? entry : NOBODYS), high: 0 };
  }

  postTo(requester: RequesterId, index: number, target: PostingTarget | undefined): boolean {
    const given = this.given.get(keyOf(requester, index));
    if (!given || (target && !('backingPage' in target))) return false;
    given.target = target && { ...target };
    this.write(given);
    this.invalidate(requester);
    return true;
  }

  release(requester: RequesterId, index: number): void {
    const key = keyOf(requester, index);
    const given = this.given.get(key);
    if (!given) return;
    this.given.delete(key);
    for (let at = 0; at < given.count; at++) this.writeEntry(given, at, [0, 0, 0, 0]);
    this.invalidate(requester);
  }

  // --- vCPUs --------------------------------------------------------------------------------------------------------------------

  /** Whether and where a vCPU runs is cached by no unit (48882, 2.2.5.2): there is nothing to invalidate. */
  place(tag: number, place: GuestApicPlace): void {
    this.places.set(tag, { ...place });
    for (const given of this.given.values()) if (given.target?.tag === tag) this.write(given);
  }

  onLogged(tag: number, told: () => void): void {
    this.told.set(tag, told);
  }

  /** The log has entries: whoever is waited for is told (iommu_poll_ga_log). After an overflow that is everybody, as some are lost. */
  onHostIrq(): void {
    const { iommu, site } = this;
    const { tracer } = site;
    const before = tracer.cause;
    const status = iommu.read(AmdReg.Status);
    iommu.write(AmdReg.Status, SIZE, Status.GALogInt);
    const tail = iommu.read(AmdReg.GuestLogTail) % LOG_BYTES;
    let head = iommu.read(AmdReg.GuestLogHead) % LOG_BYTES;
    while (head !== tail) {
      const entry = site.memory.read(this.log + head, LOG_ENTRY_BYTES);
      const tag = entry && logTag(wordsOf(entry));
      head = (head + LOG_ENTRY_BYTES) % LOG_BYTES;
      iommu.write(AmdReg.GuestLogHead, SIZE, head);
      if (tag === undefined) continue;
      tracer.cause = iommu.note(Kind.GaLogRead, tag, head);
      this.told.get(tag)?.();
      tracer.cause = before;
    }
    if ((status & Status.GALogOverflow) === 0) return;
    this.restartLog();
    for (const told of this.told.values()) told();
  }

  // --- snapshots ----------------------------------------------------------------------------------------------------------------

  save(): AmdIommuState {
    return {
      version: 1,
      pages: this.pages.save(),
      tables: [...this.tables],
      given: [...this.given.values()].map((each) => ({ ...each })),
      places: [...this.places].map(([tag, place]) => [tag, { ...place }]),
      tail: this.tail,
      waits: this.waits,
      control: this.control,
    };
  }

  load(state: AmdIommuState): void {
    requireVersion("the driver of the host's IOMMU", state.version, 1);
    this.pages.load(state.pages);
    this.tables.clear();
    for (const [requester, table] of state.tables) this.tables.set(requester, table);
    this.given.clear();
    for (const each of state.given) this.given.set(keyOf(each.requester, each.index), { ...each });
    this.places.clear();
    for (const [tag, place] of state.places) this.places.set(tag, { ...place });
    this.tail = state.tail;
    this.waits = state.waits;
    this.control = state.control;
  }

  // --- the unit -----------------------------------------------------------------------------------------------------------------

  /** As the kernel brings it up: device table, command buffer, log, and the unit last. */
  private start(): void {
    this.writeWide(AmdReg.DeviceTable, this.deviceTable + DEVICE_TABLE_PAGES - 1);
    this.writeWide(AmdReg.CommandBase, this.commands, COMMANDS_LENGTH);
    this.writeWide(AmdReg.GuestLogBase, this.log, LOG_LENGTH);
    const place = this.site.scheduler.interrupts.vectors.give(LOG_CPU, 1, this, 0);
    if (place) this.takeLogInterrupts(place);
    const modes = 2 ** Control.GAEn + GUEST_VIRTUAL_APIC * 2 ** Control.GAMEn + 2 ** Control.GAIntEn;
    this.control = modes + 2 ** Control.CmdBufEn + 2 ** Control.GALogEn + 2 ** Control.IommuEn;
    this.iommu.write(AmdReg.Control + 4, SIZE, 2 ** (Control.IntCapXTEn - 32));
    this.iommu.write(AmdReg.Control, SIZE, this.control);
  }

  /** To one physical CPU by its APIC ID, which is its position. */
  private takeLogInterrupts({ cpu, vector }: HostVectorPlace): void {
    this.iommu.write(AmdReg.GuestLogInterrupt, SIZE, (cpu % 2 ** 24) * 2 ** 8);
    this.iommu.write(AmdReg.GuestLogInterrupt + 4, SIZE, vector);
  }

  /** As amd_iommu_restart_ga_log does it. */
  private restartLog(): void {
    this.iommu.write(AmdReg.Control, SIZE, this.control - 2 ** Control.GALogEn);
    this.iommu.write(AmdReg.Status, SIZE, Status.GALogOverflow);
    this.iommu.write(AmdReg.Control, SIZE, this.control);
  }

  /** Has the unit drop what it has of a function's table, and tell when that is done. */
  private invalidate(requester: RequesterId): void {
    this.waits += 1;
    this.command(encodeInvalidation(Opcode.InvalidateInterruptTable, requester));
    this.command(encodeWait(this.done, this.waits));
    this.iommu.write(AmdReg.CommandTail, SIZE, this.tail);
  }

  private command(words: readonly number[]): void {
    this.pages.write(this.commands + this.tail, ...words);
    this.tail = (this.tail + COMMAND_BYTES) % COMMANDS_BYTES;
  }

  private give(message: Omit<GivenMessage, 'target'>): boolean {
    if (this.tableOf(message.requester) === undefined) return false;
    const given: GivenMessage = { ...message, target: undefined };
    this.given.set(keyOf(message.requester, message.index), given);
    this.write(given);
    this.invalidate(message.requester);
    return true;
  }

  /** A function's remapping table, which the first of its messages makes; undefined: there is no room for it. */
  private tableOf(requester: RequesterId): number | undefined {
    const known = this.tables.get(requester);
    if (known !== undefined || requester >= DEVICES) return known;
    const table = this.pages.take(TABLE_PAGES);
    if (table === undefined) return undefined;
    this.tables.set(requester, table);
    const entry = this.deviceTable + requester * DEVICE_ENTRY_BYTES;
    this.pages.write(entry + 16, ...encodeDeviceInterrupts(table, ENTRIES_LOG2));
    this.command(encodeInvalidation(Opcode.InvalidateDeviceEntry, requester));
    return table;
  }

  private write(given: GivenMessage): void {
    const { place, target, count } = given;
    for (let at = 0; at < count; at++)
      this.writeEntry(
        given,
        at,
        target
          ? this.ofGuest(target)
          : encodeAmdIrte({
              guest: false,
              type: 0,
              logical: false,
              destination: place.cpu,
              vector: place.vector + at,
            }),
      );
  }

  private ofGuest({ tag, vector, backingPage }: GuestApicTarget): number[] {
    const { hostApicId, ...place } = this.places.get(tag) ?? NOWHERE;
    return encodeAmdIrte({ guest: true, ...place, destination: hostApicId, tag, vector, backingPage });
  }

  private writeEntry({ requester, entry }: GivenMessage, at: number, words: readonly number[]): void {
    const table = this.tables.get(requester);
    if (table !== undefined) this.pages.write(table + (entry + at) * AMD_IRTE_BYTES, ...words);
  }

  /** A register of 64 bits. @param length bits 59 to 56 */
  private writeWide(offset: number, value: number, length = 0): void {
    this.iommu.write(offset, SIZE, value % 2 ** 32);
    this.iommu.write(offset + 4, SIZE, Math.floor(value / 2 ** 32) + length * 2 ** 24);
  }

  private own(pages: number): number {
    const address = this.pages.take(pages);
    if (address === undefined) throw new RangeError('the IOMMU has too few pages for its own tables');
    return address;
  }
}

function keyOf(requester: RequesterId, index: number): number {
  return requester * MESSAGES + index;
}
