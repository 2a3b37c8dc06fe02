/** Exports of the core. */
import { ACCESS_PEEK, ACCESS_READ, CPU_BASE, CPU_SIZE, C_EXEMPT_USED, C_INDEX } from './state/layout';
import { emptyCache } from './memory/blocks';
import { forgetCodeAt, markGranules } from './memory/code';
import { noteStore } from './memory/access';
import { deliverExternal, deliverNmi, injectException } from './transfer/interrupts';
import { PAGE_MASK, canonical } from './memory/tlb';
import { hostPhysical } from './memory/second-stage';
import { BY_EXEMPT, walk } from './memory/walk';
import { allFlags } from './operations/flags';
import { abandon, flushAllTranslations, flushTranslations, setAreas, placeCpl } from './state/state';

export { runDebugged } from './run/debug-loop';
export { run } from './generated/run';
export { updateMode } from './transfer/segments';
export { writeControl } from './operations/control';
export { msrBit, readMsr, writeMsr } from './operations/msr';
export { deliverExternal, deliverNmi, injectException, noteStore, markGranules, forgetCodeAt, flushAllTranslations, flushTranslations, placeCpl, abandon };

/** Lays out the memory: the wrapper has worked out the addresses of the areas. */
export function init(
  cpus: i32,
  ram: i32,
  size: i32,
  heads: i32,
  flags: i32,
  lists: i32,
  bits: i32,
  uops: i32,
  end: i32,
): void {
  setAreas(cpus, ram, size, heads, flags, lists, bits, uops, end);
  for (let i = 0; i < cpus; i++) {
    const cpu = CPU_BASE + i * CPU_SIZE;
    store<i32>(cpu, i, C_INDEX);
    // Zeros are no empty entries but ones of page 0: every context has to be emptied, used or not.
    store<i32>(cpu, 1, C_EXEMPT_USED);
    placeCpl(cpu, 0);
  }
  flushAllTranslations();
  emptyCache();
}

/** RFLAGS, low half; the high half is always 0. */
export function rflags(cpu: i32): i32 {
  return <i32>allFlags(cpu);
}

/** Host-physical address of a page of guest-virtual memory without any side effect, −1 when not mapped. */
export function peekPage(cpu: i32, low: i32, high: i32): f64 {
  const address = (<i64>(<u32>low)) | ((<i64>high) << 32);
  if (!canonical(address)) return -1;
  const guest = walk(cpu, address & PAGE_MASK, ACCESS_READ, BY_EXEMPT, false);
  return guest < 0 ? -1 : <f64>hostPhysical(cpu, guest, ACCESS_PEEK);
}
