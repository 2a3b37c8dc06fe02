/** Features that Get Features and Set Features know (5.21.1): values of 32 bits, each with what a driver may set of it. */
import { Feature } from './constants';
import { Status } from './status';

/** A feature. */
interface Row {
  initial: number;
  /** Why a value is refused; absent: all are allowed. */
  refuses?: (value: number) => number | undefined;
  /** What is kept of a value; absent: all of it. */
  kept?: (value: number) => number;
}

/** AB 7: bursts without limit, as of QEMU's controller. */
const NO_BURST_LIMIT = 7;
/** The composite temperature alone has thresholds. */
const SENSOR = { shift: 16, mask: 15 } as const;
const OVER = 0;
const UNDER = 1;
/** As of QEMU's controller: 343 kelvin, and never too cold. */
const WARM = 343;
const COLDEST = 0;
const SIXTEEN_BITS = 0xffff;

/** Values of features by identifier; the temperature has two thresholds, and each vector a configuration. */
export class Features {
  private values = new Map<number, number>();
  private thresholds = [WARM, COLDEST];
  private vectors: number[];
  private readonly rows: ReadonlyMap<number, Row>;

  /** @param queues I/O queues of each kind that the controller has */
  constructor(private readonly queues: number) {
    this.rows = featureRows(queues);
    this.vectors = this.freshVectors();
  }

  get(feature: number): number {
    return this.values.get(feature) ?? this.rows.get(feature)?.initial ?? 0;
  }

  /** Commands of one queue that are taken before the next has its turn. */
  get burst(): number {
    const power = this.get(Feature.Arbitration) & NO_BURST_LIMIT;
    return power === NO_BURST_LIMIT ? Infinity : 1 << power;
  }

  /** Whether writes end in the cache. */
  get writeCache(): boolean {
    return (this.get(Feature.WriteCache) & 1) !== 0;
  }

  /** From this temperature on, and up to that one, the driver wants to be told; kelvin. */
  get limits(): { over: number; under: number } {
    return { over: this.thresholds[OVER], under: this.thresholds[UNDER] };
  }

  /**
   * As Get Features returns it.
   * @param selector what command word 11 says beside the feature
   * @returns undefined where there is no such feature
   */
  read(feature: number, selector: number): number | undefined {
    if (feature === Feature.TemperatureThreshold) return this.thresholds[(selector >>> 20) & 3];
    if (feature === Feature.VectorConfig) return this.vectors[selector & SIXTEEN_BITS];
    return this.rows.has(feature) ? this.get(feature) : undefined;
  }

  /**
   * As Set Features sets it.
   * @returns a status when the value is refused
   */
  write(feature: number, value: number): number | undefined {
    if (feature === Feature.TemperatureThreshold) return this.writeThreshold(value);
    if (feature === Feature.VectorConfig) return this.writeVector(value);
    const row = this.rows.get(feature);
    if (!row) return Status.InvalidField;
    const refused = row.refuses?.(value);
    if (refused === undefined) this.values.set(feature, row.kept?.(value) ?? value);
    return refused;
  }

  /** A controller reset sets all of them back: none is saveable. */
  reset(): void {
    this.values.clear();
    this.thresholds = [WARM, COLDEST];
    this.vectors = this.freshVectors();
  }

  save(): FeaturesHardware {
    return {
      values: [...this.values].sort(([a], [b]) => a - b),
      thresholds: [...this.thresholds],
      vectors: [...this.vectors],
    };
  }

  load({ values, thresholds, vectors }: FeaturesHardware): void {
    this.values = new Map(values);
    this.thresholds = [...thresholds];
    this.vectors = [...vectors];
  }

  /** Sensors other than the composite temperature do not exist; all of them at once (15) are that one. */
  private writeThreshold(value: number): number | undefined {
    const sensor = (value >>> SENSOR.shift) & SENSOR.mask;
    const which = (value >>> 20) & 3;
    if ((sensor !== 0 && sensor !== SENSOR.mask) || which > UNDER) return Status.InvalidField;
    this.thresholds[which] = value & SIXTEEN_BITS;
    return undefined;
  }

  private writeVector(value: number): number | undefined {
    const vector = value & SIXTEEN_BITS;
    if (vector >= this.vectors.length) return Status.InvalidField;
    this.vectors[vector] = value & 0x1ffff;
    return undefined;
  }

  /** Coalescing is on for each vector; the admin queue's is never coalesced (5.21.1.9). */
  private freshVectors(): number[] {
    return Array.from({ length: this.queues + 1 }, (_, vector) => vector);
  }
}

/** What the hardware has of the features. */
export interface FeaturesHardware {
  values: [feature: number, value: number][];
  thresholds: number[];
  vectors: number[];
}

function featureRows(queues: number): ReadonlyMap<number, Row> {
  const granted = (queues - 1) | ((queues - 1) << 16);
  const asked = (value: number): boolean =>
    (value & SIXTEEN_BITS) !== SIXTEEN_BITS && value >>> 16 !== SIXTEEN_BITS;
  return new Map<number, Row>([
    [Feature.Arbitration, { initial: NO_BURST_LIMIT }],
    // There is one power state.
    [
      Feature.PowerManagement,
      { initial: 0, refuses: (value) => ((value & 31) === 0 ? undefined : Status.InvalidField) },
    ],
    [Feature.ErrorRecovery, { initial: 0 }],
    [Feature.WriteCache, { initial: 1, kept: (value) => value & 1 }],
    // All queues are there, however many are asked for.
    [
      Feature.QueueCount,
      {
        initial: granted,
        refuses: (value) => (asked(value) ? undefined : Status.InvalidField),
        kept: () => granted,
      },
    ],
    [Feature.Coalescing, { initial: 0, kept: (value) => value & SIXTEEN_BITS }],
    [Feature.WriteAtomicity, { initial: 0, kept: (value) => value & 1 }],
    [Feature.AsyncEvents, { initial: 0 }],
  ]);
}
