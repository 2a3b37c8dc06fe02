/** Runs tests on the processor itself: a small C program maps the state block and the code, and calls it. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  BLOB,
  FLAG_STACK,
  HOST_STACK,
  IN_FLAGS,
  OUT,
  OUT_FLAGS,
  STATE,
  STATE_BYTES,
  type OracleTest,
} from './generate';

/** Why there is no native processor to ask, or undefined when there is one. */
export function whyNoOracle(): string | undefined {
  if (process.arch !== 'x64' || process.platform !== 'linux') return 'needs an x86-64 Linux machine';
  return spawnSync('gcc', ['--version']).status === 0 ? undefined : 'needs gcc';
}

const le32 = (v: number): number[] => [v & 255, (v >> 8) & 255, (v >> 16) & 255, (v >>> 24) & 255];
/** mov [rax+disp32], r64 and mov r64, [rax+disp32] for any register but RSP-based addressing. */
const move = (load: boolean, reg: number, disp: number): number[] => [
  0x48 | ((reg >> 3) << 2),
  load ? 0x8b : 0x89,
  0x80 | ((reg & 7) << 3),
  ...le32(disp),
];
const SAVED = [0x53, 0x55, 0x41, 0x54, 0x41, 0x55, 0x41, 0x56, 0x41, 0x57]; // push rbx rbp r12-r15
const RESTORED = [0x41, 0x5f, 0x41, 0x5e, 0x41, 0x5d, 0x41, 0x5c, 0x5d, 0x5b];
const STATE_TO_RAX = [0xb8, ...le32(STATE)]; // mov eax, STATE: keeps the flags

/** The test between code that loads and saves the whole state: a function of no arguments. The vCPU runs the same bytes. */
export function wrap(code: Uint8Array): Uint8Array {
  const others = Array.from({ length: 16 }, (_, r) => r).filter((r) => r !== 0 && r !== 4);
  return Uint8Array.from([
    ...SAVED,
    ...STATE_TO_RAX,
    ...move(false, 4, HOST_STACK),
    ...[0xff, 0xb0, ...le32(IN_FLAGS), 0x9d], // push [rax+IN_FLAGS]; popfq
    ...move(true, 4, 4 * 8),
    ...others.flatMap((r) => move(true, r, r * 8)),
    ...[0x48, 0x8b, 0x00], // mov rax, [rax]
    ...code,
    ...[0x48, 0xa3, ...le32(STATE + OUT), 0, 0, 0, 0], // mov [STATE+OUT], rax
    ...STATE_TO_RAX,
    ...[...others, 4].flatMap((r) => move(false, r, OUT + r * 8)),
    ...[0x48, 0x8d, 0xa0, ...le32(FLAG_STACK)], // lea rsp, [rax+FLAG_STACK]
    ...[0x9c, 0x8f, 0x80, ...le32(OUT_FLAGS)], // pushfq; pop [rax+OUT_FLAGS]
    ...move(true, 4, HOST_STACK),
    ...[0x31, 0xc0], // xor eax, eax: it came to its end
    ...RESTORED,
    0xc3,
  ]);
}

const PROGRAM = `
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
static sigjmp_buf env;
static void on_fault(int sig) { siglongjmp(env, sig); }
int main(int argc, char **argv) {
  uint8_t *state = mmap((void *)${STATE}UL, 65536, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  uint8_t *blob = mmap((void *)${BLOB}UL, 65536, 7, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  static uint8_t alt[65536];
  stack_t ss = {.ss_sp = alt, .ss_size = sizeof alt};
  sigaltstack(&ss, 0);
  struct sigaction sa = {.sa_handler = on_fault, .sa_flags = SA_ONSTACK};
  int signals[] = {SIGFPE, SIGSEGV, SIGILL, SIGBUS};
  for (int i = 0; i < 4; i++) sigaction(signals[i], &sa, 0);
  FILE *in = fopen(argv[1], "rb"), *out = fopen(argv[2], "wb");
  uint32_t length;
  while (fread(&length, 4, 1, in) == 1) {
    if (fread(blob, 1, length, in) != length) return 2;
    if (fread(state, 1, ${STATE_BYTES}, in) != ${STATE_BYTES}) return 2;
    int32_t sig = sigsetjmp(env, 1);
    if (!sig) ((void (*)(void))blob)();
    fwrite(&sig, 4, 1, out);
    fwrite(state, 1, ${STATE_BYTES}, out);
  }
  return fclose(out);
}
`;

/** What the processor made of a test: a signal number (0: it came to its end) and the state block afterwards. */
export interface NativeResult {
  signal: number;
  state: Uint8Array;
}

/** Builds the program, runs all tests in one go. */
export function runNative(tests: readonly OracleTest[]): NativeResult[] {
  const folder = mkdtempSync(join(tmpdir(), 'trapline-oracle-'));
  try {
    writeFileSync(join(folder, 'oracle.c'), PROGRAM);
    execFileSync('gcc', ['-O1', '-w', '-o', join(folder, 'oracle'), join(folder, 'oracle.c')]);
    const parts = tests.flatMap((t) => {
      const code = wrap(t.code);
      return [Uint8Array.from(le32(code.length)), code, t.state];
    });
    writeFileSync(join(folder, 'in'), Buffer.concat(parts));
    execFileSync(join(folder, 'oracle'), [join(folder, 'in'), join(folder, 'out')]);
    const out = readFileSync(join(folder, 'out'));
    return tests.map((_, i) => {
      const at = i * (STATE_BYTES + 4);
      return {
        signal: out.readInt32LE(at),
        state: Uint8Array.from(out.subarray(at + 4, at + 4 + STATE_BYTES)),
      };
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
