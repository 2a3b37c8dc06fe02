/**
 * Every device of the table of models, in mid-transfer: a driver that keeps to the rules has it work, and at any moment the whole board is
 * saved. From the checkpoint another board goes on with the same rows, and from the hardware alone a board on another host, at another
 * time, comes to the same bytes.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HostileBoard, type BoardOptions } from '../conformance/device-fuzz/board';
import { Dice } from '../conformance/device-fuzz/dice';
import { Guest } from '../conformance/device-fuzz/guest';
import { SPECS, specsOf } from '../conformance/device-fuzz/specs';
import type { DeviceModel } from '../../src/machine/platform/device-models';
import { e1000Session } from './sessions/e1000';
import { eduSession } from './sessions/edu';
import { ixgbeSession } from './sessions/ixgbe';
import { nvmeSession } from './sessions/nvme';
import type { MakeSession, Outside } from './sessions/session';
import { blkSession, consoleSession, netSession, rngSession } from './sessions/virtio';

const sessions: Record<DeviceModel, MakeSession> = {
  e1000: e1000Session,
  edu: eduSession,
  ixgbe: ixgbeSession,
  nvme: nvmeSession,
  'virtio-net': netSession,
  'virtio-blk': blkSession,
  'virtio-console': consoleSession,
  'virtio-rng': rngSession,
};

/** Polls of a session, at most: one that needs more has stopped. */
const MOST_POLLS = 20_000;
/** Cycles between two polls. */
const LONGEST_WAIT = 3_000;
const ELSEWHERE = 123_456_789;
const models = Object.keys(SPECS) as DeviceModel[];

type Way = 'stay' | 'restore' | 'move';

/** A session from its begin to its end, moved in this way at some of its polls. */
function run(make: MakeSession, options: BoardOptions, seed: number, way: Way, moments: readonly number[]) {
  const outside: Outside = { frames: [], serial: [] };
  const connect = (board: HostileBoard): HostileBoard =>
    Object.assign(board, {
      outside: {
        frame: (frame: Uint8Array) => void outside.frames.push(frame),
        serial: (byte: number) => void outside.serial.push(byte),
      },
    });
  const dice = new Dice(seed);
  const guest = new Guest(connect(new HostileBoard(options)), dice);
  guest.config(4, 2, 7);
  const session = make(guest, dice, outside);
  session.start();
  let polls = 0;
  for (; !session.done; polls++) {
    if (polls === MOST_POLLS) throw new Error(`${way}: no end after ${polls} polls`);
    if (moments.includes(polls) && way !== 'stay') {
      const { board } = guest;
      const time = way === 'move' ? board.time + ELSEWHERE : options.time;
      const next = connect(new HostileBoard({ ...options, time }));
      guest.board = way === 'move' ? next.adopt(board) : next.load(board.save());
    }
    const { board } = guest;
    board.watch.begin();
    board.pass(1 + dice.below(LONGEST_WAIT));
    session.poll();
  }
  guest.board.watch.begin();
  guest.board.pass(1_000_000);
  guest.board.inspect();
  return { polls, results: session.results, outside, digest: guest.board.digest() };
}

describe.each(models)('%s', (model) => {
  it('goes on from a checkpoint with the same rows, and on another host to the same bytes', () => {
    const specs = specsOf(model);
    fc.assert(
      fc.property(
        fc.nat(specs.length - 1),
        fc.integer({ min: 1, max: 0x7fffffff }),
        fc.constantFrom(1, 50, 3000),
        fc.array(fc.nat(0xffff), { minLength: 1, maxLength: 4 }),
        (variant, seed, latency, parts) => {
          const options = { spec: specs[variant], latency, hole: 0, time: 0 };
          const make = sessions[model];
          const { polls, ...alone } = run(make, options, seed, 'stay', []);
          const moments = parts.map((part) => Math.floor((part * polls) / 0x10000));
          const restored = run(make, options, seed, 'restore', moments);
          expect(restored).toEqual({ polls, ...alone });
          const moved = run(make, options, seed, 'move', moments);
          expect(moved.results).toEqual(alone.results);
          expect(moved.outside).toEqual(alone.outside);
        },
      ),
      { seed: 20261129, numRuns: 4 },
    );
  });
});
