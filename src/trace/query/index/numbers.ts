/** Numbers of a column that grows at its end, in as few bytes each as the greatest so far needs. */
export type NumberArray = Uint8Array | Uint16Array | Uint32Array | Float64Array;

type NumberArrayType = new (length: number) => NumberArray;
/** From narrow to wide, with the greatest whole number that each holds; the last holds every number. */
const widths: readonly (readonly [type: NumberArrayType, most: number])[] = [
  [Uint8Array, 0xff],
  [Uint16Array, 0xffff],
  [Uint32Array, 0xffff_ffff],
  [Float64Array, Infinity],
];

const LEAST = 16;

/** No number is negative; none but those of the widest column has a fraction. */
export class Numbers {
  values: NumberArray;
  private most: number;
  length: number;

  /** @param values that are there already */
  constructor(values: NumberArray = new Uint8Array(LEAST), length = 0) {
    this.values = values;
    this.length = length;
    this.most = widths.find(([type]) => values instanceof type)?.[1] ?? Infinity;
  }

  push(value: number): void {
    if (value > this.most || (this.most !== Infinity && value !== Math.floor(value))) this.widen(value);
    if (this.length === this.values.length) this.resize(Math.max(LEAST, this.length * 2));
    this.values[this.length++] = value;
  }

  at(i: number): number {
    return this.values[i];
  }

  set(i: number, value: number): void {
    if (value > this.most || (this.most !== Infinity && value !== Math.floor(value))) this.widen(value);
    this.values[i] = value;
  }

  /** Keeps the first `length` numbers. */
  truncate(length: number): void {
    this.length = Math.min(this.length, length);
  }

  /** Gives memory back that was kept for more. */
  compact(): void {
    if (this.length < this.values.length) this.resize(this.length);
  }

  /** The numbers themselves. */
  get used(): NumberArray {
    return this.values.subarray(0, this.length);
  }

  get bytes(): number {
    return this.values.byteLength;
  }

  /** Number of values less than `value`; they ascend. */
  below(value: number): number {
    const { values } = this;
    let [low, high] = [0, this.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (values[middle] < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private widen(value: number): void {
    const whole = value === Math.floor(value);
    const [type, most] = widths.find(
      ([, greatest]) => value <= greatest && (whole || greatest === Infinity),
    ) ?? [Float64Array, Infinity];
    const wider = new type(Math.max(LEAST, this.values.length));
    wider.set(this.values.subarray(0, this.length));
    this.values = wider;
    this.most = most;
  }

  private resize(capacity: number): void {
    const other = new (this.values.constructor as NumberArrayType)(capacity);
    other.set(this.values.subarray(0, this.length));
    this.values = other;
  }
}
