/** Descriptors of the 82599 field by field, for a reader (7.1.5, 7.1.6, 7.2.3). */
import { flag } from '../../../trace/vocabulary/bit-fields';
import { addressNode, bitsNode, numberNode } from '../../state-nodes';
import type { DecodeDescriptor } from '../intel-nic/ring-view';
import { transmitCommands } from './descriptions';
import { bufferAddress } from './receive-descriptors';
import { parseDescriptor } from './transmit-descriptors';

const DONE = 1;

/** Of a transmit queue. */
export const transmitDescriptor: DecodeDescriptor = (bytes) => {
  const parsed = parseDescriptor(bytes);
  const command = bitsNode('command', parsed.command, 8, transmitCommands);
  if (parsed.kind === 'context') {
    const { headers, vlan } = parsed.context;
    const { headerLength, segmentSize } = headers;
    const children = [
      numberNode('index', parsed.index),
      numberNode('VLAN', vlan),
      numberNode('header length', headerLength, 'bytes'),
      numberNode('MSS', segmentSize, 'bytes'),
    ];
    return { value: { kind: 'text', value: 'context' }, children };
  }
  const status = bitsNode('status', bytes[12] & 15, 4, [flag('DD', 0)]);
  const children = [
    addressNode('buffer address', parsed.address),
    numberNode('length', parsed.length, 'bytes'),
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
          numberNode('packet type and hash', view.getUint32(0, true)),
          numberNode('hash', view.getUint32(4, true)),
          numberNode('status and errors', view.getUint32(8, true)),
          numberNode('length', length, 'bytes'),
          numberNode('VLAN tag', view.getUint16(14, true)),
        ]
      : [
          addressNode('buffer address', bufferAddress(bytes)),
          addressNode('header address', view.getUint32(12, true) * 2 ** 32 + view.getUint32(8, true)),
        ],
  };
};
