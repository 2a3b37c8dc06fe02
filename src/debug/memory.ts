/** Memory of all spaces as bytes: of a vCPU's linear addresses, of a guest, of the host and of a device's DMA. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import type { MemorySpace } from '../run/control/control';
import type { Handlers, SessionContext } from './context';
import { virtual } from './debuggee';
import { addressOf, RequestError, textOf, wholeNumber } from './errors';
import type { Writer } from './writer';

/** Bytes that one answer holds at most. */
const MOST_BYTES = 1 << 20;
/** Bytes that are looked through for the next readable one. */
const MOST_GAP = 4096;

/**
 * A place as memory references name it: `0x1000` is linear of the vCPU last stopped; `physical:0:0x1000`, `host:0x1000`,
 * `virtual:1:0x1000` and `iova:7:0x1000` name their space, with VM, vCPU or track.
 */
export interface MemoryPlace {
  readonly space: MemorySpace;
  readonly address: bigint;
}

const SPACES: Record<string, (number: number) => MemorySpace> = {
  physical: (vm) => ({ kind: 'physical', vm }),
  virtual: (cpu) => ({ kind: 'virtual', cpu }),
  iova: (track) => ({ kind: 'iova', track }),
  host: () => ({ kind: 'host' }),
};

/** @throws RequestError for what is no reference */
export function parseMemoryReference(reference: unknown, cpu: number): MemoryPlace {
  const text = textOf(reference, 'A memory reference');
  const [kind = '', ...rest] = text.split(':');
  const address = rest.pop();
  if (address === undefined) return { space: virtual(cpu), address: addressOf(text, 'A memory reference') };
  const make = Object.hasOwn(SPACES, kind) ? SPACES[kind] : undefined;
  if (!make)
    throw new RequestError(`There is no memory “${kind.slice(0, 20)}”: ${Object.keys(SPACES).join(', ')}.`);
  const number = kind === 'host' ? 0 : wholeNumber(Number(rest[0]), 'The number of a memory');
  return { space: make(number), address: addressOf(address, 'An address') };
}

export class Memory {
  constructor(
    private readonly context: SessionContext,
    private readonly writer: Writer,
    private readonly cpu: () => number,
  ) {}

  readonly handlers: Handlers = {
    readMemory: (args: DebugProtocol.ReadMemoryArguments) => ({ body: this.read(args) }),
    writeMemory: (args: DebugProtocol.WriteMemoryArguments) => ({ body: this.write(args) }),
  };

  private read({ memoryReference, offset = 0, count }: DebugProtocol.ReadMemoryArguments) {
    const { space, address } = this.place(memoryReference, offset);
    const wanted = Math.min(wholeNumber(count, 'A count'), MOST_BYTES);
    const bytes = this.bytes(space, address, wanted);
    const unreadableBytes = bytes.length < wanted ? Math.min(wanted - bytes.length, MOST_GAP) : 0;
    return {
      address: `0x${address.toString(16)}`,
      data: Buffer.from(bytes).toString('base64'),
      ...(unreadableBytes > 0 && { unreadableBytes }),
    };
  }

  private bytes(space: MemorySpace, address: bigint, count: number): Uint8Array {
    if (count === 0) return new Uint8Array();
    try {
      return this.context.debuggee.control.readMemory(space, address, count);
    } catch (error) {
      if (error instanceof RangeError) return new Uint8Array();
      throw error;
    }
  }

  private write({ memoryReference, offset = 0, data, allowPartial }: DebugProtocol.WriteMemoryArguments) {
    const { space, address } = this.place(memoryReference, offset);
    const bytes = new Uint8Array(Buffer.from(textOf(data, 'The data'), 'base64'));
    const writable = this.bytes(space, address, bytes.length).length;
    if (writable < bytes.length && allowPartial !== true) {
      throw new RequestError(
        `Only ${writable} of ${bytes.length} bytes at 0x${address.toString(16)} can be written.`,
      );
    }
    if (writable > 0)
      this.writer.memory(space, address, bytes.subarray(0, writable), { memoryReference, offset });
    return { offset: 0, bytesWritten: writable };
  }

  private place(reference: unknown, offset: unknown): MemoryPlace {
    const { space, address } = parseMemoryReference(reference, this.cpu());
    const shift = wholeNumber(offset, 'An offset', Number.MIN_SAFE_INTEGER);
    return { space, address: BigInt.asUintN(64, address + BigInt(shift)) };
  }
}
