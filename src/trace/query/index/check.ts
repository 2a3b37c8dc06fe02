/** Check values of what is stored. */

/**
 * Check value of bytes against damage, not against forgery: FNV-1a over their 32-bit words, then over the bytes left.
 * @param parts each but the last of a length that is a multiple of 4
 */
export function checkOf(parts: readonly Uint8Array[]): number {
  let hash = 0x811c_9dc5;
  for (const part of parts) {
    const view = new DataView(part.buffer, part.byteOffset, part.byteLength);
    const words = part.length & ~3;
    for (let i = 0; i < words; i += 4) hash = Math.imul(hash ^ view.getUint32(i, true), 0x0100_0193);
    for (let i = words; i < part.length; i++) hash = Math.imul(hash ^ (part[i] ?? 0), 0x0100_0193);
  }
  return (hash ^ (hash >>> 15)) >>> 0;
}
