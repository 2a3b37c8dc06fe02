/**
 * Writes WebAssembly's binary form (WebAssembly Core Specification 2.0, chapter 5) into a buffer that grows. 64-bit constants
 * come as two 32-bit halves, so that nothing here needs a BigInt.
 */

/** Value types. */
export const I32 = 0x7f;
export const I64 = 0x7e;
/** Block type of a block without a result. */
export const VOID = 0x40;

/** Instructions without immediates, by their names in the text format. */
export const Op = {
  loop: 0x03,
  block: 0x02,
  if: 0x04,
  else: 0x05,
  end: 0x0b,
  br: 0x0c,
  brTable: 0x0e,
  return: 0x0f,
  select: 0x1b,
  localGet: 0x20,
  localSet: 0x21,
  localTee: 0x22,
  i32Load: 0x28,
  i64Load: 0x29,
  i64Load8S: 0x30,
  i64Load8U: 0x31,
  i64Load16S: 0x32,
  i64Load16U: 0x33,
  i64Load32S: 0x34,
  i64Load32U: 0x35,
  i64Store: 0x37,
  i64Store8: 0x3c,
  i64Store16: 0x3d,
  i64Store32: 0x3e,
  i32Const: 0x41,
  i64Const: 0x42,
  i32Eqz: 0x45,
  i64Eqz: 0x50,
  i64Eq: 0x51,
  i64Ne: 0x52,
  i64LtS: 0x53,
  i64LtU: 0x54,
  i64GtS: 0x55,
  i64GtU: 0x56,
  i64LeS: 0x57,
  i64LeU: 0x58,
  i64GeS: 0x59,
  i64GeU: 0x5a,
  i32Add: 0x6a,
  i32And: 0x71,
  i32Xor: 0x73,
  i32Or: 0x72,
  i32ShrU: 0x76,
  i64Add: 0x7c,
  i64Sub: 0x7d,
  i64Mul: 0x7e,
  i64And: 0x83,
  i64Or: 0x84,
  i64Xor: 0x85,
  i64Shl: 0x86,
  i64ShrS: 0x87,
  i64ShrU: 0x88,
  i32WrapI64: 0xa7,
  i64ExtendI32U: 0xad,
  i64Extend8S: 0xc2,
  i64Extend16S: 0xc3,
  i64Extend32S: 0xc4,
} as const;

/** A growing buffer of module bytes. */
export class WasmWriter {
  private bytes = new Uint8Array(4096);
  private used = 0;
  /** Blocks, loops and ifs that are open. */
  private height = 0;

  get length(): number {
    return this.used;
  }

  /** What was written so far; a view, good until the next write. */
  view(): Uint8Array {
    return this.bytes.subarray(0, this.used);
  }

  byte(value: number): void {
    if (this.used === this.bytes.length) this.grow(1);
    this.bytes[this.used++] = value;
  }

  append(more: Uint8Array): void {
    if (this.used + more.length > this.bytes.length) this.grow(more.length);
    this.bytes.set(more, this.used);
    this.used += more.length;
  }

  /** Unsigned LEB128 of up to 32 bits. */
  unsigned(value: number): void {
    let rest = value >>> 0;
    while (rest > 0x7f) {
      this.byte((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    this.byte(rest);
  }

  /** Signed LEB128 of a 64-bit value in two halves. */
  signed(low: number, high: number): void {
    let l = low | 0;
    let h = high | 0;
    for (;;) {
      const seven = l & 0x7f;
      l = (l >>> 7) | (h << 25);
      h >>= 7;
      const done = (seven & 0x40) === 0 ? l === 0 && h === 0 : l === -1 && h === -1;
      if (done) {
        this.byte(seven);
        return;
      }
      this.byte(seven | 0x80);
    }
  }

  name(text: string): void {
    this.unsigned(text.length);
    for (let i = 0; i < text.length; i++) this.byte(text.charCodeAt(i));
  }

  /** A section whose contents `write` writes, with its length before it. */
  section(id: number, write: (contents: WasmWriter) => void): void {
    const contents = new WasmWriter();
    write(contents);
    this.byte(id);
    this.unsigned(contents.length);
    this.append(contents.view());
  }

  // ---- instructions ----

  get(local: number): void {
    this.byte(Op.localGet);
    this.unsigned(local);
  }

  set(local: number): void {
    this.byte(Op.localSet);
    this.unsigned(local);
  }

  tee(local: number): void {
    this.byte(Op.localTee);
    this.unsigned(local);
  }

  i32(value: number): void {
    this.byte(Op.i32Const);
    this.signed(value, value >> 31);
  }

  /** A 64-bit constant that fits 32 bits, sign-extended. */
  i64(value: number): void {
    this.i64Halves(value, value >> 31);
  }

  i64Halves(low: number, high: number): void {
    this.byte(Op.i64Const);
    this.signed(low, high);
  }

  /** A load or store; alignment is only a hint and guests align as they like. */
  memory(op: number, offset: number): void {
    this.byte(op);
    this.byte(0);
    this.unsigned(offset);
  }

  /** Opens a block, loop or if; returns its label for `br` and `brIf`. */
  open(op: number, type: number = VOID): number {
    this.byte(op);
    this.byte(type);
    return ++this.height;
  }

  close(): void {
    this.byte(Op.end);
    this.height--;
  }

  br(label: number): void {
    this.byte(Op.br);
    this.unsigned(this.height - label);
  }

  /** Goes to the label of that position, the last one for numbers beyond. Takes an i32. */
  brTable(labels: readonly number[]): void {
    this.byte(Op.brTable);
    this.unsigned(labels.length - 1);
    for (const label of labels) this.unsigned(this.height - label);
  }

  private grow(by: number): void {
    const larger = new Uint8Array(Math.max(this.bytes.length * 2, this.used + by));
    larger.set(this.view());
    this.bytes = larger;
  }
}
