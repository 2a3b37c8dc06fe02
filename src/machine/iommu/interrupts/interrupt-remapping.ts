/**
 * Interrupt remapping and posting of a VT-d unit (VT-d specification 4.x, chapter 5). The unit's registers are its owner's,
 * who tells it of what was written there.
 */
import type { RequesterId } from '../../bus';
import { decodeMsi, DeliveryMode, widened, type InterruptMessage } from '../../interrupts/message';
import type { MessageRemapping, RemappedMessage } from '../../interrupts/message-remapping';
import {
  notificationDestination,
  postedReservedSet,
  postInterrupt,
  type DescriptorMemory,
} from '../../interrupts/posted-descriptor';
import {
  requireVersion,
  type Checkpoint,
  type HardwareState,
  type Migratable,
  type RunState,
} from '../../snapshot';
import type { Cycles } from '../../time/event-queue';
import { InterruptEntryCache } from './interrupt-entry-cache';
import { InterruptFaultReason as Reason, type InterruptFault } from './interrupt-faults';
import {
  decodeIrte,
  IRTE_BYTES,
  irteFaultsDisabled,
  irtePresent,
  rawIrte,
  verifiesSource,
  type PostedIrte,
  type RawIrte,
  type RemappedIrte,
} from './irte';
import { decodeRequest } from './message-format';

/** How long the steps take. */
export interface InterruptRemappingCosts {
  /** A request whose entry the cache has. */
  cacheHit: Cycles;
  /** One whose entry is read from memory. */
  tableRead: Cycles;
  /** Posting, beyond that: the atomic access of the descriptor. */
  descriptorUpdate: Cycles;
}

/** What the unit did with one request, told at the moment of `remap`: what follows from it can hang on what is recorded here. */
export interface InterruptRemappingObserver {
  /** An entry was read from memory at a host-physical address. */
  entryRead(index: number, address: number, raw: RawIrte): void;
  /** The cache had the entry. */
  entryHit(index: number, raw: RawIrte): void;
  /** The request goes on as this message. */
  remapped(index: number, message: InterruptMessage): void;
  /** The request is in a descriptor; a notification event goes on, or why none does. */
  posted(
    index: number,
    vector: number,
    descriptor: number,
    notification: InterruptMessage | 'outstanding' | 'suppressed',
  ): void;
  /** The request is refused. `recorded` is false where the entry says that its faults are not to be (FPD). */
  blocked(fault: InterruptFault, recorded: boolean): void;
}

/** Construction of an `InterruptRemapping`. */
export interface InterruptRemappingOptions {
  /** Host-physical memory with the table and the descriptors. */
  memory: DescriptorMemory;
  /** The posted format exists (`CAP_REG.PI`). */
  posting: boolean;
  /** Destinations of 32 bits can be had (`ECAP_REG.EIM`). */
  x2apic: boolean;
  /** Bits of a host-physical address; at most 52. */
  hostAddressWidth: number;
  /** Size of the interrupt entry cache; 0: there is none. */
  cacheEntries: number;
  /** A requester whose requests are taken for those that an entry is for, whatever it says; absent: there is none. */
  unverified?: RequesterId;
  costs: InterruptRemappingCosts;
  /** Records a fault where software finds it. */
  fault(fault: InterruptFault): void;
  observer?: InterruptRemappingObserver;
}

/** What the hardware has of an `InterruptRemapping`; the run has nothing of it. */
export interface InterruptRemappingHardware extends HardwareState {
  version: 1;
  enabled: boolean;
  blockCompatibility: boolean;
  tableAddress: number;
  tableEntries: number;
  x2apic: boolean;
  /** In the order of their last use. */
  cache: [index: number, raw: RawIrte][];
}

/** Bits of the table address register, `IRTA_REG` (chapter 11). */
const Irta = { SizeMask: 0xf, ExtendedMode: 1 << 11 } as const;
/** Entries of the smallest table. */
const LEAST_ENTRIES = 2;

/** An entry and what it took to get it, or why there is none. */
type Found = { raw: RawIrte; cycles: Cycles } | { reason: Reason; cycles: Cycles };

/** One unit's interrupt remapping. */
export class InterruptRemapping implements MessageRemapping, Migratable<InterruptRemappingHardware> {
  /** `GSTS_REG.IRES`: requests are remapped; otherwise they go on as messages, whatever their format. */
  enabled = false;
  /** `GSTS_REG.CFIS` is 0: requests in compatibility format are refused. With 32 bits of destination they always are. */
  blockCompatibility = true;
  private tableAddress = 0;
  private tableEntries = LEAST_ENTRIES;
  private x2apic = false;
  private readonly cache: InterruptEntryCache;

  constructor(private readonly options: InterruptRemappingOptions) {
    this.cache = new InterruptEntryCache(options.cacheEntries);
  }

  /**
   * Takes the table's address, size and destination width from the value of `IRTA_REG`, when software sets the table pointer.
   * The cache keeps its entries: a unit that drops them then (`CAP_REG.ESIRTPS`) calls `invalidateAll`.
   */
  setTable(irta: bigint): void {
    const low = Number(irta & 0xfffn);
    this.tableAddress = Number(irta - BigInt(low));
    this.tableEntries = LEAST_ENTRIES << (low & Irta.SizeMask);
    this.x2apic = this.options.x2apic && (low & Irta.ExtendedMode) !== 0;
  }

  /** Drops all cached entries. */
  invalidateAll(): void {
    this.cache.clear();
  }

  /** Drops cached entries whose index is `index` but for its `mask` lowest bits (6.5.2.7). */
  invalidateEntries(index: number, mask: number): void {
    this.cache.drop(index, mask);
  }

  remap(requester: RequesterId, address: number, data: number): RemappedMessage {
    if (!this.enabled) return compatible(address, data);
    const request = decodeRequest(address, data);
    if (request.format === 'compatibility') {
      if (!this.x2apic && !this.blockCompatibility) return compatible(address, data);
      return this.blocked({ requester, reason: Reason.CompatibilityBlocked, index: 0 }, true, 0);
    }
    const { index } = request;
    if (request.reserved) return this.blocked({ requester, reason: Reason.RequestReserved, index }, true, 0);
    const found = this.entry(index);
    const { cycles } = found;
    if ('reason' in found) return this.blocked({ requester, reason: found.reason, index }, true, cycles);
    return this.byEntry(requester, index, found.raw, cycles);
  }

  /** As after power-on. */
  reset(): void {
    this.enabled = false;
    this.blockCompatibility = true;
    this.tableAddress = 0;
    this.tableEntries = LEAST_ENTRIES;
    this.x2apic = false;
    this.cache.clear();
  }

  save(): Checkpoint<InterruptRemappingHardware, RunState> {
    const { enabled, blockCompatibility, tableAddress, tableEntries, x2apic } = this;
    const table = { tableAddress, tableEntries, x2apic };
    const hardware: InterruptRemappingHardware = {
      version: 1,
      enabled,
      blockCompatibility,
      ...table,
      cache: this.cache.save(),
    };
    return { hardware, run: {} };
  }

  load({ hardware }: Checkpoint<InterruptRemappingHardware, RunState>): void {
    this.adopt(hardware);
  }

  adopt(hardware: InterruptRemappingHardware): void {
    requireVersion('an interrupt-remapping unit', hardware.version, 1);
    this.enabled = hardware.enabled;
    this.blockCompatibility = hardware.blockCompatibility;
    this.tableAddress = hardware.tableAddress;
    this.tableEntries = hardware.tableEntries;
    this.x2apic = hardware.x2apic;
    this.cache.load(hardware.cache);
  }

  /** The entry of an index, from the cache or from memory. */
  private entry(index: number): Found {
    const { costs, memory, observer } = this.options;
    if (index >= this.tableEntries) return { reason: Reason.IndexBeyondTable, cycles: 0 };
    const cached = this.cache.use(index);
    if (cached) {
      observer?.entryHit(index, cached);
      return { raw: cached, cycles: costs.cacheHit };
    }
    const address = this.tableAddress + index * IRTE_BYTES;
    if (address >= 2 ** this.options.hostAddressWidth) return { reason: Reason.IndexBeyondTable, cycles: 0 };
    const bytes = memory.read(address, IRTE_BYTES);
    if (!bytes) return { reason: Reason.EntryUnreadable, cycles: costs.tableRead };
    const raw = rawIrte(bytes);
    observer?.entryRead(index, address, raw);
    // What is not present or has a fault is not cached: in caching mode it may be (6.1), but nobody can rely on that.
    if (irtePresent(raw) && this.decode(raw)) this.cache.keep(index, raw);
    return { raw, cycles: costs.tableRead };
  }

  private byEntry(requester: RequesterId, index: number, raw: RawIrte, cycles: Cycles): RemappedMessage {
    const refuse = (reason: Reason, took: Cycles): RemappedMessage =>
      this.blocked({ requester, reason, index }, !irteFaultsDisabled(raw), took);
    if (!irtePresent(raw)) return refuse(Reason.NotPresent, cycles);
    const irte = this.decode(raw);
    if (!irte) return refuse(Reason.EntryReserved, cycles);
    if (requester !== this.options.unverified && !verifiesSource(irte.source, requester))
      return refuse(Reason.SourceRefused, cycles);
    if (irte.format === 'posted') {
      const took = cycles + this.options.costs.descriptorUpdate;
      const done = this.post(index, irte, took);
      return typeof done === 'number' ? refuse(done, took) : done;
    }
    const message = messageOf(irte, this.x2apic);
    this.options.observer?.remapped(index, message);
    return { outcome: 'message', message, cycles };
  }

  /** Posts a request to its descriptor; a reason where that has a fault. */
  private post(
    index: number,
    { descriptor, vector, urgent }: PostedIrte,
    cycles: Cycles,
  ): RemappedMessage | Reason {
    const { memory, observer } = this.options;
    const reserved = postedReservedSet(memory, descriptor, this.x2apic);
    if (reserved) return Reason.DescriptorReserved;
    const posting = postInterrupt(memory, descriptor, vector, urgent);
    if (!posting) return Reason.DescriptorUnreadable;
    const { notify, control } = posting;
    if (!notify) {
      observer?.posted(index, vector, descriptor, control.outstanding ? 'outstanding' : 'suppressed');
      return { outcome: 'posted', notification: undefined, cycles };
    }
    const destination = notificationDestination(control.destination, this.x2apic);
    const event = { mode: DeliveryMode.Fixed, vector: control.vector, logical: false, level: false };
    const notification = destined({ ...event, destination }, this.x2apic);
    observer?.posted(index, vector, descriptor, notification);
    return { outcome: 'posted', notification, cycles };
  }

  private decode(raw: RawIrte): ReturnType<typeof decodeIrte> {
    const { posting, hostAddressWidth } = this.options;
    return decodeIrte(raw, { x2apic: this.x2apic, posting, hostAddressWidth });
  }

  private blocked(fault: InterruptFault, recorded: boolean, cycles: Cycles): RemappedMessage {
    this.options.observer?.blocked(fault, recorded);
    if (recorded) this.options.fault(fault);
    return { outcome: 'blocked', reason: fault.reason, cycles };
  }
}

/** What a request is without remapping. */
function compatible(address: number, data: number): RemappedMessage {
  const message = decodeMsi(address, data);
  if (!message) return { outcome: 'ignored', cycles: 0 };
  return { outcome: 'message', message: widened(message), cycles: 0 };
}

/** The message of an entry; the redirection hint is obeyed as it is of an MSI (`decodeMsi`). */
function messageOf(irte: RemappedIrte, x2apic: boolean): InterruptMessage {
  const { vector, level, logical, destination } = irte;
  const one = irte.redirected && irte.mode === DeliveryMode.Fixed;
  const mode = one ? DeliveryMode.LowestPriority : irte.mode;
  return destined({ mode, vector, level, logical, destination }, x2apic);
}

function destined(message: InterruptMessage, x2apic: boolean): InterruptMessage {
  return x2apic ? message : widened(message);
}
