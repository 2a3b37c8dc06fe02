/**
 * What the registers of an 82540EM are at each time by the rows of its trace: where its heads are, what ICR holds, what its
 * interrupt line shows. Interrupts come at once (RDTR, ITR and the delays are 0), descriptors are written back one by one.
 */
import { CAUSE_MASK, Cause, Reg } from '../../../src/machine/devices/e1000/constants';
import { Kind } from '../../../src/trace/vocabulary/events';
import { Guest, type Range } from './guest';
import type { Effect, Rows } from './rows';

const GPTC = 0x4080;
const DESCRIPTOR = 16;
/** Causes that rows do not tell: the packet buffer was full. */
const UNTOLD = Cause.RXO;
/** Registers that only keep what is written, with the bits that they have. */
const PLAIN = new Map<number, number>([
  [Reg.AIT, 0xffff],
  [Reg.LEDCTL, 0xffffffff],
  [Reg.TIPG, 0x3fffffff],
  [Reg.FCTTV, 0xffff],
  [Reg.TDT, 0xffff],
  [Reg.RDT, 0xffff],
]);

/** Causes came at a time. Known by the row of it, its order is that of rows; by the end of a DMA, it is not told at its time. */
interface Raised {
  time: number;
  causes: number;
  row: number | undefined;
}

interface Ring {
  head: number;
  tail: number;
}

/** Replays the rows of one NIC. */
export class ReplayedNic {
  readonly wrong: string[] = [];
  private readonly plain = new Map<number, number>();
  private readonly tx: Ring = { head: 0, tail: 0 };
  private readonly rx: Ring = { head: 0, tail: 0 };
  private mask = 0;
  private raised: Raised[] = [];
  private sent = 0;
  /** Descriptors that TDH has passed and that are not written back. */
  private unwritten = 0;
  private emptyTold = true;
  private asserted = false;
  /** Since the line went up something was done that may have it go down. */
  private mayFall = false;

  /** @param rings where the guest has put its rings */
  constructor(
    private readonly rows: Rows,
    private readonly rings: { tx: Range; rx: Range },
  ) {}

  replay(effects: readonly Effect[]): void {
    for (const effect of effects) this.next(effect);
  }

  private next({ time, row }: Effect): void {
    switch (row.kind) {
      case Kind.MmioWrite:
        return this.write(time, row.row, row.a, row.b);
      case Kind.MmioRead:
        return this.read(time, row.row, row.a, row.b);
      case Kind.RingHead:
        return this.headMoved(time, row.row, row);
      case Kind.PacketTx:
        this.sent += 1;
        return;
      case Kind.PacketRx:
        this.raise(time, Cause.RXT0, row.row);
        return;
      case Kind.DmaWrite:
        if (within(row.a, this.rings.tx)) this.writtenBack(time, row.b / DESCRIPTOR);
        return;
      case Kind.IrqRaise:
      case Kind.IrqLower:
        return this.line(time, row.kind === Kind.IrqRaise);
    }
  }

  private write(time: number, row: number, offset: number, value: number): void {
    const mask = PLAIN.get(offset);
    if (mask !== undefined) this.plain.set(offset, (value & mask) >>> 0);
    switch (offset) {
      case Reg.TDH:
        this.tx.head = value;
        return;
      case Reg.RDH:
        this.rx.head = value;
        return;
      case Reg.TDT:
        this.tx.tail = value;
        if (this.tx.head !== value) this.emptyTold = false;
        return;
      case Reg.RDT:
        this.rx.tail = value;
        return;
      case Reg.IMS:
        this.mask |= value & CAUSE_MASK;
        return;
      case Reg.IMC:
        this.mask &= ~value;
        this.mayFall = true;
        return;
      case Reg.ICS:
        this.raise(time, value & CAUSE_MASK, row);
    }
  }

  private read(time: number, row: number, offset: number, value: number): void {
    if (offset === Reg.ICR) {
      this.readCauses(time, row, value);
      return;
    }
    const expected = this.registerAt(offset);
    if (expected !== undefined && expected !== value)
      this.tell(time, `register ${offset.toString(16)} read ${value}, by the rows it is ${expected}`);
    if (offset === GPTC) this.sent = 0;
  }

  private registerAt(offset: number): number | undefined {
    switch (offset) {
      case Reg.TDH:
        return this.tx.head;
      case Reg.RDH:
        return this.rx.head;
      case Reg.IMS:
        return this.mask;
      case GPTC:
        return this.sent;
      default:
        return this.plain.get(offset);
    }
  }

  /** Each cause that is read came before, and after it was read last; each that came is read. */
  private readCauses(time: number, row: number, value: number): void {
    const certain = this.causes(time, (each) => each.row !== undefined || each.time < time);
    const possible = this.causes(time, () => true);
    if ((value & ~possible & ~UNTOLD) !== 0 || (certain & ~value) !== 0)
      this.tell(
        time,
        `row ${row}: ICR read ${value.toString(16)}, by the rows it is ${certain.toString(16)}, at most ${possible.toString(16)}`,
      );
    if ((value & this.mask) !== 0 && !this.asserted)
      this.tell(time, `row ${row}: ICR read ${value.toString(16)} before the line was raised`);
    this.mayFall = true;
    // What came at this very time and was not read yet is there still.
    this.raised = this.raised.filter((each) => each.row === undefined && each.time === time);
  }

  private causes(time: number, counts: (each: Raised) => boolean): number {
    return this.raised
      .filter((each) => each.time <= time && counts(each))
      .reduce((all, each) => all | each.causes, 0);
  }

  private raise(time: number, causes: number, row?: number): void {
    this.raised.push({ time, causes, row });
  }

  /** TDH moves when data have been fetched, RDH when a descriptor has been written back. */
  private headMoved(
    time: number,
    row: number,
    { a: head, b: tail, cause }: { a: number; b: number; cause: number },
  ): void {
    if (this.rows.row(cause).kind === Kind.DmaWrite) {
      const before = this.free;
      this.rx.head = head;
      if (tail !== this.rx.tail) this.tell(time, `row ${row}: RDT is told as ${tail}`);
      if (before > Guest.ring / 2 && this.free <= Guest.ring / 2) this.raise(time, Cause.RXDMT0, row);
      return;
    }
    this.tx.head = head;
    this.unwritten += 1;
    if (tail !== this.tx.tail) this.tell(time, `row ${row}: TDT is told as ${tail}`);
    if (head === tail) this.raise(time, Cause.TXD_LOW, row);
  }

  private get free(): number {
    return (this.rx.tail - this.rx.head + Guest.ring) % Guest.ring;
  }

  private writtenBack(time: number, count: number): void {
    this.unwritten -= count;
    if (this.unwritten < 0) this.tell(time, 'a descriptor was written back before TDH passed it');
    this.raise(time, Cause.TXDW);
    if (this.emptyTold || this.unwritten > 0 || this.tx.head !== this.tx.tail) return;
    this.emptyTold = true;
    this.raise(time, Cause.TXQE);
  }

  private line(time: number, asserted: boolean): void {
    if (asserted === this.asserted) this.tell(time, `the line goes ${asserted ? 'up' : 'down'} twice`);
    if (asserted && (this.causes(time, () => true) & this.mask) === 0)
      this.tell(time, 'the line goes up without a cause');
    if (!asserted && !this.mayFall)
      this.tell(time, 'the line goes down although nothing took its cause away');
    this.asserted = asserted;
    if (asserted) this.mayFall = false;
  }

  private tell(time: number, what: string): void {
    this.wrong.push(`at ${time}: ${what}`);
  }
}

function within(address: number, { from, bytes }: Range): boolean {
  return address >= from && address < from + bytes;
}
