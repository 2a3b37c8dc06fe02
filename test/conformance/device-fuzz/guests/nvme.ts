/** Queues of an NVMe controller: commands of all kinds, with PRPs and lists of them, at queues that are mostly there. */
import { Admin, Cns, Csts, Io, Reg, doorbellOf } from '../../../../src/machine/devices/nvme/constants';
import { At } from '../../../../src/machine/devices/nvme/command';
import type { Guest } from '../guest';
import type { HostileDriver } from './driver';

const QUEUES = 0x10000;
const LISTS = 0x40000;
const ENABLE = 0x00460001;
const ENTRY = 64;
/** I/O queue pairs that are created. */
const PAIRS = 2;
const ADMIN_ENTRIES = 16;
const IO_ENTRIES = 8;
const NAMESPACE = 1;

const adminOpcodes = Object.values(Admin);
const ioOpcodes = Object.values(Io);

interface Command {
  opcode: number;
  prp1?: number;
  prp2?: number;
  namespace?: number;
  words?: readonly number[];
}

export function hostileNvme(guest: Guest): HostileDriver {
  const { dice } = guest;
  const tails = new Array<number>(PAIRS + 1).fill(0);
  const submission = (queue: number): number => QUEUES + 0x2000 * queue;
  const entriesOf = (queue: number): number => (queue === 0 ? ADMIN_ENTRIES : IO_ENTRIES);
  let id = 0;

  const put = (
    queue: number,
    { opcode, prp1 = guest.pointer(), prp2 = 0, namespace = 0, words = [] }: Command,
  ): void => {
    const { view } = guest;
    const at = submission(queue) + ENTRY * tails[queue];
    guest.board.ram.fill(0, at, at + ENTRY);
    view.setUint8(at + At.opcode, opcode);
    view.setUint8(at + At.flags, dice.oneIn(30) ? dice.word() & 0xff : 0);
    view.setUint16(at + At.id, dice.oneIn(20) ? dice.below(8) : id++ & 0xffff, true);
    view.setUint32(at + At.namespace, dice.oneIn(12) ? dice.pick([0, 1, 2, 0xffffffff]) : namespace, true);
    guest.putPointer(at + At.prp1, prp1);
    guest.putPointer(at + At.prp2, prp2);
    words.forEach((word, i) => view.setUint32(at + At.cdw10 + 4 * i, word, true));
    tails[queue] = (tails[queue] + 1) % entriesOf(queue);
  };
  const ring = (queue: number): void =>
    guest.set(0, doorbellOf(queue), dice.oneIn(30) ? dice.below(64) : tails[queue]);

  /** An administrator's command, with time for it. */
  const run = (command: Command): void => {
    put(0, command);
    guest.set(0, doorbellOf(0), tails[0]);
    guest.board.pass(100_000);
  };

  const adminCommand = (): Command => {
    const queue = 1 + dice.below(PAIRS + 1);
    const opcode = dice.oneIn(10) ? dice.below(256) : dice.pick(adminOpcodes);
    const first = dice.pick([
      dice.below(8),
      queue | ((IO_ENTRIES - 1) << 16),
      dice.pick(Object.values(Cns)),
      dice.pick([1, 2, 3]) | (dice.below(300) << 16),
      dice.word(),
    ]);
    const second = dice.pick([0, 1, 3, (queue << 16) | 1, (dice.below(4) << 16) | 3, dice.word()]);
    return {
      opcode,
      namespace: dice.pick([0, 0, NAMESPACE]),
      prp2: dice.pick([0, guest.pointer()]),
      words: [first, second, dice.below(16)],
    };
  };
  const ioCommand = (): Command => {
    const opcode = dice.oneIn(10) ? dice.below(256) : dice.pick([Io.Read, Io.Write, ...ioOpcodes]);
    const blocks = dice.pick([0, 7, dice.below(64), dice.below(1024), dice.below(65536)]);
    const prp2 = dice.pick([0, guest.pointer(), LISTS + 4096 * dice.below(4) + 8 * dice.below(512)]);
    const start = dice.pick([dice.below(512), dice.below(64), guest.value()]);
    return {
      opcode,
      prp2,
      namespace: NAMESPACE,
      words: [start, dice.oneIn(30) ? dice.word() : 0, blocks, dice.below(8)],
    };
  };

  return {
    establish: () => {
      tails.fill(0);
      guest.set(0, Reg.CC, 0);
      guest.board.pass(400_000);
      guest.set(0, Reg.AQA, (ADMIN_ENTRIES - 1) * 0x10001);
      guest.set(0, Reg.ASQ, submission(0));
      guest.set(0, Reg.ASQ_HIGH, 0);
      guest.set(0, Reg.ACQ, submission(0) + 0x1000);
      guest.set(0, Reg.ACQ_HIGH, 0);
      guest.set(0, Reg.CC, ENABLE | (dice.oneIn(6) ? dice.below(5) << 7 : 0));
      guest.board.pass(400_000);
      for (let i = 0; i < 64; i++) guest.putPointer(LISTS + 8 * dice.below(0x800));
      for (let queue = 1; queue <= PAIRS; queue++) {
        const size = ((IO_ENTRIES - 1) << 16) | queue;
        const vector = dice.pick([0, 0, 0, queue]);
        run({ opcode: Admin.CreateCq, prp1: submission(queue) + 0x1000, words: [size, (vector << 16) | 3] });
        run({ opcode: Admin.CreateSq, prp1: submission(queue), words: [size, (queue << 16) | 1] });
      }
    },
    ready: () => (guest.get(0, Reg.CSTS) & (Csts.RDY | Csts.CFS)) === Csts.RDY,
    step: () => {
      const queue = dice.pick([0, 1, 1, 2, 2]);
      if (dice.oneIn(5)) {
        // Completions are taken, or more of them than there are.
        guest.set(0, doorbellOf(queue) + 4, dice.below(entriesOf(queue) + (dice.oneIn(20) ? 4 : 0)));
        return;
      }
      const count = 1 + dice.below(3);
      for (let i = 0; i < count; i++) put(queue, queue === 0 ? adminCommand() : ioCommand());
      ring(queue);
    },
  };
}
