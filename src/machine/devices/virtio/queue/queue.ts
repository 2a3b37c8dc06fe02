/**
 * The engine of a virtqueue (2.6 to 2.9), split or packed: finds available buffers, moves their bytes, shows used ones, and asks for
 * notifications and sends them as both sides have agreed. It trusts nothing that the driver writes. A driver that breaks a rule
 * is reported once, and the queue stands still until it is reset.
 */
import { requireVersion, type Checkpoint, type HardwareState, type RunState } from '../../../snapshot';
import type { Chain, QueueHost, QueueLayout, Virtqueue } from '../contract';
import { Feature } from '../features';
import type { QueueCore } from './core';
import { QueueFault } from './faults';
import { PackedRing } from './packed-ring';
import { PackedSupply } from './packed-supply';
import { Returns, type ReturnsHardware, type ReturnsRun } from './returns';
import { setupFault, type QueueSetup } from './setup';
import { SplitRing } from './split-ring';
import { SplitSupply } from './split-supply';
import type { Supply, SupplyHardware } from './supply';
import { Lane, Transactions, type Flight, type FlightsRun } from './transactions';
import { Transfers, type Transfer, type TransfersRun } from './transfers';

const VERSION = 2;
const INDEX_SHIFT = 16;

/** What a queue at work does. */
interface Work {
  readonly setup: QueueSetup;
  readonly supply: Supply;
  readonly returns: Returns;
  readonly transfers: Transfers;
}

/** What the hardware has. */
export interface QueueHardware extends HardwareState {
  version: typeof VERSION;
  /** Of a queue at work. */
  work?: {
    setup: QueueSetup;
    supply: SupplyHardware;
    returns: ReturnsHardware;
    transfers: Transfer[];
    flights: Flight[];
  };
}

/** What the run knows of it. */
export interface QueueRun extends RunState {
  flights: FlightsRun;
  /** Of a queue at work. */
  returns?: ReturnsRun;
  transfers?: TransfersRun;
}

/** One virtqueue. What it was started with holds until it is reset, whatever is negotiated meanwhile. */
export class RingQueue implements Virtqueue {
  private readonly transactions: Transactions;
  /** While the queue is started and no rule has been broken. */
  private work: Work | undefined;

  /**
   * @param index of the queue in its device, below `QUEUE_TAG_STEP`
   * @param largest size that it can be started with
   */
  constructor(
    readonly index: number,
    private readonly largest: number,
    private readonly host: QueueHost,
  ) {
    this.transactions = new Transactions(index, host);
  }

  get running(): boolean {
    return this.work !== undefined;
  }

  /** A layout that cannot be is told by `QueueHost.broken`, within the call. */
  start(layout: QueueLayout): void {
    this.reset();
    const { host } = this;
    const setup: QueueSetup = {
      layout: { ...layout },
      packed: host.has(Feature.RING_PACKED),
      eventIdx: host.has(Feature.EVENT_IDX),
      indirect: host.has(Feature.INDIRECT_DESC),
      inOrder: host.has(Feature.IN_ORDER),
    };
    const fault = layout.size > this.largest ? QueueFault.SIZE : setupFault(setup);
    if (fault !== undefined) this.host.broken(this.index, fault);
    else this.work = this.workOn(setup);
  }

  reset(): void {
    this.transactions.forgetAll();
    this.work = undefined;
  }

  kicked(data: number | undefined): void {
    if (data !== undefined) this.work?.supply.hinted(data >>> INDEX_SHIFT);
  }

  fetch(): void {
    this.work?.supply.ask();
  }

  unfetch(count: number): void {
    if (this.work) this.work.supply.putBack(this.work.returns.giveBack(count));
  }

  read(chain: Chain, offset: number, length: number, tag: number): void {
    this.work?.transfers.read(chain, offset, length, tag);
  }

  write(chain: Chain, offset: number, bytes: Uint8Array, tag: number): void {
    this.work?.transfers.write(chain, offset, bytes, tag);
  }

  push(chain: Chain, written: number): void {
    this.work?.returns.push(chain, written);
  }

  flush(): void {
    this.work?.returns.flush();
  }

  onDma(tag: number, result: Uint8Array | string): void {
    const lane = this.transactions.ended(tag);
    const { work } = this;
    if (lane === undefined || !work) return;
    if (typeof result === 'string') {
      this.fail(lane === Lane.Transfer ? QueueFault.BUFFER_ACCESS : QueueFault.RING_ACCESS);
    } else if (lane === Lane.Supply) work.supply.ended(result);
    else if (lane === Lane.Poll) work.supply.polled();
    else if (lane === Lane.Used) work.returns.ended(result);
    else if (lane === Lane.Transfer) work.transfers.ended(result);
  }

  save(): Checkpoint<QueueHardware, QueueRun> {
    const { work } = this;
    const flights = this.transactions.saveRun();
    if (!work) return { hardware: { version: VERSION }, run: { flights } };
    const { setup, supply, returns, transfers } = work;
    const state = {
      setup,
      supply: supply.save(),
      returns: returns.saveHardware(),
      transfers: transfers.saveHardware(),
      flights: this.transactions.saveHardware(),
    };
    return {
      hardware: { version: VERSION, work: state },
      run: { flights, returns: returns.saveRun(), transfers: transfers.saveRun() },
    };
  }

  load({ hardware, run }: Checkpoint<QueueHardware, QueueRun>): void {
    this.restore(hardware, run);
  }

  /** What was in flight is begun anew. */
  adopt(hardware: QueueHardware): void {
    this.restore(hardware, undefined);
  }

  private restore({ version, work }: QueueHardware, run: QueueRun | undefined): void {
    requireVersion('a virtqueue', version, VERSION);
    this.work = work && this.workOn(work.setup);
    if (work && this.work) {
      this.work.supply.load(work.supply);
      this.work.returns.load(work.returns, run?.returns);
      this.work.transfers.load(work.transfers, run?.transfers);
    }
    this.transactions.load(work?.flights ?? [], run?.flights);
  }

  private workOn(setup: QueueSetup): Work {
    const { index, host, transactions } = this;
    const core: QueueCore = { index, host, setup, transactions, fail: (why) => this.fail(why) };
    const transfers = new Transfers(core);
    if (setup.packed) {
      const ring = new PackedRing(setup);
      const returns = new Returns(core, ring);
      return { setup, supply: new PackedSupply(core, ring, returns), returns, transfers };
    }
    const ring = new SplitRing(setup);
    const returns = new Returns(core, ring);
    return { setup, supply: new SplitSupply(core, ring, returns), returns, transfers };
  }

  /** What is in flight ends without effect. */
  private fail(why: QueueFault): void {
    this.reset();
    this.host.broken(this.index, why);
  }
}

/** The engine of one virtqueue. @param size the largest that it can have */
export function createVirtqueue(index: number, size: number, host: QueueHost): Virtqueue {
  return new RingQueue(index, size, host);
}
