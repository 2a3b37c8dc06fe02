/**
 * Where a test of one instruction lies: the same linear addresses in the native program and in the vCPU, in one stretch of
 * 2 MiB below 4 GiB, so that 32-bit code reaches it too.
 */
export const STATE = 0x10000000;
export const STATE_SPAN = 0x200000;
/** Offsets in it: registers and flags before; where the native program keeps its stack; where the test begins. */
export const IN = 0;
export const IN_FLAGS = 0x80;
export const HOST_STACK = 0x88;
export const FAR = 0x90;
/** Registers and flags after. */
export const OUT = 0x100;
export const OUT_FLAGS = 0x180;
export const REGISTERS_BYTES = 0x88;
/** Memory that is compared: data, then the test's stack. MARK is set by an instruction that a taken branch skips. */
export const MEMORY = 0x400;
export const MEMORY_BYTES = 0x400;
export const DATA = MEMORY + 0x80;
export const DATA_BYTES = 0x180;
export const STACK_TOP = MEMORY + 0x300;
export const MARK = MEMORY + 0x3f8;
export const FLAG_STACK = 0xf00;
/** Code: prologue, test and epilogue each in a page of its own. */
export const PROLOGUE = STATE + 0x10000;
export const TEST = STATE + 0x11000;
export const EPILOGUE = STATE + 0x12000;
export const CODE_BYTES = 64;

/** Selectors of Linux, which the vCPU's table repeats. */
export const CS32 = 0x23;
export const CS64 = 0x33;
export const DATA_SELECTOR = 0x2b;

export const le32 = (v: number): number[] => [v & 255, (v >> 8) & 255, (v >> 16) & 255, (v >>> 24) & 255];

/** mov [rax+disp32], r64 and mov r64, [rax+disp32]. */
const move = (load: boolean, reg: number, disp: number): number[] => [
  0x48 | ((reg >> 3) << 2),
  load ? 0x8b : 0x89,
  0x80 | ((reg & 7) << 3),
  ...le32(disp),
];
const OTHERS = Array.from({ length: 16 }, (_, r) => r).filter((r) => r !== 0 && r !== 4);
const STATE_TO_RAX = [0xb8, ...le32(STATE)]; // mov eax, STATE: keeps the flags

/** Saves the caller's registers, loads segments, flags and registers, and goes to the test by a far jump. */
export const PROLOGUE_CODE = Uint8Array.from([
  ...[0x53, 0x55, 0x41, 0x54, 0x41, 0x55, 0x41, 0x56, 0x41, 0x57], // push rbx rbp r12-r15
  ...[0xb8, ...le32(DATA_SELECTOR), 0x8e, 0xd8, 0x8e, 0xc0, 0x31, 0xc0, 0x8e, 0xe8], // ds, es; gs null
  ...STATE_TO_RAX,
  ...move(false, 4, HOST_STACK),
  ...[0xff, 0xb0, ...le32(IN_FLAGS), 0x9d], // push [rax+IN_FLAGS]; popfq
  ...move(true, 4, IN + 4 * 8),
  ...OTHERS.flatMap((r) => move(true, r, IN + r * 8)),
  ...[0x48, 0x8b, 0x00], // mov rax, [rax]
  ...[0xff, 0x2c, 0x25, ...le32(STATE + FAR)], // jmp far [STATE+FAR]
]);

/** Saves registers and flags of the test; `ending` follows with RSP restored. */
export function epilogue(ending: readonly number[]): Uint8Array {
  return Uint8Array.from([
    ...[0x48, 0xa3, ...le32(STATE + OUT), 0, 0, 0, 0], // mov [STATE+OUT], rax
    ...STATE_TO_RAX,
    ...[...OTHERS, 4].flatMap((r) => move(false, r, OUT + r * 8)),
    ...[0x48, 0x8d, 0xa0, ...le32(FLAG_STACK)], // lea rsp, [rax+FLAG_STACK]
    ...[0x9c, 0x8f, 0x80, ...le32(OUT_FLAGS)], // pushfq; pop [rax+OUT_FLAGS]
    ...[0x68, 0x02, 0x02, 0, 0, 0x9d], // push 0x202; popfq
    ...move(true, 4, HOST_STACK),
    ...ending,
  ]);
}

/** pop r15-r12 rbp rbx; ret */
export const RETURN = [0x41, 0x5f, 0x41, 0x5e, 0x41, 0x5d, 0x41, 0x5c, 0x5d, 0x5b, 0xc3];

/** Stores to MARK: what a branch under test skips. */
export const marker = (bits: 32 | 64): number[] =>
  bits === 64 ? [0xc6, 0x04, 0x25, ...le32(STATE + MARK), 1] : [0xc6, 0x05, ...le32(STATE + MARK), 1];

/** From the test to the epilogue. */
export const leave = (bits: 32 | 64, at: number): number[] =>
  bits === 64 ? [0xe9, ...le32(EPILOGUE - (at + 5))] : [0xea, ...le32(EPILOGUE), CS64, 0];
