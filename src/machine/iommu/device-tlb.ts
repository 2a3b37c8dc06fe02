/** The TLB of a device with Address Translation Services: it asks the remapping unit once for each page, and keeps the answers. */
import type { RequesterId, Stateful } from '../bus';
import type { DmaPiece, DmaTranslated, DmaTranslation } from '../memory/dma-translation';
import type { Cycles } from '../time/event-queue';
import { coveredBits, pageNumber, type PageRange } from './caches';
import type { TranslationCompletion } from './device-requests';
import type { DeviceTlbPort } from './invalidator';
import type { TranslatedPage } from './observer';
import type { CacheShape } from './options';
import { bytesIn } from './page-walk';
import { SetCache, type SetCacheState } from './set-cache';

/** The unit, as a device with a TLB knows it; `RemappingUnit` is one. */
export interface TranslationAgent {
  translationRequest(requester: RequesterId, iova: number, write: boolean): TranslationCompletion;
  translated(requester: RequesterId, address: number, length: number, write: boolean): DmaTranslated;
  look: DmaTranslation['look'];
}

const LEVELS = [1, 2, 3];

/** One function's TLB, in front of the unit. */
export class DeviceTlb implements DmaTranslation, DeviceTlbPort, Stateful<SetCacheState<TranslatedPage>> {
  private readonly pages: SetCache<TranslatedPage>;

  constructor(
    private readonly agent: TranslationAgent,
    shape: CacheShape,
  ) {
    this.pages = new SetCache(shape);
  }

  translate(requester: RequesterId, iova: number, length: number, write: boolean): DmaTranslated {
    const pieces: DmaPiece[] = [];
    let cycles = 0;
    for (let done = 0; done < length;) {
      const found = this.find(requester, iova + done, write);
      cycles += found.cycles;
      if (!found.page) return { fault: 'blocked', cycles };
      const bytes = bytesIn(found.page, length - done);
      const access = this.agent.translated(requester, found.page.address, bytes, write);
      cycles += access.cycles;
      if ('fault' in access) return { fault: access.fault, cycles };
      pieces.push(...access.pieces);
      done += bytes;
    }
    return { pieces, cycles };
  }

  /** By the unit's tables, which the TLB may lag behind. */
  look(requester: RequesterId, iova: number, length: number): readonly DmaPiece[] | undefined {
    return this.agent.look(requester, iova, length);
  }

  invalidate({ address, mask }: PageRange): number {
    const size = 2 ** (12 + mask);
    const first = address - (address % size);
    return this.pages.drop(({ level, page }) => {
      const covered = 2 ** coveredBits(level);
      return page * covered < first + size && first < (page + 1) * covered;
    });
  }

  save(): SetCacheState<TranslatedPage> {
    return this.pages.save();
  }

  load(state: SetCacheState<TranslatedPage>): void {
    this.pages.load(state);
  }

  /** The page of an address, from the TLB or from the unit; undefined when the access is not allowed. */
  private find(
    requester: RequesterId,
    iova: number,
    write: boolean,
  ): { page: TranslatedPage | undefined; cycles: Cycles } {
    for (const level of LEVELS) {
      const known = this.pages.find(requester, level, pageNumber(iova, level));
      if (!known || !(write ? known.write : known.read)) continue;
      return { page: { ...known, address: known.address + (iova % known.size) }, cycles: 0 };
    }
    const completion = this.agent.translationRequest(requester, iova, write);
    const { cycles } = completion;
    if ('unsupported' in completion || !completion.page) return { page: undefined, cycles };
    const { page } = completion;
    const level = LEVELS.find((each) => page.size === 2 ** coveredBits(each)) ?? 1;
    const base = page.address - (page.address % page.size);
    this.pages.insert(requester, level, pageNumber(iova, level), { ...page, address: base });
    return { page: (write ? page.write : page.read) ? page : undefined, cycles };
  }
}
