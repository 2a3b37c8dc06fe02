/** Handing a delta's columns to another thread without copying them. */
import type { TraceDelta } from '../trace/model';

/** The buffers of a delta. The sender's arrays are empty after the transfer. */
export function transferables(delta: TraceDelta): ArrayBuffer[] {
  const columns = delta.chunks.flatMap(({ start, duration, track, kind, rip, a, b, cause }) => [
    start,
    duration,
    track,
    kind,
    rip,
    a,
    b,
    cause,
  ]);
  const { row, duration, a, b } = delta.patches;
  const folded = Object.values(delta.folds?.entries ?? {});
  const buffers = [...columns, ...folded, row, duration, a, b].map((column) => column.buffer as ArrayBuffer);
  return [...new Set(buffers)];
}
