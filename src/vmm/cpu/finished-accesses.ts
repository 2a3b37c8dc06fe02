/**
 * What the accesses of the present instruction came to. An instruction that had to wait in its midst is executed again from
 * its beginning: whatever it has accessed already is answered from here, without a second effect on the device.
 */
import { requireVersion } from '../../machine/snapshot';
import type { Cycles } from '../../machine/time/event-queue';

/** Snapshot of `FinishedAccesses`. */
export interface FinishedAccessesState {
  version: 1;
  at: Cycles;
  kinds: number[];
  addresses: number[];
  lows: number[];
  highs: number[];
  known: boolean[];
}

/** The finished accesses of one vCPU's present instruction (of a repeated one: of the present iteration), in order. */
export class FinishedAccesses {
  /** The answer last noted or recalled: low and high half, and false where the access ends in #GP. */
  low = 0;
  high = 0;
  known = true;
  private kinds: number[] = [];
  private addresses: number[] = [];
  private lows: number[] = [];
  private highs: number[] = [];
  private knowns: boolean[] = [];
  private length = 0;
  private next = 0;
  /**
   * When the guest was entered after the last of them. An instruction's own cycles follow its accesses: while this is the
   * present, it has not been completed.
   */
  private at: Cycles = -1;

  /** Notes the access just done. */
  note(kind: number, address: number, low: number, high: number, known: boolean): void {
    const i = this.length++;
    this.kinds[i] = kind;
    this.addresses[i] = address;
    this.lows[i] = this.low = low;
    this.highs[i] = this.high = high;
    this.knowns[i] = this.known = known;
    this.next = this.length;
  }

  /** The guest is entered at a time, in the midst of the instruction. */
  entered(time: Cycles): void {
    this.at = time;
  }

  /** The instruction was given up: it will ask for all of them again. */
  rewind(): void {
    this.next = 0;
  }

  /**
   * Whether an access that the guest asks for now is the next of those already done; its answer is then in `low`, `high`
   * and `known`. Otherwise it is a new one, of this instruction or of another.
   */
  recall(kind: number, address: number, now: Cycles): boolean {
    return now === this.at ? this.recallNext(kind, address) : this.begin();
  }

  /** An instruction that has not accessed anything yet. */
  private begin(): boolean {
    this.length = this.next = 0;
    return false;
  }

  private recallNext(kind: number, address: number): boolean {
    const i = this.next;
    if (i >= this.length) return false;
    if (this.kinds[i] !== kind || this.addresses[i] !== address) {
      // Somebody changed the page tables meanwhile: the instruction takes another way.
      this.length = i;
      return false;
    }
    this.next = i + 1;
    this.low = this.lows[i];
    this.high = this.highs[i];
    this.known = this.knowns[i];
    return true;
  }

  /** Nothing of the instruction counts any more. */
  forget(): void {
    this.length = this.next = 0;
    this.at = -1;
  }

  save(): FinishedAccessesState {
    const { length } = this;
    return {
      version: 1,
      at: this.at,
      kinds: this.kinds.slice(0, length),
      addresses: this.addresses.slice(0, length),
      lows: this.lows.slice(0, length),
      highs: this.highs.slice(0, length),
      known: this.knowns.slice(0, length),
    };
  }

  load(state: FinishedAccessesState): void {
    requireVersion('the accesses of a vCPU', state.version, 1);
    this.at = state.at;
    this.kinds = [...state.kinds];
    this.addresses = [...state.addresses];
    this.lows = [...state.lows];
    this.highs = [...state.highs];
    this.knowns = [...state.known];
    this.length = state.kinds.length;
    this.next = 0;
  }
}
