/** Keeps the address maps of a platform in step with the BARs of its PCI functions. */
import type { AddressMap, Region } from '../address-map';
import type { BarSpec } from './bars';
import type { PciSlot } from './root';

/** Use its `barChanged` as `PciPlatform.barChanged`. */
export class BarMapper<T> {
  /** By function and BAR index: functions of one kind may share their BAR descriptions. */
  private readonly regions = new Map<string, Region<T>>();

  /** @param tagOf makes the tag of a BAR's region, once per BAR */
  constructor(
    private readonly memory: AddressMap<T>,
    private readonly ports: AddressMap<T>,
    private readonly tagOf: (slot: PciSlot, bar: BarSpec) => T,
  ) {}

  /**
   * Moves, enables or disables the BAR's region. A BAR put onto something that already answers stays silent, as the
   * outcome on a real bus is undefined.
   */
  barChanged(slot: PciSlot, bar: BarSpec, base: number, enabled: boolean): void {
    const map = bar.kind === 'io' ? this.ports : this.memory;
    const key = keyOf(slot, bar);
    let region = this.regions.get(key);
    if (!region) {
      region = map.add(0, bar.size, bar.block, this.tagOf(slot, bar), false);
      this.regions.set(key, region);
    }
    map.place(region, base, enabled && (bar.kind !== 'io' || base + bar.size <= 0x10000));
  }

  /** The region of a BAR of a function on the bus. */
  region(slot: PciSlot, bar: BarSpec): Region<T> | undefined {
    return this.regions.get(keyOf(slot, bar));
  }
}

function keyOf(slot: PciSlot, bar: BarSpec): string {
  return `${slot.name}/${bar.index}`;
}
