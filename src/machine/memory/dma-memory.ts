/** Host-physical memory as the bus masters of one machine reach it. */
import type { DmaResult, RequesterId } from '../bus';
import type { DmaPiece, DmaTranslated, DmaTranslation } from './dma-translation';
import type { Cycles } from '../time/event-queue';
import type { HostMemory } from './host-memory';

const NOTHING = new Uint8Array(0);

/** The way of a transaction: from the device's address by the translation to host-physical memory, and to a slot of it. */
export class DmaMemory {
  /** @param written told of each contiguous part of host-physical memory that a transaction has written */
  constructor(
    private readonly memory: HostMemory,
    private readonly translation: DmaTranslation,
    private readonly written: (requester: RequesterId, piece: DmaPiece) => void = () => undefined,
  ) {}

  /** Where an access would go now, and how long it takes to find that out; a fault also where there is no memory. */
  translate(requester: RequesterId, address: number, length: number, write: boolean): DmaTranslated {
    const translated = this.translation.translate(requester, address, length, write);
    if ('fault' in translated) return translated;
    for (const piece of translated.pieces) {
      if (!this.memory.contains(piece.address, piece.length))
        return { fault: 'master-abort', cycles: translated.cycles };
    }
    return translated;
  }

  /** What `translate` has just found is read or written only at a time. */
  landsAt(time: Cycles): void {
    this.translation.landsAt?.(time);
  }

  /** Reads now. @param by see `MemorySlot` */
  read(requester: RequesterId, address: number, length: number, by?: string): DmaResult {
    const translated = this.translate(requester, address, length, false);
    return 'fault' in translated ? translated.fault : this.readFrom(translated.pieces, by);
  }

  /** Writes now: all of it, or nothing. */
  write(requester: RequesterId, address: number, bytes: Uint8Array, by?: string): DmaResult {
    const translated = this.translate(requester, address, bytes.length, true);
    return 'fault' in translated ? translated.fault : this.writeTo(requester, translated.pieces, bytes, by);
  }

  /** What a read would give, by the tables alone; undefined where it would be refused. For a reader outside the machine. */
  look(requester: RequesterId, address: number, length: number): Uint8Array | undefined {
    const pieces = this.translation.look(requester, address, length);
    if (!pieces) return undefined;
    const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
    let at = 0;
    for (const piece of pieces) {
      const read = this.memory.look(piece.address, piece.length);
      if (!read) return undefined;
      bytes.set(read, at);
      at += piece.length;
    }
    return bytes;
  }

  /** Reads what `translate` has found. */
  readFrom(pieces: readonly DmaPiece[], by?: string): DmaResult {
    const [first] = pieces;
    if (first && pieces.length === 1)
      return this.memory.read(first.address, first.length, by) ?? 'master-abort';
    const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const piece of pieces) {
      bytes.set(this.memory.read(piece.address, piece.length, by) ?? NOTHING, at);
      at += piece.length;
    }
    return bytes;
  }

  /** Writes to what `translate` has found; `bytes` are as many. */
  writeTo(requester: RequesterId, pieces: readonly DmaPiece[], bytes: Uint8Array, by?: string): DmaResult {
    let at = 0;
    for (const piece of pieces) {
      const { length } = piece;
      this.memory.write(piece.address, bytes.subarray(at, at + length), by);
      this.written(requester, piece);
      at += length;
    }
    return NOTHING;
  }
}
