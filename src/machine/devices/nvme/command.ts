/** A command under way: what the driver wrote (4.2), where its data are (4.3), and how far it is. Plain data. */

/** How far a command is. */
export const Stage = {
  /** A PRP list is read. */
  Lists: 0,
  /** Data come from memory. */
  In: 1,
  /** The medium works, or the controller itself. */
  Work: 2,
  /** Data go to memory. */
  Out: 3,
} as const;

/** Offsets in a submission queue entry. */
export const At = {
  opcode: 0,
  flags: 1,
  id: 2,
  namespace: 4,
  prp1: 24,
  prp2: 32,
  cdw10: 40,
  cdw11: 44,
  cdw12: 48,
  cdw13: 52,
  cdw14: 56,
} as const;

/** A submission queue entry. */
export class Entry {
  private readonly view: DataView;

  /** @param bytes 64 of them */
  constructor(readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get opcode(): number {
    return this.bytes[At.opcode];
  }

  /** Fused operation, and how data are described: 0 is not fused, and PRPs. */
  get flags(): number {
    return this.bytes[At.flags];
  }

  get id(): number {
    return this.view.getUint16(At.id, true);
  }

  get namespace(): number {
    return this.word(At.namespace);
  }

  word(at: number): number {
    return this.view.getUint32(at, true);
  }

  /** 64 bits; above 2^53 not exact, and nothing is there. */
  long(at: number): number {
    return longAt(this.view, at);
  }
}

/** A little-endian number of 64 bits, as exact as a number can be. */
export function longAt(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
}

/** A part of a command's data in memory, within one page. */
export interface Segment {
  address: number;
  length: number;
}

/** What the hardware has of a command. */
export interface CommandHardware {
  /** Its place among the commands that are under way. */
  place: number;
  /** Submission queue. */
  sq: number;
  entry: Uint8Array;
  /** A `Stage`. */
  stage: number;
  /** Bytes of its data. */
  length: number;
  /** Where they are, as far as that is known. */
  segments: Segment[];
  /** PRP entries that are still to be read. */
  entriesLeft: number;
  /** Of the transfer: the next segment, and the bytes before it. */
  segment: number;
  moved: number;
  /** From memory, or for memory. */
  data: Uint8Array;
  /** First word of the completion. */
  result: number;
  /** Cycles of its work that remain; -1: none. */
  remaining: number;
}
