/**
 * The second tier: hot regions of guest code as WebAssembly functions, which the inner loop calls in place of the block they
 * begin with. They work on the same memory and stop at the same boundaries as the interpreter, so that nothing but speed
 * tells which of the two has run; what they cannot do they leave to it.
 *
 * Nothing here is state: it comes back by itself where code is hot.
 */
import * as L from '../core/state/layout';
import { REGION } from '../operations/table';
import { compileRegion, moduleOf } from './compile';
import { gather, type CodeView } from './region';

/** How the second tier works. Whatever is chosen, a guest cannot tell. */
export interface JitOptions {
  /** How often a direct branch is taken before its target is compiled. At least 1. */
  threshold: number;
  /** Regions that wait before they are compiled together; they are also when the vCPU is next entered. */
  batch: number;
}

export const DEFAULT_JIT: JitOptions = { threshold: 2000, batch: 8 };

/** Slots of the table; when they are used up all regions are dropped and may come back. */
export const TABLE_SLOTS = 2048;

/** Instructions that entering a region has to bring on average, and with how much credit it starts. */
const CREDIT = 4096;

/** What the compiler has done, for tests and measurements. */
export interface JitStatistics {
  /** Regions compiled. */
  compiled: number;
  /** Hot blocks that cannot be compiled. */
  refused: number;
  /** Times that all regions were dropped. */
  drops: number;
}

interface Waiting {
  head: number;
  body: Uint8Array;
}

/** Compiles for one core. */
export class Jit {
  readonly statistics: JitStatistics = { compiled: 0, refused: 0, drops: 0 };
  private waiting: Waiting[] = [];
  /** First micro-op of the block of each slot in use; slot 0 stays empty. */
  private heads: number[] = [0];

  constructor(
    private readonly code: CodeView,
    private readonly memory: WebAssembly.Memory,
    private readonly table: WebAssembly.Table,
    private readonly options: JitOptions,
  ) {}

  /** The core has found the block whose first micro-op is `head` to be hot. */
  hot(head: number): void {
    const { data } = this.code;
    if (data.getUint16(head + L.U_FAST, true) === REGION) return;
    // A region of it was tried and given up.
    if (data.getInt32(head - L.UOP_SIZE + L.B_CREDIT, true) < 0) return;
    if (this.waiting.some((each) => each.head === head)) return;
    const region = gather(this.code, head);
    const body = region && compileRegion(data, region);
    if (!body) {
      this.statistics.refused++;
      return;
    }
    this.waiting.push({ head, body });
    if (this.waiting.length >= this.options.batch) this.flush();
  }

  /** Compiles what waits. A block that was forgotten meanwhile is left out. */
  flush(): void {
    if (this.waiting.length === 0) return;
    const { data } = this.code;
    const alive = this.waiting.filter(({ head }) => data.getInt32(head - L.UOP_SIZE + L.B_PAGE, true) >= 0);
    this.waiting = [];
    if (alive.length === 0) return;
    if (this.heads.length + alive.length > TABLE_SLOTS) this.drop();
    const module = new WebAssembly.Module(moduleOf(alive.map(({ body }) => body)));
    const { exports } = new WebAssembly.Instance(module, { env: { memory: this.memory } });
    alive.forEach(({ head }, i) => this.install(head, exports[String(i)] as () => number));
    this.statistics.compiled += alive.length;
  }

  /** The micro-op cache was emptied: no block is left to enter. */
  emptied(): void {
    this.waiting = [];
    this.forget();
  }

  private install(head: number, region: () => number): void {
    const { data } = this.code;
    const header = head - L.UOP_SIZE;
    const slot = this.heads.push(head) - 1;
    this.table.set(slot, region);
    data.setInt32(header + L.B_REGION, slot, true);
    data.setInt32(header + L.B_CREDIT, CREDIT, true);
    data.setUint16(header + L.B_FAST, data.getUint16(head + L.U_FAST, true), true);
    data.setUint16(head + L.U_FAST, REGION, true);
  }

  /** Takes the regions off the blocks that still have them. */
  private drop(): void {
    const { data } = this.code;
    for (let slot = 1; slot < this.heads.length; slot++) {
      const head = this.heads[slot];
      const header = head - L.UOP_SIZE;
      if (data.getUint16(head + L.U_FAST, true) !== REGION) continue;
      if (data.getInt32(header + L.B_REGION, true) !== slot) continue;
      data.setUint16(head + L.U_FAST, data.getUint16(header + L.B_FAST, true), true);
    }
    this.forget();
  }

  private forget(): void {
    if (this.heads.length === 1) return;
    for (let slot = 1; slot < this.heads.length; slot++) this.table.set(slot, null);
    this.heads = [0];
    this.statistics.drops++;
  }
}
