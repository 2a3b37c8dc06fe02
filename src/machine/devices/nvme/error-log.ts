/** The error log (5.14.1.1): the latest failures of commands, newest first. */
import { At, type Entry } from './command';
import { ERROR_ENTRIES } from './constants';
import type { NvmeCore } from './core';
import { isLogged, statusField } from './status';

const ENTRY_BYTES = 64;
/** No namespace and no block is told of where the command names none. */
const Field = { count: 0, sq: 8, command: 10, status: 12, place: 14, block: 16, namespace: 24 } as const;

/** A command that failed. */
export interface Failure {
  sq: number;
  command: number;
  status: number;
  /** Byte of the command that is to blame. */
  at: number;
  entry: Entry;
}

/** The latest failures, as the log page has them. */
export class ErrorLog {
  private entries: Uint8Array[] = [];

  constructor(private readonly core: NvmeCore) {}

  /** Puts down what a command ended with, if it is an error. */
  add({ sq, command, status, at, entry }: Failure): void {
    if (!isLogged(status)) return;
    const { counters } = this.core;
    counters.errors += 1;
    const bytes = new Uint8Array(ENTRY_BYTES);
    const view = new DataView(bytes.buffer);
    view.setUint32(Field.count, counters.errors, true);
    view.setUint16(Field.sq, sq, true);
    view.setUint16(Field.command, command, true);
    view.setUint16(Field.status, statusField(status) << 1, true);
    view.setUint16(Field.place, at, true);
    if (sq !== 0) bytes.set(entry.bytes.subarray(At.cdw10, At.cdw12), Field.block);
    view.setUint32(Field.namespace, entry.namespace, true);
    this.entries = [bytes, ...this.entries].slice(0, ERROR_ENTRIES);
  }

  /** The log page. */
  page(): Uint8Array {
    const page = new Uint8Array(ERROR_ENTRIES * ENTRY_BYTES);
    this.entries.forEach((entry, i) => page.set(entry, i * ENTRY_BYTES));
    return page;
  }

  save(): Uint8Array[] {
    return [...this.entries];
  }

  load(entries: readonly Uint8Array[]): void {
    this.entries = [...entries];
  }
}
