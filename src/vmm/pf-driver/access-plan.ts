/** Accesses to registers that a thread is about to do: known before, so that their time is, and done together at its end. */
import type { Costs } from '../cost-keys';
import type { Cycles } from '../../machine/time/event-queue';

/** The 32-bit registers of a device, by offset. */
export interface Registers {
  read(offset: number): number;
  write(offset: number, value: number): void;
}

const BYTES_PER_WRITE = 8;

/** A plan. What it has read is what the device had when the plan was made: for registers that only whoever plans it changes. */
export class AccessPlan implements Registers {
  private reads = 0;
  private readonly written: [offset: number, value: number][] = [];

  constructor(private readonly device: Registers) {}

  read(offset: number): number {
    this.reads += 1;
    const own = this.written.findLast(([at]) => at === offset);
    return own ? own[1] : this.device.read(offset);
  }

  write(offset: number, value: number): void {
    this.written.push([offset, value >>> 0]);
  }

  /** Cycles that all of them take. */
  cycles(costs: Costs): Cycles {
    return this.reads * costs['bus.read'] + this.written.length * costs['bus.write'];
  }

  /** The writes as plain bytes, for `carryOut`. */
  bytes(): Uint8Array {
    const bytes = new Uint8Array(this.written.length * BYTES_PER_WRITE);
    const view = new DataView(bytes.buffer);
    this.written.forEach(([offset, value], index) => {
      view.setUint32(index * BYTES_PER_WRITE, offset, true);
      view.setUint32(index * BYTES_PER_WRITE + 4, value, true);
    });
    return bytes;
  }
}

/** Does the writes of a plan, in their order. */
export function carryOut(bytes: Uint8Array, device: Registers): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.length; at += BYTES_PER_WRITE)
    device.write(view.getUint32(at, true), view.getUint32(at + 4, true));
}
