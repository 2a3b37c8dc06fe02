/** `edu`: registers, the interrupt that software raises, factorials, and DMA in both directions between RAM and its buffer. */
import { EDU_BUFFER, EduDma, EduRegister, EduStatus } from '../../../../src/machine/devices/edu';
import type { Judge, QtestDevice } from '../device';
import { FIRST_SLOT, turnOn } from '../pci';
import type { Random } from '../random';
import type { Operation } from '../script';

const BAR = 0xf0000000;
const RAM = { base: 0x200000, size: 0x10000 } as const;
/** IRQ of INTA at that slot. */
const LINE = 1 << 11;
const DMA_REGISTERS: readonly number[] = [
  EduRegister.DMA_SOURCE,
  EduRegister.DMA_DESTINATION,
  EduRegister.DMA_COUNT,
  EduRegister.DMA_COMMAND,
];
const DMA_END = EduRegister.DMA_COMMAND + 8;
/** Registers whose writes begin what takes time. */
const BEGINS: readonly number[] = [EduRegister.DMA_COMMAND, EduRegister.FACTORIAL];
/** Operations between two that let time pass, in the mean: that is what takes long. */
const TIMED = 400;

const write = (register: number, value: number): Operation => ({
  op: 'write',
  size: 4,
  at: BAR + register,
  value,
});
const read = (register: number): Operation => ({ op: 'read', size: 4, at: BAR + register });

function transfer(random: Random): Operation[] {
  const toMemory = random.oneIn(2);
  // None of no bytes, and none that leaves the buffer or takes its last byte: QEMU ends at any of these.
  const length = random.between(1, random.oneIn(4) ? EDU_BUFFER.size - 1 : 64);
  const own = EDU_BUFFER.base + random.below(EDU_BUFFER.size - length);
  const memory = RAM.base + random.below(RAM.size - length + 1);
  const [source, destination] = toMemory ? [own, memory] : [memory, own];
  const interrupt = random.oneIn(2) ? EduDma.InterruptAfter : 0;
  const command = EduDma.Run | (toMemory ? EduDma.ToMemory : 0) | interrupt;
  return [
    ...(toMemory ? [] : [{ op: 'store' as const, at: memory, bytes: random.hex(length) }]),
    write(EduRegister.DMA_SOURCE, source),
    write(EduRegister.DMA_DESTINATION, destination),
    write(EduRegister.DMA_COUNT, length),
    write(EduRegister.DMA_COMMAND, command),
    { op: 'settle' },
    read(EduRegister.DMA_COMMAND),
    ...(toMemory ? [{ op: 'load' as const, at: memory, length }] : []),
  ];
}

function factorial(random: Random): Operation[] {
  const idle = { at: BAR + EduRegister.STATUS, bits: EduStatus.Computing };
  return [
    write(EduRegister.FACTORIAL, random.below(40)),
    { op: 'settle', idle },
    read(EduRegister.FACTORIAL),
  ];
}

function turn(random: Random): Operation[] {
  if (random.oneIn(TIMED)) return random.oneIn(3) ? factorial(random) : transfer(random);
  switch (random.below(10)) {
    case 0:
      return [write(EduRegister.LIVENESS, random.word())];
    case 1:
      return [write(EduRegister.STATUS, random.below(256))];
    case 2:
      return [write(EduRegister.IRQ_RAISE, random.word())];
    case 3:
      return [write(EduRegister.IRQ_ACK, random.word())];
    case 4:
      // None that begins a transfer: where it would lead is not for these to say.
      return [write(random.pick(DMA_REGISTERS), (random.word() & ~EduDma.Run) >>> 0)];
    case 5:
      return [read(random.pick(DMA_REGISTERS))];
    case 6:
      return [{ op: 'read', size: random.pick([1, 2, 4]), at: BAR + 4 * random.below(0x30) }];
    default:
      return [read(random.pick(Object.values(EduRegister)))];
  }
}

function judge(): Judge {
  return ({ operation }) => {
    if (operation.op === 'write' && BEGINS.includes(operation.at - BAR))
      return [{ difference: 'time', lines: LINE }];
    if (operation.op !== 'read') return [];
    const register = operation.at - BAR;
    if (operation.size < 4) return [{ difference: 'narrow reads', value: 'any' }];
    const high = register >= EduRegister.DMA_SOURCE && register < DMA_END && register % 8 === 4;
    return high ? [{ difference: 'high halves', value: 'any' }] : [];
  };
}

export const edu: QtestDevice = {
  name: 'edu',
  qemu: ['-device', `edu,addr=${FIRST_SLOT}`],
  models: [{ model: 'edu', name: 'edu' }],
  timed: true,
  lines: LINE,
  differences: {
    time: {
      qemu: 'transfers after 100 ms, and multiplies in a thread',
      trapline: 'transfers as long as its bus takes, here no time at all, and multiplies in simulated time',
      section: 'QEMU docs/specs/edu gives no time',
    },
    'narrow reads': {
      qemu: 'answers a read of less than 32 bits with zeros',
      trapline: 'answers it with ones, as reads that nobody claims',
      section: 'QEMU docs/specs/edu, MMIO area spec (only size 4 is allowed below 80H); PCI 3.0, 3.7.4.1',
    },
    'high halves': {
      qemu: 'has no register at the high half of a 64-bit one, which it reads as ones',
      trapline: 'has it there: a 64-bit access is two of 32 bits on a 32-bit bus',
      section: 'QEMU docs/specs/edu, MMIO area spec (sizes 4 and 8 from 80H); PCI 3.0, 3.2.2',
    },
  },
  avoided: [
    {
      qemu: 'ends itself at a transfer of no bytes, or one that leaves the buffer or takes its last byte',
      trapline: 'ignores the first two with a note, and does the third',
      section: 'QEMU docs/specs/edu, DMA controller',
    },
  ],
  prologue: turnOn(FIRST_SLOT, { 0: BAR }),
  begin: (random) => () => turn(random),
  judge,
};
