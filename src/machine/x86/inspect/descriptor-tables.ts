/** IDT and GDT entry by entry (SDM vol. 3, 3.4.5, 3.5, 6.11 and 6.14). */
import { choice, flag, number } from '../../../trace/vocabulary/bit-fields';
import type { StateNode, StatePath } from '../../inspect';
import { nodeAt } from '../../registers';

/** Linear memory as the vCPU translates it; undefined where nothing is mapped. */
export type ReadLinear = (address: bigint, length: number) => Uint8Array | undefined;

/** A table register. */
export interface TableRegister {
  base: bigint;
  limit: number;
}

const GATES = 256;
const GATE_TYPES: Readonly<Record<number, string>> = {
  5: 'task gate',
  6: '16-bit interrupt gate',
  7: '16-bit trap gate',
  14: 'interrupt gate',
  15: 'trap gate',
};

const gateFields = [number('IST', 0, 2), number('type', 8, 11), number('DPL', 13, 14), flag('P', 15)];
const segmentFields = [
  number('type', 8, 11),
  choice('S', 12, 12, ['system', 'code or data']),
  number('DPL', 13, 14),
  flag('P', 15),
  flag('AVL', 20),
  flag('L', 21),
  flag('D/B', 22),
  flag('G', 23),
];

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function gate(vector: number, bytes: Uint8Array, long: boolean): StateNode | undefined {
  const view = viewOf(bytes);
  const high = view.getUint32(4, true);
  if ((high & 0x8000) === 0) return undefined;
  const low = view.getUint32(0, true);
  const upper = long ? BigInt(view.getUint32(8, true)) << 32n : 0n;
  const offset = upper | BigInt(((high & 0xffff0000) | (low & 0xffff)) >>> 0);
  const type = GATE_TYPES[(high >> 8) & 15] ?? 'reserved type';
  return {
    name: `0x${vector.toString(16).padStart(2, '0')}`,
    description: `${type}, selector 0x${(low >>> 16).toString(16)}`,
    value: { kind: 'address', value: offset },
    children: [
      { name: 'selector', value: { kind: 'number', value: BigInt(low >>> 16) } },
      {
        name: 'attributes',
        value: { kind: 'register', value: BigInt(high & 0xffff), bits: 16, fields: gateFields },
      },
    ],
  };
}

/** What is at a path below the IDT. */
export function idtAt(
  { base, limit }: TableRegister,
  long: boolean,
  read: ReadLinear,
  path: StatePath,
): StateNode | undefined {
  const bytes = long ? 16 : 8;
  const children: StateNode[] = [];
  for (let vector = 0; vector < GATES && (vector + 1) * bytes <= limit + 1; vector++) {
    const entry = read(base + BigInt(vector * bytes), bytes);
    const node = entry && gate(vector, entry, long);
    if (node) children.push(node);
  }
  const description = `${children.length} gates at 0x${base.toString(16)}, limit 0x${limit.toString(16)}.`;
  return nodeAt({ name: 'IDT', description, children }, path);
}

/** Entries of a GDT that are shown at most: all that selectors can name. */
const DESCRIPTORS = 8192;

/** What is at a path below the GDT. */
export function gdtAt(
  { base, limit }: TableRegister,
  read: ReadLinear,
  path: StatePath,
): StateNode | undefined {
  const children: StateNode[] = [];
  const count = Math.min(DESCRIPTORS, Math.floor((limit + 1) / 8));
  for (let index = 1; index < count; index++) {
    const entry = read(base + BigInt(index * 8), 8);
    if (!entry) break;
    const view = viewOf(entry);
    const [low, high] = [view.getUint32(0, true), view.getUint32(4, true)];
    if ((high & 0x8000) === 0) continue;
    const start = ((high & 0xff000000) | ((high & 0xff) << 16) | (low >>> 16)) >>> 0;
    const granularity = (high & (1 << 23)) !== 0 ? 0x1000 : 1;
    const size = (((high & 0xf0000) | (low & 0xffff)) + 1) * granularity;
    children.push({
      name: `0x${(index * 8).toString(16)}`,
      value: { kind: 'register', value: BigInt(high), bits: 32, fields: segmentFields },
      children: [
        { name: 'base', value: { kind: 'address', value: BigInt(start) } },
        { name: 'bytes', value: { kind: 'number', value: BigInt(size) } },
      ],
    });
  }
  const description = `At 0x${base.toString(16)}, limit 0x${limit.toString(16)}.`;
  return nodeAt({ name: 'GDT', description, children }, path);
}
