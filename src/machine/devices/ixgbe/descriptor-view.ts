/** Descriptors of the 82599 field by field, for a reader (7.1.5, 7.1.6, 7.2.3). */
import { flag } from '../../../trace/vocabulary/bit-fields';
import type { StateNode } from '../../inspect';
import type { DecodeDescriptor } from '../intel-nic/ring-view';
import { transmitCommands } from './descriptions';
import { bufferAddress } from './receive-descriptors';
import { parseDescriptor } from './transmit-descriptors';

const DONE = 1;

const number = (name: string, value: number, unit?: string): StateNode => ({
  name,
  value: { kind: 'number', value: BigInt(value), ...(unit !== undefined && { unit }) },
});
const address = (name: string, value: number): StateNode => ({
  name,
  value: { kind: 'address', value: BigInt(value) },
});

/** Of a transmit queue. */
export const transmitDescriptor: DecodeDescriptor = (bytes) => {
  const parsed = parseDescriptor(bytes);
  const command: StateNode = {
    name: 'command',
    value: { kind: 'register', value: BigInt(parsed.command), bits: 8, fields: transmitCommands },
  };
  if (parsed.kind === 'context') {
    const { headers, vlan } = parsed.context;
    const { headerLength, segmentSize } = headers;
    const children = [
      number('index', parsed.index),
      number('VLAN', vlan),
      number('header length', headerLength, 'bytes'),
      number('MSS', segmentSize, 'bytes'),
    ];
    return { value: { kind: 'text', value: 'context' }, children };
  }
  const status: StateNode = {
    name: 'status',
    value: { kind: 'register', value: BigInt(bytes[12] & 15), bits: 4, fields: [flag('DD', 0)] },
  };
  const children = [
    address('buffer address', parsed.address),
    number('length', parsed.length, 'bytes'),
    command,
    status,
  ];
  return { value: { kind: 'text', value: `${parsed.kind}, ${parsed.length} bytes` }, children };
};

/**
 * Of a receive queue. A free descriptor has the addresses of its buffers, a used one status and length in their place; which of the
 * two it is, its owner tells.
 */
export const receiveDescriptor: DecodeDescriptor = (bytes) => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const done = (view.getUint32(8, true) & DONE) !== 0;
  const length = view.getUint16(12, true);
  return {
    value: { kind: 'text', value: done ? `done, ${length} bytes` : 'free' },
    children: done
      ? [
          number('packet type and hash', view.getUint32(0, true)),
          number('hash', view.getUint32(4, true)),
          number('status and errors', view.getUint32(8, true)),
          number('length', length, 'bytes'),
          number('VLAN tag', view.getUint16(14, true)),
        ]
      : [
          address('buffer address', bufferAddress(bytes)),
          address('header address', view.getUint32(12, true) * 2 ** 32 + view.getUint32(8, true)),
        ],
  };
};
