/** Blocks are written to an NVMe namespace, many at once, and read back to another place. */
import { Admin, Csts, Io, Reg, doorbellOf } from '../../../src/machine/devices/nvme/constants';
import { At } from '../../../src/machine/devices/nvme/command';
import { hex, type MakeSession } from './session';

const ADMIN = { sq: 0x10000, cq: 0x11000 } as const;
const IO = { sq: 0x12000, cq: 0x13000 } as const;
const ENTRIES = 16;
const ENABLE = 0x00460001;
const FROM = 0x20000;
const TO = 0x40000;
const PAGE = 4096;
/** Commands of each kind. */
const COMMANDS = 24;

interface Queue {
  sq: number;
  cq: number;
  tail: number;
  head: number;
  phase: number;
}

export const nvmeSession: MakeSession = (guest, dice) => {
  const contents = Array.from({ length: COMMANDS }, () => dice.bytes(PAGE));
  const queues: Queue[] = [ADMIN, IO].map((at) => ({ ...at, tail: 0, head: 0, phase: 1 }));
  const results: string[] = [];
  let submitted = 0;
  let completed = 0;

  const put = (queue: number, opcode: number, namespace: number, prp1: number, words: number[]): void => {
    const { view, ram } = guest.board;
    const at = queues[queue].sq + 64 * queues[queue].tail;
    ram.fill(0, at, at + 64);
    view.setUint8(at + At.opcode, opcode);
    view.setUint16(at + At.id, submitted & 0xffff, true);
    view.setUint32(at + At.namespace, namespace, true);
    view.setUint32(at + At.prp1, prp1, true);
    words.forEach((word, i) => view.setUint32(at + At.cdw10 + 4 * i, word, true));
    queues[queue].tail = (queues[queue].tail + 1) % ENTRIES;
    guest.set(0, doorbellOf(queue), queues[queue].tail);
  };
  /** Takes completions; how many there were. */
  const reap = (queue: number): number => {
    const own = queues[queue];
    let count = 0;
    for (;;) {
      const status = guest.view.getUint16(own.cq + 16 * own.head + 14, true);
      if ((status & 1) !== own.phase) break;
      if (status >> 1 !== 0) throw new Error(`a command failed: ${(status >> 1).toString(16)}`);
      own.head = (own.head + 1) % ENTRIES;
      if (own.head === 0) own.phase ^= 1;
      count += 1;
    }
    if (count > 0) guest.set(0, doorbellOf(queue) + 4, own.head);
    return count;
  };
  const admin = (opcode: number, prp1: number, words: number[]): void => {
    put(0, opcode, 0, prp1, words);
    guest.board.pass(300_000);
    if (reap(0) !== 1) throw new Error('no completion of an admin command');
  };
  /** The blocks of a command: all commands together use the namespace once. */
  const blocks = (command: number): number[] => {
    const { spec } = guest.board.options;
    const perPage = PAGE / (spec?.model === 'nvme' ? spec.blockSize : PAGE);
    return [(command % COMMANDS) * perPage, 0, perPage - 1];
  };

  return {
    start: () => {
      guest.set(0, Reg.AQA, (ENTRIES - 1) * 0x10001);
      guest.set(0, Reg.ASQ, ADMIN.sq);
      guest.set(0, Reg.ACQ, ADMIN.cq);
      guest.set(0, Reg.CC, ENABLE);
      guest.board.pass(400_000);
      if ((guest.get(0, Reg.CSTS) & Csts.RDY) === 0) throw new Error('the controller is not ready');
      const size = ((ENTRIES - 1) << 16) | 1;
      admin(Admin.CreateCq, IO.cq, [size, 3]);
      admin(Admin.CreateSq, IO.sq, [size, (1 << 16) | 1]);
      contents.forEach((bytes, i) => guest.board.ram.set(bytes, FROM + PAGE * i));
    },
    poll: () => {
      completed += reap(1);
      // Nothing is read before everything is written.
      const most = completed < COMMANDS ? COMMANDS : 2 * COMMANDS;
      while (submitted < most && submitted - completed < ENTRIES - 1) {
        const reads = submitted >= COMMANDS;
        const place = PAGE * (submitted % COMMANDS);
        put(1, reads ? Io.Read : Io.Write, 1, (reads ? TO : FROM) + place, blocks(submitted));
        submitted += 1;
      }
      if (completed === 2 * COMMANDS && results.length === 0)
        for (let i = 0; i < COMMANDS; i++)
          results.push(hex(guest.board.ram.subarray(TO + PAGE * i, TO + PAGE * (i + 1))));
    },
    get done() {
      return results.length === COMMANDS && results.every((each, i) => each === hex(contents[i]));
    },
    results,
  };
};
