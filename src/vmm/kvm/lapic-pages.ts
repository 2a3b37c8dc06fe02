/**
 * Where the register pages of a VM's LAPICs lie. Each vCPU has its own base address, which software may move; an access by
 * one vCPU to a page answers from its own LAPIC, if that one's page is there.
 */
import type { AddressMap, Region } from '../../machine/address-map';
import type { AccessSize, RegisterBlock, Stateful } from '../../machine/bus';
import type { LocalApic } from '../../machine/interrupts/lapic';
import { LAPIC_BASE, LAPIC_SIZE, lapicRegisterNames } from '../../machine/interrupts/lapic-registers';
import { requireVersion } from '../../machine/snapshot';
import type { RegionTag } from './vm';

/** Snapshot of `LapicPages`. */
export interface LapicPagesState {
  version: 1;
  bases: number[];
}

/** The regions of LAPIC pages in one address map. */
export class LapicPages implements Stateful<LapicPagesState> {
  private readonly regions = new Map<number, Region<RegionTag>>();

  /** @param current the LAPIC of the vCPU whose access is being served */
  constructor(
    private readonly map: AddressMap<RegionTag>,
    private readonly track: number,
    private readonly current: () => LocalApic,
  ) {
    this.settle([]);
  }

  /** Has a region at the usual base and at each of these; where something else lies already, that answers. */
  settle(bases: readonly number[]): void {
    const wanted = new Set([LAPIC_BASE, ...bases]);
    for (const [base, region] of this.regions) {
      if (wanted.has(base)) continue;
      this.map.remove(region);
      this.regions.delete(base);
    }
    for (const base of wanted) {
      if (this.regions.has(base)) continue;
      const tag: RegionTag = { inKernel: true, offset: 0, unit: 'lapic', track: this.track };
      const region = this.map.add(base, LAPIC_SIZE, this.pageAt(base), tag, false);
      this.map.place(region, base, true);
      this.regions.set(base, region);
    }
  }

  save(): LapicPagesState {
    return { version: 1, bases: [...this.regions.keys()] };
  }

  load(state: LapicPagesState): void {
    requireVersion('the pages of local APICs', state.version, 1);
    this.settle(state.bases);
  }

  private pageAt(base: number): RegisterBlock {
    const { current } = this;
    return {
      read(offset: number, size: AccessSize): number {
        const lapic = current();
        return lapic.pageAddress === base ? lapic.read(offset, size) : 0xffffffff;
      },
      write(offset: number, size: AccessSize, value: number): void {
        const lapic = current();
        if (lapic.pageAddress === base) lapic.write(offset, size, value);
      },
      registerName: (offset: number) => lapicRegisterNames.get(offset),
    };
  }
}
