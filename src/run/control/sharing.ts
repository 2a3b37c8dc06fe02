/**
 * Plain data that is held once where it is equal: of two saved states of a machine shortly after each other nearly all is, and what is
 * held is counted in bytes.
 */

type Record = { [key: string]: unknown };

function isRecord(value: unknown): value is Record {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
}

function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/** Whether two pieces of memory hold the same bytes. */
export function sameBytes(x: Uint8Array, y: Uint8Array): boolean {
  if (x.length !== y.length) return false;
  let at = 0;
  if (x.byteOffset % 4 === 0 && y.byteOffset % 4 === 0) {
    const words = x.length >>> 2;
    const left = new Uint32Array(x.buffer, x.byteOffset, words);
    const right = new Uint32Array(y.buffer, y.byteOffset, words);
    for (let i = 0; i < words; i++) if (left[i] !== right[i]) return false;
    at = words * 4;
  }
  for (; at < x.length; at++) if (x[at] !== y[at]) return false;
  return true;
}

function sameView(before: unknown, next: ArrayBufferView): boolean {
  return (
    ArrayBuffer.isView(before) &&
    Object.getPrototypeOf(before) === Object.getPrototypeOf(next) &&
    sameBytes(bytesOf(before), bytesOf(next))
  );
}

/**
 * The same data as `next`, with every part that equals the part of `before` in its place replaced by that one.
 * @param next belongs to the caller alone: its parts are replaced in place
 * @returns `before` itself when all is equal
 */
export function shared<T>(before: unknown, next: T): T {
  return share(before, next) as T;
}

function share(before: unknown, next: unknown): unknown {
  if (typeof next !== 'object' || next === null || before === next) return next;
  if (ArrayBuffer.isView(next)) return sameView(before, next) ? before : next;
  if (Array.isArray(next)) {
    if (!Array.isArray(before)) return next;
    let same = before.length === next.length;
    for (let i = 0; i < next.length; i++) {
      next[i] = share(before[i], next[i]);
      same &&= Object.is(next[i], before[i]);
    }
    return same ? before : next;
  }
  if (!isRecord(next) || !isRecord(before)) return next;
  const keys = Object.keys(next);
  let same = Object.keys(before).length === keys.length;
  for (const key of keys) {
    next[key] = share(before[key], next[key]);
    same &&= Object.hasOwn(before, key) && Object.is(next[key], before[key]);
  }
  return same ? before : next;
}

/** Bytes of a number, a reference or a key, about. */
const WORD_BYTES = 8;
/** Bytes that an object takes beside what it holds, about. */
const OBJECT_BYTES = 24;

function childrenOf(value: object): unknown[] {
  if (ArrayBuffer.isView(value)) return [];
  return Array.isArray(value) ? value : Object.values(value);
}

/** Without what it refers to; a text counts where it is referred to. */
function ownBytes(value: object): number {
  if (ArrayBuffer.isView(value)) return OBJECT_BYTES + value.byteLength;
  let bytes = OBJECT_BYTES;
  for (const child of childrenOf(value)) bytes += WORD_BYTES + (typeof child === 'string' ? child.length : 0);
  return bytes;
}

/** Counts the bytes of plain data of which parts are held in common. */
export class HeldBytes {
  private readonly holders = new Map<object, number>();
  private held = 0;

  /** Bytes held. */
  get bytes(): number {
    return this.held;
  }

  /** One more holds this data. */
  add(value: unknown): void {
    if (typeof value !== 'object' || value === null) return;
    const holders = this.holders.get(value) ?? 0;
    this.holders.set(value, holders + 1);
    if (holders > 0) return;
    this.held += ownBytes(value);
    for (const child of childrenOf(value)) this.add(child);
  }

  /** One who has been added holds it no more. */
  remove(value: unknown): void {
    if (typeof value !== 'object' || value === null) return;
    const holders = (this.holders.get(value) ?? 0) - 1;
    if (holders > 0) {
      this.holders.set(value, holders);
      return;
    }
    this.holders.delete(value);
    this.held -= ownBytes(value);
    for (const child of childrenOf(value)) this.remove(child);
  }
}
