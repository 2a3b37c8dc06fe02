/**
 * Where the register pages of a machine's LAPICs lie. Each CPU has its own base address, which software may move; an access by
 * a CPU to a page answers from its own LAPIC, if that one's page is there.
 */
import type { AddressMap, Region } from '../address-map';
import type { RegisterBlock } from '../bus';
import type { LocalApic } from './lapic';
import { LAPIC_BASE, LAPIC_SIZE, lapicRegisterNames } from './lapic-registers';

/** The regions of LAPIC pages in one address map. They follow from the LAPICs' base addresses: no state of their own. */
export class LapicPages<T> {
  private readonly regions = new Map<number, Region<T>>();

  /** @param tag kept with each region */
  constructor(
    private readonly map: AddressMap<T>,
    private readonly lapics: readonly LocalApic[],
    private readonly tag: T,
  ) {
    this.settle();
  }

  /** Has a region at the usual base and at that of each LAPIC; where something else lies already, that answers. */
  settle(): void {
    const wanted = new Set([LAPIC_BASE, ...this.lapics.map((lapic) => lapic.pageAddress)]);
    for (const [base, region] of this.regions) {
      if (wanted.has(base)) continue;
      this.map.remove(region);
      this.regions.delete(base);
    }
    for (const base of wanted) {
      if (this.regions.has(base)) continue;
      const region = this.map.add(base, LAPIC_SIZE, this.pageAt(base), this.tag, false);
      this.map.place(region, base, true);
      this.regions.set(base, region);
    }
  }

  private pageAt(base: number): RegisterBlock {
    const { lapics } = this;
    return {
      read(offset, size, initiator) {
        const lapic = lapics[initiator];
        return lapic?.pageAddress === base ? lapic.read(offset, size) : 0xffffffff;
      },
      write(offset, size, value, initiator) {
        const lapic = lapics[initiator];
        if (lapic?.pageAddress === base) lapic.write(offset, size, value);
      },
      registerName: (offset) => lapicRegisterNames.get(offset & ~15),
    };
  }
}
