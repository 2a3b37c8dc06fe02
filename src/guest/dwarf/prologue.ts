/** How x86 functions begin that keep a frame pointer (System V ABI, AMD64 supplement, 3.2.2). */

const ENDBR: readonly (readonly number[])[] = [
  [0xf3, 0x0f, 0x1e, 0xfa], // endbr64
  [0xf3, 0x0f, 0x1e, 0xfb], // endbr32
];
const PUSH_BP = 0x55;
/** Both encodings of `mov sp, bp`, in 64-bit and in 32-bit code. */
const MOV_SP_BP: readonly (readonly number[])[] = [
  [0x48, 0x89, 0xe5],
  [0x48, 0x8b, 0xec],
  [0x89, 0xe5],
  [0x8b, 0xec],
];

/** Whether code begins with `push bp; mov sp, bp`. */
export function makesFrame(code: Uint8Array): boolean {
  const begins = (at: number, bytes: readonly number[]): boolean =>
    bytes.every((byte, i) => code[at + i] === byte);
  const start = ENDBR.some((bytes) => begins(0, bytes)) ? 4 : 0;
  return code[start] === PUSH_BP && MOV_SP_BP.some((bytes) => begins(start + 1, bytes));
}
