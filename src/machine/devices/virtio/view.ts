/** The inside of a virtio device for a reader: status, features, configuration, and its virtqueues in memory (2.1, 2.2, 2.7, 2.8). */
import { flag, flagsOf, number } from '../../../trace/vocabulary/bit-fields';
import type { BitField } from '../../../trace/vocabulary/kind-row';
import type { StateNode, StatePath } from '../../inspect';
import { branches, listAt, nodeAt, wholeBranch, type Branch } from '../../registers';
import { addressNode, numberNode, textNode, unreadable } from '../../state-nodes';
import type { VirtioDevice } from './device';
import { Feature, FEATURE_WORDS } from './features';
import type { QueueSlot } from './queue-slot';
import { registerBranch, type Register } from './register-block';
import { Status } from './status';

const DESCRIPTOR_BYTES = 16;
const descriptorFlags: readonly BitField[] = [
  flag('NEXT', 0),
  flag('WRITE', 1),
  flag('INDIRECT', 2),
  flag('AVAIL', 7),
  flag('USED', 15),
];
const featureNames = new Map<number, string>(Object.entries(Feature).map(([name, bit]) => [bit, name]));

/** Reads memory as the device does. */
type Look = (address: number, length: number) => DataView | undefined;

function negotiation(device: VirtioDevice): StateNode {
  const status = device.status;
  const features: StateNode[] = [];
  for (let bit = 0; bit < FEATURE_WORDS * 32; bit++) {
    const offered = ((device.offered(bit >> 5) >>> (bit & 31)) & 1) !== 0;
    if (!offered) continue;
    const accepted = ((device.accepted(bit >> 5) >>> (bit & 31)) & 1) !== 0;
    features.push({
      name: featureNames.get(bit) ?? `bit ${bit}`,
      description: `Feature bit ${bit}: offered${accepted ? ' and accepted' : ', not accepted'}.`,
      value: { kind: 'flag', value: accepted },
    });
  }
  return {
    name: 'Status and features',
    children: [
      {
        name: 'status',
        value: { kind: 'register', value: BigInt(status), bits: 8, fields: flagsOf(Status) },
      },
      { name: 'features', children: features },
    ],
  };
}

function configuration(device: VirtioDevice): StateNode {
  const bytes = [...device.type.configuration];
  return {
    name: 'Configuration',
    description: `Generation ${device.configuration.generation}.`,
    children: bytes.map((byte, at) => numberNode(`0x${at.toString(16).padStart(2, '0')}`, byte)),
  };
}

function descriptor(view: DataView | undefined, index: number, link: 'next' | 'buffer ID'): StateNode {
  const name = String(index);
  if (!view) return unreadable(name);
  const flags = view.getUint16(link === 'next' ? 12 : 14, true);
  const length = view.getUint32(8, true);
  const address = view.getUint32(4, true) * 2 ** 32 + view.getUint32(0, true);
  return {
    name,
    value: { kind: 'text', value: `${length} bytes at 0x${address.toString(16)}` },
    children: [
      addressNode('address', address),
      numberNode('length', length),
      { name: 'flags', value: { kind: 'register', value: BigInt(flags), bits: 16, fields: descriptorFlags } },
      numberNode(link, view.getUint16(link === 'next' ? 14 : 12, true)),
    ],
  };
}

/** A ring of a split queue: flags, index, entries, event index. */
function splitRing(
  name: string,
  at: number,
  size: number,
  entryBytes: 2 | 8,
  eventName: string,
  look: Look,
): StateNode {
  const view = look(at, 4 + size * entryBytes + 2);
  if (!view) return unreadable(name);
  const entries = Array.from({ length: size }, (_, i): StateNode => {
    if (entryBytes === 2) return numberNode(String(i), view.getUint16(4 + i * 2, true));
    const id = view.getUint32(4 + i * 8, true);
    return textNode(String(i), `descriptor ${id}, ${view.getUint32(8 + i * 8, true)} bytes written`);
  });
  return {
    name,
    children: [
      {
        name: 'flags',
        value: {
          kind: 'register',
          value: BigInt(view.getUint16(0, true)),
          bits: 16,
          fields: [flag(entryBytes === 2 ? 'NO_INTERRUPT' : 'NO_NOTIFY', 0)],
        },
      },
      numberNode('idx', view.getUint16(2, true)),
      { name: 'ring', children: entries },
      numberNode(eventName, view.getUint16(4 + size * entryBytes, true)),
    ],
  };
}

function suppression(name: string, at: number, look: Look): StateNode {
  const view = look(at, 4);
  if (!view) return unreadable(name);
  const fields = [number('offset', 0, 14), flag('wrap', 15), number('flags', 16, 17)];
  return { name, value: { kind: 'register', value: BigInt(view.getUint32(0, true)), bits: 32, fields } };
}

function queueBranch(device: VirtioDevice, slot: QueueSlot, name: string, look: Look): Branch {
  return {
    name,
    at: (path) => {
      const { size, descriptors, driver, device: used } = slot.layout;
      const packed = device.has(Feature.RING_PACKED);
      const state = slot.enabled ? `${size} descriptors, ${packed ? 'packed' : 'split'}` : 'not enabled';
      const table = packed ? 'descriptor ring' : 'descriptor table';
      const [first, ...rest] = path;
      if (first === table) {
        const at = (index: number): DataView | undefined =>
          look(descriptors + index * DESCRIPTOR_BYTES, DESCRIPTOR_BYTES);
        const make = (index: number): StateNode =>
          descriptor(at(index), index, packed ? 'buffer ID' : 'next');
        return listAt({ name: table }, slot.enabled ? size : 0, make, rest);
      }
      const rings = packed
        ? [
            suppression('driver event suppression', driver, look),
            suppression('device event suppression', used, look),
          ]
        : [
            splitRing('available ring', driver, size, 2, 'used_event', look),
            splitRing('used ring', used, size, 8, 'avail_event', look),
          ];
      const addresses = [
        addressNode('descriptor area', descriptors),
        addressNode('driver area', driver),
        addressNode('device area', used),
      ];
      const below: StateNode[] = slot.enabled ? [{ name: table, more: true }, ...rings] : [];
      return nodeAt(
        { name, value: { kind: 'text', value: state }, children: [...addresses, ...below] },
        path,
      );
    },
  };
}

/**
 * What is at a path below a virtio device.
 * @param requester by which its transactions are known
 * @param registers of its transport
 */
export function virtioAt(
  device: VirtioDevice,
  requester: number,
  registers: readonly Register[],
  path: StatePath,
): StateNode | undefined {
  const look: Look = (address, length) => {
    const bytes = device.data.dma.look?.(requester, address, length);
    return bytes && new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  };
  const { queueSpecs } = device.type;
  const all: Branch[] = [
    wholeBranch('Status and features', () => negotiation(device)),
    registerBranch(registers),
    wholeBranch('Configuration', () => configuration(device)),
    ...device.queues.map((slot, index) =>
      queueBranch(device, slot, `Virtqueue ${index} (${queueSpecs[index].name})`, look),
    ),
  ];
  return branches('virtio', all, path);
}
