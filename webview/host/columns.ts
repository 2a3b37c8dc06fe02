/** Brings the columns of a viewport answer into shape, however the wire carried them. */
import type { LaneBins, LaneEvents, ViewportResult } from '../../src/protocol/viewport';

type Fields = Record<string, unknown>;

/** Numbers of a column that came as a typed array, a buffer, an array or an object of indices. */
function numbers(value: unknown): ArrayLike<number> {
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) return value as unknown as ArrayLike<number>;
  if (Array.isArray(value)) return value as number[];
  if (typeof value === 'object' && value !== null) return Object.values(value) as number[];
  throw new TypeError('a column of a viewport answer is missing');
}

function float64(value: unknown): Float64Array {
  if (value instanceof Float64Array) return value;
  return value instanceof ArrayBuffer ? new Float64Array(value) : Float64Array.from(numbers(value));
}

function float32(value: unknown): Float32Array {
  if (value instanceof Float32Array) return value;
  return value instanceof ArrayBuffer ? new Float32Array(value) : Float32Array.from(numbers(value));
}

function uint32(value: unknown): Uint32Array {
  if (value instanceof Uint32Array) return value;
  return value instanceof ArrayBuffer ? new Uint32Array(value) : Uint32Array.from(numbers(value));
}

function uint16(value: unknown): Uint16Array {
  if (value instanceof Uint16Array) return value;
  return value instanceof ArrayBuffer ? new Uint16Array(value) : Uint16Array.from(numbers(value));
}

function uint8(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  return value instanceof ArrayBuffer ? new Uint8Array(value) : Uint8Array.from(numbers(value));
}

function lane(fields: Fields): LaneEvents | LaneBins {
  if (fields['type'] === 'events') {
    return {
      type: 'events',
      row: float64(fields['row']),
      start: float64(fields['start']),
      duration: float64(fields['duration']),
      kind: uint16(fields['kind']),
      a: float64(fields['a']),
    };
  }
  if (fields['type'] === 'bins') {
    return {
      type: 'bins',
      count: uint32(fields['count']),
      kind: uint16(fields['kind']),
      cover: float32(fields['cover']),
      row: float64(fields['row']),
      fault: uint8(fields['fault']),
      ...(fields['shares'] !== undefined && { shares: float32(fields['shares']) }),
    };
  }
  throw new TypeError('a lane of a viewport answer is neither events nor bins');
}

/**
 * A viewport answer with real typed arrays.
 * @throws TypeError when it is not a viewport answer
 */
export function columns(result: unknown): ViewportResult {
  if (typeof result !== 'object' || result === null)
    throw new TypeError('a viewport answer is not an object');
  const { from, to, width, lanes, searching } = result as Fields;
  if (
    typeof from !== 'number' ||
    typeof to !== 'number' ||
    typeof width !== 'number' ||
    !Array.isArray(lanes)
  ) {
    throw new TypeError('a viewport answer has no window or no lanes');
  }
  return {
    from,
    to,
    width,
    lanes: lanes.map((entry) => lane(entry as Fields)),
    ...(searching === true && { searching }),
  };
}
