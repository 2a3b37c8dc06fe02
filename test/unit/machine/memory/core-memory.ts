/**
 * RAM with a stand-in for the core: a CPU that stores to a page asks once, which sets the dirty bit, and then stores without
 * asking until it is told that the bits were cleared, as a TLB entry lets it.
 */
import { GuestRam } from '../../../../src/machine/memory/guest-ram';

const PAGE = 4096;
const DIRTY = 1;
/** Another flag of the core in the same byte, which nobody may touch. */
export const OTHER_FLAG = 4;

export function coreMemory(pages: number) {
  const bytes = new Uint8Array(pages * PAGE);
  const flags = new Uint8Array(pages).fill(OTHER_FLAG);
  const mayStore = new Set<number>();
  const ram = new GuestRam(bytes, flags, DIRTY, {
    noteStore: (physical, length) => {
      for (let at = physical; at < physical + length; at++) flags[Math.floor(at / PAGE)] |= DIRTY;
    },
    dirtyCleared: () => mayStore.clear(),
  });
  const store = (address: number, value: number): void => {
    const page = Math.floor(address / PAGE);
    if (!mayStore.has(page)) flags[page] |= DIRTY;
    mayStore.add(page);
    bytes[address] = value;
  };
  return { ram, flags, store };
}
