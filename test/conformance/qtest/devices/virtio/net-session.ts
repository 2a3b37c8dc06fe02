/** Scripts of two network devices: from reset on, frames and commands. */
import { NetFeature } from '../../../../../src/machine/devices/virtio/net/constants';
import { Common } from '../../../../../src/machine/devices/virtio/pci/layout';
import type { Random } from '../../random';
import type { Operation } from '../../script';
import { command, Commands } from './net-commands';
import {
  DriverQueue,
  MOST_SLOTS,
  QUEUE_BYTES,
  ringFeatures,
  VirtioRegisters,
  type Buffer,
  type RingFeatures,
} from './driver';
import { breakRule } from './misuse';

export const NICS = [0, 1] as const;
type Nic = (typeof NICS)[number];
export const BARS = [0xf0000000, 0xf0010000] as const;
export const MACS = ['525400123456', '525400abcdef'] as const;
/** In RAM, for each NIC: rings, and from there on what is sent, received, and told by commands. */
export const AREA = 0x400000;
export const RINGS = 0x200000;
export const TRANSMIT_BASE = 0x20000;
export const RECEIVE_BASE = 0x80000;
export const COMMAND_BASE = 0x180000;
/** Bytes of a receive buffer's place, and places. */
const PLACE = 0x1000;
const PLACES = 64;
/** Bytes of the header before a frame. */
export const HEADER = 12;
/** Frames from the shortest that Ethernet has, without check sequence, to the longest. */
const FRAME = { least: 60, most: 1514 } as const;
const DESTINATIONS = [...MACS, 'ffffffffffff', '01005e000001', '333300000001', '02deadbeef01'] as const;
const VLANS = [1, 2, 100] as const;
const Queue = { receive: 0, transmit: 1, control: 2 } as const;
const ALWAYS = [
  NetFeature.MAC,
  NetFeature.STATUS,
  NetFeature.MTU,
  NetFeature.CTRL_VQ,
  NetFeature.CTRL_RX,
  NetFeature.CTRL_RX_EXTRA,
  NetFeature.CTRL_MAC_ADDR,
];
/** Registers that both have alike. */
const FIELDS = [
  [Common.DEVICE_FEATURE_SELECT, 4],
  [Common.DRIVER_FEATURE_SELECT, 4],
  [Common.DRIVER_FEATURE, 4],
  [Common.CONFIG_MSIX_VECTOR, 2],
  [Common.NUM_QUEUES, 2],
  [Common.DEVICE_STATUS, 1],
  [Common.CONFIG_GENERATION, 1],
  [Common.QUEUE_SELECT, 2],
  [Common.QUEUE_SIZE, 2],
  [Common.QUEUE_MSIX_VECTOR, 2],
  [Common.QUEUE_ENABLE, 2],
  [Common.QUEUE_NOTIFY_OFF, 2],
  [Common.QUEUE_DESC, 4],
  [Common.QUEUE_DRIVER, 4],
  [Common.QUEUE_DEVICE, 4],
] as const;
const CONFIGURATION_BYTES = 12;

/** What is told apart of a NIC. */
interface Side {
  registers: VirtioRegisters;
  queues: readonly DriverQueue[];
  rings: RingFeatures;
  merges: boolean;
  vlans: boolean;
  /** Receive buffers in the device's hands: their place, and what they hold. */
  posted: { place: number; parts: Buffer[] }[];
  next: number;
}

const capacity = (parts: readonly Buffer[]): number => parts.reduce((sum, { length }) => sum + length, 0);

/** One life of the two. */
export class Session {
  private readonly sides: readonly [Side, Side];
  /** Frames may be filtered, and receive buffers are not made available again. */
  private readonly filters: boolean;

  constructor(private readonly random: Random) {
    this.filters = random.oneIn(3);
    this.sides = [this.side(0), this.side(1)];
  }

  operations(): Operation[] {
    const { random } = this;
    const script = NICS.flatMap((nic) => this.setUp(nic));
    for (let rounds = random.between(1, 10); rounds > 0; rounds--) {
      const nic = random.pick(NICS);
      if (random.oneIn(4)) script.push(...this.commands(nic));
      else script.push(...this.frames(nic));
      if (random.oneIn(3)) script.push(this.look(nic));
      if (random.oneIn(2)) script.push(...NICS.map((each) => this.sides[each].registers.isr()));
    }
    if (random.oneIn(4)) {
      const { queues, registers } = this.sides[0];
      const [, transmit, control] = queues;
      script.push(...breakRule(random, random.oneIn(2) ? transmit : control, registers));
    }
    return script;
  }

  private side(nic: Nic): Side {
    const { random, filters } = this;
    const registers = new VirtioRegisters(BARS[nic]);
    const rings = ringFeatures(random);
    const base = RINGS + nic * AREA;
    const size = (): number =>
      rings.packed && random.oneIn(2) ? random.between(5, MOST_SLOTS) : random.pick([8, 16, 32]);
    const queues = Object.values(Queue).map(
      (index) =>
        new DriverQueue(
          registers,
          index,
          base + index * QUEUE_BYTES,
          filters && index === Queue.receive ? MOST_SLOTS : size(),
          rings,
        ),
    );
    return { registers, queues, rings, merges: random.oneIn(2), vlans: random.oneIn(2), posted: [], next: 0 };
  }

  private setUp(nic: Nic): Operation[] {
    const { filters } = this;
    const { registers, queues, rings, merges, vlans } = this.sides[nic];
    const features = [
      ...ALWAYS,
      ...(merges ? [NetFeature.MRG_RXBUF] : []),
      ...(vlans ? [NetFeature.CTRL_VLAN] : []),
    ];
    const script = [
      ...registers.negotiate(rings, features),
      ...queues.flatMap((queue) => [...queue.setUp(), this.look(nic), this.look(nic)]),
      registers.driverOk(),
    ];
    // The two have it differently whether tagged frames pass while all frames do: all tags are wanted then, or it is turned off.
    if (vlans) {
      const all = [...VLANS.map((id) => Commands.vlan(0, id)), ...(filters ? [Commands.mode(0, 0)] : [])];
      script.push(...all.flatMap((bytes) => this.told(nic, bytes)));
    }
    if (filters) {
      for (let n = 0; n < MOST_SLOTS; n++) script.push(...this.post(nic, [1600]));
      script.push(queues[Queue.receive].kick(), { op: 'rest' });
    }
    return script;
  }

  private look(nic: Nic): Operation {
    const { random } = this;
    const { registers } = this.sides[nic];
    if (random.oneIn(2)) {
      const [field, size] = random.pick(FIELDS);
      return registers.read(field, size);
    }
    const size = random.pick([1, 2, 4] as const);
    return registers.configuration(random.below(CONFIGURATION_BYTES / size) * size, size);
  }

  /** Makes a receive buffer of parts with these lengths available. */
  private post(nic: Nic, lengths: readonly number[]): Operation[] {
    const side = this.sides[nic];
    const place = side.next;
    side.next = (place + 1) % PLACES;
    let address = RINGS + nic * AREA + RECEIVE_BASE + place * PLACE;
    const parts = lengths.map((length) => {
      const part = { address, length, write: true };
      address += length;
      return part;
    });
    side.posted.push({ place, parts });
    const queue = side.queues[Queue.receive];
    const given = queue.add(parts, queue.direct(this.random, parts.length), this.random.below(queue.size));
    // Of the session before nothing is left in its header.
    return [{ op: 'store', at: parts[0].address, bytes: '00'.repeat(HEADER) }, ...given];
  }

  /** Frames of one, and what the other has of them. */
  private frames(nic: Nic): Operation[] {
    const { random, filters } = this;
    const other = nic === 0 ? 1 : 0;
    const to = this.sides[other];
    const { queues } = this.sides[nic];
    const transmit = queues[Queue.transmit];
    const script: Operation[] = [];
    const expected: { place: number; parts: Buffer[] }[] = [];
    let slot = 0;
    for (let n = random.between(1, 3); n > 0; n--) {
      const frame = this.frame();
      const size = HEADER + frame.length / 2;
      const lengths = this.split(size);
      const direct = transmit.direct(random, lengths.length);
      const fits = transmit.slots(lengths.length, direct) <= transmit.room;
      if (!fits) break;
      if (filters ? to.posted.length === 0 : !this.prepare(other, size, script)) break;
      expected.push(...this.consumed(other, size));
      let address = RINGS + nic * AREA + TRANSMIT_BASE + slot * 0x1000 + random.below(64);
      slot += 1;
      script.push({ op: 'store', at: address, bytes: '00'.repeat(HEADER) + frame });
      const parts = lengths.map((length) => {
        const part = { address, length, write: false };
        address += length;
        return part;
      });
      script.push(...transmit.add(parts, direct, random.below(transmit.size)));
    }
    const receive = to.queues[Queue.receive];
    script.push(
      ...transmit.suppression(random),
      ...receive.suppression(random),
      ...(filters ? [] : [receive.kick(), { op: 'rest' as const }]),
      transmit.kick(),
      { op: 'rest' },
      transmit.looks(),
      receive.looks(),
    );
    transmit.used();
    if (!filters) receive.used(expected.length);
    for (const { parts } of expected) {
      const { address } = parts[0];
      script.push({
        op: 'load',
        at: address,
        length: Math.min(capacity(parts), random.pick([32, 128, 1600])),
      });
    }
    return script;
  }

  /** Receive buffers for a frame of so many bytes with its header; false where the ring has no room for them. */
  private prepare(nic: Nic, size: number, script: Operation[]): boolean {
    const { random } = this;
    const side = this.sides[nic];
    const queue = side.queues[Queue.receive];
    const enough = (): boolean =>
      side.merges
        ? side.posted.reduce((sum, { parts }) => sum + capacity(parts), 0) >= size
        : side.posted.length > 0 && capacity(side.posted[0].parts) >= size;
    const some = random.below(3);
    for (let n = 0; n < some || !enough(); n++) {
      const lengths = side.merges
        ? Array.from({ length: random.between(1, 3) }, () => random.between(HEADER, 900))
        : [random.between(HEADER, 200), ...(random.oneIn(2) ? [random.between(1, 300)] : []), 1600];
      if (lengths.length > queue.room) return false;
      script.push(...this.post(nic, lengths));
    }
    return true;
  }

  /** Buffers that a frame takes; of filtered frames none is known to be taken. */
  private consumed(nic: Nic, size: number): { place: number; parts: Buffer[] }[] {
    const side = this.sides[nic];
    if (this.filters) return side.posted.splice(0, 1);
    const taken: { place: number; parts: Buffer[] }[] = [];
    for (let left = size; left > 0;) {
      const first = side.posted.shift();
      if (!first) break;
      taken.push(first);
      left -= capacity(first.parts);
    }
    return taken;
  }

  private frame(): string {
    const { random } = this;
    const tagged = random.oneIn(3);
    const tag = tagged ? `8100${random.pick(VLANS).toString(16).padStart(4, '0')}` : '';
    const header = `${random.pick(DESTINATIONS)}${random.pick(MACS)}${tag}0800`;
    const length = random.oneIn(3)
      ? random.between(FRAME.least, FRAME.most)
      : random.between(FRAME.least, 200);
    return header + random.hex(length - header.length / 2);
  }

  /** Cuts so many bytes into parts. */
  private split(size: number): number[] {
    const { random } = this;
    const cuts = new Set<number>();
    if (random.oneIn(2)) cuts.add(HEADER);
    for (let n = random.below(4); n > 0; n--) cuts.add(random.between(1, size - 1));
    const ends = [...cuts].sort((a, b) => a - b);
    return [...ends, size].map((end, i) => end - (ends[i - 1] ?? 0));
  }

  private commands(nic: Nic): Operation[] {
    const { random } = this;
    const { vlans } = this.sides[nic];
    return this.told(nic, command(random, { own: MACS[nic], filters: this.filters, vlans }));
  }

  /** A command, and the answer to it. */
  private told(nic: Nic, bytes: string): Operation[] {
    const { random } = this;
    const control = this.sides[nic].queues[Queue.control];
    const at = RINGS + nic * AREA + COMMAND_BASE + random.below(64);
    const answer = at + 0x1000;
    const lengths = this.parts(bytes.length / 2);
    let address = at;
    const parts = lengths.map((length) => {
      const part = { address, length, write: false };
      address += length;
      return part;
    });
    parts.push({ address: answer, length: random.pick([1, 1, 4]), write: true });
    const script: Operation[] = [
      { op: 'store', at, bytes },
      { op: 'store', at: answer, bytes: 'eeeeeeee' },
      ...control.add(parts, control.direct(random, parts.length), random.below(control.size)),
      ...control.suppression(random),
      control.kick(),
      { op: 'rest' },
      control.looks(),
      { op: 'load', at: answer, length: 4 },
    ];
    control.used();
    return script;
  }

  private parts(length: number): number[] {
    const first = this.random.pick([2, 2, 1, length]);
    return first >= length ? [length] : [first, length - first];
  }
}
