/** The NVMe controller: registers, admin commands, queues, and reads and writes with pointers of all layouts. */
import { Admin, Reg } from '../../../../src/machine/devices/nvme/constants';
import type { Allowance, Judge, QtestDevice } from '../device';
import { FIRST_SLOT, turnOn } from '../pci';
import type { Random } from '../random';
import type { Step } from '../script';
import { completed, identified, nvmeAvoided, nvmeDifferences } from './nvme/differences';
import { BAR, DATA, QUEUE_BYTES, Session, SUBMISSIONS } from './nvme/session';

const LINE = 1 << 11;
/** Of the disk, in bytes. */
const SIZE = 1 << 20;
const NOT_ADMIN = -1;
/** Bits of CAP.CSS beside the NVM command set. */
const OTHER_SETS = 0x1800;

class Follower {
  /** The admin command that was stored last: its opcode and what it asks for. */
  private opcode = NOT_ADMIN;
  private cns = 0;

  follow({ operation, qemu, trapline }: Step): Allowance[] {
    if (operation.op === 'write' && operation.at >= BAR + 0x1000)
      return [{ difference: 'time', lines: LINE }];
    if (operation.op === 'store' && operation.bytes.length === 128) {
      const entry = Buffer.from(operation.bytes, 'hex');
      this.opcode = operation.at < SUBMISSIONS + QUEUE_BYTES ? entry[0] : NOT_ADMIN;
      this.cns = entry[40];
    }
    if (operation.op === 'load' && operation.at < DATA)
      return completed(String(qemu.value), String(trapline.value));
    if (operation.op === 'read' && operation.at === BAR + Reg.CAP_HIGH)
      return [{ difference: 'capabilities', value: OTHER_SETS }];
    if (operation.op === 'load' && operation.at >= DATA && this.opcode === Admin.Identify)
      return identified(this.cns);
    return [];
  }
}

function judge(): Judge {
  const follower = new Follower();
  return (step) => follower.follow(step);
}

export const nvme: QtestDevice = {
  name: 'nvme',
  qemu: [
    '-drive',
    `if=none,id=disk,driver=raw,file.driver=null-co,file.size=${SIZE},file.read-zeroes=on,snapshot=on`,
    '-device',
    `nvme,drive=disk,serial=TL-nvme,addr=${FIRST_SLOT},max_ioqpairs=4,msix_qsize=5`,
  ],
  models: [
    {
      model: 'nvme',
      name: 'nvme',
      size: SIZE,
      blockSize: 512,
      queues: 4,
      timing: {
        readNanoseconds: 0,
        writeNanoseconds: 0,
        flushNanoseconds: 0,
        controllerNanoseconds: 0,
        enableNanoseconds: 0,
        shutdownNanoseconds: 0,
      },
    },
  ],
  timed: true,
  lines: LINE,
  differences: nvmeDifferences,
  avoided: nvmeAvoided,
  prologue: turnOn(FIRST_SLOT, { 0: BAR }),
  begin: (random: Random) => () => new Session(random, SIZE / 512).operations(),
  judge,
};
