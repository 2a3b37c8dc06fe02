/** The entropy device (5.4): it fills buffers from random numbers that the run's seed gives, so that every run draws the same. */
import { requireVersion, type Checkpoint, type HardwareState, type RunState } from '../../snapshot';
import { Random, type RandomState } from '../../time/random';
import { lengthOf, type Chain, type TypeHost, type VirtioType } from './contract';

/** At most this much of one buffer is filled, which the specification allows (5.4.6.2). */
export const RNG_MOST_BYTES = 4096;
const DEVICE_ID = 4;
/** As QEMU: a device of no other class. */
const CLASS_OTHER = 0x00ff00;
const REQUESTS = { name: 'requests', size: 64 } as const;
const NO_BYTES = new Uint8Array(0);

/** What the hardware has. */
export interface RngHardware extends HardwareState {
  version: 1;
  random: RandomState;
  asking: boolean;
  filled: { chain: Chain; written: number } | null;
}

/** The type. It serves one buffer at a time. */
export class VirtioRng implements VirtioType<RngHardware> {
  readonly deviceId = DEVICE_ID;
  readonly classCode = CLASS_OTHER;
  readonly features = [];
  readonly queueSpecs = [REQUESTS];
  readonly configuration = NO_BYTES;
  private readonly random: Random;
  /** The queue has been asked for a buffer. */
  private asking = false;
  /** The buffer that is being written. */
  private filled: { chain: Chain; written: number } | null = null;

  /** @param seed of its random numbers: a safe integer from 0 */
  constructor(
    private readonly host: TypeHost,
    seed: number,
  ) {
    this.random = new Random(seed);
  }

  writeConfiguration(): void {
    // It has no configuration.
  }

  /** It has no features to choose from. */
  accepts(): boolean {
    return true;
  }

  started(): void {
    // Buffers are looked for when `notified` tells of them.
  }

  stopped(): void {
    this.asking = false;
    this.filled = null;
  }

  queueStopped(): void {
    this.stopped();
  }

  notified(queue: number): void {
    if (!this.asking && !this.filled) this.ask(queue);
  }

  /** A buffer without a writable part is given back as it is. */
  onChain(queue: number, chain: Chain | undefined): void {
    this.asking = false;
    if (!chain) return;
    const written = Math.min(lengthOf(chain.writable), RNG_MOST_BYTES);
    this.filled = { chain, written };
    if (written === 0) this.finish(queue);
    else this.host.queues[queue].write(chain, 0, this.random.bytes(written), 0);
  }

  onTransfer(queue: number): void {
    this.finish(queue);
  }

  onEvent(): void {
    // It asks for no time.
  }

  save(): Checkpoint<RngHardware, RunState> {
    const { asking, filled } = this;
    return { hardware: { version: 1, random: this.random.save(), asking, filled }, run: {} };
  }

  load({ hardware }: Checkpoint<RngHardware, RunState>): void {
    this.adopt(hardware);
  }

  /** The queue has a question and a transfer of its own. */
  adopt(hardware: RngHardware): void {
    requireVersion('a virtio entropy device', hardware.version, 1);
    this.random.load(hardware.random);
    this.asking = hardware.asking;
    this.filled = hardware.filled;
  }

  private ask(queue: number): void {
    this.asking = true;
    this.host.queues[queue].fetch();
  }

  private finish(queue: number): void {
    const { filled } = this;
    if (!filled) return;
    this.filled = null;
    const requests = this.host.queues[queue];
    requests.push(filled.chain, filled.written);
    requests.flush();
    this.ask(queue);
  }
}
