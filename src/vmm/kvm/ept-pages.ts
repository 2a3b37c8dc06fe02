/**
 * Pages without RAM that the VM has touched. KVM maps all of the guest's RAM up front; the first access to any other page is
 * an EPT violation, at which KVM installs a special entry for it, so that each further one, by whatever vCPU, is an EPT
 * misconfiguration and decoded at once.
 */
import type { Stateful } from '../../machine/bus';
import { requireVersion } from '../../machine/snapshot';

const PAGE = 4096;
/** Before any page. */
const NONE = -PAGE;

/** Snapshot of `EptPages`. */
export interface EptPagesState {
  version: 1;
  pages: number[];
}

/** The special entries of one VM. */
export class EptPages implements Stateful<EptPagesState> {
  private readonly pages = new Set<number>();
  /** Where the page of the last access begins. */
  private last = NONE;

  /** Notes an access to a guest-physical address; true the first time its page is touched. */
  touch(address: number): boolean {
    if (this.isLast(address)) return false;
    const page = Math.floor(address / PAGE);
    this.last = page * PAGE;
    if (this.pages.has(page)) return false;
    this.pages.add(page);
    return true;
  }

  /** Whether the page of a guest-physical address has been touched. */
  has(address: number): boolean {
    return this.isLast(address) || this.pages.has(Math.floor(address / PAGE));
  }

  /** What stands at these addresses is taken away: whatever comes there is a new page. */
  forget(base: number, size: number): void {
    const [first, end] = [Math.floor(base / PAGE), (base + size) / PAGE];
    for (const page of this.pages) if (page >= first && page < end) this.pages.delete(page);
    this.last = NONE;
  }

  /** KVM forgets them, as when the guest's machine is reset. */
  clear(): void {
    this.pages.clear();
    this.last = NONE;
  }

  private isLast(address: number): boolean {
    const offset = address - this.last;
    return offset >= 0 && offset < PAGE;
  }

  save(): EptPagesState {
    return { version: 1, pages: [...this.pages] };
  }

  load(state: EptPagesState): void {
    requireVersion('the pages of devices', state.version, 1);
    this.clear();
    for (const page of state.pages) this.pages.add(page);
  }
}
