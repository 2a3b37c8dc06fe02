/**
 * How a processor with AVIC sends an IPI of its guest (AMD64 vol. 2, 15.29.6.2): it finds the targets' backing pages by the tables,
 * requests the vector there, and rings the doorbell of each physical CPU on which one of them runs. What it cannot do, it leaves to
 * the VMM behind the write of the ICR.
 */
import { DeliveryMode, Shorthand, type IpiMessage } from '../message';
import type { DescriptorMemory } from '../posted-descriptor';
import {
  decodeLogical,
  decodePhysical,
  LOGICAL_ENTRY_BYTES,
  logicalIndices,
  PHYSICAL_ENTRY_BYTES,
  readDword,
  requestVector,
  type RawPhysicalEntry,
} from './tables';

/** Where the tables of a VM are (the fields of its VMCB): host-physical addresses, and the highest index of the physical one. */
export interface AvicTables {
  readonly physical: number;
  readonly logical: number;
  readonly maxIndex: number;
}

/** Bits 63 to 32 of EXITINFO2 of AVIC_INCOMPLETE_IPI. */
export const IpiFailure = {
  InvalidType: 0,
  NotRunning: 1,
  InvalidTarget: 2,
  InvalidBackingPage: 3,
  InvalidVector: 4,
} as const;

/** Why the processor leaves, and the entry of the tables that it is about. */
export interface IncompleteIpi {
  /** One of `IpiFailure`. */
  failure: number;
  /** In the logical table, where an entry there is not valid; else in the physical one. 0 where it is about no entry. */
  index: number;
}

/** The vCPU that sends, by the registers of its backing page. */
export interface IpiSender {
  /** Its guest's physical APIC ID. */
  readonly apicId: number;
  readonly backingPage: number;
  /** DFR bits 31:28: the flat model of logical destinations. */
  readonly flat: boolean;
}

/** What the processor does meanwhile, at the moment that it does it. */
export interface IpiObserver {
  /** It has read an entry of the logical table. */
  logicalRead(address: number, entry: number): void;
  /** It has read an entry of the physical table. */
  physicalRead(address: number, entry: RawPhysicalEntry): void;
  /** The vector is in the IRR of a backing page. */
  requested(backingPage: number): void;
  /** It rings the doorbell of a physical CPU. */
  doorbell(hostApicId: number): void;
}

/** Reserved vectors are below this. */
const FIRST_VECTOR = 16;
/** The destination of everybody, whether physical or logical. */
const BROADCAST = 0xff;

/** Why the processor does nothing at all about an IPI; undefined: it sends it. */
export function refusedIpi({ mode, level, vector }: IpiMessage): IncompleteIpi | undefined {
  if (mode !== DeliveryMode.Fixed || level) return { failure: IpiFailure.InvalidType, index: 0 };
  return vector < FIRST_VECTOR ? { failure: IpiFailure.InvalidVector, index: 0 } : undefined;
}

/**
 * Sends.
 * @returns undefined: every target has the vector and runs; else the first thing that kept the processor from doing all of it, the
 * other targets having got theirs
 */
export function sendAvicIpi(
  memory: DescriptorMemory,
  tables: AvicTables,
  sender: IpiSender,
  ipi: IpiMessage,
  observer: IpiObserver,
): IncompleteIpi | undefined {
  const refused = refusedIpi(ipi);
  if (refused) return refused;
  const sending = new Sending(memory, tables, ipi.vector, observer);
  const { shorthand, destination, logical } = ipi;
  if (shorthand === Shorthand.Self) sending.toSelf(sender);
  else if (shorthand !== Shorthand.None)
    sending.toAll(shorthand === Shorthand.AllExcludingSelf ? sender.apicId : undefined);
  else if (destination === BROADCAST) sending.toAll(undefined);
  else if (logical) sending.toLogical(destination, sender.flat);
  else sending.toPhysical(destination);
  return sending.failed;
}

/** One IPI on its way. */
class Sending {
  failed: IncompleteIpi | undefined;

  constructor(
    private readonly memory: DescriptorMemory,
    private readonly tables: AvicTables,
    private readonly vector: number,
    private readonly observer: IpiObserver,
  ) {}

  /** Without the tables. The processor looks at its own page behind the write anyhow. */
  toSelf({ backingPage }: IpiSender): void {
    if (requestVector(this.memory, backingPage, this.vector)) this.observer.requested(backingPage);
    else this.fail(IpiFailure.InvalidBackingPage, 0);
  }

  /** To all that the table has; what is not valid there is nobody's. */
  toAll(but: number | undefined): void {
    const { physical, maxIndex } = this.tables;
    for (let index = 0; index <= maxIndex; index++) {
      const raw = this.entry(index);
      if (index === but || !raw || !decodePhysical(raw).valid) continue;
      this.observer.physicalRead(physical + index * PHYSICAL_ENTRY_BYTES, raw);
      this.byEntry(index, raw);
    }
  }

  toLogical(destination: number, flat: boolean): void {
    const { logical } = this.tables;
    const indices = logicalIndices(destination, flat);
    if (indices.length === 0) this.fail(IpiFailure.InvalidTarget, 0);
    for (const index of indices) {
      const address = logical + index * LOGICAL_ENTRY_BYTES;
      const entry = readDword(this.memory, address) ?? 0;
      this.observer.logicalRead(address, entry);
      const apicId = decodeLogical(entry);
      if (apicId === undefined) this.fail(IpiFailure.InvalidTarget, index);
      else this.toPhysical(apicId);
    }
  }

  toPhysical(apicId: number): void {
    const { physical, maxIndex } = this.tables;
    const raw = apicId <= maxIndex ? this.entry(apicId) : undefined;
    if (!raw) return this.fail(IpiFailure.InvalidTarget, apicId);
    this.observer.physicalRead(physical + apicId * PHYSICAL_ENTRY_BYTES, raw);
    if (decodePhysical(raw).valid) this.byEntry(apicId, raw);
    else this.fail(IpiFailure.InvalidTarget, apicId);
  }

  private entry(index: number): RawPhysicalEntry | undefined {
    const address = this.tables.physical + index * PHYSICAL_ENTRY_BYTES;
    const low = readDword(this.memory, address);
    const high = readDword(this.memory, address + 4);
    return low === undefined || high === undefined ? undefined : [low, high];
  }

  private byEntry(index: number, raw: RawPhysicalEntry): void {
    const { memory, vector, observer } = this;
    const { running, hostApicId, backingPage } = decodePhysical(raw);
    if (!requestVector(memory, backingPage, vector)) return this.fail(IpiFailure.InvalidBackingPage, index);
    observer.requested(backingPage);
    if (running) observer.doorbell(hostApicId);
    else this.fail(IpiFailure.NotRunning, index);
  }

  private fail(failure: number, index: number): void {
    this.failed ??= { failure, index };
  }
}
