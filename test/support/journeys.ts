/** Ways through one and the same run: free, in slices, and with stops at which it moves into a fresh session. */
import type { RunJob } from '../../src/protocol/run';
import { RunSession } from '../../src/run/session';
import type { RunSnapshot } from '../../src/run/snapshot';
import { hashOf } from '../../src/trace/record/hash';
import { TraceStore, emptyMeta } from '../../src/trace/query/store';
import type { Summary } from '../../src/trace/query/summary';

/** What is compared of a run. */
export interface Outcome {
  traceHash: string;
  /** Of the rows that the receiver of the deltas has. */
  receivedHash: string;
  summary: Summary;
  serial: string;
  message: string | undefined;
}

/** A run under way, and whoever receives what it records. */
export class Journey {
  readonly store = new TraceStore(emptyMeta('test', 1));
  session: RunSession;
  private serial = '';

  constructor(private readonly job: RunJob) {
    this.session = new RunSession(job, this.hear);
  }

  /** Goes on in a fresh session, which gets the snapshot by way of `transport`. */
  move(snapshot: RunSnapshot, transport: (snapshot: RunSnapshot) => RunSnapshot): void {
    this.session = RunSession.restore(this.job, transport(snapshot), this.hear);
  }

  takeDelta(): void {
    this.store.append(this.session.takeDelta());
  }

  end(): Outcome {
    const { end, delta } = this.session.end();
    this.store.append(delta);
    this.store.setMeta(end.meta);
    const { wallSeconds: _, ...summary } = end.summary;
    return {
      traceHash: end.summary.traceHash,
      receivedHash: hashOf(this.store),
      summary,
      serial: this.serial,
      message: end.meta.message,
    };
  }

  private readonly hear = (_vm: number, text: string): void => {
    this.serial += text;
  };
}

/** The run as it is when nobody interrupts it. */
export function freely(job: RunJob): Outcome {
  const journey = new Journey(job);
  while (journey.session.step());
  return journey.end();
}

/** How far a run may go on: cycles, or instructions. */
export type Stride = { cycles: number } | { instructions: number };

/** The run stopped again and again: `stride` says for how long it goes on, `stop` is done at each stop. */
export function inStrides(
  job: RunJob,
  stride: () => Stride,
  stop: (journey: Journey) => void = () => undefined,
): Outcome {
  const journey = new Journey(job);
  // While everybody sleeps no time passes for anybody, so that the strides themselves have to be counted.
  let target = 0;
  const goOn = (): boolean => {
    const next = stride();
    if ('instructions' in next) return journey.session.runInstructions(next.instructions);
    target = Math.max(target, journey.session.elapsed) + next.cycles;
    return journey.session.runTo(target);
  };
  while (goOn()) stop(journey);
  return journey.end();
}

/** A way of a snapshot through plain text, as a file or another program would have it. */
export function throughText(snapshot: RunSnapshot): RunSnapshot {
  const text = JSON.stringify(snapshot, (_key, value: unknown) => {
    if (typeof value === 'bigint') return { bigint: String(value) };
    if (!ArrayBuffer.isView(value)) return value;
    const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    return { array: value.constructor.name, bytes: Buffer.from(bytes).toString('base64') };
  });
  return JSON.parse(text, (_key, value: unknown) => {
    if (typeof value !== 'object' || value === null) return value;
    if ('bigint' in value) return BigInt(value.bigint as string);
    if (!('array' in value && 'bytes' in value)) return value;
    const bytes = Uint8Array.from(Buffer.from(value.bytes as string, 'base64'));
    const kinds = { Uint8Array, Uint16Array, Uint32Array, Float64Array, BigUint64Array };
    return new kinds[value.array as keyof typeof kinds](bytes.buffer);
  }) as RunSnapshot;
}
