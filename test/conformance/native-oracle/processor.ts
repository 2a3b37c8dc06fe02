/** Runs cases on the processor itself: one program, many tests; a fault's registers come from the signal's context. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Case } from './cases';
import * as P from './place';

const RECORD_IN = 4 + P.CODE_BYTES + P.REGISTERS_BYTES + P.MEMORY_BYTES;
const RECORD_OUT = 8 + 8 + P.REGISTERS_BYTES + P.MEMORY_BYTES;

/** What became of a case. */
export interface Outcome {
  /** Vector of the exception it ended in, −1: it came to its end. */
  vector: number;
  /** RIP that the exception saved. */
  rip: bigint;
  /** RAX … R15, RFLAGS. */
  registers: BigUint64Array;
  memory: Uint8Array;
}

const bytesOf = (code: Uint8Array): string => Array.from(code).join(',');

const PROGRAM = `
#define _GNU_SOURCE
#include <cpuid.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
static sigjmp_buf env;
static uint8_t *const state = (uint8_t *)${P.STATE}UL;
static int64_t vector;
static uint64_t rip;
static void on_fault(int sig, siginfo_t *info, void *context) {
  greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;
  static const int order[] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
    REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_EFL};
  for (int i = 0; i < 17; i++) memcpy(state + ${P.OUT} + 8 * i, &g[order[i]], 8);
  vector = g[REG_TRAPNO];
  rip = g[REG_RIP];
  siglongjmp(env, 1);
}
static const uint8_t prologue[] = {${bytesOf(P.PROLOGUE_CODE)}};
static const uint8_t epilogue[] = {${bytesOf(P.epilogue(P.RETURN))}};
static int probe(void) {
  unsigned a, b, c, d, leaves[] = {1, 7, 0x80000001}, rights = 0;
  for (int i = 0; i < 3; i++) {
    if (!__get_cpuid_count(leaves[i], 0, &a, &b, &c, &d)) b = c = 0;
    printf("%u %u ", b, c);
  }
  asm("lar %1, %0" : "+r"(rights) : "r"(${P.CS32}) : "cc");
  __cpuid(0, a, b, c, d);
  printf("%u %.4s%.4s%.4s", rights, (char *)&b, (char *)&d, (char *)&c);
  return 0;
}
int main(int argc, char **argv) {
  if (argc == 1) return probe();
  mmap(state, ${P.STATE_SPAN}, 7, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  memcpy((void *)${P.PROLOGUE}UL, prologue, sizeof prologue);
  memcpy((void *)${P.EPILOGUE}UL, epilogue, sizeof epilogue);
  static uint8_t alt[65536];
  stack_t ss = {.ss_sp = alt, .ss_size = sizeof alt};
  sigaltstack(&ss, 0);
  struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_ONSTACK | SA_SIGINFO | SA_NODEFER};
  int signals[] = {SIGFPE, SIGSEGV, SIGILL, SIGBUS, SIGTRAP};
  for (int i = 0; i < 5; i++) sigaction(signals[i], &sa, 0);
  FILE *in = fopen(argv[1], "rb"), *out = fopen(argv[2], "wb");
  static uint8_t record[${RECORD_IN}];
  while (fread(record, sizeof record, 1, in) == 1) {
    uint8_t *from = record + 4;
    memcpy((void *)${P.TEST}UL, from, ${P.CODE_BYTES});
    from += ${P.CODE_BYTES};
    memcpy(state + ${P.IN}, from, ${P.REGISTERS_BYTES});
    from += ${P.REGISTERS_BYTES};
    memcpy(state + ${P.MEMORY}, from, ${P.MEMORY_BYTES});
    uint32_t test = ${P.TEST}U;
    memcpy(state + ${P.FAR}, &test, 4);
    memcpy(state + ${P.FAR} + 4, record, 2);
    vector = -1;
    rip = 0;
    if (!sigsetjmp(env, 0)) ((void (*)(void))${P.PROLOGUE}UL)();
    asm volatile("cld");
    fwrite(&vector, 8, 1, out);
    fwrite(&rip, 8, 1, out);
    fwrite(state + ${P.OUT}, ${P.REGISTERS_BYTES}, 1, out);
    fwrite(state + ${P.MEMORY}, ${P.MEMORY_BYTES}, 1, out);
  }
  return fclose(out);
}
`;

export type Leaf = 'one' | 'seven' | 'extended';

/** What the program tells of the processor. */
export interface Probe {
  /** Twelve characters of CPUID leaf 0. */
  vendor: string;
  /** CPUID leaves 1, 7 and 80000001H. */
  leaves: Record<Leaf, { ebx: number; ecx: number }>;
  /** LAR of the selector of 32-bit code; 0: there is none. */
  rights: number;
}

/** A built program; `close` takes its folder away. */
export class NativeProcessor {
  private readonly folder = mkdtempSync(join(tmpdir(), 'trapline-oracle-'));

  constructor() {
    writeFileSync(join(this.folder, 'oracle.c'), PROGRAM);
    execFileSync('gcc', ['-O1', '-w', '-o', join(this.folder, 'oracle'), join(this.folder, 'oracle.c')]);
  }

  probe(): Probe {
    const said = execFileSync(join(this.folder, 'oracle'), { encoding: 'utf8' });
    const [b1, c1, b7, c7, bx, cx, rights] = said.split(' ', 7).map(Number);
    const leaves = { one: { ebx: b1, ecx: c1 }, seven: { ebx: b7, ecx: c7 }, extended: { ebx: bx, ecx: cx } };
    return { vendor: said.slice(-12), leaves, rights };
  }

  run(cases: readonly Case[]): Outcome[] {
    const input = Buffer.alloc(cases.length * RECORD_IN);
    cases.forEach((one, i) => {
      let at = i * RECORD_IN;
      input.writeUInt32LE(one.bits === 64 ? P.CS64 : P.CS32, at);
      input.set(one.code, (at += 4));
      input.set(new Uint8Array(one.registers.buffer), (at += P.CODE_BYTES));
      input.set(one.memory, at + P.REGISTERS_BYTES);
    });
    writeFileSync(join(this.folder, 'in'), input);
    execFileSync(join(this.folder, 'oracle'), [join(this.folder, 'in'), join(this.folder, 'out')]);
    const output = readFileSync(join(this.folder, 'out'));
    return cases.map((_, i) => {
      const at = i * RECORD_OUT;
      const registers = Uint8Array.from(output.subarray(at + 16, at + 16 + P.REGISTERS_BYTES));
      return {
        vector: Number(output.readBigInt64LE(at)),
        rip: output.readBigUInt64LE(at + 8),
        registers: new BigUint64Array(registers.buffer),
        memory: output.subarray(at + 16 + P.REGISTERS_BYTES, at + RECORD_OUT),
      };
    });
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
