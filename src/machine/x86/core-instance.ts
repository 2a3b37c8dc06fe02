/** The compiled core, its memory and its exports. */
import * as L from './core/state/layout';
import { TABLE_SLOTS } from './jit/jit';

/** Functions the core exports; pointers are byte offsets in its memory. */
export interface CoreExports {
  init(
    cpus: number,
    ram: number,
    size: number,
    heads: number,
    flags: number,
    lists: number,
    bits: number,
    uops: number,
    end: number,
  ): void;
  /** Runs a vCPU until its budget is used up; returns STOP_*. */
  run(cpu: number): number;
  /** The same one instruction at a time, while C_DEBUG is not 0. */
  runDebugged(cpu: number): number;
  /** 0 when something else took the interrupt's place. */
  deliverExternal(cpu: number, vector: number): number;
  /** Likewise, for an NMI. */
  deliverNmi(cpu: number): number;
  /** Likewise, for an exception: 0 when the vCPU stops. */
  injectException(
    cpu: number,
    vector: number,
    hasError: number,
    error: number,
    low: number,
    high: number,
  ): number;
  /** Bit of an MSR in the masks of the policy; −1: the core does not keep it. */
  msrBit(msr: number): number;
  /** Of an MSR of the core, to C_RESULT_*; 0: none of the core's. */
  readMsr(cpu: number, msr: number): number;
  /** 0: #GP would be raised, or none of the core's. */
  writeMsr(cpu: number, msr: number, low: number, high: number): number;
  /** CR0, CR3 or CR4; 0: #GP would be raised. */
  writeControl(cpu: number, register: number, low: number, high: number): number;
  noteStore(physical: number, length: number): void;
  markGranules(physical: number, length: number): void;
  /** Forgets decoded code that has an instruction at this offset of a page. */
  forgetCodeAt(offset: number): void;
  flushAllTranslations(): void;
  flushTranslations(cpu: number): void;
  /** From outside a run: no call-out tells of it. */
  placeCpl(cpu: number, cpl: number): void;
  /** From a call-out: gives up the running instruction. */
  abandon(): void;
  /** After CS, SS or EFER were set from outside. */
  updateMode(cpu: number): void;
  rflags(cpu: number): number;
  peekPage(cpu: number, low: number, high: number): number;
}

/** Where the areas lie, worked out once from the options. */
export interface Areas {
  hashHeads: number;
  pageFlags: number;
  pageLists: number;
  granules: number;
  uops: number;
  uopsEnd: number;
  ram: number;
  total: number;
}

/** The core's imports, by name (`core/host.ts`). */
export type HostFunctions = Record<string, (...args: number[]) => number | void>;

const WASM_PAGE = 65536;
const UOP_CACHE_BYTES = 8 << 20;

function align(address: number, to: number): number {
  return Math.ceil(address / to) * to;
}

/** Lays the areas out one after the other. */
export function layOut(cpus: number, ramBytes: number): Areas {
  const pages = ramBytes / 4096;
  const hashHeads = L.CPU_BASE + cpus * L.CPU_SIZE;
  const pageFlags = hashHeads + L.HASH_HEADS * 4;
  const pageLists = align(pageFlags + pages, 64);
  const granules = align(pageLists + pages * 4, 64);
  const uops = align(granules + ramBytes / 128, 64);
  const uopsEnd = uops + UOP_CACHE_BYTES;
  const ram = align(uopsEnd, WASM_PAGE);
  return {
    hashHeads,
    pageFlags,
    pageLists,
    granules,
    uops,
    uopsEnd,
    ram,
    total: align(ram + ramBytes, WASM_PAGE),
  };
}

/** Instantiates the core over a fresh memory. `host` are its imports (`core/host.ts`). */
export function instantiate(
  module: WebAssembly.Module,
  areas: Areas,
  host: HostFunctions,
): { memory: WebAssembly.Memory; table: WebAssembly.Table; core: CoreExports } {
  const pages = areas.total / WASM_PAGE;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const table = new WebAssembly.Table({ element: 'anyfunc', initial: TABLE_SLOTS });
  const instance = new WebAssembly.Instance(module, { env: { memory, table }, host });
  return { memory, table, core: instance.exports as unknown as CoreExports };
}
