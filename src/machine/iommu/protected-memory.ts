/** The two protected memory regions, which bus masters do not reach untranslated (VT-d specification, 10.4.16 to 10.4.20). */
import type { Stateful } from '../bus';
import { Reg, type Register } from './layout';

/** Regions are multiples of 2 MiB: lower bits of base and limit cannot be written. */
const GRANULARITY = 2 ** 21;
const WORD_BITS = 0xffe00000;
const ENABLE = 2 ** 31;
const STATUS = 1;

/** Snapshot. */
export interface ProtectedMemoryState {
  enabled: boolean;
  bounds: Uint32Array;
}

/** Where each bound has its words. */
const BOUNDS = [
  { offset: Reg.ProtectedLowBase, name: 'PLMBASE', mask: WORD_BITS },
  { offset: Reg.ProtectedLowLimit, name: 'PLMLIMIT', mask: WORD_BITS },
  { offset: Reg.ProtectedHighBase, name: 'PHMBASE', mask: WORD_BITS },
  { offset: Reg.ProtectedHighBase + 4, name: 'PHMBASE_HI', mask: 0xffffffff },
  { offset: Reg.ProtectedHighLimit, name: 'PHMLIMIT', mask: WORD_BITS },
  { offset: Reg.ProtectedHighLimit + 4, name: 'PHMLIMIT_HI', mask: 0xffffffff },
] as const;

/** One region below 4 GiB and one anywhere. Base and limit in between: the limit's last 2 MiB belong to the region. */
export class ProtectedMemory implements Stateful<ProtectedMemoryState> {
  private enabled = false;
  private readonly bounds = new Uint32Array(BOUNDS.length);

  /** Whether an access touches a region that is protected now. */
  blocks(address: number, length: number): boolean {
    if (!this.enabled) return false;
    const [lowBase, lowLimit, base, baseHigh, limit, limitHigh] = this.bounds;
    const touches = (first: number, last: number): boolean =>
      last >= first && address < last + GRANULARITY && address + length > first;
    return touches(lowBase, lowLimit) || touches(baseHigh * 2 ** 32 + base, limitHigh * 2 ** 32 + limit);
  }

  reset(): void {
    this.enabled = false;
    this.bounds.fill(0);
  }

  registers(): Register[] {
    return [
      {
        offset: Reg.ProtectedEnable,
        name: 'PMEN',
        read: () => (this.enabled ? ENABLE + STATUS : 0),
        write: (value) => void (this.enabled = value >= ENABLE),
      },
      ...BOUNDS.map(({ offset, name, mask }, at) => ({
        offset,
        name,
        read: () => this.bounds[at],
        // While the regions are protected their bounds stay what they are (10.4.17).
        write: (value: number) => {
          if (!this.enabled) this.bounds[at] = value & mask;
        },
      })),
    ];
  }

  save(): ProtectedMemoryState {
    return { enabled: this.enabled, bounds: this.bounds.slice() };
  }

  load({ enabled, bounds }: ProtectedMemoryState): void {
    this.enabled = enabled;
    this.bounds.set(bounds);
  }
}
