/**
 * A DMA-remapping unit as Intel's specification for directed I/O (VT-d, revision 4.1) has it: whoever owns it writes its registers
 * and tables in memory; it translates what bus masters access, refuses what the tables do not allow, and tells of that.
 *
 * Addresses of devices are numbers, exact below 2^53; the widest that a unit takes have 52 bits.
 */
import type { AccessSize, RegisterBlock, RequesterId } from '../bus';
import { decodeMsi } from '../interrupts/message';
import type { MessageRemapping, RemappedMessage } from '../interrupts/message-remapping';
import type { DmaPiece, DmaTranslated, DmaTranslation } from '../memory/dma-translation';
import { requireVersion, type Checkpoint, type Migratable } from '../snapshot';
import type { Cycles } from '../time/event-queue';
import { TranslationCaches } from './caches';
import { capabilityRegisters } from './capabilities';
import { resolve } from './context-tables';
import { DeviceRequests, type TranslationCompletion } from './device-requests';
import type { TranslationAgent } from './device-tlb';
import { AddressType, FaultLog, pageInformation } from './fault-log';
import { isReported } from './fault-reasons';
import { GlobalRegisters } from './global-registers';
import { InFlightRequests } from './in-flight';
import type { InterruptPart, RefusedInterrupt } from './interrupt-remapper';
import { InvalidationCommands } from './invalidation-commands';
import { InvalidationQueue } from './invalidation-queue';
import { Invalidator, type DeviceTlbs } from './invalidator';
import { touchesInterruptRange, type Register } from './layout';
import type { SendMessage } from './event-message';
import type { IommuObserver, TranslatedPage, TranslationRequest, WalkReference } from './observer';
import { checkOptions, type RemappingOptions } from './options';
import { bytesIn, walkPage, type WalkOutcome, type WalkSource } from './page-walk';
import { ProtectedMemory } from './protected-memory';
import { RegisterTable } from './register-table';
import type { RemappingHardware, RemappingRun } from './state';
import { TableReader, type TableMemory } from './table-reader';
import type { Refusal, Translation } from './translation';
import type { UnitClock } from './unit-clock';

/** Kinds of the unit's events, as it schedules them. */
const Event = { queue: 0, contextCommand: 1, iotlbCommand: 2 } as const;
/** Where the fault information of an interrupt request has its index. */
const INDEX_SHIFT = 2 ** 16;

/** What a unit needs of its machine. */
export interface RemappingHost {
  readonly clock: UnitClock;
  /** Host-physical memory, with the tables. */
  readonly memory: TableMemory;
  /** Sends an interrupt message of the unit's own, which nobody remaps. */
  readonly send: SendMessage;
  readonly observer: IommuObserver;
  /** TLBs of devices. */
  readonly deviceTlbs: DeviceTlbs;
  /** Undefined: the unit remaps no interrupts. */
  readonly interrupts: InterruptPart | undefined;
}

/** What `peek` finds. */
export interface PeekedTranslation {
  references: readonly WalkReference[];
  /** Domain identifier; undefined when no entry told one. */
  domain: number | undefined;
  /** The page, or the reason for which there is none. */
  result: TranslatedPage | { fault: number };
}

/** The unit. */
export class RemappingUnit
  implements
    RegisterBlock,
    DmaTranslation,
    MessageRemapping,
    TranslationAgent,
    Migratable<RemappingHardware, RemappingRun>
{
  private readonly caches: TranslationCaches;
  private readonly faults: FaultLog;
  private readonly queue: InvalidationQueue;
  private readonly commands: InvalidationCommands;
  private readonly global: GlobalRegisters;
  private readonly protectedMemory = new ProtectedMemory();
  private readonly all: readonly Register[];
  private readonly inFlight = new InFlightRequests();
  private readonly table: RegisterTable;
  private readonly deviceRequests: DeviceRequests;

  /** @throws RangeError when an option is out of its range */
  constructor(
    private readonly host: RemappingHost,
    readonly options: RemappingOptions,
  ) {
    checkOptions(options);
    const { clock, memory, send, observer, deviceTlbs, interrupts } = host;
    this.caches = new TranslationCaches(options);
    this.faults = new FaultLog(options.faultRecords, send, () => this.queue.resume());
    const invalidator = new Invalidator(this.caches, interrupts?.remapper, deviceTlbs, observer);
    const drained = (): Cycles => this.inFlight.drainedFrom(clock.now());
    this.queue = new InvalidationQueue({
      clock,
      event: Event.queue,
      memory,
      options,
      invalidator,
      drained,
      faults: this.faults,
      observer,
      interrupts: interrupts !== undefined,
      send,
      scalable: () => options.scalableMode && this.global.isScalable,
    });
    this.commands = new InvalidationCommands({
      clock,
      events: { context: Event.contextCommand, iotlb: Event.iotlbCommand },
      cost: options.costs.command,
      invalidator,
      drained,
      queued: () => this.queue.isEnabled,
    });
    this.global = new GlobalRegisters(this.queue, interrupts?.remapper);
    this.deviceRequests = new DeviceRequests({
      memory,
      protectedMemory: this.protectedMemory,
      source: () => (this.global.translating ? this.source : undefined),
      tell: (request, reader, outcome) => this.tell(request, reader, outcome),
      refuse: (request, refusal, addressType) => this.refuse(request, refusal, addressType),
    });
    this.all = [
      ...capabilityRegisters(options, interrupts),
      ...this.global.registers(),
      ...this.commands.registers(),
      ...this.faults.registers(),
      ...this.queue.registers(),
      ...this.protectedMemory.registers(),
    ];
    this.table = new RegisterTable(this.all);
  }

  read(offset: number, size: AccessSize): number {
    return this.table.read(offset, size);
  }

  write(offset: number, size: AccessSize, value: number): void {
    this.table.write(offset, size, value);
  }

  registerName(offset: number): string | undefined {
    return this.table.registerName(offset);
  }

  /** All registers, for a reader outside the machine: nothing comes of reading one. */
  registers(): readonly Register[] {
    return [...this.all].sort((x, y) => x.offset - y.offset);
  }

  /** The memory that its tables are in. */
  get tables(): TableMemory {
    return this.host.memory;
  }

  /** TES: addresses of devices are translated. */
  get translating(): boolean {
    return this.global.translating;
  }

  /** A time asked for by `RemappingHost.clock` has come. */
  onEvent(kind: number): void {
    if (kind === Event.queue) this.queue.onEvent();
    else this.commands.onEvent(kind);
  }

  /** As after power-on. */
  reset(): void {
    for (const part of [
      this.caches,
      this.faults,
      this.queue,
      this.commands,
      this.global,
      this.protectedMemory,
      this.inFlight,
    ])
      part.reset();
    this.host.interrupts?.remapper.reset();
  }

  /** @param pasid of a request that has one */
  translate(
    requester: RequesterId,
    iova: number,
    length: number,
    write: boolean,
    pasid?: number,
  ): DmaTranslated {
    // Where interrupts are written to no memory answers a bus master, with the unit and without it (3.14).
    if (pasid === undefined && touchesInterruptRange(iova, length))
      return { fault: 'master-abort', cycles: 0 };
    if (!this.global.translating) return this.untranslated(iova, length);
    const pieces: DmaPiece[] = [];
    let cycles = 0;
    for (let done = 0; done < length;) {
      const request = { requester, pasid, iova: iova + done, write };
      const step = this.translatePage(request, length - done);
      cycles += step.cycles;
      if (!step.page) return { fault: 'blocked', cycles };
      const bytes = bytesIn(step.page, length - done);
      const { address } = step.page;
      if (step.untranslated && this.protectedMemory.blocks(address, bytes))
        return { fault: 'blocked', cycles };
      addPiece(pieces, { address, length: bytes });
      done += bytes;
    }
    return { pieces, cycles };
  }

  landsAt(time: Cycles): void {
    this.inFlight.landsAt(time);
  }

  /**
   * A device asks for a translation, to keep it in a TLB of its own (ATS).
   * @param write whether it is going to write there
   */
  translationRequest(
    requester: RequesterId,
    iova: number,
    write: boolean,
    pasid?: number,
  ): TranslationCompletion {
    return this.deviceRequests.request({ requester, pasid, iova, write });
  }

  /** A device with a TLB accesses what it has been told is a host-physical address. */
  translated(requester: RequesterId, address: number, length: number, write: boolean): DmaTranslated {
    return this.deviceRequests.translated(requester, address, length, write);
  }

  /**
   * What a translation would come to now, by the tables alone, also while translation is off. Nothing is changed, cached, counted
   * or told.
   */
  peek(requester: RequesterId, iova: number, write = false, pasid?: number): PeekedTranslation {
    const reader = new TableReader(this.host.memory, false);
    const source = { options: this.options, root: this.global.root, caches: undefined, deviceTlb: false };
    const { resolved, result } = walkPage(source, reader, { requester, pasid, iova, write }, 1);
    return {
      references: reader.references,
      domain: resolved?.translation.domain,
      result: 'fault' in result ? { fault: result.fault } : result,
    };
  }

  look(requester: RequesterId, iova: number, length: number): readonly DmaPiece[] | undefined {
    if (touchesInterruptRange(iova, length)) return undefined;
    if (!this.global.translating) return [{ address: iova, length }];
    const pieces: DmaPiece[] = [];
    for (let done = 0; done < length;) {
      const { result } = this.peek(requester, iova + done);
      if ('fault' in result) return undefined;
      const bytes = bytesIn(result, length - done);
      addPiece(pieces, { address: result.address, length: bytes });
      done += bytes;
    }
    return pieces;
  }

  /** How requests of a function that have no PASID are translated now, by the tables alone; 'off': not at all; undefined: refused. */
  translationOf(requester: RequesterId): Translation | 'off' | undefined {
    if (!this.global.translating) return 'off';
    const { options, host } = this;
    const reader = new TableReader(host.memory, false);
    const found = resolve(
      { reader, options, root: this.global.root, caches: undefined },
      requester,
      undefined,
    );
    return 'fault' in found ? undefined : found.translation;
  }

  remap(requester: RequesterId, address: number, data: number): RemappedMessage {
    const { interrupts } = this.host;
    if (interrupts) return interrupts.remapper.remap(requester, address, data);
    const message = decodeMsi(address, data);
    return message ? { outcome: 'message', message, cycles: 0 } : { outcome: 'ignored', cycles: 0 };
  }

  /** Records that an interrupt request was refused, for the part that refuses it. */
  interruptFault({ requester, reason, index }: RefusedInterrupt): void {
    const information = [0, (index * INDEX_SHIFT) >>> 0] as const;
    const addressType = AddressType.untranslated;
    const request = { requester, pasid: undefined, iova: 0, write: true };
    this.host.observer.faulted({ request, reason, recorded: this.faults.hasRoom });
    this.faults.record({ requester, pasid: undefined, information, reason, write: true, addressType });
  }

  save(): Checkpoint<RemappingHardware, RemappingRun> {
    const queue = this.queue.save();
    const commands = this.commands.save();
    return {
      hardware: {
        version: 2,
        global: this.global.save(),
        caches: this.caches.save(),
        faults: this.faults.save(),
        queue: queue.hardware,
        commands: commands.hardware,
        protectedMemory: this.protectedMemory.save(),
      },
      run: { queue: queue.run, commands: commands.run, inFlight: this.inFlight.save() },
    };
  }

  load({ hardware, run }: Checkpoint<RemappingHardware, RemappingRun>): void {
    this.take(hardware);
    this.queue.load(hardware.queue, run.queue);
    this.commands.load(hardware.commands, run.commands);
    this.inFlight.load(run.inFlight);
  }

  adopt(hardware: RemappingHardware): void {
    this.take(hardware);
    this.queue.adopt(hardware.queue);
    this.commands.adopt(hardware.commands);
    this.inFlight.reset();
  }

  private take(hardware: RemappingHardware): void {
    requireVersion('a remapping unit', hardware.version, 2);
    this.global.load(hardware.global);
    this.caches.load(hardware.caches);
    this.faults.load(hardware.faults);
    this.protectedMemory.load(hardware.protectedMemory);
  }

  private get source(): WalkSource {
    return { options: this.options, root: this.global.root, caches: this.caches, deviceTlb: false };
  }

  /** Translation is off: addresses are the host's. */
  private untranslated(iova: number, length: number): DmaTranslated {
    if (this.protectedMemory.blocks(iova, length)) return { fault: 'blocked', cycles: 0 };
    return { pieces: length > 0 ? [{ address: iova, length }] : [], cycles: 0 };
  }

  private translatePage(
    request: TranslationRequest,
    length: number,
  ): { page: TranslatedPage | undefined; untranslated: boolean; cycles: Cycles } {
    const reader = new TableReader(this.host.memory, true);
    const outcome = walkPage(this.source, reader, request, length);
    const page = 'fault' in outcome.result ? undefined : outcome.result;
    const cycles = this.tell(request, reader, outcome);
    if ('fault' in outcome.result) this.refuse(request, outcome.result, AddressType.untranslated);
    return { page, untranslated: outcome.resolved?.translation.kind === 'pass-through', cycles };
  }

  /** Tells of a walk, or that none was needed. @returns the cycles that it took */
  private tell(request: TranslationRequest, reader: TableReader, outcome: WalkOutcome): Cycles {
    const { references, structureHits, updates } = reader;
    const { costs } = this.options;
    const cycles = costs.lookup + costs.reference * (references.length + updates);
    const { resolved, result } = outcome;
    const page = 'fault' in result ? undefined : result;
    if (references.length === 0 && page) {
      this.host.observer.hit(request, page);
      return cycles;
    }
    const { pageReferences } = reader;
    this.host.observer.walked({
      request,
      domain: resolved?.translation.domain,
      references,
      tableReferences: references.length - pageReferences,
      pageReferences,
      levels: {
        first: resolved?.translation.first?.levels ?? 0,
        second: resolved?.translation.second?.levels ?? 0,
      },
      structureHits,
      updates,
      page,
      cycles,
    });
    return cycles;
  }

  private refuse(request: TranslationRequest, { fault, faultsDisabled }: Refusal, addressType: number): void {
    const { requester, pasid, iova, write } = request;
    const information = pageInformation(iova);
    const reported = isReported(fault, faultsDisabled);
    // Told first: what the record brings about, a fault event, follows from it.
    this.host.observer.faulted({ request, reason: fault, recorded: reported && this.faults.hasRoom });
    if (reported) this.faults.record({ requester, pasid, information, reason: fault, write, addressType });
  }
}

/** Adds a piece; one that goes on where the last one ends makes that longer. */
function addPiece(pieces: DmaPiece[], piece: DmaPiece): void {
  const last = pieces[pieces.length - 1];
  if (last && last.address + last.length === piece.address) last.length += piece.length;
  else pieces.push(piece);
}
