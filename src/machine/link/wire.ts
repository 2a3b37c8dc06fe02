/** What a NIC and a network have to say to each other. Frames are Ethernet frames without preamble and without FCS. */
import type { Cycles } from '../time/event-queue';

/** A NIC's way out. */
export interface Wire {
  /** Takes a frame. The bytes belong to the wire from now on. `packet` is the sender's running number. */
  send(frame: Uint8Array, packet: number): void;
  /** Cycles until no more than `bytes` wait for the wire; 0 when it is so now. */
  roomIn(bytes: number): Cycles;
  /** The NIC, which could not receive before, can now: whoever holds frames back for it goes on. */
  onRoom(): void;
}

/** Whatever frames arrive at. */
export interface FrameReceiver {
  /**
   * Whether a frame of `length` bytes would be kept now. Asked by those who can hold frames back (a tap device); a cable
   * cannot, and a NIC that has no room drops and counts what it brings.
   */
  canReceive(length: number): boolean;
  /** A whole frame has arrived. The bytes must not be changed. */
  receive(frame: Uint8Array): void;
}

/** A NIC as its cable has it. */
export interface NetworkPort extends FrameReceiver {
  /** Of its drop reasons, the one of a frame that its host's queue had no room for. */
  readonly queueFull: number;
  /** Plugs the cable in, before the machine is turned on: no link change is signalled. */
  connect(wire: Wire): void;
}

/** Bytes that an Ethernet frame takes on the wire besides its own: preamble and SFD 8, FCS 4, inter-packet gap 12. */
export const WIRE_OVERHEAD = { preamble: 8, fcs: 4, gap: 12 } as const;
/** Smallest frame (without FCS) of IEEE 802.3. */
export const FRAME_MIN = 60;

/** The frame, or as long as it has to be at least with zeros behind it (IEEE 802.3, 4.2.3.3). */
export function padded(frame: Uint8Array): Uint8Array {
  if (frame.length >= FRAME_MIN) return frame;
  const longer = new Uint8Array(FRAME_MIN);
  longer.set(frame);
  return longer;
}
