/**
 * A reader of protobuf's wire format (protobuf.dev/programming-guides/encoding) for tests: it knows nothing of the library that
 * writes, nor of the writer's table of field numbers.
 */

/** A field as it stands: a number of type 0, 1 or 5, or bytes. */
export type WireField = { field: number; value: bigint } | { field: number; bytes: Uint8Array };

/** All fields of a message in their order. @throws Error for bytes that are none */
export function wireFields(bytes: Uint8Array): WireField[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const fields: WireField[] = [];
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = view.getUint8(at++);
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw new Error(`a varint does not end at ${at}`);
  };
  while (at < bytes.length) {
    const tag = Number(varint());
    const field = tag >>> 3;
    switch (tag & 7) {
      case 0:
        fields.push({ field, value: varint() });
        break;
      case 1:
        fields.push({ field, value: view.getBigUint64(at, true) });
        at += 8;
        break;
      case 2: {
        const length = Number(varint());
        if (at + length > bytes.length) throw new Error(`field ${field} ends behind its message`);
        fields.push({ field, bytes: bytes.subarray(at, at + length) });
        at += length;
        break;
      }
      case 5:
        fields.push({ field, value: BigInt(view.getUint32(at, true)) });
        at += 4;
        break;
      default:
        throw new Error(`wire type ${tag & 7} at ${at}`);
    }
  }
  return fields;
}

/** Fields of one message by number. */
export class WireMessage {
  private readonly fields: WireField[];

  constructor(bytes: Uint8Array) {
    this.fields = wireFields(bytes);
  }

  numbers(field: number): bigint[] {
    return this.fields.flatMap((each) => (each.field === field && 'value' in each ? [each.value] : []));
  }
  number(field: number): number | undefined {
    const [value] = this.numbers(field);
    return value === undefined ? undefined : Number(value);
  }
  messages(field: number): WireMessage[] {
    return this.bytes(field).map((bytes) => new WireMessage(bytes));
  }
  text(field: number): string | undefined {
    const [bytes] = this.bytes(field);
    return bytes && new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  }
  private bytes(field: number): Uint8Array[] {
    return this.fields.flatMap((each) => (each.field === field && 'bytes' in each ? [each.bytes] : []));
  }
}
