/** The 8254 while time stands still: control words, counts, latches, status, and the gate of channel 2. */
import { PIT, PORT_B } from '../../../../src/machine/devices/pit';
import type { Allowance, Judge, QtestDevice } from '../device';
import type { Random } from '../random';
import type { Operation, Step } from '../script';

const CONTROL = PIT.base + 3;
const CHANNELS = 3;
const READ_BACK = 3;
const Status = { output: 0x80, nullCount: 0x40 } as const;
const PortB = { refresh: 0x10, output: 0x20 } as const;

const out = (at: number, value: number): Operation => ({ op: 'out', size: 1, at, value });
const inp = (at: number): Operation => ({ op: 'in', size: 1, at });

/** A counter is programmed, then read in all ways that there are, each whole: what half a read leaves behind is nobody's to say. */
function turn(random: Random): Operation[] {
  const channel = random.below(CHANNELS);
  const counter = PIT.base + channel;
  const access = random.between(1, 3);
  const bytes = access === 3 ? 2 : 1;
  const whole = (): Operation[] => Array.from({ length: bytes }, () => inp(counter));
  const write = (): Operation[] => Array.from({ length: bytes }, () => out(counter, random.below(256)));
  const readBack = (bits: number): Operation => out(CONTROL, 0xc0 | bits | (2 << channel));
  const turns: (() => Operation[])[] = [
    whole,
    write,
    () => [out(CONTROL, channel << 6), ...whole()],
    () => [out(CONTROL, channel << 6), out(CONTROL, channel << 6), ...whole(), ...whole()],
    () => [readBack(0x20), inp(counter)],
    () => [readBack(0x10), ...whole()],
    () => [readBack(0), inp(counter), ...whole()],
    () => [out(PORT_B.base, random.below(4)), inp(PORT_B.base)],
  ];
  const control = out(CONTROL, (channel << 6) | (access << 4) | (random.below(8) << 1));
  const rest = Array.from({ length: random.below(6) }, () => random.pick(turns)()).flat();
  return [control, ...(random.oneIn(8) ? [readBack(0x20), inp(counter)] : []), ...write(), ...rest];
}

/** Follows control words for what QEMU's counters have no state for. */
class Follower {
  private readonly mode = [2, 2, 2];
  private readonly access = [3, 3, 3];
  /** A whole count has been written since the control word. */
  private readonly loaded = [true, true, true];
  private readonly bytes = [0, 0, 0];
  private readonly statusLatched = [false, false, false];

  follow({ operation }: Step): Allowance[] {
    if (operation.op === 'out') this.written(operation.at, operation.value);
    if (operation.op !== 'in') return [];
    if (operation.at === PORT_B.base) {
      const refresh = { difference: 'refresh', value: PortB.refresh };
      return this.plain(2) ? [refresh] : [{ difference: 'output', value: PortB.refresh | PortB.output }];
    }
    const channel = operation.at - PIT.base;
    if (channel >= CHANNELS) return [];
    if (this.statusLatched[channel]) {
      this.statusLatched[channel] = false;
      const nothing = this.loaded[channel] ? 0 : Status.nullCount;
      return [{ difference: 'output', value: nothing | (this.plain(channel) ? 0 : Status.output) }];
    }
    return this.loaded[channel] ? [] : [{ difference: 'no count', value: 'any' }];
  }

  private written(at: number, value: number): void {
    const channel = at === CONTROL ? value >> 6 : at - PIT.base;
    if (at === CONTROL && channel === READ_BACK) {
      if ((value & 0x10) !== 0) return;
      for (let each = 0; each < CHANNELS; each++)
        if ((value & (2 << each)) !== 0) this.statusLatched[each] = true;
    } else if (at === CONTROL) {
      if ((value & 0x30) === 0) return;
      this.mode[channel] = (value >> 1) & 7;
      this.access[channel] = (value >> 4) & 3;
      this.loaded[channel] = this.statusLatched[channel] = false;
      this.bytes[channel] = 0;
    } else if (channel >= 0 && channel < CHANNELS) {
      this.bytes[channel] += 1;
      if (this.access[channel] !== 3 || this.bytes[channel] % 2 === 0) this.loaded[channel] = true;
    }
  }

  /** Modes whose output at the beginning of the count QEMU has as the data sheet does. */
  private plain(channel: number): boolean {
    return this.loaded[channel] && [0, 3].includes(this.mode[channel]);
  }
}

function judge(): Judge {
  const follower = new Follower();
  return (step) => follower.follow(step);
}

export const pit: QtestDevice = {
  name: 'pit',
  qemu: [],
  models: [],
  lines: 0,
  differences: {
    output: {
      qemu: 'has the output low before the first count in modes 2, 4 to 7, and no null count',
      trapline: 'has it high from the control word on in all modes but 0, and says while no count is loaded',
      section: '8254 (231164), "Mode Definitions" and "Read-Back Command" (status byte)',
    },
    'no count': {
      qemu: 'goes on with the last count after a control word',
      trapline: 'has none until it is written',
      section: '8254 (231164), "Write Operations": the count is undefined until then',
    },
    refresh: {
      qemu: 'changes the refresh bit of port 61H with each read',
      trapline: 'changes it every 15 us',
      section: 'IBM PC AT Technical Reference, system board, port 61H',
    },
  },
  prologue: [0x34, 0x74, 0xb4].flatMap((word, channel) => [
    out(CONTROL, word),
    out(PIT.base + channel, 0),
    out(PIT.base + channel, 0),
  ]),
  begin: (random) => () => turn(random),
  judge,
};
