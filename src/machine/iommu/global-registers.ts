/** Global command and status, and the pointers to tables that commands take (VT-d specification, 10.4.4 to 10.4.6, 10.4.29). */
import type { Stateful } from '../bus';
import { TableMode, type RootTable } from './context-tables';
import type { InterruptRemapper } from './interrupt-remapper';
import type { InvalidationQueue } from './invalidation-queue';
import { Global, Reg, type Register } from './layout';
import { field, isSet, pageAddress } from './words';

/** Snapshot. */
export interface GlobalState {
  status: number;
  rootRegister: Uint32Array;
  root: RootTable;
  interruptTable: Uint32Array;
}

/** Bits of the lower word of the root-table address register that can be written: pointer and TTM. */
const ROOT_BITS = 0xfffffc00;
const MODE = 10;
/** Of the interrupt-remapping table's: pointer, extended mode and size. */
const INTERRUPT_TABLE_BITS = 0xfffff80f;

const bit = (at: number): number => 2 ** at;

/** The registers. Commands are carried out at once; status tells so by the next read. */
export class GlobalRegisters implements Stateful<GlobalState> {
  /** Bits of the status register but those of the queue. */
  private status = 0;
  private readonly rootRegister = new Uint32Array(2);
  private readonly interruptTable = new Uint32Array(2);
  private rootTable: RootTable = { address: 0, mode: 0 };

  /** @param interrupts undefined: interrupts are not remapped */
  constructor(
    private readonly queue: InvalidationQueue,
    private readonly interrupts: InterruptRemapper | undefined,
  ) {}

  /** TES. */
  get translating(): boolean {
    return isSet(this.status, Global.translation);
  }

  /** The root table as SRTP has taken it. */
  get root(): RootTable {
    return this.rootTable;
  }

  /** The root table is one of scalable mode. */
  get isScalable(): boolean {
    return this.rootTable.mode === TableMode.scalable;
  }

  reset(): void {
    this.status = 0;
    this.rootRegister.fill(0);
    this.interruptTable.fill(0);
    this.rootTable = { address: 0, mode: 0 };
  }

  registers(): Register[] {
    return [
      { offset: Reg.GlobalCommand, name: 'GCMD', read: () => 0, write: (value) => this.command(value) },
      { offset: Reg.GlobalStatus, name: 'GSTS', read: () => this.statusRegister() },
      ...halves(this.rootRegister, Reg.RootTable, 'RTADDR', ROOT_BITS),
      ...(this.interrupts
        ? halves(this.interruptTable, Reg.InterruptTable, 'IRTA', INTERRUPT_TABLE_BITS)
        : []),
    ];
  }

  save(): GlobalState {
    const { status, rootRegister, rootTable, interruptTable } = this;
    return {
      status,
      rootRegister: rootRegister.slice(),
      root: rootTable,
      interruptTable: interruptTable.slice(),
    };
  }

  load({ status, rootRegister, root, interruptTable }: GlobalState): void {
    this.status = status;
    this.rootRegister.set(rootRegister);
    this.rootTable = root;
    this.interruptTable.set(interruptTable);
  }

  private statusRegister(): number {
    return this.status + (this.queue.isEnabled ? bit(Global.queuedInvalidation) : 0);
  }

  /** Each bit is a command of its own; those that are on already keep being written as ones (10.4.4). */
  private command(value: number): void {
    if (isSet(value, Global.setRootTable)) this.takeRootTable();
    this.set(Global.translation, isSet(value, Global.translation));
    this.queue.setEnabled(isSet(value, Global.queuedInvalidation));
    const { interrupts } = this;
    if (!interrupts) return;
    if (isSet(value, Global.setInterruptTable)) {
      interrupts.setTable((BigInt(this.interruptTable[1]) << 32n) | BigInt(this.interruptTable[0]));
      this.set(Global.setInterruptTable, true);
    }
    interrupts.enabled = this.set(Global.interruptRemapping, isSet(value, Global.interruptRemapping));
    interrupts.blockCompatibility = !this.set(
      Global.compatibilityFormat,
      isSet(value, Global.compatibilityFormat),
    );
  }

  private takeRootTable(): void {
    this.rootTable = { address: pageAddress(this.rootRegister), mode: field(this.rootRegister[0], MODE, 2) };
    this.set(Global.setRootTable, true);
  }

  private set(at: number, on: boolean): boolean {
    this.status = ((this.status & ~bit(at)) | (on ? bit(at) : 0)) >>> 0;
    return on;
  }
}

/** Both halves of a register of 64 bits that keeps what is written. */
function halves(words: Uint32Array, offset: number, name: string, lowBits: number): Register[] {
  return [
    { offset, name, read: () => words[0], write: (value) => void (words[0] = value & lowBits) },
    {
      offset: offset + 4,
      name: `${name}_HI`,
      read: () => words[1],
      write: (value) => void (words[1] = value),
    },
  ];
}
