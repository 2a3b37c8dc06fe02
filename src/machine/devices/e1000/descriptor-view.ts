/** Descriptors field by field, for a reader (manual 3.2.3, 3.3.3, 3.3.6, 3.3.7). */
import type { StateNode } from '../../inspect';
import type { DecodeDescriptor } from '../intel-nic/ring-view';
import { receiveStatus, transmitCommands, transmitStatus } from './descriptions';
import { parseDescriptor } from './descriptors';

const number = (name: string, value: number, unit?: string): StateNode => ({
  name,
  value: { kind: 'number', value: BigInt(value), ...(unit !== undefined && { unit }) },
});
const address = (value: number): StateNode => ({
  name: 'buffer address',
  value: { kind: 'address', value: BigInt(value) },
});
const bits = (name: string, value: number, fields: typeof receiveStatus): StateNode => ({
  name,
  value: { kind: 'register', value: BigInt(value), bits: 8, fields },
});

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
        number('IPCSS', ip.start),
        number('IPCSO', ip.offset),
        number('IPCSE', ip.end),
        number('TUCSS', transport.start),
        number('TUCSO', transport.offset),
        number('TUCSE', transport.end),
        command,
        status,
        number('HDRLEN', headerLength, 'bytes'),
        number('MSS', segmentSize, 'bytes'),
      ],
    };
  }
  const value = `${parsed.kind}, ${parsed.length} bytes`;
  const length = number('length', parsed.length, 'bytes');
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
      number('length', length, 'bytes'),
      number('checksum', view.getUint16(10, true)),
      bits('status', bytes[12], receiveStatus),
      bits('errors', bytes[13], []),
      number('special', view.getUint16(14, true)),
    ],
  };
};
