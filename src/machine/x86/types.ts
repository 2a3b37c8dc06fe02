/**
 * The vCPU as the rest of the house sees it. The interpreter itself is WebAssembly (`core/`); this is its one contract.
 *
 * A vCPU runs until a deadline or until somebody asks for its attention, and stops at an exact instruction boundary.
 * What it cannot do alone (a device register, a port, an MSR, CPUID, HLT, VMCALL) it asks by a synchronous call-out; the
 * callee charges time with `advance` and the instruction is then completed with the answer.
 */
import type { Cycles } from '../time/event-queue';
import type { PhysicalMemory } from '../memory/physical-memory';
import type { Migratable } from '../snapshot';
import type { CpuHardware, CpuRun } from './cpu-state';
import type { MissingInstruction } from './missing';
import type { CpuPolicy, Disposition, Intercept } from './policy';
import type { CpuTranslation } from './translation';

export type { CpuHardware, CpuRun, CpuState } from './cpu-state';
export type { MissingInstruction } from './missing';
export type { CpuPolicy } from './policy';

/** Why `run` came back. */
export const StopReason = {
  /** Time reached the deadline (at the first boundary at or after it). */
  Deadline: 0,
  /** HLT was executed (the boundary after it). `run` may be called again once something wakes the vCPU. */
  Halted: 1,
  /** `requestAttention` was called, now honoured at the first boundary. */
  Attention: 2,
  /** `requestInterruptWindow` was called and the guest can now take an interrupt (IF=1, no STI or MOV SS shadow). */
  InterruptWindow: 3,
  /** Triple fault (SDM vol. 3, 6.15 "Interrupt 8"): `faultReport` says how it came to that. */
  Shutdown: 4,
  /** What the core cannot do (code outside RAM, a task gate): `faultReport` names it. RIP still points at it. */
  Unsupported: 5,
  /** A call-out abandoned its instruction by `abandonInstruction`: nothing of it happened, RIP still points at it. */
  Abandoned: 6,
  /** `requestNmiWindow` was called and the guest can now take an NMI. */
  NmiWindow: 7,
  /** Somebody wants the run to stop (`CoreStops`). Nothing else of it can be noticed: the next run goes on. */
  Stopped: 8,
} as const;
export type StopReason = (typeof StopReason)[keyof typeof StopReason];

/** Register numbers as the instruction set encodes them. */
export const Reg = {
  RAX: 0,
  RCX: 1,
  RDX: 2,
  RBX: 3,
  RSP: 4,
  RBP: 5,
  RSI: 6,
  RDI: 7,
  R8: 8,
  R9: 9,
  R10: 10,
  R11: 11,
  R12: 12,
  R13: 13,
  R14: 14,
  R15: 15,
} as const;

/** How an instruction names the port that it accesses. */
export const PortForm = {
  /** IN or OUT, the port is in DX. */
  Dx: 0,
  /** IN or OUT with the port as an immediate byte. */
  Immediate: 1,
  /** INS or OUTS: in DX likewise. */
  String: 2,
} as const;
export type PortForm = (typeof PortForm)[keyof typeof PortForm];

/** The synchronous call-outs of one vCPU. RIP (`cpu.ripLow/ripHigh`) is that of the instruction; `cpu.now()` its start. */
export interface CpuCallouts {
  /** A load outside RAM. Returns the low 32 bits; for size 8 sets `cpu.resultHigh`. */
  mmioRead(address: number, size: number): number;
  /** A store outside RAM: the value's two halves, zero beyond `size`. */
  mmioWrite(address: number, size: number, low: number, high: number): void;
  portIn(port: number, size: number): number;
  portOut(port: number, size: number, value: number): void;
  /**
   * RDMSR of an MSR that the core does not keep itself or that the policy does not pass through: sets `cpu.resultHigh`,
   * returns the low half; undefined raises #GP(0). `cpu.readMsr` gives what the core would have answered.
   */
  msrRead(index: number): number | undefined;
  /** WRMSR likewise; false raises #GP(0). `cpu.writeMsr` does what the core would have done. */
  msrWrite(index: number, low: number, high: number): boolean;
  /** CPUID: fills the four registers. */
  cpuid(leaf: number, subleaf: number): { eax: number; ebx: number; ecx: number; edx: number };
  /** HLT was executed: time may be charged; `run` stops with `Halted` right after. */
  hlt(): void;
  /** VMCALL; operands and result in general registers by `getReg/setReg`. False raises #UD. */
  vmcall(): boolean;
  /** MOV to/from CR8 goes to the LAPIC's task priority (SDM vol. 3, 10.8.6). Value is 0..15. */
  cr8Read(): number;
  cr8Write(value: number): void;
  /** An external interrupt or NMI handed over by `deliverInterrupt` has entered its handler. */
  interruptDelivered(vector: number): void;
  /**
   * An IRET that leaves a handler entered by `deliverInterrupt` has completed: by its place among the handlers that run, the
   * one that began first being 0. The CPU keeps at most `HANDLERS_MAX` of them; beyond that it forgets the first.
   */
  interruptReturned(handler: number): void;
  /**
   * The guest has come to CPL 3 or left it: by an instruction, not yet completed, or by a delivery. Whether it is there counts
   * when `cpu.callouts` is set. `load`, `init` and the starts tell nobody.
   */
  privilegeChanged?(): void;
  /**
   * Something that the policy intercepts is about to happen; the parameters are described at `Intercept`. Nothing of it has
   * happened yet, RIP is at the instruction. Left out: everything proceeds. During `deliverInterrupt` it may come for what
   * the delivery raises; if that is handled the interrupt was not delivered and is the VMM's to deliver again.
   */
  intercepted?(reason: Intercept, detail: number, low: number, high: number): Disposition;
  /** The guest changed its time-stamp counter: what waits for a value of it (`cpu.timeOfTsc`) has another time now. */
  tscChanged?(): void;
}

/** What went wrong, for the person who reads it. */
export interface FaultReport {
  /** For example `triple fault: #PF at 0x… while delivering #GP` or `unsupported instruction`. */
  message: string;
  /** Linear RIP of the instruction, hexadecimal with 0x. */
  rip: string;
  /** Instruction bytes, hexadecimal, as far as readable. */
  bytes: string;
  /** Intel-syntax disassembly, empty when it cannot be decoded. */
  disassembly: string;
  /** After a fetch in 64-bit code where there is no RAM: what a call would have left on the stack, hexadecimal with 0x. */
  returnAddress?: string;
}

/**
 * One virtual CPU. All 64-bit values cross as two unsigned 32-bit halves or as bigint (bigint never on a hot path).
 * `save`, `load` and `adopt` work between runs only; a vCPU that has a saved state goes on exactly as the saved one would have,
 * given the same RAM. A state of another version or shape throws RangeError.
 */
export interface Cpu extends Migratable<CpuHardware, CpuRun> {
  readonly index: number;
  /** Installed by whoever owns the vCPU (the VMM) before the first `run`. */
  callouts: CpuCallouts;
  /** The vCPU's own time. Exact also during a call-out. */
  now(): Cycles;
  /** Sets the time while not running (waking from HLT, following another clock). Never backwards. */
  setNow(time: Cycles): void;
  /**
   * Charges time from within a call-out or between runs. Less than 0: takes back what was charged beforehand, before the end
   * of the instruction that it was charged in.
   */
  advance(cycles: Cycles): void;
  /**
   * Runs to the first instruction boundary at or after `deadline`, or to an earlier stop.
   * @param begun the instruction at RIP has begun: whoever wants the run to stop (`CoreStops`) waits for its end
   */
  run(deadline: Cycles, begun?: boolean): StopReason;
  /** From a call-out: the running `run` is to stop no later than the first boundary at or after `deadline`. Only ever earlier. */
  limitDeadline(deadline: Cycles): void;
  /** From a call-out: stop at the boundary after this instruction. */
  requestAttention(): void;
  /**
   * From a call-out for memory, a port or an MSR: the instruction (of a repeated one the iteration) is given up without any
   * effect, retires nothing and costs nothing of its own; `run` returns `Abandoned`, RIP at the instruction. Its next
   * execution asks again, for the same accesses in the same order. What the call-out returns is ignored.
   */
  abandonInstruction(): void;
  /**
   * From a call-out for memory, a port, an MSR or an intercept: its position among those of its instruction, from 0; of a
   * repeated instruction among those of the iteration. An instruction that was given up asks again from 0. So a position
   * above 0 belongs to an instruction that has left the guest already: an emulator that executes it as a whole, as KVM's
   * does (arch/x86/kvm/emulate.c, `x86_emulate_insn`), does not enter the guest in between.
   */
  readonly accessIndex: number;
  /**
   * From a call-out: iterations of the repeated string instruction from the running one to the last; 0: it has no REP. All
   * iterations have the same `instructions()`. KVM's emulator goes on with the next one without entering the guest until
   * the count's low ten bits are 0; REP INS it reads ahead up to 1,024 bytes or the end of the page in one user exit
   * (`pio_in_emulated`), every other access is a user exit of its own.
   */
  readonly iterations: number;
  /** From a call-out for a port: how its instruction names the port. */
  readonly portForm: PortForm;
  /** Ask to stop with InterruptWindow when the guest becomes interruptible (checked at STI, POPF, IRET, shadow end …). */
  requestInterruptWindow(wanted: boolean): void;
  /** RFLAGS.IF=1 and no interrupt shadow, at this boundary. */
  interruptible(): boolean;
  /** RFLAGS.IF=1, shadow or not. For hot paths: `rflags` is a bigint. */
  interruptsEnabled(): boolean;
  /** Delivers an external interrupt through the guest's IDT (SDM vol. 3, 6.12). May end in Shutdown, seen by the next `run`. */
  deliverInterrupt(vector: number): void;
  /** Ask to stop with NmiWindow when `nmiAllowed` becomes true (checked at IRET and at the end of a shadow). */
  requestNmiWindow(wanted: boolean): void;
  /**
   * An NMI can be taken at this boundary: none is in service (until IRET), and no interrupt shadow holds. That of STI
   * counts too, as it may (SDM vol. 3, 6.8.3, "Masking Maskable Hardware Interrupts").
   */
  nmiAllowed(): boolean;
  /**
   * Delivers an exception through the guest's IDT as if the instruction at RIP had raised it; `address` is CR2 of a page
   * fault. The exception bitmap has no say in it (SDM vol. 3, 27.6.1.2). Between runs only.
   */
  injectException(vector: number, errorCode?: number, address?: bigint): void;
  /** Delivers an NMI through vector 2 and blocks further ones until the next IRET (SDM vol. 3, 6.7). */
  deliverNmi(): void;
  getReg(reg: number): bigint;
  setReg(reg: number, value: bigint): void;
  /** Low and high half of the RIP of the current (call-out) or next (stopped) instruction. */
  readonly ripLow: number;
  readonly ripHigh: number;
  setRip(value: bigint): void;
  /** High half of a 64-bit answer of a call-out. */
  resultHigh: number;
  rflags(): bigint;
  /** Instructions retired since reset; a safe integer. */
  instructions(): number;
  /** Current privilege level 0..3. */
  cpl(): number;
  /**
   * What leaves the guest. May be set at any time, also from a call-out. It belongs to whoever sets it: `save` and `load`
   * leave it out. Setting throws RangeError for an MSR to pass through that the core does not keep.
   */
  policy: CpuPolicy;
  /** Who translates addresses. Setting it forgets what was translated; `save` and `load` leave it out. */
  translation: CpuTranslation;
  /** Forgets what was translated: after the second stage or the owner of a software TLB has changed its mind. */
  flushTranslations(): void;
  /** An MSR of the core: low half, high half in `resultHigh`; undefined: the core keeps none of that number. */
  readMsr(index: number): number | undefined;
  /** Writes an MSR of the core as WRMSR would; false, with nothing changed: WRMSR would raise #GP, or it is none of the core's. */
  writeMsr(index: number, low: number, high: number): boolean;
  /** CR0, CR2, CR3 or CR4 as the processor has it, whatever the guest reads. */
  readControl(register: 0 | 2 | 3 | 4): bigint;
  /** Writes CR0, CR3 or CR4 as MOV would without intercepts; false, with nothing changed: MOV would raise #GP. */
  writeControl(register: 0 | 3 | 4, value: bigint): boolean;
  /** Added to the vCPU's time to give the guest's time-stamp counter, modulo 2^64. Writes of the TSC by the guest change it. */
  tscOffset: bigint;
  /**
   * The earliest time, not before now, at which the guest's time-stamp counter is at or above an unsigned 64-bit value, as a
   * TSC-deadline timer compares (SDM vol. 3, 10.5.4.1); Infinity when that is beyond any run.
   */
  timeOfTsc(value: bigint): Cycles;
  /** Why the last `run` stopped with Shutdown or Unsupported. */
  faultReport(): FaultReport | undefined;
  /** Reads guest-virtual memory without side effects (no accessed bits, no faults); undefined when not mapped. */
  peekVirtual(address: bigint, length: number): Uint8Array | undefined;
  /** Address of the byte of RAM that a linear one leads to, without side effects; undefined: to none. */
  physicalOf(address: bigint): number | undefined;
  /** IDTR. */
  readonly idtr: TableRegister;
  /**
   * Puts the vCPU into 64-bit mode as a boot loader would leave it: long mode with flat segments, interrupts off, the given
   * CR3, RIP and RSP.
   */
  startLongMode(entry: bigint, stack: bigint, cr3: number): void;
  /** 32-bit protected mode without paging, flat 4 GiB segments, interrupts off: the state of Multiboot 1, section 3.2. */
  startProtectedMode(entry: number, eax: number, ebx: number): void;
  /** Registers as after power-up or a reset of the machine: real mode at F000:FFF0, MSRs and the TSC at their first values. */
  powerUp(): void;
  /** Registers as after INIT (SDM vol. 3, table 9-1): real mode at F000:FFF0. MSRs and the TSC keep their values. */
  init(): void;
  /** Start-up IPI after INIT: real mode at `vector` * 256 : 0 (SDM vol. 3, 8.4.4.1). */
  startUp(vector: number): void;
  /** ES, CS, SS, DS, FS, GS. Like all that reads registers, also from a call-out and from `CoreStopListener`. */
  segments(): CpuSegment[];
  readonly efer: bigint;
  /** Operating mode by CR0, EFER and CS. */
  mode(): CpuMode;
  /** Instructions the guest tried that this vCPU does not have; each raised #UD. At most 64 kinds are kept. */
  missingInstructions(): readonly MissingInstruction[];
}

/** A segment register with its hidden part (SDM vol. 3, 3.4.3). */
export interface CpuSegment {
  readonly selector: number;
  readonly base: bigint;
  readonly limit: number;
  /** Bits 40-55 of the descriptor. */
  readonly attributes: number;
}

/** Operating modes (SDM vol. 3, 2.2); `compatibility` is 32- or 16-bit code under IA-32e. */
export type CpuMode = 'real' | 'protected' | 'compatibility' | 'long';

/** A linear address before whose instruction vCPUs stop. */
export interface CoreBreakpoint {
  readonly address: bigint;
  /** Undefined: all do. */
  readonly cpu?: number | undefined;
}

/** Bytes of RAM that are watched. */
export interface CoreWatch {
  readonly address: number;
  readonly length: number;
  readonly read: boolean;
  readonly write: boolean;
}

/** An access that touches watched bytes. */
export interface CoreAccess {
  /** Undefined: it was none of the vCPUs. */
  readonly cpu?: number;
  /** Who else, as far as it is known. */
  readonly by?: string | undefined;
  readonly write: boolean;
  readonly address: number;
  readonly length: number;
  readonly before: Uint8Array;
  readonly after: Uint8Array;
}

/** Who is told of breakpoints and accesses, and says when vCPUs stop. */
export interface CoreStopListener {
  /** While it is true no vCPU runs on beyond the instruction, and whatever belongs to it, that it is at. */
  readonly signal: { readonly wanted: boolean };
  /** A vCPU is about to execute the instruction at a breakpoint. True: it stops before it. */
  reached(cpu: number, address: bigint): boolean;
  /**
   * Watched bytes have been accessed: told at the boundary behind the instruction or the delivery, or at once where it was no
   * vCPU. What an instruction has accessed before it was given up is not told, for it is executed anew. One that faults has
   * accessed what it came to.
   */
  accessed(access: CoreAccess): void;
}

/** What stops the vCPUs of a core beside deadlines. It belongs to whoever sets it: no snapshot has it. */
export interface CoreStops {
  listener: CoreStopListener | undefined;
  /** Replaces all of them. Code without any costs nothing. */
  setBreakpoints(points: readonly CoreBreakpoint[]): void;
  /** Replaces all of them. Ranges lie in RAM. Accesses to other pages cost nothing. */
  setWatches(ranges: readonly CoreWatch[]): void;
}

/** GDTR or IDTR. */
export interface TableRegister {
  readonly base: bigint;
  /** Offset of the table's last byte. */
  readonly limit: number;
}

/** RAM and vCPUs of one physical address space. */
export interface MachineCore {
  readonly memory: PhysicalMemory;
  readonly cpus: readonly Cpu[];
  readonly stops: CoreStops;
  /**
   * Stores of vCPUs to these pages of RAM are call-outs, as to a device; loads are not, nor is what a page walk notes in its tables.
   * The pages, by number, take the place of those before; no snapshot has them.
   */
  guardStores(pages: Iterable<number>): void;
}

/** Whose architecture the vCPU follows where the two differ. */
export type CpuVendor = 'intel' | 'amd';

/** Construction of a `MachineCore`. */
export interface MachineCoreOptions {
  /** Bytes of RAM, from physical address 0; a multiple of 4096. */
  ramBytes: number;
  cpus: number;
  /**
   * Bytes that stand behind RAM, at the host-physical address `ramBytes`: whole pages, which vCPUs read and execute where a
   * second stage leads them there, and nobody writes. They belong to no snapshot.
   */
  rom?: Uint8Array | undefined;
  /** Compiled `dist/cpu-core.wasm`. */
  module: WebAssembly.Module;
  /** Cycles charged per retired instruction, by class (`trace` cost profile `instruction.*`). */
  costs: {
    base: number;
    memory: number;
    branch: number;
    multiply: number;
    divide: number;
    serialising: number;
    /** MOV to and from a control or debug register. */
    control: number;
    /** PAUSE: the delay that a waiting loop asks for. */
    pause: number;
  };
  /** What leaves the guest at first; `NO_INTERCEPTS` when left out. */
  policy?: CpuPolicy;
  /** Whose manual the vCPUs follow where the two differ, in decoding and in what instructions do. `intel` when left out. */
  vendor?: CpuVendor;
}
