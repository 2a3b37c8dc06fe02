/** Changes of the machine that a person makes. In the past each of them begins another future, which has to be confirmed. */
import { DebugErrorId } from '../protocol/debug';
import type { MemorySpace, RegisterName } from '../run/control/control';
import type { SessionContext } from './context';
import { virtual } from './debuggee';
import { RequestError } from './errors';
import { reasonOf } from '../run/reason';
import type { Frame } from './language';

/** A place as a client names it. */
export interface MemoryReference {
  readonly memoryReference: string;
  readonly offset: number;
}

export class Writer {
  private confirmed = false;

  /** @param changed is told after each change */
  constructor(
    private readonly context: SessionContext,
    private readonly changed: () => void,
  ) {}

  /** Whether writes may discard a future without being refused. */
  confirm(confirmed: boolean): void {
    this.confirmed = confirmed;
  }

  /** @param reference what the client called the place, with the offset of the first byte from it */
  memory(space: MemorySpace, address: bigint, bytes: Uint8Array, reference: MemoryReference): void {
    this.write(() => this.context.debuggee.control.writeMemory(space, address, bytes));
    this.tell({ ...reference, count: bytes.length });
  }

  register(cpu: number, register: RegisterName, value: bigint): void {
    this.write(() => this.context.debuggee.control.writeRegister(cpu, register, value));
  }

  /**
   * Does what an expression assigns.
   * @returns false, with nothing done: it assigns to nothing
   */
  assign(frame: Frame, expression: string): boolean {
    const { language, control } = this.context.debuggee;
    const changes = language.changes(frame, expression);
    if (!changes) return false;
    this.write(() => {
      for (const change of changes) {
        if (change.kind === 'memory') control.writeMemory(virtual(frame.cpu), change.address, change.bytes);
        else control.writeRegister(frame.cpu, change.register, change.value);
      }
    });
    for (const change of changes) {
      if (change.kind !== 'memory') continue;
      const memoryReference = `0x${change.address.toString(16)}`;
      this.tell({ memoryReference, offset: 0, count: change.bytes.length });
    }
    return true;
  }

  /** A client that shows memory reads it again. */
  private tell(body: MemoryReference & { count: number }): void {
    if (this.context.client.supportsMemoryEvent === true) this.context.send('memory', body);
  }

  /** The number that an expression comes to. @throws RequestError where it is none */
  number(frame: Frame, expression: string): bigint {
    const { text } = this.context.debuggee.language.evaluate(frame, `(unsigned long)(${expression})`);
    if (!/^\d+$/.test(text)) throw new RequestError(`“${expression}” is no number.`);
    return BigInt(text);
  }

  private write(change: () => void): void {
    const { debuggee, attributes } = this.context;
    if (debuggee.control.hasFuture && !this.confirmed && attributes.discardFuture !== true) {
      throw new RequestError(
        'What has been simulated beyond this moment would be discarded by a change here. Confirm that first.',
        DebugErrorId.WouldDiscardFuture,
      );
    }
    try {
      change();
    } catch (error) {
      if (error instanceof RangeError) throw new RequestError(reasonOf(error));
      throw error;
    }
    this.changed();
  }
}
