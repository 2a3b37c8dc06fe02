/** The guest of `test/fixtures/guests/replay.c`: where its things are, what it is told to do, and what it has logged. */
import { join } from 'node:path';
import { GuestImage } from '../../../src/guest/image';
import type { PhysicalMemory } from '../../../src/machine/memory/physical-memory';
import type { RunJob } from '../../../src/protocol/run';
import { jobOf, root, sample } from '../runs';

/** As in replay.c. */
export const Guest = {
  cpus: 2,
  nics: 3,
  edus: 2,
  ring: 16,
  buffer: 2048,
  area: 256,
  operations: 96,
} as const;
const ENTRIES = 8192;
const ENTRY_BYTES = 32;
const OPERATION_BYTES = 16;
/** Before the operations: the magic, and how many CPUs, NICs and edus there are. */
const PROGRAM_HEADER = 28;
const MAGIC = 'replay program\n\0';
const DESCRIPTOR = 16;

/** What an operation does. */
export const What = {
  Pause: 0,
  Poll: 1,
  NicRead: 2,
  NicWrite: 3,
  Send: 4,
  Refill: 5,
  EduRead: 6,
  EduWrite: 7,
  Store: 8,
  Window: 9,
  Requested: 10,
  NicAdd: 11,
} as const;

/** What an entry of the log is about. */
export const Logged = {
  Load: 1,
  Store: 2,
  NicRead: 3,
  NicWrite: 4,
  EduRead: 5,
  EduWrite: 6,
  Requested: 7,
  Handler: 8,
  NicAdd: 9,
} as const;

/** One operation; what is left out is 0. */
export interface Operation {
  what: number;
  unit?: number;
  offset?: number;
  count?: number;
  delay?: number;
  address?: number;
  value?: number;
}

/** One access, which was made after `before` and before `after` by the time-stamp counter. */
export interface Entry {
  cpu: number;
  before: number;
  after: number;
  kind: number;
  unit: number;
  /** Address, offset or vector. */
  where: number;
  value: number;
}

/** A range of memory. */
export interface Range {
  from: number;
  bytes: number;
}

/** What a guest has logged. */
export interface GuestLog {
  /** By the time after. */
  entries: Entry[];
  /** Of NICs, then of edus; 0: there is no such device. */
  vectors: number[];
}

/** A guest that is compiled once. */
export class ReplayGuest {
  private readonly image: GuestImage;

  private constructor(private readonly job: RunJob) {
    const [guest] = job.guests;
    this.image = GuestImage.parse(guest.elf, guest.elfFile);
  }

  static async build(): Promise<ReplayGuest> {
    const source = join(root, 'test/fixtures/guests/replay.c');
    const scenario = { vms: [{ guest: { sources: [source] } }] };
    return new ReplayGuest(await jobOf(sample('replay'), JSON.stringify(scenario)));
  }

  /** A job of a scenario with so many guests, each with its program by CPU. */
  jobOf(
    scenarioText: string,
    programs: readonly { nics: number; edus: number; cpus: readonly Operation[][] }[],
  ): RunJob {
    const [{ elf, elfFile }] = this.job.guests;
    const at = Buffer.from(elf).indexOf(MAGIC);
    const guests = programs.map(({ nics, edus, cpus }) => {
      const own = elf.slice();
      const view = new DataView(own.buffer, own.byteOffset + at);
      [cpus.length, nics, edus].forEach((count, i) => view.setUint32(MAGIC.length + 4 * i, count, true));
      cpus.forEach((operations, cpu) =>
        operations.forEach((each, i) => {
          const place = PROGRAM_HEADER + (cpu * Guest.operations + i) * OPERATION_BYTES;
          view.setUint8(place, each.what);
          view.setUint8(place + 1, each.unit ?? 0);
          [each.offset, each.count, each.delay].forEach((value, k) =>
            view.setUint16(place + 2 + 2 * k, value ?? 0, true),
          );
          view.setUint32(place + 8, each.address ?? 0, true);
          view.setUint32(place + 12, each.value ?? 0, true);
        }),
      );
      return { elf: own, elfFile };
    });
    return { ...this.job, scenarioText, guests };
  }

  /** Word `word` of a descriptor. */
  descriptor(which: 'tx' | 'rx', nic: number, index: number, word: number): number {
    return this.address(`replay_${which}`) + (nic * Guest.ring + index) * DESCRIPTOR + 4 * word;
  }

  receiveBuffer(nic: number, index: number): number {
    return this.address('replay_rx_buffers') + (nic * Guest.ring + index) * Guest.buffer;
  }

  area(edu: number): number {
    return this.address('replay_area') + edu * Guest.area;
  }

  /** The descriptors of one ring. */
  ring(which: 'tx' | 'rx', nic: number): Range {
    return { from: this.descriptor(which, nic, 0, 0), bytes: Guest.ring * DESCRIPTOR };
  }

  /** Memory that is always watched: nothing but logged stores and DMA changes it. */
  get watched(): Range[] {
    return [
      { from: this.address('replay_tx'), bytes: Guest.nics * Guest.ring * DESCRIPTOR },
      { from: this.address('replay_rx'), bytes: Guest.nics * Guest.ring * DESCRIPTOR },
      { from: this.address('replay_area'), bytes: Guest.edus * Guest.area },
    ];
  }

  /** What a guest has logged, from its memory. */
  logOf(memory: PhysicalMemory): GuestLog {
    const place = this.image.symbol('replay_log');
    if (!place) throw new Error('the guest has no log');
    const bytes = memory.read(Number(place.address), Number(place.size));
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const word = (at: number): number => view.getUint32(at, true);
    const devices = Guest.nics + Guest.edus;
    const first = 8 * Math.ceil((4 * (Guest.cpus + 1 + devices)) / 8);
    const entries: Entry[] = [];
    for (let cpu = 0; cpu < Guest.cpus; cpu++)
      for (let i = 0; i < word(4 * cpu); i++) {
        const at = first + (cpu * ENTRIES + i) * ENTRY_BYTES;
        const time = (offset: number): number => Number(view.getBigUint64(at + offset, true));
        const [kind, unit, where, value] = [16, 20, 24, 28].map((offset) => word(at + offset));
        entries.push({ cpu, before: time(0), after: time(8), kind, unit, where, value });
      }
    entries.sort((x, y) => x.after - y.after);
    const vectors = Array.from({ length: devices }, (_, i) => word(4 * (Guest.cpus + 1 + i)));
    return { entries, vectors };
  }

  private address(symbol: string): number {
    const place = this.image.symbol(symbol);
    if (!place) throw new Error(`the guest has no ${symbol}`);
    return Number(place.address);
  }
}
