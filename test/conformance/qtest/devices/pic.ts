/** Both 8259s: initialisation, commands, masks, polling and the trigger registers, with inputs that come and go. */
import { PIC } from '../../../../src/machine/interrupts/pic';
import type { Judge, QtestDevice } from '../device';
import type { Random } from '../random';
import type { Operation } from '../script';

const COMMAND_PORTS: readonly number[] = [PIC.master.base, PIC.slave.base];
const CASCADE = 2;
/** Inputs of the master that the board itself drives: timer and cascade. */
const BOARD_LINES: readonly number[] = [0, CASCADE];
const out = (at: number, value: number): Operation => ({ op: 'out', size: 1, at, value });
const inp = (at: number): Operation => ({ op: 'in', size: 1, at });

/** One thing that software or a device does to a controller. */
function turn(random: Random, of: 'master PIC' | 'slave PIC'): Operation[] {
  const { base } = of === 'slave PIC' ? PIC.slave : PIC.master;
  switch (random.below(12)) {
    case 0:
    case 1:
    case 2:
    case 3: {
      const line = random.below(8);
      if (of === 'master PIC' && BOARD_LINES.includes(line)) return [];
      return [{ op: 'line', of, line, asserted: random.oneIn(2) }];
    }
    case 4:
      return [out(base, random.pick([0x0a, 0x0b, 0x0c, 0x68, 0x48, 0x0e])), inp(base + random.below(2))];
    case 5:
      return [out(base, random.pick([0x20, 0x60, 0xa0, 0xe0, 0xc0, 0x40, 0x80, 0x00]) | random.below(8))];
    case 6:
      return [out(base + 1, random.below(256))];
    case 7:
      return [inp(base), inp(base + 1)];
    case 8: {
      const icw1 = random.pick([0x11, 0x11, 0x11, 0x10, 0x12, 0x13]);
      const icw3 = of === 'slave PIC' ? CASCADE : 1 << CASCADE;
      const icw4 = random.pick([1, 1, 1, 3, 0x11, 0x13]);
      const words = [
        random.below(256),
        ...((icw1 & 2) === 0 ? [icw3] : []),
        ...((icw1 & 1) !== 0 ? [icw4] : []),
      ];
      return [out(base, icw1), ...words.map((word) => out(base + 1, word))];
    }
    case 9:
      return [inp(PIC.edgeLevel.base + random.below(2))];
    default:
      return [inp(base)];
  }
}

function judge(): Judge {
  let polled = -1;
  return ({ operation, qemu }) => {
    if (operation.op === 'out' && COMMAND_PORTS.includes(operation.at)) {
      if ((operation.value & 0x1c) === 0x0c) polled = operation.at;
      else if ((operation.value & 0x10) !== 0) polled = -1;
    }
    if (operation.op !== 'in' || operation.at >> 1 !== polled >> 1) return [];
    polled = -1;
    return Number(qemu.value) === 0 ? [{ difference: 'poll of nothing', value: 7 }] : [];
  };
}

export const pic: QtestDevice = {
  name: 'pic',
  qemu: [],
  models: [],
  lines: 0,
  differences: {
    'poll of nothing': {
      qemu: 'answers a poll with 0 when nothing is requested',
      trapline: 'answers with input 7, as to an acknowledge of a request that has gone; bit 7 is 0',
      section: '8259A (231468), "Poll Command" and "Interrupt Sequence"',
    },
  },
  prologue: [out(PIC.master.base + 1, 0xff), out(PIC.slave.base + 1, 0xff)],
  // A script has one of the two: what passes between them is the processor's to acknowledge, and here is none.
  begin: (random) => {
    const of = random.pick(['master PIC', 'slave PIC'] as const);
    // How inputs are triggered is said before they come: neither says what becomes of an edge that turns into a level.
    const triggers = [0, 1].map((at) => out(PIC.edgeLevel.base + at, random.below(256)));
    let begun = false;
    return () => {
      if (begun) return turn(random, of);
      begun = true;
      return triggers;
    };
  },
  judge,
};
