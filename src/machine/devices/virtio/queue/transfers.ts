/** Bytes from and to buffers: one transfer after the other, a transaction for each segment that it touches. */
import { lengthOf, type Chain, type Segment } from '../contract';
import type { QueueCore } from './core';
import { Lane } from './transactions';

const NOTHING = new Uint8Array(0);

/** A transfer that has not ended. */
export interface Transfer {
  readonly tag: number;
  readonly isWrite: boolean;
  /** What is written, or what has been read so far. */
  readonly bytes: Uint8Array;
  /** Bytes of it that have been moved. */
  done: number;
  /** Where the rest of it is. */
  parts: Segment[];
}

/** Rows of what asked for them, in their order. */
export interface TransfersRun {
  causes: number[];
}

/** The transfers of one queue. */
export class Transfers {
  private waiting: { transfer: Transfer; cause: number }[] = [];

  constructor(private readonly core: QueueCore) {}

  /** @throws RangeError outside the chain's readable part: the type's mistake, whatever the driver does */
  read(chain: Chain, offset: number, length: number, tag: number): void {
    const parts = partsOf(chain.readable, offset, length);
    this.add({ tag, isWrite: false, bytes: new Uint8Array(length), done: 0, parts });
  }

  /** @throws RangeError outside the chain's writable part */
  write(chain: Chain, offset: number, bytes: Uint8Array, tag: number): void {
    const parts = partsOf(chain.writable, offset, bytes.length);
    this.add({ tag, isWrite: true, bytes, done: 0, parts });
  }

  /** The transaction of the first one has ended. */
  ended(result: Uint8Array): void {
    const [first] = this.waiting;
    const { transfer } = first;
    if (!transfer.isWrite) transfer.bytes.set(result, transfer.done);
    transfer.done += transfer.parts.shift()?.length ?? 0;
    if (transfer.parts.length > 0) return this.move(transfer);
    this.waiting.shift();
    this.beginFirst();
    const { core } = this;
    core.host.onTransfer(core.index, transfer.tag, transfer.isWrite ? NOTHING : transfer.bytes);
  }

  saveHardware(): Transfer[] {
    return this.waiting.map(({ transfer }) => copyOf(transfer));
  }

  saveRun(): TransfersRun {
    return { causes: this.waiting.map(({ cause }) => cause) };
  }

  load(transfers: readonly Transfer[], run: TransfersRun | undefined): void {
    this.waiting = transfers.map((each, i) => ({ transfer: copyOf(each), cause: run?.causes[i] ?? 0 }));
  }

  private add(transfer: Transfer): void {
    this.waiting.push({ transfer, cause: this.core.host.bus.trace.cause });
    if (this.waiting.length === 1) this.beginFirst();
  }

  /** For the reason that it was asked for. */
  private beginFirst(): void {
    for (const { transfer, cause } of this.waiting.slice(0, 1)) {
      const { trace } = this.core.host.bus;
      const before = trace.cause;
      trace.cause = cause;
      this.move(transfer);
      trace.cause = before;
    }
  }

  /** A transfer of nothing is a read of no bytes: its answer comes later all the same. */
  private move({ isWrite, bytes, done, parts }: Transfer): void {
    const { transactions, setup } = this.core;
    const [part = { address: setup.layout.descriptors, length: 0 }] = parts;
    if (!isWrite || part.length === 0) return transactions.read(Lane.Transfer, part);
    const { address, length } = part;
    transactions.write(Lane.Transfer, { address, bytes: bytes.subarray(done, done + length) });
  }
}

/** What is written never changes, what is read does. */
function copyOf(transfer: Transfer): Transfer {
  const { isWrite, bytes, parts } = transfer;
  return { ...transfer, bytes: isWrite ? bytes : bytes.slice(), parts: [...parts] };
}

/** The segments that `length` bytes from `offset` on lie in. */
function partsOf(segments: readonly Segment[], offset: number, length: number): Segment[] {
  if (offset < 0 || length < 0 || offset + length > lengthOf(segments)) {
    throw new RangeError(`${length} bytes at ${offset} of a buffer of ${lengthOf(segments)}`);
  }
  const parts: Segment[] = [];
  let begin = 0;
  for (const segment of segments) {
    const from = Math.max(offset - begin, 0);
    const to = Math.min(offset + length - begin, segment.length);
    if (from < to) parts.push({ address: segment.address + from, length: to - from });
    begin += segment.length;
  }
  return parts;
}
