/** What a switch has learnt: behind which port each station was last heard (IEEE 802.1Q, 8.7 and 8.8). */
import type { Cycles } from '../time/event-queue';

/** What an `AddressTable` knows: address, port, cycles since its last frame, the longest silent first. */
export type AddressTableHardware = [address: number, port: number, silent: Cycles][];

/** When these frames came. */
export type AddressTableRun = Cycles[];

/** The address of 6 bytes at an offset of a frame, as a number of 48 bits. */
export function addressAt(frame: Uint8Array, offset: number): number {
  let address = 0;
  for (let i = offset; i < offset + 6; i++) address = address * 256 + frame[i];
  return address;
}

/** The individual/group bit: the first to go over the wire, the lowest of the first byte. */
const GROUP_BIT = 2 ** 40;

/** Whether an address names more than one station. */
export function isGroup(address: number): boolean {
  return Math.floor(address / GROUP_BIT) % 2 === 1;
}

/** A bounded table: when it is full, the station that has been silent for longest makes room. */
export class AddressTable {
  /** In the order of `heard`: an entry that is heard again moves to the end. */
  private readonly entries = new Map<number, { port: number; heard: Cycles }>();

  /**
   * @param capacity stations
   * @param ageing cycles of silence after which a station counts as unknown
   */
  constructor(
    private readonly capacity: number,
    private readonly ageing: Cycles,
  ) {}

  /** A frame from `address` has come in. */
  learn(address: number, port: number, now: Cycles): void {
    this.entries.delete(address);
    if (this.entries.size === this.capacity) {
      const [silent] = this.entries.keys();
      this.entries.delete(silent);
    }
    this.entries.set(address, { port, heard: now });
  }

  /** The port behind which a station is; undefined when that is not known. */
  portOf(address: number, now: Cycles): number | undefined {
    const entry = this.entries.get(address);
    if (entry === undefined || now - entry.heard <= this.ageing) return entry?.port;
    this.entries.delete(address);
    return undefined;
  }

  save(now: Cycles): { hardware: AddressTableHardware; run: AddressTableRun } {
    const entries = [...this.entries];
    return {
      hardware: entries.map(([address, { port, heard }]) => [address, port, now - heard]),
      run: entries.map(([, { heard }]) => heard),
    };
  }

  load(hardware: AddressTableHardware, run: AddressTableRun): void {
    this.entries.clear();
    hardware.forEach(([address, port], i) => void this.entries.set(address, { port, heard: run[i] }));
  }

  /** Goes on in another run. */
  adopt(hardware: AddressTableHardware, now: Cycles): void {
    this.load(
      hardware,
      hardware.map(([, , silent]) => now - silent),
    );
  }
}
