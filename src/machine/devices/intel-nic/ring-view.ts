/** A descriptor ring as a reader of the machine's inside sees it: the ring's four figures, and its descriptors in memory. */
import type { StateNode, StatePath } from '../../inspect';
import { listAt, type Branch } from '../../registers';
import type { BusMaster } from './dma';
import { DESCRIPTOR } from './constants';
import type { Ring } from './ring';

/** What a descriptor's bytes mean. */
export type DecodeDescriptor = (bytes: Uint8Array) => Pick<StateNode, 'description' | 'value' | 'children'>;

/** Descriptors from the head to the tail belong to the hardware. */
function ownerOf(ring: Ring, index: number): string {
  const { head, tail, size } = ring;
  const ahead = (index - head + size) % size;
  const owned = ahead < ring.upToTail(head);
  const marks = [index === head ? 'head' : '', index === tail ? 'tail' : ''].filter((mark) => mark !== '');
  return [owned ? 'hardware' : 'software', ...marks].join(', ');
}

/**
 * The branch of one ring.
 * @param master whose descriptors they are at the time
 */
export function ringBranch(
  name: string,
  ring: Ring,
  master: () => BusMaster,
  decode: DecodeDescriptor,
): Branch {
  const descriptor = (index: number): StateNode => {
    const address = ring.address(index);
    const { bus, requester } = master();
    const bytes = bus.dma.look?.(requester(), address, DESCRIPTOR);
    const node = { name: String(index), description: ownerOf(ring, index) };
    if (!bytes) return { ...node, value: { kind: 'text', value: 'cannot be read there' } };
    return { ...node, ...decode(bytes) };
  };
  return {
    name,
    at: (path: StatePath) => {
      const { size } = ring;
      const value = `${size} descriptors, head ${ring.head}, tail ${ring.tail}`;
      return listAt({ name, value: { kind: 'text', value } }, size, descriptor, path);
    },
  };
}
