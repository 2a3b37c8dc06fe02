/** Which micro-ops the inner loop executes in place. */
import type { MicroOp } from './uop-writer';

/** The inner loop's operation for a micro-op; 0 when only the general path knows it. */
export function fastOperation(_uop: MicroOp): number {
  return 0;
}
