/**
 * Finding the next available buffer: one question at a time, and for each at least one transaction, so that no answer comes within
 * the call. When there is nothing the driver's notifications are enabled and it is looked once more, which nothing that the driver
 * adds in between can slip through (2.7.10, 2.8.14).
 *
 * Where somebody polls for the device, the driver is not asked for notifications before that was in vain: the place where the driver
 * shows the next buffer is watched meanwhile, once for each position.
 */
import type { Chain } from '../contract';
import { copyOfWalk, type ChainWalk, type Descriptor } from './chain-walk';
import type { QueueCore } from './core';
import type { QueueFault } from './faults';
import type { Returns, Taken } from './returns';
import type { RingFormat } from './ring-format';
import { DESCRIPTOR_BYTES } from './setup';
import { Lane, type MemorySeen } from './transactions';

/** Descriptors of an indirect table that are read at once. */
const TABLE_WINDOW = 16;
/** Notifications are not enabled anywhere; or as the driver has left it, which has to be enabled by 2.7.10. */
const NOWHERE = -1;
const AS_FOUND = -2;

/** What the transaction in flight reads: what is available, entries of the available ring, or descriptors. */
type Step = 'none' | 'look' | 'entries' | 'descriptors';

/** What the hardware has of it. */
export interface SupplyHardware {
  next: number;
  enabledAt: number;
  step: Step;
  again: boolean;
  pollingAt: number;
  polledAt: number;
  walk?: ChainWalk;
  first: number;
  /** Split: how far the driver is known to have come, and the heads that were read from `next` on. */
  seen: number;
  heads: number[];
  /** Packed: how far it says that it has come, with a notification; -1: it has not said so. */
  hint: number;
}

/** The supply of one queue; the formats differ in how they look. */
export abstract class Supply {
  /** Position of the next buffer. */
  protected next = 0;
  /** A buffer is made out of these descriptors. */
  protected walk: ChainWalk | undefined;
  /** Index of the first descriptor that the transaction in flight reads. */
  protected first = 0;
  /** The position for which the driver was last asked for a notification; without VIRTIO_F_EVENT_IDX it means any. */
  private enabledAt = AS_FOUND;
  private step: Step = 'none';
  /** Buffers were given back in the midst of the search: it begins again with these. */
  private again = false;
  /** The position whose buffer is watched for, and the one for which that was in vain. */
  private pollingAt = NOWHERE;
  private polledAt = NOWHERE;

  constructor(
    protected readonly core: QueueCore,
    protected readonly format: RingFormat,
    protected readonly returns: Returns,
  ) {}

  /** Searches: `onChain` is the answer. While a search is under way nothing more begins. */
  ask(): void {
    if (this.step === 'none') this.search();
  }

  /** The type has given these back, the last ones of all. */
  putBack(taken: readonly Taken[]): void {
    if (taken.length === 0) return;
    this.rewind(taken);
    this.again = this.step !== 'none';
  }

  /** The transaction of the step has ended. */
  ended(bytes: Uint8Array): void {
    const { step } = this;
    this.step = 'none';
    if (this.again) {
      this.again = false;
      this.search();
    } else if (step === 'look') this.looked(bytes);
    else if (step === 'entries') this.entriesRead(bytes);
    else this.follow(bytes);
  }

  /** Watching has come to its end: the type asks again, and finds something or has notifications enabled. */
  polled(): void {
    this.polledAt = this.pollingAt;
    this.pollingAt = NOWHERE;
    this.core.host.onPolled(this.core.index);
  }

  save(): SupplyHardware {
    const { next, enabledAt, step, again, pollingAt, polledAt, first, walk } = this;
    const common = { next, enabledAt, step, again, pollingAt, polledAt, first, ...this.saveFormat() };
    return walk ? { ...common, walk: copyOfWalk(walk) } : common;
  }

  load(hardware: SupplyHardware): void {
    this.next = hardware.next;
    this.enabledAt = hardware.enabledAt;
    this.step = hardware.step;
    this.again = hardware.again;
    this.pollingAt = hardware.pollingAt;
    this.polledAt = hardware.polledAt;
    this.first = hardware.first;
    this.walk = hardware.walk && copyOfWalk(hardware.walk);
    this.loadFormat(hardware);
  }

  /** The driver tells with a notification how far it has come. It may be wrong. */
  abstract hinted(offset: number): void;

  /** Begins the search for the buffer at `next`. */
  protected abstract search(): void;
  /** Begins to look what is available. */
  protected abstract look(): void;
  /** It has been looked. */
  protected abstract looked(bytes: Uint8Array): void;
  /** Entries of the available ring have been read. */
  protected abstract entriesRead(bytes: Uint8Array): void;
  /** Takes the descriptor at the walk's index. */
  protected abstract takeDescriptor(walk: ChainWalk, descriptor: Descriptor): QueueFault | undefined;
  /** Most descriptors of the ring's own table that are read at once from an index. */
  protected abstract ringWindow(index: number): number;
  /** `next` goes on behind the buffer. */
  protected abstract advance(walk: ChainWalk): void;
  /** `next` goes back before these buffers. */
  protected abstract rewind(taken: readonly Taken[]): void;
  protected abstract saveFormat(): Pick<SupplyHardware, 'seen' | 'heads' | 'hint'>;
  protected abstract loadFormat(hardware: SupplyHardware): void;

  protected read(step: Step, address: number, length: number): void {
    this.step = step;
    this.core.transactions.read(Lane.Supply, { address, length });
  }

  /** Something is available, or is watched for: the driver need not notify the device. */
  protected disable(): void {
    const { disable } = this.format;
    if (!disable || this.enabledAt === NOWHERE) return;
    this.enabledAt = NOWHERE;
    this.core.transactions.write(Lane.Suppression, disable);
  }

  /**
   * Nothing was available; that is final if the driver had been asked for a notification before it was looked, and for the time being
   * if it is polled.
   * @param sign what the driver will change when it makes something available
   */
  protected nothing(sign: MemorySeen): void {
    const { core, format, next } = this;
    const enabled = core.setup.eventIdx ? this.enabledAt === next : this.enabledAt >= 0;
    if (enabled || this.polls(sign)) return core.host.onChain(core.index, undefined);
    this.enabledAt = next;
    core.transactions.write(Lane.Suppression, format.enable(next));
    this.look();
  }

  /** Whether the next buffer is watched for. */
  private polls(sign: MemorySeen): boolean {
    const { core, next } = this;
    if (!core.host.bus.polling || this.polledAt === next) return false;
    this.disable();
    // One that is under way for an earlier position ends at once: what it watches has changed.
    if (this.pollingAt !== NOWHERE) return true;
    this.pollingAt = next;
    core.transactions.watch(Lane.Poll, sign);
    return true;
  }

  /** Reads descriptors from the walk's index on. */
  protected readDescriptors(): void {
    const { walk, core } = this;
    if (!walk) return;
    const { table, index } = walk;
    const count = table ? Math.min(TABLE_WINDOW, table.entries - index) : this.ringWindow(index);
    const base = table?.address ?? core.setup.layout.descriptors;
    this.first = index;
    this.read('descriptors', base + index * DESCRIPTOR_BYTES, count * DESCRIPTOR_BYTES);
  }

  /** Goes on with the walk, whose descriptors from `first` on are these bytes; each costs an element, so that it ends. */
  protected follow(bytes: Uint8Array): void {
    const { walk, first, format, core } = this;
    if (!walk) return;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const count = bytes.length / DESCRIPTOR_BYTES;
    const { table } = walk;
    while (!walk.complete && walk.table === table && walk.index >= first && walk.index < first + count) {
      const descriptor = format.descriptor(view, (walk.index - first) * DESCRIPTOR_BYTES);
      const fault = this.takeDescriptor(walk, descriptor);
      if (fault !== undefined) return core.fail(fault);
    }
    if (walk.complete) this.deliver(walk);
    else this.readDescriptors();
  }

  private deliver(walk: ChainWalk): void {
    const { core } = this;
    const { id, slots, readable, writable } = walk;
    const chain: Chain = { id, slots, readable, writable };
    this.walk = undefined;
    this.advance(walk);
    this.returns.take(chain);
    core.host.onChain(core.index, chain);
  }
}
