/** Descriptors field by field, for a reader (manual 3.2.3, 3.3.3, 3.3.6, 3.3.7). */
import type { BitField } from '../../../trace/vocabulary/kind-row';
import type { StateNode } from '../../inspect';
import { addressNode, bitsNode, numberNode } from '../../state-nodes';
import type { DecodeDescriptor } from '../intel-nic/ring-view';
import { receiveStatus, transmitCommands, transmitStatus } from './descriptions';
import { parseDescriptor } from './descriptors';

const bits = (name: string, value: number, fields: readonly BitField[]): StateNode =>
  bitsNode(name, value, 8, fields);
const address = (value: number): StateNode => addressNode('buffer address', value);

/** Of the transmit ring. */
export const transmitDescriptor: DecodeDescriptor = (bytes) => {
  const parsed = parseDescriptor(bytes);
  const command = bits('command', parsed.command, transmitCommands);
  const status = bits('status', bytes[12] & 15, transmitStatus);
  if (parsed.kind === 'context') {
    const { ip, transport, headerLength, segmentSize } = parsed.context;
    return {
      value: { kind: 'text', value: 'context' },
      children: [
        numberNode('IPCSS', ip.start),
        numberNode('IPCSO', ip.offset),
        numberNode('IPCSE', ip.end),
        numberNode('TUCSS', transport.start),
        numberNode('TUCSO', transport.offset),
        numberNode('TUCSE', transport.end),
        command,
        status,
        numberNode('HDRLEN', headerLength, 'bytes'),
        numberNode('MSS', segmentSize, 'bytes'),
      ],
    };
  }
  const value = `${parsed.kind}, ${parsed.length} bytes`;
  const length = numberNode('length', parsed.length, 'bytes');
  return { value: { kind: 'text', value }, children: [address(parsed.address), length, command, status] };
};

/** Of the receive ring. */
export const receiveDescriptor: DecodeDescriptor = (bytes) => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const length = view.getUint16(8, true);
  const done = (bytes[12] & 1) !== 0;
  return {
    value: { kind: 'text', value: done ? `done, ${length} bytes` : 'free' },
    children: [
      address(view.getUint32(4, true) * 2 ** 32 + view.getUint32(0, true)),
      numberNode('length', length, 'bytes'),
      numberNode('checksum', view.getUint16(10, true)),
      bits('status', bytes[12], receiveStatus),
      bits('errors', bytes[13], []),
      numberNode('special', view.getUint16(14, true)),
    ],
  };
};
