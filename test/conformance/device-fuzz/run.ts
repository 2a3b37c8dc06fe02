/**
 * Episodes of a hostile guest: so many operations on a fresh board, all from one seed. Some are taken to another board in their
 * midst, as a checkpoint, which has to go on as if nothing had been, or as hardware, which has to go on somehow.
 */
import { VIRTIO_VENDOR } from '../../../src/machine/devices/virtio/pci/layout';
import type { DeviceSpec } from '../../../src/machine/platform/device-models';
import { HostileBoard, type BoardOptions } from './board';
import { Dice } from './dice';
import { Guest, type Place } from './guest';
import type { HostileDriver, MakeDriver } from './guests/driver';
import { hostileE1000 } from './guests/e1000';
import { hostileEdu } from './guests/edu';
import { hostileIxgbe } from './guests/ixgbe';
import { hostileNvme } from './guests/nvme';
import { hostileVirtio } from './guests/virtio';
import { SPECS, specsOf } from './specs';
import { Violation } from './watch';
import { HostileSession, noCounts } from '../../support/vtd/session';

/** Operations of an episode. */
export const EPISODE = 2000;
/** An episode of so many is taken to another board as a checkpoint, and one as hardware. */
const MOVES = 8;
const FRAME_MAX = 3000;

/** What there is to be fuzzed: a device by its model, or a unit of the board by its name in the trace. */
export interface Target {
  name: string;
  /** Its variants; none of a unit. */
  specs: readonly DeviceSpec[];
  /** Of what is not part of a board: a guest of its own, from a seed. */
  alone?: (seed: number) => LoneSession;
}

/** A hostile guest without a board, that checks itself what comes of what it does. */
export interface LoneSession {
  /** One operation. */
  step(): void;
  /** What has happened so far, by names. */
  rows(): Record<string, number>;
}

/** What happened in episodes. */
export interface Outcomes {
  operations: number;
  /** Rows of the trace by the names of their kinds. */
  rows: Record<string, number>;
}

export function noOutcomes(): Outcomes {
  return { operations: 0, rows: {} };
}

/** An episode that went wrong, and how far it had come. */
export interface Failure {
  target: string;
  episode: number;
  operation: number;
  what: string;
}

const drivers: Readonly<Record<string, MakeDriver>> = {
  e1000: hostileE1000,
  edu: hostileEdu,
  ixgbe: hostileIxgbe,
  nvme: hostileNvme,
};

/** All targets: every model of the table, and every unit that answers on a board without devices. */
export function targets(): Target[] {
  const models = Object.keys(SPECS) as (keyof typeof SPECS)[];
  const { memory, ports } = plainBoard().pc;
  const units = [...memory.regions(), ...ports.regions()].map(({ tag }) => tag.unit.name);
  return [
    ...models.map((name) => ({ name, specs: specsOf(name) })),
    ...[...new Set(units)].map((name) => ({ name, specs: [] })),
    { name: 'iommu', specs: [], alone: hostileIommu },
  ];
}

function plainBoard(): HostileBoard {
  return new HostileBoard({ spec: undefined, latency: 0, hole: 0, time: 0 });
}

/** Runs one episode, twice where the second time it goes on from a checkpoint. */
export function episode(target: Target, seed: number, number: number, sum: Outcomes): Failure | undefined {
  const own = mix(seed, target.name, number);
  if (target.alone) return loneEpisode(target.name, target.alone(own), number, sum);
  const first = new Episode(target, own, sum);
  const failure = (at: Episode, error: unknown): Failure => ({
    target: target.name,
    episode: number,
    operation: at.done,
    what: error instanceof Error ? (error.stack ?? error.message) : String(error),
  });
  const way = number % MOVES;
  try {
    first.run(way === 1 ? 'move' : 'stay');
  } catch (error) {
    return failure(first, error);
  }
  if (way !== 0) return undefined;
  const again = new Episode(target, own, sum);
  try {
    again.run('restore');
    if (again.digest !== first.digest) throw new Violation('a checkpoint went on otherwise');
  } catch (error) {
    return failure(again, error);
  }
  return undefined;
}

/** An episode of what is not part of a board. */
function loneEpisode(
  target: string,
  session: LoneSession,
  number: number,
  sum: Outcomes,
): Failure | undefined {
  let operation = 0;
  try {
    for (; operation < EPISODE; operation++) session.step();
  } catch (error) {
    return {
      target,
      episode: number,
      operation,
      what: error instanceof Error ? (error.stack ?? error.message) : String(error),
    };
  }
  sum.operations += operation;
  for (const [name, count] of Object.entries(session.rows())) sum.rows[name] = (sum.rows[name] ?? 0) + count;
  return undefined;
}

/** A remapping unit with hostile tables, whose every answer an independent walker looks at. */
function hostileIommu(seed: number): LoneSession {
  const counts = noCounts();
  const session = new HostileSession(seed, counts);
  return {
    step: () => session.step(),
    rows: () => {
      const { reasons: _reasons, ...rows } = counts;
      return rows;
    },
  };
}

/** An episode's own seed. */
function mix(seed: number, name: string, number: number): number {
  let mixed = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ number;
  for (const letter of name) mixed = Math.imul(mixed ^ letter.charCodeAt(0), 0x01000193);
  return mixed >>> 0;
}

class Episode {
  /** Operations that are over. */
  done = 0;
  digest = 0;
  private readonly dice: Dice;
  private readonly options: BoardOptions;
  private readonly guest: Guest;
  private readonly driver: HostileDriver | undefined;
  private readonly own: readonly Place[];
  private readonly all: readonly Place[];

  constructor(
    target: Target,
    seed: number,
    private readonly sum: Outcomes,
  ) {
    const dice = new Dice(seed);
    this.dice = dice;
    this.options = {
      spec: target.specs.length > 0 ? dice.pick(target.specs) : undefined,
      latency: dice.pick([1, 50, 3000]),
      hole: dice.pick([0, 0, 0, 64]),
      time: 0,
    };
    this.guest = new Guest(new HostileBoard(this.options), dice);
    const { memory, ports } = this.guest.board.pc;
    const names = new Set([...memory.regions(), ...ports.regions()].map(({ tag }) => tag.unit.name));
    this.own = this.guest.places(target.name);
    this.all = [...names].flatMap((name) => this.guest.places(name));
    if (!this.options.spec) return;
    this.guest.learn();
    const isVirtio = this.guest.fn.identity.vendorId === VIRTIO_VENDOR;
    this.driver = (isVirtio ? hostileVirtio : drivers[target.name])?.(this.guest);
  }

  run(way: 'stay' | 'restore' | 'move'): void {
    const { guest, dice } = this;
    // Drawn in any case, so that all ways of an episode make the same choices.
    const moment = dice.below(EPISODE);
    if (this.options.spec) this.establish();
    for (this.done = 0; this.done < EPISODE; this.done++) {
      if (this.done === moment) this.change(way);
      const { board } = guest;
      board.watch.begin();
      if (this.options.spec) this.device();
      else this.unit();
      board.settle();
    }
    guest.board.watch.begin();
    guest.board.pass(1_000_000);
    this.digest = guest.board.digest();
    this.end(guest.board);
  }

  private end({ watch }: HostileBoard): void {
    this.guest.board.inspect();
    const { rows } = this.sum;
    for (const [name, count] of watch.rows) rows[name] = (rows[name] ?? 0) + count;
    this.sum.operations += this.done;
  }

  private change(way: 'stay' | 'restore' | 'move'): void {
    if (way === 'stay') return;
    const { guest } = this;
    const old = guest.board;
    old.inspect();
    guest.board = new HostileBoard({ ...this.options, time: way === 'move' ? old.time + 12345 : 0 });
    for (const [name, count] of old.watch.rows) guest.board.watch.rows.set(name, count);
    if (way === 'restore') guest.board.load(old.save());
    else guest.board.adopt(old);
  }

  private device(): void {
    const { guest, dice, driver } = this;
    const { board } = guest;
    const what = dice.below(100);
    if (what < 55 && driver) this.drive(driver);
    else if (what < 68) guest.access(this.own);
    else if (what < 82) this.pass();
    else if (what < 85) guest.scribble();
    else if (what < 91) this.frame();
    else if (what < 93) guest.configure();
    else if (what < 95) guest.turnOn();
    else if (what < 96) guest.config(4, 2, dice.pick([0, 3, 6, 7, 0x406]));
    else if (what < 97) this.establish();
    else if (what < 99) this.interrupts();
    else if (dice.oneIn(10)) board.pc.ports.write(0xcf9, 1, 6);
    else guest.access(this.all);
  }

  /** What no longer works is set up again soon, and not at once. */
  private drive(driver: HostileDriver): void {
    const works = this.guest.fn.busMaster && driver.ready();
    if (!works && this.dice.oneIn(3)) this.establish();
    else driver.step();
  }

  private establish(): void {
    this.guest.turnOn();
    this.driver?.establish();
  }

  private unit(): void {
    const { guest, dice } = this;
    const what = dice.below(100);
    if (what < 70) guest.access(this.own);
    else if (what < 80) guest.access(this.all);
    else if (what < 92) this.pass();
    else if (what < 94) guest.scribble();
    else this.interrupts();
  }

  private pass(): void {
    const { board } = this.guest;
    const { dice } = this;
    board.pass(
      dice.pick([dice.below(100), dice.below(10_000), dice.below(1_000_000), dice.oneIn(50) ? 3e9 : 0]),
    );
  }

  private frame(): void {
    const { dice } = this;
    const { network, pci } = this.guest.board.device ?? {};
    if (!network || !pci) return;
    const length = dice.pick([60, 60, 1514, 14, 14 + dice.below(FRAME_MAX)]);
    if (dice.oneIn(4)) this.guest.board.watch.see(network.canReceive(length) ? 1 : 0);
    const frame = new Uint8Array(length);
    const to = dice.pick([
      [0x52, 0x54, 0, 0x12, 0x34, 0x56],
      [255, 255, 255, 255, 255, 255],
      [1, 0, 0x5e, 0, 0, 1],
    ]);
    frame.set(to);
    if (length >= 16 && dice.oneIn(4)) frame.set([0x81, 0, 0, dice.below(16)], 12);
    network.receive(frame);
  }

  /** The CPUs take interrupts, lines change, MSRs of the local APICs are accessed, messages come. */
  private interrupts(): void {
    const { dice, guest } = this;
    const { fabric } = guest.board.pc;
    const lapic = fabric.lapic(dice.below(2));
    const what = dice.below(5);
    if (what === 0) {
      if (lapic.highestPending() >= 0) lapic.acknowledge();
    } else if (what === 1) lapic.eoi();
    else if (what === 2) {
      const msr = dice.pick([0x1b, 0x6e0, 0x800 + dice.below(0x40)]);
      if (dice.oneIn(2)) lapic.msrRead(msr);
      else lapic.msrWrite(msr, guest.value(), dice.pick([0, 0, dice.word()]));
    } else if (what === 3)
      fabric.msi(dice.below(65536), 0xfee00000 + dice.below(1 << 20), dice.word() & 0xffff);
    else guest.board.pc.fabric.setPin(dice.below(24), 'guest', dice.oneIn(2));
  }
}
