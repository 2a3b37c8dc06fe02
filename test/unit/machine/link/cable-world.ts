/** A cable with a list of what comes out at one end. */
import { Cable } from '../../../../src/machine/link/cable';
import type { FrameReceiver } from '../../../../src/machine/link/wire';
import { CYCLES_PER_NANOSECOND, World } from '../fake-bus';

export interface Arrival {
  frame: Uint8Array;
  time: number;
}

/** Calls a function for each frame. */
export function receiver(receive: (frame: Uint8Array) => void): FrameReceiver {
  return { canReceive: () => true, receive };
}

/** Arrivals are those at end 0. */
export function cableWorld(gigabitsPerSecond = 1, latencyNanoseconds = 500) {
  const world = new World();
  const cable = new Cable({
    name: 'wire',
    gigabitsPerSecond,
    latencyNanoseconds,
    cyclesPerNanosecond: CYCLES_PER_NANOSECOND,
    scheduler: world.queue,
    trace: world.trace,
  });
  world.queue.register(cable);
  const arrived: Arrival[] = [];
  cable.ends[0].attach(receiver((frame) => void arrived.push({ frame, time: world.time })));
  return { world, cable, arrived };
}
