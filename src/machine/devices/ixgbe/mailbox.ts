/**
 * The mailboxes between the physical function and each virtual one (7.10.2.9): 16 words that both write, a lock for them, and bits by
 * which each tells the other of a message and of having read one. Beside that the virtual function sees here that the physical one
 * is being reset (RSTI), or is ready again (RSTD), and the physical one which virtual functions were reset (PFVFLRE).
 */
import { Kind } from '../../../trace/vocabulary/events';
import { Cause, CtrlExt } from './bits';
import type { IxgbeCore } from './core';
import { Reg } from './offsets';

/** PFMAILBOX (8.2.3.29.1). */
const Pf = { STS: 1 << 0, ACK: 1 << 1, VFU: 1 << 2, PFU: 1 << 3, RVFU: 1 << 4 } as const;
/** VFMAILBOX (8.3.5.1.6). */
const Vf = {
  REQ: 1 << 0,
  ACK: 1 << 1,
  VFU: 1 << 2,
  PFU: 1 << 3,
  PFSTS: 1 << 4,
  PFACK: 1 << 5,
  RSTI: 1 << 6,
  RSTD: 1 << 7,
} as const;
const CLEARED_BY_READING = Vf.PFSTS | Vf.PFACK | Vf.RSTD;
/** Functions in a word of PFMBICR: requests in the low half, acknowledgements in the high one (8.2.3.5.20). */
const PER_WORD = 16;

/** What mailboxes tell of. */
export interface MailboxSignals {
  /** The physical function's interrupt causes. */
  raise(causes: number): void;
  /** Tells a virtual function by its mailbox interrupt. */
  tellVf(vf: number): void;
}

/** All of a device. Its state: bits that VFMAILBOX has of each function; locks among them are seen from both sides. */
export class Mailboxes {
  private readonly bits: Uint8Array;

  constructor(
    private readonly core: IxgbeCore,
    functions: number,
    private readonly signals: MailboxSignals,
  ) {
    this.bits = new Uint8Array(functions);
    this.physicalReset();
  }

  /** PFMAILBOX of a function: who has the lock. */
  readPf(vf: number): number {
    return (this.bits[vf] ?? 0) & (Vf.VFU | Vf.PFU);
  }

  writePf(vf: number, value: number): void {
    if (vf >= this.bits.length) return;
    this.note(vf, value);
    if ((value & Pf.RVFU) !== 0) this.bits[vf] &= ~Vf.VFU;
    this.lock(vf, Vf.PFU, Vf.VFU, (value & Pf.PFU) !== 0);
    const told = ((value & Pf.STS) !== 0 ? Vf.PFSTS : 0) | ((value & Pf.ACK) !== 0 ? Vf.PFACK : 0);
    if (told === 0) return;
    this.bits[vf] |= told;
    this.signals.tellVf(vf);
  }

  /** VFMAILBOX. */
  readVf(vf: number): number {
    const value = this.bits[vf];
    this.bits[vf] &= ~CLEARED_BY_READING;
    return value;
  }

  /** What a virtual function would read. */
  lookAtVf(vf: number): number {
    return this.bits[vf];
  }

  writeVf(vf: number, value: number): void {
    this.note(vf, value);
    this.lock(vf, Vf.VFU, Vf.PFU, (value & Vf.VFU) !== 0);
    const shift = vf % PER_WORD;
    const causes =
      ((value & Vf.REQ) !== 0 ? 1 << shift : 0) | ((value & Vf.ACK) !== 0 ? 1 << (shift + PER_WORD) : 0);
    if (causes === 0) return;
    const at = Reg.PFMBICR + 4 * Math.floor(vf / PER_WORD);
    this.core.set(at, this.core.get(at) | causes);
    this.interrupt(vf);
  }

  /** CTRL_EXT was written: with PFRSTD the virtual functions are told that the physical one is ready. */
  controlWritten(value: number): void {
    const before = this.ready;
    this.core.set(Reg.CTRL_EXT, value);
    if (before || !this.ready) return;
    for (let vf = 0; vf < this.bits.length; vf++) {
      this.bits[vf] = (this.bits[vf] & ~Vf.RSTI) | Vf.RSTD;
      this.signals.tellVf(vf);
    }
  }

  /** A virtual function was reset: the physical one is told, and it finds its mailbox as after the physical one's reset. */
  virtualReset(vf: number): void {
    this.bits[vf] = this.ready ? Vf.RSTD : Vf.RSTI;
    const at = vf < 32 ? Reg.VFLRE0 : Reg.VFLRE1;
    this.core.set(at, (this.core.get(at) | (1 << (vf & 31))) >>> 0);
    this.interrupt(vf);
  }

  /** The physical function was reset: the registers are reset already. */
  physicalReset(): void {
    this.bits.fill(Vf.RSTI);
  }

  save(): Uint8Array {
    return this.bits.slice();
  }

  load(bits: Uint8Array): void {
    this.bits.set(bits);
  }

  private get ready(): boolean {
    return (this.core.get(Reg.CTRL_EXT) & CtrlExt.PFRSTD) !== 0;
  }

  /** Either side has the lock while the other has it not. */
  private lock(vf: number, own: number, others: number, wanted: boolean): void {
    if (!wanted) this.bits[vf] &= ~own;
    else if ((this.bits[vf] & others) === 0) this.bits[vf] |= own;
  }

  /** PFMBIMR has the functions that may interrupt (8.2.3.5.21). */
  private interrupt(vf: number): void {
    const mask = this.core.get(Reg.PFMBIMR + 4 * Math.floor(vf / PER_WORD));
    if ((mask & (1 << (vf % PER_WORD))) !== 0) this.signals.raise(Cause.MAILBOX);
  }

  private note(vf: number, value: number): void {
    this.core.aside(Kind.Mailbox, vf, value);
  }
}
