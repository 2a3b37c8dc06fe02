/**
 * Pages of a guest's RAM that KVM maps without the right to write (page tracking of Linux, arch/x86/kvm/mmu/page_track.c): a store of a
 * vCPU is an EPT violation, which KVM emulates before it tells whoever follows what is there. DMA and page walks do not pass the guard.
 */
import { PAGE_SIZE } from '../../machine/memory/dirty-log';
import type { MachineCore } from '../../machine/x86/types';

/** Somebody who follows what is in memory. */
export interface StoreFollower {
  /** Numbers of the pages that it follows. */
  readonly pages: readonly number[];
  /** A vCPU has stored into one of them. */
  stored(): void;
}

/** Those of one VM. */
export class StoreGuard {
  private readonly followers: StoreFollower[] = [];
  private readonly guarded = new Set<number>();

  constructor(private readonly core: Pick<MachineCore, 'memory' | 'guardStores'>) {}

  add(follower: StoreFollower): void {
    this.followers.push(follower);
  }

  /** A follower has other pages than before. */
  changed(): void {
    this.guarded.clear();
    for (const { pages } of this.followers) for (const page of pages) this.guarded.add(page);
    this.core.guardStores(this.guarded);
  }

  /** Whether a store to a guest-physical address leaves the guest. Asked at every access. */
  covers(address: number): boolean {
    return this.guarded.size > 0 && this.guarded.has(Math.floor(address / PAGE_SIZE));
  }

  /** What KVM's emulator does with a store, which lies in one page. */
  store(address: number, size: number, low: number, high: number): void {
    const bytes = new DataView(new ArrayBuffer(8));
    bytes.setUint32(0, low, true);
    bytes.setUint32(4, high, true);
    this.core.memory.write(address, new Uint8Array(bytes.buffer, 0, size));
    const page = Math.floor(address / PAGE_SIZE);
    for (const follower of this.followers) if (follower.pages.includes(page)) follower.stored();
  }
}
