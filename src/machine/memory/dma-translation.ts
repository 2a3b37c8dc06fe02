/** What stands between a device's addresses and host-physical memory: an IOMMU, or nothing. */
import type { DmaFault, RequesterId } from '../bus';
import type { Cycles } from '../time/event-queue';

/** A contiguous part of host-physical memory. */
export interface DmaPiece {
  address: number;
  length: number;
}

/** Where an access goes, or why it goes nowhere; and how long it took to find that out. */
export type DmaTranslated =
  { pieces: readonly DmaPiece[]; cycles: Cycles } | { fault: DmaFault; cycles: Cycles };

/** Translates the addresses of bus masters. */
export interface DmaTranslation {
  /**
   * An access as a whole: it is done in full or not at all.
   * @param iova address as the device has it
   * @param length bytes
   * @param write whether memory is to be written
   */
  translate(requester: RequesterId, iova: number, length: number, write: boolean): DmaTranslated;
  /** Where a read would go by the tables alone: nothing is cached, counted or told. Undefined: it would be refused. */
  look(requester: RequesterId, iova: number, length: number): readonly DmaPiece[] | undefined;
  /**
   * An access that has been translated now comes to memory at a later time: who takes a translation back waits for that. Left out:
   * nobody does.
   */
  landsAt?(time: Cycles): void;
}

/** Two translations, one behind the other: the addresses that the first comes to are those that the second begins with. */
export function chained(first: DmaTranslation, second: DmaTranslation): DmaTranslation {
  return {
    translate: (requester, iova, length, write) => {
      const found = first.translate(requester, iova, length, write);
      if ('fault' in found) return found;
      const pieces: DmaPiece[] = [];
      let { cycles } = found;
      for (const piece of found.pieces) {
        const behind = second.translate(requester, piece.address, piece.length, write);
        cycles += behind.cycles;
        if ('fault' in behind) return { fault: behind.fault, cycles };
        pieces.push(...behind.pieces);
      }
      return { pieces, cycles };
    },
    look: (requester, iova, length) => {
      const found = first.look(requester, iova, length);
      const behind = found?.map((piece) => second.look(requester, piece.address, piece.length));
      return behind?.every((pieces) => pieces !== undefined) ? behind.flat() : undefined;
    },
    landsAt: (time) => {
      first.landsAt?.(time);
      second.landsAt?.(time);
    },
  };
}

/**
 * No IOMMU: the addresses of a machine's devices are those of its own memory, which begins at 0 for it and stands somewhere in
 * the host's. Of a bare machine that is the way of the wires; of a VM it is what QEMU works out for a device that it emulates.
 */
export function linearTranslation(base: number, size: number): DmaTranslation {
  const outside: DmaTranslated = { fault: 'master-abort', cycles: 0 };
  return {
    translate: (_requester, iova, length) =>
      iova >= 0 && iova + length <= size
        ? { pieces: [{ address: base + iova, length }], cycles: 0 }
        : outside,
    look: (_requester, iova, length) =>
      iova >= 0 && iova + length <= size ? [{ address: base + iova, length }] : undefined,
  };
}
