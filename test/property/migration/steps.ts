/** Accesses of registers by chance. */
import fc from 'fast-check';
import { NO_CPU, type AccessSize, type RegisterBlock } from '../../../src/machine/bus';

/** One access. */
export interface Access {
  offset: number;
  size: AccessSize;
  /** Absent: a read. */
  value: number | undefined;
}

/** An access at one of some offsets; `values` are likelier than others. */
export function accesses(
  offsets: fc.Arbitrary<number>,
  values: readonly number[] = [],
  sizes: readonly AccessSize[] = [1],
): fc.Arbitrary<Access> {
  const any = fc.oneof(fc.nat(0xff), fc.integer({ min: 0, max: 0xffffffff }));
  return fc.record({
    offset: offsets,
    size: fc.constantFrom(...sizes),
    value: fc.option(values.length === 0 ? any : fc.oneof(fc.constantFrom(...values), any), {
      nil: undefined,
    }),
  });
}

/** Does an access; what was read. */
export function access(block: RegisterBlock, { offset, size, value }: Access, initiator = NO_CPU): unknown {
  if (value === undefined) return block.read(offset, size, initiator);
  const mask = 2 ** (8 * size);
  block.write(offset, size, value % mask, initiator);
  return undefined;
}
