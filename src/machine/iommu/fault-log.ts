/** The fault recording registers and the fault status register (VT-d specification 7.2, 10.4.9, 10.4.14). */
import type { RequesterId, Stateful } from '../bus';
import { EventMessage, type EventMessageState, type SendMessage } from './event-message';
import { FaultStatus, Reg, type Register } from './layout';
import { highWord } from './words';

/** A fault as it is recorded. */
export interface FaultRecord {
  requester: RequesterId;
  /** Undefined: the request had none. */
  pasid: number | undefined;
  /** FI: the address of the page, or of an interrupt request its index in bits 63 to 48, as two words. */
  information: readonly [low: number, high: number];
  reason: number;
  /** Whether memory was to be written. */
  write: boolean;
  /** AT, of the request: one of `AddressType`. */
  addressType: number;
}

/** Kinds of requests by the addresses that they have (PCI Express, ATS). */
export const AddressType = { untranslated: 0, translationRequest: 1, translated: 2 } as const;

/** Conditions of the invalidation queue that the fault status register shows. */
export type QueueCondition = 'queueError' | 'completionError' | 'timeOut';

/** Snapshot of a `FaultLog`. */
export interface FaultLogState {
  records: Uint32Array;
  status: number;
  next: number;
  first: number;
  event: EventMessageState;
}

const RECORD_WORDS = 4;
/** Word 3 of a record: F, and the type of request that it tells. */
const RECORDED = 2 ** 31;
const READ_REQUEST = 2 ** 30;
/** Word 2: a PASID is there. */
const PASID_PRESENT = 2 ** 31;

const OVERFLOW = 1 << FaultStatus.overflow;
const PENDING = 1 << FaultStatus.pending;
const CLEARABLE =
  OVERFLOW | (1 << FaultStatus.queueError) | (1 << FaultStatus.completionError) | (1 << FaultStatus.timeOut);

/** The words of FI for a page. */
export function pageInformation(address: number): [number, number] {
  return [(address & 0xfffff000) >>> 0, highWord(address) >>> 0];
}

/** Faults are recorded one register after the other; when the next one is taken, they are lost, and an overflow is told. */
export class FaultLog implements Stateful<FaultLogState> {
  private readonly records: Uint32Array;
  /** Without the bit that says that a record is pending, which the records themselves tell. */
  private status = 0;
  /** The register that the next fault goes to. */
  private next = 0;
  /** FRI: where the first of the pending faults is. */
  private first = 0;
  private readonly event: EventMessage;

  /** @param conditionsCleared software has taken back what the queue had stopped for */
  constructor(
    private readonly count: number,
    send: SendMessage,
    private readonly conditionsCleared: () => void,
  ) {
    this.records = new Uint32Array(count * RECORD_WORDS);
    this.event = new EventMessage(Reg.FaultEvent, ['FECTL', 'FEDATA', 'FEADDR', 'FEUADDR'], send);
  }

  /** Whether the next fault will be put down: none is while an overflow is shown, or over a record that is not cleared. */
  get hasRoom(): boolean {
    return (this.status & OVERFLOW) === 0 && (this.records[this.next * RECORD_WORDS + 3] & RECORDED) === 0;
  }

  /** Puts a fault down. @returns false when it is lost */
  record(fault: FaultRecord): boolean {
    if ((this.status & OVERFLOW) !== 0) return false;
    const at = this.next * RECORD_WORDS;
    const quiet = this.statusRegister() === 0;
    if ((this.records[at + 3] & RECORDED) !== 0) {
      this.status |= OVERFLOW;
      if (quiet) this.event.raise();
      return false;
    }
    if (!this.pending) this.first = this.next;
    const { pasid, requester, reason, write, information, addressType } = fault;
    this.records[at] = information[0];
    this.records[at + 1] = information[1];
    this.records[at + 2] = requester + (pasid === undefined ? 0 : PASID_PRESENT);
    this.records[at + 3] =
      RECORDED + (write ? 0 : READ_REQUEST) + addressType * 2 ** 28 + (pasid ?? 0) * 2 ** 8 + reason;
    this.next = (this.next + 1) % this.count;
    if (quiet) this.event.raise();
    return true;
  }

  /** Shows a condition of the invalidation queue; an event only when none was shown before (10.4.9). */
  show(condition: QueueCondition): void {
    const quiet = this.statusRegister() === 0;
    this.status |= 1 << FaultStatus[condition];
    if (quiet) this.event.raise();
  }

  /** Whether a condition of the queue is shown. */
  shows(condition: QueueCondition): boolean {
    return (this.status & (1 << FaultStatus[condition])) !== 0;
  }

  reset(): void {
    this.records.fill(0);
    this.status = this.next = this.first = 0;
    this.event.reset();
  }

  registers(): Register[] {
    return [
      {
        offset: Reg.FaultStatus,
        name: 'FSTS',
        read: () => this.statusRegister(),
        write: (value) => this.clear(value),
      },
      ...this.event.registers(),
      ...Array.from({ length: this.count }, (_, index) => this.recordRegisters(index)).flat(),
    ];
  }

  save(): FaultLogState {
    const { records, status, next, first, event } = this;
    return { records: records.slice(), status, next, first, event: event.save() };
  }

  load(state: FaultLogState): void {
    this.records.set(state.records);
    this.status = state.status;
    this.next = state.next;
    this.first = state.first;
    this.event.load(state.event);
  }

  private get pending(): boolean {
    for (let at = RECORD_WORDS - 1; at < this.records.length; at += RECORD_WORDS)
      if ((this.records[at] & RECORDED) !== 0) return true;
    return false;
  }

  private statusRegister(): number {
    const pending = this.pending;
    const index = pending ? this.first << FaultStatus.recordIndex : 0;
    return this.status | index | (pending ? PENDING : 0);
  }

  private clear(value: number): void {
    const cleared = this.status & value & CLEARABLE;
    this.status &= ~cleared;
    this.afterClearing();
    if ((cleared & ~OVERFLOW) !== 0) this.conditionsCleared();
  }

  private afterClearing(): void {
    if (this.statusRegister() === 0) this.event.serviced();
  }

  private recordRegisters(index: number): Register[] {
    return Array.from({ length: RECORD_WORDS }, (_, word) => {
      const at = index * RECORD_WORDS + word;
      return {
        offset: Reg.FaultRecords + at * 4,
        name: `FRCD${index}_${word}`,
        read: () => this.records[at],
        // A one clears F; the rest is read only, and means nothing once F is clear.
        write: (value: number) => {
          if (word !== RECORD_WORDS - 1 || (value & RECORDED) === 0) return;
          this.records[at] = (this.records[at] & ~RECORDED) >>> 0;
          this.afterClearing();
        },
      };
    });
  }
}
