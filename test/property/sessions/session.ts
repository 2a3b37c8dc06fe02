/**
 * A driver that keeps to the rules, of any device, on a board: it gives the device work for as long as it has some, looks from time to
 * time at what is done, and knows at the end which bytes there have to be. All that it remembers is its own, so that the board may be
 * taken from under it and another one put there.
 */
import type { Dice } from '../../conformance/device-fuzz/dice';
import type { Guest } from '../../conformance/device-fuzz/guest';

export interface Session {
  /** Up to the moment at which work can begin. */
  start(): void;
  /** Takes what is done, and gives the device what it can take. Does nothing by chance. */
  poll(): void;
  /** Everything has been done. */
  readonly done: boolean;
  /** What came of it, in the order of the work: bytes that arrived in memory. */
  readonly results: string[];
}

/** What has left the machine, from whichever board. */
export interface Outside {
  frames: Uint8Array[];
  serial: number[];
}

/** @param dice for the work itself, drawn before the session starts */
export type MakeSession = (guest: Guest, dice: Dice, outside: Outside) => Session;

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
