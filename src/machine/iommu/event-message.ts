/** The registers by which the unit interrupts on its own account: control, data and address (10.4.10 to 10.4.13, 10.4.25 to 10.4.28). */
import type { Stateful } from '../bus';
import type { Register } from './layout';

/** Bits of the control register. */
const MASK = 2 ** 31;
const PENDING = 2 ** 30;
const ADDRESS_BITS = 0xfffffffc;

/** Sends a message that no interrupt remapping touches. */
export type SendMessage = (address: number, data: number) => void;

/** Snapshot of an `EventMessage`. */
export interface EventMessageState {
  control: number;
  data: number;
  address: number;
  upperAddress: number;
}

/** One event: masked after power-on; an event that comes while it is masked is sent when that ends. */
export class EventMessage implements Stateful<EventMessageState> {
  private control = MASK;
  private data = 0;
  private address = 0;
  private upperAddress = 0;

  /** @param names of control, data, address and upper address register */
  constructor(
    private readonly base: number,
    private readonly names: readonly [string, string, string, string],
    private readonly send: SendMessage,
  ) {}

  /** The condition has come. */
  raise(): void {
    if ((this.control & MASK) !== 0) this.control = (this.control | PENDING) >>> 0;
    else this.deliver();
  }

  /** Software has seen to every condition before the message was sent. */
  serviced(): void {
    this.control = (this.control & ~PENDING) >>> 0;
  }

  reset(): void {
    this.load({ control: MASK, data: 0, address: 0, upperAddress: 0 });
  }

  /** The four registers. */
  registers(): Register[] {
    const { base, names } = this;
    return [
      {
        offset: base,
        name: names[0],
        read: () => this.control,
        write: (value) => {
          this.control = ((value & MASK) | (this.control & PENDING)) >>> 0;
          if (this.control === PENDING) this.deliver();
        },
      },
      { offset: base + 4, name: names[1], read: () => this.data, write: (value) => void (this.data = value) },
      {
        offset: base + 8,
        name: names[2],
        read: () => this.address,
        write: (value) => void (this.address = (value & ADDRESS_BITS) >>> 0),
      },
      {
        offset: base + 12,
        name: names[3],
        read: () => this.upperAddress,
        write: (value) => void (this.upperAddress = value),
      },
    ];
  }

  save(): EventMessageState {
    const { control, data, address, upperAddress } = this;
    return { control, data, address, upperAddress };
  }

  load(state: EventMessageState): void {
    this.control = state.control;
    this.data = state.data;
    this.address = state.address;
    this.upperAddress = state.upperAddress;
  }

  private deliver(): void {
    this.serviced();
    this.send(this.upperAddress * 2 ** 32 + this.address, this.data);
  }
}
