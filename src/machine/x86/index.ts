/** The vCPU room's door: builds RAM and vCPUs over one instance of the compiled core. */
import { GuestRam } from '../memory/guest-ram';
import { CoreStopPoints } from './core-stops';
import * as L from './core/state/layout';
import { DEFAULT_JIT, Jit, type JitOptions, type JitStatistics } from './jit/jit';
import { instantiate, layOut, type CoreExports, type HostFunctions } from './core-instance';
import { Translator } from './decode/translate';
import { Disposition, type Intercept } from './policy';
import type { TranslationAccess } from './translation';
import type { MachineCore, MachineCoreOptions, PortForm } from './types';
import { VirtualCpu } from './vcpu';

export { mergeMissing } from './missing';
export { disassemble } from './decode/disassemble';
export { GuestRam } from '../memory/guest-ram';

/** A `MachineCore` whose RAM also tells its dirty pages. */
export interface GuestMachineCore extends MachineCore {
  readonly memory: GuestRam;
  /** What the second tier has done; undefined without one. */
  readonly jit: JitStatistics | undefined;
}

/** How instructions are executed. Nothing of it can be seen but by a clock on the wall. */
export interface Tuning {
  /** False: every instruction takes the general path, and nothing is compiled. Default true. */
  fastPaths?: boolean;
  /** False: hot code is not compiled. Default: `DEFAULT_JIT`. */
  jit?: JitOptions | false;
}

function checkOptions(options: MachineCoreOptions): void {
  const { ramBytes, cpus, costs, rom } = options;
  if (!Number.isSafeInteger(ramBytes) || ramBytes <= 0 || ramBytes % 4096 !== 0 || ramBytes > 0xc0000000) {
    throw new RangeError(`ramBytes ${ramBytes}: give a multiple of 4096 up to 3 GiB`);
  }
  if (rom && (rom.length % 4096 !== 0 || rom.length > ROM_MAX)) {
    throw new RangeError(`a ROM of ${rom.length} bytes: give a multiple of 4096 up to ${ROM_MAX}`);
  }
  if (!Number.isInteger(cpus) || cpus < 1 || cpus > 64) throw new RangeError(`cpus ${cpus}: give 1 to 64`);
  for (const [name, cycles] of Object.entries(costs)) {
    // At least 1: time must pass with every instruction, or a deadline would never come.
    if (!Number.isInteger(cycles) || cycles < 1 || cycles > 1_000_000) {
      throw new RangeError(`costs.${name} ${cycles}: give whole cycles from 1 to 1000000`);
    }
  }
}

/** The largest ROM: what the flash of a PC's BIOS takes below 4 GiB. */
const ROM_MAX = 16 << 20;

const TWO_TO_32 = 0x100000000;

/** The core's imports, each handed to the vCPU it names. */
function hostImports(
  cpus: VirtualCpu[],
  views: () => Uint32Array,
  translator: () => Translator,
  jit: () => Jit | undefined,
): HostFunctions {
  return {
    // A number beyond 31 bits is an object where it crosses a call: so it crosses none that it need not.
    mmioRead: (i: number, low: number, high: number, size: number) =>
      cpus[i].callouts.mmioRead((low >>> 0) + high * TWO_TO_32, size) | 0,
    mmioWrite: (i: number, low: number, high: number, size: number, value: number, valueHigh: number) =>
      cpus[i].callouts.mmioWrite((low >>> 0) + high * TWO_TO_32, size, value >>> 0, valueHigh >>> 0),
    portIn: (i: number, port: number, form: number) => {
      const cpu = cpus[i];
      cpu.portForm = (form >> 3) as PortForm;
      return cpu.callouts.portIn(port, form & L.PORT_SIZE_MASK);
    },
    portOut: (i: number, port: number, form: number, value: number) => {
      const cpu = cpus[i];
      cpu.portForm = (form >> 3) as PortForm;
      cpu.callouts.portOut(port, form & L.PORT_SIZE_MASK, value >>> 0);
    },
    msrRead: (i: number, msr: number) => {
      const low = cpus[i].callouts.msrRead(msr >>> 0);
      if (low === undefined) return 0;
      views()[(L.CPU_BASE + i * L.CPU_SIZE + L.C_RESULT_LOW) / 4] = low;
      return 1;
    },
    msrWrite: (i: number, msr: number, low: number, high: number) =>
      cpus[i].callouts.msrWrite(msr >>> 0, low >>> 0, high >>> 0) ? 1 : 0,
    cpuid: (i: number) => {
      const words = views();
      const at = (L.CPU_BASE + i * L.CPU_SIZE) / 4;
      const { eax, ebx, ecx, edx } = cpus[i].callouts.cpuid(words[at], words[at + 2]);
      [eax, ecx, edx, ebx].forEach((value, r) => {
        words[at + 2 * r] = value;
        words[at + 2 * r + 1] = 0;
      });
    },
    hlt: (i: number) => cpus[i].callouts.hlt(),
    vmcall: (i: number) => (cpus[i].callouts.vmcall() ? 1 : 0),
    cr8Read: (i: number) => cpus[i].callouts.cr8Read(),
    cr8Write: (i: number, value: number) => cpus[i].callouts.cr8Write(value),
    intercepted: (i: number, reason: number, detail: number, low: number, high: number) => {
      const { callouts } = cpus[i];
      return (
        callouts.intercepted?.(reason as Intercept, detail, low >>> 0, high >>> 0) ?? Disposition.Proceed
      );
    },
    secondStage: (i: number, low: number, high: number, access: number) =>
      cpus[i].translation.secondStage?.translate(
        (low >>> 0) + (high >>> 0) * TWO_TO_32,
        access as TranslationAccess,
      ) ?? -1,
    tlbMiss: (i: number, low: number, high: number, access: number, user: number) => {
      const address = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
      const answer = cpus[i].translation.softwareTlb?.miss(address, access as TranslationAccess, user !== 0);
      if (answer === undefined) return -1;
      return 'page' in answer ? answer.page : -1 - answer.fault;
    },
    tscChanged: (i: number) => cpus[i].callouts.tscChanged?.(),
    missingInstruction: (i: number, mnemonic: number) => cpus[i].noteMissing(mnemonic),
    privilegeChanged: (i: number) => cpus[i].callouts.privilegeChanged?.(),
    interruptReturned: (i: number, handler: number) => cpus[i].callouts.interruptReturned(handler),
    translate: (
      phys: number,
      phys2: number,
      low: number,
      high: number,
      mode: number,
      room: number,
      out: number,
    ) => {
      const rip = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
      return translator().translate({ phys, phys2, rip, mode, room }, out);
    },
    reached: (i: number) => (cpus[i].reached() ? 1 : 0),
    watched: (i: number, physical: number, size: number, write: number) =>
      cpus[i].watched(physical >>> 0, size, write !== 0),
    hot: (uop: number) => jit()?.hot(uop),
    cacheEmptied: () => jit()?.emptied(),
  };
}

/**
 * Builds RAM and vCPUs. However `tuning` has instructions executed, the outcome is the same, which tests compare. Throws
 * RangeError for options out of range.
 */
export function createMachineCore(options: MachineCoreOptions, tuning: Tuning = {}): GuestMachineCore {
  const { fastPaths = true } = tuning;
  const jitOptions = fastPaths ? (tuning.jit ?? DEFAULT_JIT) : false;
  checkOptions(options);
  const { ramBytes, rom = new Uint8Array() } = options;
  const bytes = ramBytes + rom.length;
  const areas = layOut(options.cpus, bytes);
  const cpus: VirtualCpu[] = [];
  const late: { words?: Uint32Array; translator?: Translator; jit?: Jit } = {};
  const imports = hostImports(
    cpus,
    () => late.words as Uint32Array,
    () => late.translator as Translator,
    () => late.jit,
  );
  const { memory, table, core } = instantiate(options.module, areas, imports);
  const buffer = memory.buffer;
  late.words = new Uint32Array(buffer);
  const ram = makeRam(buffer, areas.ram, areas.pageFlags, ramBytes, core);
  const stops = new CoreStopPoints(
    core,
    new Uint8Array(buffer, areas.ram, bytes),
    new Uint8Array(buffer, areas.pageFlags, bytes / 4096),
    (watch) => {
      ram.watch = watch;
    },
  );
  late.translator = new Translator(
    { buffer, ramBase: areas.ram, markGranules: core.markGranules },
    {
      costs: options.costs,
      vendor: options.vendor ?? 'intel',
      fastPaths,
      hits: jitOptions ? jitOptions.threshold : 0,
    },
    stops,
  );
  core.init(
    options.cpus,
    areas.ram,
    bytes,
    areas.hashHeads,
    areas.pageFlags,
    areas.pageLists,
    areas.granules,
    areas.uops,
    areas.uopsEnd,
  );
  if (jitOptions) {
    const code = { data: new DataView(buffer), hashHeads: areas.hashHeads };
    late.jit = new Jit(code, memory, table, jitOptions);
  }
  const all = new Uint8Array(buffer, areas.ram, bytes);
  all.set(rom, ramBytes);
  new Uint8Array(buffer, areas.pageFlags, bytes / 4096).fill(L.PAGE_ROM, ramBytes / 4096);
  for (let i = 0; i < options.cpus; i++) {
    late.words[(L.CPU_BASE + i * L.CPU_SIZE + L.C_AMD) / 4] = options.vendor === 'amd' ? 1 : 0;
    const cpu = new VirtualCpu(i, core, buffer, all, options.costs.serialising, stops, late.jit);
    if (options.policy) cpu.policy = options.policy;
    cpus.push(cpu);
  }
  const flags = new Uint8Array(buffer, areas.pageFlags, ramBytes / 4096);
  return {
    memory: ram,
    cpus,
    stops,
    jit: late.jit?.statistics,
    guardStores: (pages) => {
      for (let page = 0; page < flags.length; page++) flags[page] &= ~L.PAGE_GUARDED;
      for (const page of pages) if (page < flags.length) flags[page] |= L.PAGE_GUARDED;
      core.flushAllTranslations();
    },
  };
}

function makeRam(
  buffer: ArrayBuffer,
  base: number,
  flags: number,
  size: number,
  core: CoreExports,
): GuestRam {
  return new GuestRam(
    new Uint8Array(buffer, base, size),
    new Uint8Array(buffer, flags, size / 4096),
    L.PAGE_DIRTY,
    { noteStore: core.noteStore, dirtyCleared: core.flushAllTranslations },
  );
}
