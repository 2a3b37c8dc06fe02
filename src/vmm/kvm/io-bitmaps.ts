/** The I/O bitmaps of a VM (SDM vol. 3, 25.6.4 and 26.1.3): a bit for each port, 1: an access to it leaves the guest. */

const PORTS = 0x1_0000;

/** Bitmap A and bitmap B, one after the other. */
export class IoBitmaps {
  private readonly bits = new Uint8Array(PORTS / 8).fill(0xff);
  /** All bits are 1: so most VMs have it, and nobody need look. */
  readonly trapAll: boolean;

  /** @param passed ports whose bits are cleared, each with the last of its range */
  constructor(passed: readonly { first: number; last: number }[]) {
    this.trapAll = passed.length === 0;
    for (const { first, last } of passed)
      for (let port = first; port <= last; port++) this.bits[port >> 3] &= ~(1 << (port & 7));
  }

  /** Whether an access leaves the guest: by the bit of any of its ports, or as it goes beyond the last port. */
  traps(port: number, size: number): boolean {
    if (this.trapAll || port + size > PORTS) return true;
    for (let at = port; at < port + size; at++) if ((this.bits[at >> 3] & (1 << (at & 7))) !== 0) return true;
    return false;
  }
}
