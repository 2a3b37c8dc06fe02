/** The unit's registers as a block: each of them stands where its part says. */
import type { AccessSize, RegisterBlock } from '../bus';
import type { Register } from './layout';

/**
 * Accesses are of 32 bits, or of 64 bits as two of them (VT-d specification, 10.2). A narrower read gives its part of a register;
 * a narrower write does nothing.
 */
export class RegisterTable implements RegisterBlock {
  private readonly byOffset: ReadonlyMap<number, Register>;

  constructor(registers: readonly Register[]) {
    this.byOffset = new Map(registers.map((each) => [each.offset, each]));
  }

  read(offset: number, size: AccessSize): number {
    const at = offset & 3;
    const value = (this.byOffset.get(offset - at)?.read() ?? 0) >>> (8 * at);
    return size === 4 ? value : value & (2 ** (8 * size) - 1);
  }

  write(offset: number, size: AccessSize, value: number): void {
    if (size === 4 && offset % 4 === 0) this.byOffset.get(offset)?.write?.(value >>> 0);
  }

  registerName(offset: number): string | undefined {
    return this.byOffset.get(offset)?.name;
  }
}
