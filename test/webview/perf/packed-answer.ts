/** An answer of the host as bytes: JSON, and the columns behind it, as VS Code passes messages to a page. */

const arrays = { Float64Array, Float32Array, Uint32Array, Uint16Array, Uint8Array };
type ArrayName = keyof typeof arrays;

interface Column {
  $column: ArrayName;
  offset: number;
  length: number;
}

const isColumn = (value: unknown): value is Column =>
  typeof value === 'object' && value !== null && '$column' in value;
const padded = (length: number): number => (length + 7) & ~7;

export function packed(answer: unknown): Uint8Array {
  const columns: Uint8Array[] = [];
  let size = 0;
  const text = JSON.stringify(answer, (_, value: unknown) => {
    if (!ArrayBuffer.isView(value)) return value;
    const { buffer, byteOffset, byteLength } = value;
    const column: Column = {
      $column: value.constructor.name as ArrayName,
      offset: size,
      length: (value as Uint8Array).length,
    };
    columns.push(new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength));
    size += padded(byteLength);
    return column;
  });
  const json = new TextEncoder().encode(text ?? 'null');
  const begin = 8 + padded(json.length);
  const bytes = new Uint8Array(begin + size);
  new DataView(bytes.buffer).setUint32(0, json.length, true);
  bytes.set(json, 8);
  let at = begin;
  for (const column of columns) {
    bytes.set(column, at);
    at += padded(column.length);
  }
  return bytes;
}

export function unpacked(bytes: ArrayBuffer): unknown {
  const length = new DataView(bytes).getUint32(0, true);
  const begin = 8 + padded(length);
  const text = new TextDecoder().decode(new Uint8Array(bytes, 8, length));
  return JSON.parse(text, (_, value: unknown) =>
    isColumn(value) ? new arrays[value.$column](bytes, begin + value.offset, value.length) : value,
  );
}
