/**
 * The controller's transactions in flight. Each belongs to a part of it, and to one of several there; both are plain numbers. A
 * part that gives up a transaction forgets it: the memory may see it still, and `quiet` tells when none such is left.
 */
import type { DmaFault, DmaResult } from '../../bus';
import type { NvmeCore } from './core';

/** Which part a transaction belongs to. */
export const Owner = { Fetch: 0, Completion: 1, Command: 2 } as const;
const OWNERS = 3;

/** A transaction in flight. */
export interface Transfer {
  owner: number;
  /** Which one of the owner's: a completion queue, a command's place. */
  index: number;
  address: number;
  length: number;
  /** Of a write. */
  bytes?: Uint8Array;
}

/** Transactions in flight, in the order in which they were begun. */
export type DmaHardware = Transfer[];

/** What the run knows them by. */
export interface DmaRun {
  /** Tags given out so far: one is never used again. */
  serial: number;
  /** By the order of `DmaHardware`; 0: waits for the function to be a bus master. */
  tags: number[];
  /** Of transactions that nobody waits for any more. */
  forgotten: number[];
}

/** What follows the end of a transaction: with the bytes of a read, none of a write, or a fault. */
export type DmaEnd = (index: number, result: DmaResult) => void;

const WAITS = 0;
const IGNORED: DmaEnd = () => undefined;

/** The transactions of one controller. */
export class Dma {
  private inFlight: { transfer: Transfer; tag: number }[] = [];
  private forgotten: number[] = [];
  private serial = 0;
  private readonly ends: DmaEnd[] = new Array<DmaEnd>(OWNERS).fill(IGNORED);

  constructor(private readonly core: NvmeCore) {}

  /** Who is told of the ends of an owner's transactions. */
  onEnd(owner: number, end: DmaEnd): void {
    this.ends[owner] = end;
  }

  /** No transaction is under way that nobody waits for. */
  get quiet(): boolean {
    return this.forgotten.length === 0;
  }

  read(owner: number, index: number, address: number, length: number): void {
    this.begin({ owner, index, address, length });
  }

  /** @param bytes not to be changed afterwards */
  write(owner: number, index: number, address: number, bytes: Uint8Array): void {
    this.begin({ owner, index, address, length: bytes.length, bytes });
  }

  /** A transaction of the port has ended. */
  ended(tag: number, result: DmaResult): void {
    this.forgotten = this.forgotten.filter((each) => each !== tag);
    const at = this.inFlight.findIndex((each) => each.tag === tag);
    if (at < 0) return;
    if (isFault(result) && !this.core.pci.busMaster()) {
      // The function was taken off the bus meanwhile: the same again when it is a master again.
      this.inFlight[at].tag = WAITS;
      return;
    }
    const [{ transfer }] = this.inFlight.splice(at, 1);
    this.ends[transfer.owner](transfer.index, result);
  }

  /** Forgets an owner's transactions; one alone when `index` is given. */
  forget(owner: number, index?: number): void {
    const gone = ({ transfer }: { transfer: Transfer }): boolean =>
      transfer.owner === owner && (index === undefined || transfer.index === index);
    for (const each of this.inFlight) if (gone(each) && each.tag !== WAITS) this.forgotten.push(each.tag);
    this.inFlight = this.inFlight.filter((each) => !gone(each));
  }

  /** The function has become a bus master, or the device has moved: what waits is begun, in its order. */
  resume(): void {
    if (!this.core.pci.busMaster()) return;
    for (const each of this.inFlight) if (each.tag === WAITS) each.tag = this.start(each.transfer);
  }

  saveHardware(): DmaHardware {
    return this.inFlight.map(({ transfer }) => transfer);
  }

  saveRun(): DmaRun {
    const { serial, forgotten } = this;
    return { serial, tags: this.inFlight.map(({ tag }) => tag), forgotten: [...forgotten] };
  }

  /** @param run absent: on another host, where all of them wait for `resume`; present: the port's own snapshot has them */
  load(hardware: DmaHardware, run: DmaRun | undefined): void {
    this.inFlight = hardware.map((transfer, i) => ({ transfer, tag: run?.tags[i] ?? WAITS }));
    this.forgotten = [...(run?.forgotten ?? [])];
    if (run) this.serial = run.serial;
  }

  private begin(transfer: Transfer): void {
    const tag = this.core.pci.busMaster() ? this.start(transfer) : WAITS;
    this.inFlight.push({ transfer, tag });
  }

  private start({ address, length, bytes }: Transfer): number {
    const { dma, trace } = this.core.bus;
    const tag = ++this.serial;
    const requester = this.core.pci.requester();
    const { cause } = trace;
    if (bytes) dma.write(requester, address, bytes, tag);
    else dma.read(requester, address, length, tag);
    trace.cause = cause;
    return tag;
  }
}

/** True for the result of a transaction that was not done. */
export function isFault(result: DmaResult): result is DmaFault {
  return typeof result === 'string';
}
