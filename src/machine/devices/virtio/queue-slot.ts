/** What a driver has told the device of one virtqueue (4.1.4.3, 4.2.2, 2.7.2), and the engine that works on it. */
import type { HardwareState, RunState } from '../../snapshot';
import type { QueueLayout, Virtqueue } from './contract';
import type { CountedDma } from './counted-dma';

/** Words of a queue's three addresses, low half first. */
export const AddressWord = { descriptors: 0, driver: 2, device: 4 } as const;
const ADDRESS_WORDS = 6;

/** Why a queue is coming to rest; it has when none of its transactions is under way. */
export const Ending = {
  none: 0,
  /** It is reset (2.6.1). */
  reset: 1,
  /** The driver takes it out of use: QueueReady 0, a legacy page number of 0. */
  stop: 2,
} as const;

/** Bytes of the parts of a split queue (2.7): a descriptor; flags, index and event index, and an entry, of the available ring. */
const DESCRIPTOR_BYTES = 16;
const AVAILABLE_BYTES = { fixed: 6, entry: 2 } as const;

/** What the hardware has of a slot. */
export interface QueueSlotHardware {
  size: number;
  enabled: boolean;
  ending: number;
  words: Uint32Array;
  page: number;
  engine: HardwareState;
}

/** What the run has of it. */
export interface QueueSlotRun {
  /** Tags of its transactions. */
  flights: number[];
  engine: RunState;
}

/** One virtqueue of a device. */
export class QueueSlot {
  /** As the driver has set it. */
  size: number;
  enabled = false;
  /** An `Ending`. */
  ending: number = Ending.none;
  /** Legacy: number of its first page; 0 where there is none. */
  page = 0;
  readonly words = new Uint32Array(ADDRESS_WORDS);

  constructor(
    /** Largest size. */
    readonly most: number,
    readonly engine: Virtqueue,
    readonly dma: CountedDma,
  ) {
    this.size = most;
  }

  /** The driver may set it up: it is not in use, and does not come to rest. */
  get idle(): boolean {
    return !this.enabled && this.ending === Ending.none;
  }

  /** The driver may have put something into it. */
  get usable(): boolean {
    return this.enabled && this.ending === Ending.none;
  }

  /** Where it lies. An address beyond 2^53 is not exact: nothing is there, and the engine refuses it. */
  get layout(): QueueLayout {
    const { words, size } = this;
    const at = (word: number): number => words[word] + words[word + 1] * 2 ** 32;
    return {
      size,
      descriptors: at(AddressWord.descriptors),
      driver: at(AddressWord.driver),
      device: at(AddressWord.device),
    };
  }

  /** Legacy: the three parts lie one behind the other from a page on, the used ring on a boundary of its own (2.7.2). */
  placeAtPage(page: number, pageBytes: number, align: number): void {
    const descriptors = page * pageBytes;
    const driver = descriptors + this.size * DESCRIPTOR_BYTES;
    const end = driver + AVAILABLE_BYTES.fixed + this.size * AVAILABLE_BYTES.entry;
    this.page = page;
    this.setAddress(AddressWord.descriptors, descriptors);
    this.setAddress(AddressWord.driver, driver);
    this.setAddress(AddressWord.device, Math.ceil(end / align) * align);
  }

  /** It has come to rest: it is out of use, and what the driver has said of it stays. */
  rest(): void {
    this.enabled = false;
    this.ending = Ending.none;
    this.page = 0;
  }

  /** As after a reset of the device. */
  clear(): void {
    this.rest();
    this.size = this.most;
    this.words.fill(0);
  }

  save(): { hardware: QueueSlotHardware; run: QueueSlotRun } {
    const { size, enabled, ending, page } = this;
    const engine = this.engine.save();
    return {
      hardware: { size, enabled, ending, page, words: this.words.slice(), engine: engine.hardware },
      run: { flights: this.dma.save(), engine: engine.run },
    };
  }

  load(hardware: QueueSlotHardware, run: QueueSlotRun): void {
    this.loadRegisters(hardware);
    this.dma.load(run.flights);
    this.engine.load({ hardware: hardware.engine, run: run.engine });
  }

  adopt(hardware: QueueSlotHardware): void {
    this.loadRegisters(hardware);
    this.engine.adopt(hardware.engine);
  }

  private loadRegisters(hardware: QueueSlotHardware): void {
    this.size = hardware.size;
    this.enabled = hardware.enabled;
    this.ending = hardware.ending;
    this.page = hardware.page;
    this.words.set(hardware.words);
  }

  private setAddress(word: number, address: number): void {
    this.words[word] = address % 2 ** 32;
    this.words[word + 1] = Math.floor(address / 2 ** 32);
  }
}
