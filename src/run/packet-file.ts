/** What passes the links of a run as a pcapng capture, written while the run goes on. */
import type { RunJob } from '../protocol/run';
import { loadScenario } from '../scenario/load';
import type { TraceMeta } from '../trace/model';
import type { FrameBatch } from '../trace/exchange/frames';
import { PcapngWriter, type CaptureInterface } from '../trace/exchange/pcapng';

/** Where a capture goes, piece by piece. */
export type WriteBytes = (bytes: Uint8Array) => Promise<void>;

/** Turns a run's news into a capture. Its methods are those of a `RunListener`. */
export class PacketFile {
  private readonly interfaces: CaptureInterface[];
  private writer: PcapngWriter | undefined;
  private written: Promise<void> = Promise.resolve();

  /** @param application what is said to have written the capture: `Trapline 0.2.0` */
  constructor(
    job: RunJob,
    private readonly application: string,
    private readonly write: WriteBytes,
  ) {
    const loaded = loadScenario(job.scenarioText, job.scenarioFile);
    const links = loaded.ok ? loaded.scenario.links : [];
    this.interfaces = links.map(({ id, gbps }) => ({ name: id, bitsPerSecond: gbps * 1e9 }));
  }

  started({ frequencyHz }: TraceMeta): void {
    this.writer = new PcapngWriter(this.interfaces, frequencyHz);
    void this.append(this.writer.header(this.application));
  }

  frames(batch: FrameBatch): Promise<void> {
    if (!this.writer) return Promise.resolve();
    return this.append(this.writer.frames(batch));
  }

  /** Whether there is a capture at all: the run had been built. */
  get begun(): boolean {
    return this.writer !== undefined;
  }

  /** Resolves when all that came is written; rejects when something could not be. */
  finished(): Promise<void> {
    return this.written;
  }

  /** One piece after the other; after the first failure nothing more. Who waits for room is never told of a failure. */
  private append(bytes: Uint8Array): Promise<void> {
    this.written = this.written.then(() => (bytes.length > 0 ? this.write(bytes) : undefined));
    return this.written.catch(() => undefined);
  }
}

/** The job with its frames handed out. */
export function withFrames(job: RunJob): RunJob {
  return { ...job, handsOutFrames: true };
}
