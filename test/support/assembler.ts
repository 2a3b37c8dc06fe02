/** A few bytes of an assembler: code at a fixed address, labels, and the ELF file around it. */

type Place = string;

/** Code and data at one physical address; the guest's memory is mapped one to one. */
export class Assembler {
  private readonly bytes: number[] = [];
  private readonly labels = new Map<Place, number>();
  private readonly fixups: { at: number; place: Place; size: 4 | 8 | 'relative' }[] = [];

  constructor(
    readonly origin: number,
    private readonly others: readonly Assembler[] = [],
  ) {}

  /** Raw bytes. */
  emit(...bytes: number[]): this {
    this.bytes.push(...bytes);
    return this;
  }

  /** Bytes, then a 32-bit number. */
  with32(bytes: readonly number[], value: number): this {
    return this.emit(...bytes, value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, (value >> 24) & 0xff);
  }

  /** Bytes, then the 32-bit address of a label. */
  withAddress(bytes: readonly number[], place: Place): this {
    this.emit(...bytes);
    this.fixups.push({ at: this.bytes.length, place, size: 4 });
    return this.emit(0, 0, 0, 0);
  }

  /** The 64-bit address of a label. */
  address64(place: Place): this {
    this.fixups.push({ at: this.bytes.length, place, size: 8 });
    return this.emit(0, 0, 0, 0, 0, 0, 0, 0);
  }

  /** A jump or call: opcode, then the 32-bit distance to a label. */
  jump(opcode: readonly number[], place: Place): this {
    this.emit(...opcode);
    this.fixups.push({ at: this.bytes.length, place, size: 'relative' });
    return this.emit(0, 0, 0, 0);
  }

  label(place: Place): this {
    this.labels.set(place, this.origin + this.bytes.length);
    return this;
  }

  align(to: number): this {
    while (this.bytes.length % to !== 0) this.bytes.push(0);
    return this;
  }

  zeros(count: number): this {
    for (let i = 0; i < count; i++) this.bytes.push(0);
    return this;
  }

  find(place: Place): number {
    const here =
      this.labels.get(place) ?? this.others.find((each) => each.labels.has(place))?.labels.get(place);
    if (here === undefined) throw new Error(`no label '${place}'`);
    return here;
  }

  /** The bytes with all addresses filled in. */
  finish(): Uint8Array {
    const out = Uint8Array.from(this.bytes);
    const view = new DataView(out.buffer);
    for (const { at, place, size } of this.fixups) {
      const target = this.find(place);
      if (size === 8) view.setBigUint64(at, BigInt(target), true);
      else view.setUint32(at, size === 4 ? target : target - (this.origin + at + 4), true);
    }
    return out;
  }
}

/** A static ELF64 file that loads each piece at its address; `entry` must lie in one of them. */
export function elfOf(entry: number, pieces: readonly { address: number; bytes: Uint8Array }[]): Uint8Array {
  const HEADER = 64;
  const PROGRAM_HEADER = 56;
  const first = HEADER + PROGRAM_HEADER * pieces.length;
  const file = new Uint8Array(first + pieces.reduce((sum, { bytes }) => sum + bytes.length, 0));
  const view = new DataView(file.buffer);
  // Magic, 64 bits, little-endian, version 1; executable, x86-64.
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true);
  view.setUint16(18, 62, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(24, BigInt(entry), true);
  view.setBigUint64(32, BigInt(HEADER), true);
  view.setUint16(52, HEADER, true);
  view.setUint16(54, PROGRAM_HEADER, true);
  view.setUint16(56, pieces.length, true);
  let offset = first;
  pieces.forEach(({ address, bytes }, i) => {
    const at = HEADER + i * PROGRAM_HEADER;
    view.setUint32(at, 1, true);
    view.setUint32(at + 4, 7, true);
    [offset, address, address, bytes.length, bytes.length, 1].forEach((value, field) =>
      view.setBigUint64(at + 8 + field * 8, BigInt(value), true),
    );
    file.set(bytes, offset);
    offset += bytes.length;
  });
  return file;
}
