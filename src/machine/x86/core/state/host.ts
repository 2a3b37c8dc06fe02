/** What the core imports from its wrapper. Addresses and 64-bit values cross as two halves: no BigInt. */

// @ts-ignore: decorator of AssemblyScript
@external('host', 'mmioRead')
export declare function hostMmioRead(index: i32, low: i32, high: i32, size: i32): i32;
// @ts-ignore: decorator of AssemblyScript
@external('host', 'mmioWrite')
export declare function hostMmioWrite(
  index: i32,
  low: i32,
  high: i32,
  size: i32,
  valueLow: i32,
  valueHigh: i32,
): void;
/** `form` is the size, and PORT_* beside it. */
// @ts-ignore: decorator of AssemblyScript
@external('host', 'portIn')
export declare function hostPortIn(index: i32, port: i32, form: i32): i32;
// @ts-ignore: decorator of AssemblyScript
@external('host', 'portOut')
export declare function hostPortOut(index: i32, port: i32, form: i32, value: i32): void;
/** Non-zero: defined, value in C_RESULT_*. */
// @ts-ignore: decorator of AssemblyScript
@external('host', 'msrRead')
export declare function hostMsrRead(index: i32, msr: i32): i32;
// @ts-ignore: decorator of AssemblyScript
@external('host', 'msrWrite')
export declare function hostMsrWrite(index: i32, msr: i32, low: i32, high: i32): i32;
/** Reads EAX and ECX, writes the four registers. */
// @ts-ignore: decorator of AssemblyScript
@external('host', 'cpuid')
export declare function hostCpuid(index: i32): void;
// @ts-ignore: decorator of AssemblyScript
@external('host', 'hlt')
export declare function hostHlt(index: i32): void;
// @ts-ignore: decorator of AssemblyScript
@external('host', 'vmcall')
export declare function hostVmcall(index: i32): i32;
// @ts-ignore: decorator of AssemblyScript
@external('host', 'cr8Read')
export declare function hostCr8Read(index: i32): i32;
// @ts-ignore: decorator of AssemblyScript
@external('host', 'cr8Write')
export declare function hostCr8Write(index: i32, value: i32): void;
/** Something that the policy intercepts is about to happen (`INTERCEPT_*`); returns ANSWER_*. */
// @ts-ignore: decorator of AssemblyScript
@external('host', 'intercepted')
export declare function hostIntercepted(index: i32, reason: i32, detail: i32, low: i32, high: i32): i32;
/** Second stage: host-physical address of a guest-physical page for ACCESS_*; −1: it leads to no RAM. */
// @ts-ignore: decorator of AssemblyScript
@external('host', 'secondStage')
export declare function hostSecondStage(index: i32, low: i32, high: i32, access: i32): f64;
/** Software TLB: physical address of the page of a linear address for ACCESS_*, or −1 − error code of the page fault. */
// @ts-ignore: decorator of AssemblyScript
@external('host', 'tlbMiss')
export declare function hostTlbMiss(index: i32, low: i32, high: i32, access: i32, user: i32): f64;
/** The guest wrote its time-stamp counter or the adjustment. */
// @ts-ignore: decorator of AssemblyScript
@external('host', 'tscChanged')
export declare function hostTscChanged(index: i32): void;
/** The guest tried an instruction that is not there, at C_RIP. */
// @ts-ignore: decorator of AssemblyScript
@external('host', 'missingInstruction')
export declare function hostMissingInstruction(index: i32, mnemonic: i32): void;
// @ts-ignore: decorator of AssemblyScript
@external('host', 'privilegeChanged')
export declare function hostPrivilegeChanged(index: i32): void;
// @ts-ignore: decorator of AssemblyScript
@external('host', 'interruptReturned')
export declare function hostInterruptReturned(index: i32, handler: i32): void;
/**
 * Decodes a block into micro-ops at `out`. `phys` is the physical address of the first byte, `phys2` the page that follows
 * it (−1: not known), `mode` MODE_*, `room` how many bytes the code segment still has. Returns how many micro-ops were
 * written, −1 when the first instruction needs `phys2`, −2 when it goes beyond `room`.
 */
// @ts-ignore: decorator of AssemblyScript
@external('host', 'translate')
export declare function hostTranslate(
  phys: i32,
  phys2: i32,
  ripLow: i32,
  ripHigh: i32,
  mode: i32,
  room: f64,
  out: i32,
): i32;
/** An instruction that may be a breakpoint of the owner's is about to be executed, at C_RIP; non-zero: stop before it. */
// @ts-ignore: decorator of AssemblyScript
@external('host', 'reached')
export declare function hostReached(index: i32): i32;
/** A byte range of RAM in a watched page is about to be read or written; it lies in one page. */
// @ts-ignore: decorator of AssemblyScript
@external('host', 'watched')
export declare function hostWatched(index: i32, physical: i32, size: i32, write: bool): void;
/** The block whose first micro-op this is has become hot. */
// @ts-ignore: decorator of AssemblyScript
@external('host', 'hot')
export declare function hostHot(uop: i32): void;
/** The micro-op cache was emptied. */
// @ts-ignore: decorator of AssemblyScript
@external('host', 'cacheEmptied')
export declare function hostCacheEmptied(): void;
