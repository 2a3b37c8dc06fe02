/** What a cable and a switch have in common: ends that NICs and peers are plugged into. */
import type { DeviceTrace } from '../bus';
import type { Migratable } from '../snapshot';
import type { Cycles, EventTarget, Scheduler } from '../time/event-queue';
import type { FrameReceiver, Wire } from './wire';

/** What a link needs of the run around it. */
export interface LinkEnvironment {
  /** Unique among the run's event targets. */
  name: string;
  cyclesPerNanosecond: number;
  scheduler: Scheduler;
  /** Of the link's own track. */
  trace: DeviceTrace;
  /** Sees each frame once, when all of it has come to the other end of a cable, or to the switch; must not change it. */
  tap?: ((frame: Uint8Array) => void) | undefined;
}

/** One end of a link, as who is plugged in there sees it. */
export interface LinkEnd extends Wire {
  /** Who gets the frames that come out here. Nobody: they are lost. */
  attach(receiver: FrameReceiver): void;
  /** Cycles that a frame of `length` bytes (without FCS) keeps the wire busy, the gap included. */
  occupancy(length: number): Cycles;
}

/** An Ethernet segment. */
export interface Link extends EventTarget, Migratable {
  readonly ends: readonly LinkEnd[];
}

/** Why a link loses a frame: the second argument of `packet.drop` on its track. */
export const LinkDrop = {
  /** The buffer of the output port is full. */
  BufferFull: 1,
  /** Shorter than 64 bytes with FCS: a fragment (IEEE 802.3, 4.2.4.2.2). */
  Fragment: 2,
  /** The source is a group address (IEEE 802.3, 3.2.3: it never is). */
  GroupSource: 3,
  /** 01-80-C2-00-00-00 to -0F, which end at the next station (IEEE 802.1Q, 8.6.3). */
  Reserved: 4,
  /** The destination was last heard behind the port that the frame came from. */
  SamePort: 5,
} as const;

/** The reasons in words, by number, for a trace's track. */
export const linkDropNames: Readonly<Record<string, string>> = {
  [LinkDrop.BufferFull]: 'port buffer full',
  [LinkDrop.Fragment]: 'shorter than 64 bytes',
  [LinkDrop.GroupSource]: 'sent from a group address',
  [LinkDrop.Reserved]: 'to an address that a switch does not forward',
  [LinkDrop.SamePort]: 'destination is on the port it came from',
};
