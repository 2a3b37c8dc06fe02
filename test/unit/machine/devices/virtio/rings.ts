/** The driver's side of a virtqueue with buffers of one device-writable descriptor each, split and packed (2.7, 2.8). */

/** A buffer that has come back. */
export interface UsedBuffer {
  id: number;
  length: number;
}

/** What both formats have. */
export interface DriverRing {
  /** Where its parts lie. */
  readonly parts: { desc: number; driver: number; device: number; size: number };
  /** Makes a buffer available. */
  add(id: number, address: number, length: number): void;
  /** What has come back since the last call. */
  used(): UsedBuffer[];
}

const DESCRIPTOR = 16;
const WRITE = 2;
/** Packed: bits of a descriptor's flags. */
const AVAIL = 1 << 7;
const USED = 1 << 15;

const viewOf = (memory: Uint8Array): DataView =>
  new DataView(memory.buffer, memory.byteOffset, memory.byteLength);

function writeAddress(view: DataView, at: number, address: number): void {
  view.setBigUint64(at, BigInt(address), true);
}

/** A split queue from `base`, laid out as legacy drivers have to: pages of 4096 bytes. */
export function splitRing(memory: Uint8Array, base: number, size: number): DriverRing {
  const view = viewOf(memory);
  const driver = base + size * DESCRIPTOR;
  const device = Math.ceil((driver + 6 + 2 * size) / 4096) * 4096;
  let available = 0;
  let seen = 0;
  return {
    parts: { desc: base, driver, device, size },
    add(id, address, length) {
      const at = base + id * DESCRIPTOR;
      writeAddress(view, at, address);
      view.setUint32(at + 8, length, true);
      view.setUint16(at + 12, WRITE, true);
      view.setUint16(driver + 4 + 2 * (available % size), id, true);
      available = (available + 1) & 0xffff;
      view.setUint16(driver + 2, available, true);
    },
    used() {
      const back: UsedBuffer[] = [];
      for (; seen !== view.getUint16(device + 2, true); seen = (seen + 1) & 0xffff) {
        const at = device + 4 + 8 * (seen % size);
        back.push({ id: view.getUint32(at, true), length: view.getUint32(at + 4, true) });
      }
      return back;
    },
  };
}

/** A packed queue from `base`, its event suppression structures behind it. */
export function packedRing(memory: Uint8Array, base: number, size: number): DriverRing {
  const view = viewOf(memory);
  const driver = base + size * DESCRIPTOR;
  const next = { available: 0, used: 0 };
  const wrap = { available: true, used: true };
  const advance = (which: 'available' | 'used'): void => {
    next[which] += 1;
    if (next[which] < size) return;
    next[which] = 0;
    wrap[which] = !wrap[which];
  };
  return {
    parts: { desc: base, driver, device: driver + 4, size },
    add(id, address, length) {
      const at = base + next.available * DESCRIPTOR;
      writeAddress(view, at, address);
      view.setUint32(at + 8, length, true);
      view.setUint16(at + 12, id, true);
      view.setUint16(at + 14, WRITE | (wrap.available ? AVAIL : USED), true);
      advance('available');
    },
    used() {
      const back: UsedBuffer[] = [];
      for (;;) {
        const at = base + next.used * DESCRIPTOR;
        const flags = view.getUint16(at + 14, true);
        const isUsed = ((flags & AVAIL) !== 0) === wrap.used && ((flags & USED) !== 0) === wrap.used;
        if (!isUsed) return back;
        back.push({ id: view.getUint16(at + 12, true), length: view.getUint32(at + 8, true) });
        advance('used');
      }
    },
  };
}
