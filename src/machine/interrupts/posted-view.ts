/** Posted-interrupt descriptors field by field, for a reader (SDM vol. 3, table 31-1; VT-d specification 4.x, 9.12). */
import { flag, number } from '../../trace/vocabulary/bit-fields';
import type { StateNode, StatePath } from '../inspect';
import { nodeAt } from '../registers';
import { bitsNode, textNode, unreadable } from '../state-nodes';
import { POSTED_DESCRIPTOR_BYTES, postedVectorsIn } from './posted-descriptor';

/** Bits 319 to 256 of a descriptor. */
export const postedControlFields = [
  flag('outstanding notification (ON)', 0),
  flag('suppress notification (SN)', 1),
  number('notification vector (NV)', 16, 23),
  number('notification destination (NDST)', 32, 63),
];
const CONTROL_AT = 32;

/** Reads host memory without anybody being told. */
export type LookAtHost = (address: number, length: number) => Uint8Array | undefined;

/** What is at a path below the descriptors of some vCPUs, which stand one behind the other. */
export function postedDescriptorsAt(
  look: LookAtHost,
  base: number,
  count: number,
  path: StatePath,
): StateNode | undefined {
  const children = Array.from({ length: count }, (_, cpu): StateNode => {
    const name = `cpu${cpu}`;
    const address = base + cpu * POSTED_DESCRIPTOR_BYTES;
    const bytes = look(address, POSTED_DESCRIPTOR_BYTES);
    if (!bytes) return unreadable(name);
    const vectors = postedVectorsIn(bytes);
    const control = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(CONTROL_AT, true);
    const requested = vectors.length > 0 ? vectors.join(', ') : 'none';
    return {
      name,
      memory: { space: 'host', address, length: POSTED_DESCRIPTOR_BYTES },
      children: [
        { ...textNode('PIR', requested), description: 'Posted-interrupt requests: vectors that wait.' },
        bitsNode('control', control, 64, postedControlFields),
      ],
    };
  });
  return nodeAt({ name: 'posted-interrupt descriptors', children }, path);
}
