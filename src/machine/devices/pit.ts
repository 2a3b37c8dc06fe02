/**
 * The interval timer of a PC: an Intel 8254 (data sheet 231164) at 1.193182 MHz, channel 0 on IRQ 0, channel 2 behind the gate
 * and output bits of port 0x61. Counters are worked out from the time when somebody looks; only the output of channel 0 is
 * an event.
 *
 * A BIOS has programmed channel 0 to 18.2 Hz (SeaBIOS, pit_setup: mode 2, count 65536) and it counts from the beginning. Its
 * ticks drive the line once somebody asks for them: when line 0 of the 8259 is opened, or the channel programmed anew. Until
 * then nobody could see them, and a guest that waits for nothing is found out.
 */
import { choice, flag } from '../../trace/vocabulary/bit-fields';
import type { AccessSize, RegisterBlock } from '../bus';
import type { Inspectable, StateNode, StatePath } from '../inspect';
import { describedNodes, nodeAt, type RegisterDescriptions, type RegisterPlace } from '../registers';
import { requireVersion, type Checkpoint, type HardwareState, type Migratable } from '../snapshot';
import type { Cycles, EventHandle, EventTarget } from '../time/event-queue';
import { Oscillator, type OscillatorHost } from '../time/oscillator';
import { PendingEvent, type PendingEventRun } from '../time/pending-event';
import { PitChannel, type PitChannelState } from './pit-channel';

/** Counters 0 to 2 and the control word. */
export const PIT = { base: 0x40, size: 4 } as const;
/** "NMI status and control" of the chipset, where channel 2 ends. */
export const PORT_B = { base: 0x61, size: 1 } as const;
/** Counts a second. */
export const PIT_HZ = 1_193_182;

const CHANNELS = 3;
/** Control word (page 7): 3 selects no counter but the read-back command; with 0 in the access field it only latches. */
const READ_BACK = 3;
const ACCESS_FIELD = 0x30;
/** Channel 0 as the firmware leaves it: both bytes, mode 2; and a count of 65536. */
const FIRMWARE_CONTROL = 0x34;
const ReadBack = { keepCount: 0x20, keepStatus: 0x10 } as const;
/** Port 0x61: gate and output of channel 2, and a bit that changes with each refresh of memory, every 15 us. */
const PortB = { gate2: 1, speaker: 2, refresh: 0x10, output2: 0x20 } as const;
const REFRESH_TICKS = 18;

const modes = [
  'interrupt on terminal count',
  'one-shot',
  'rate generator',
  'square wave',
  'software strobe',
  'hardware strobe',
  'rate generator',
  'square wave',
];
const controlFields = [
  flag('BCD', 0),
  choice('mode', 1, 3, modes),
  choice('bytes (RW)', 4, 5, ['latch', 'low', 'high', 'low, then high']),
];

/** What its registers mean (data sheet, "Programming the 8254"; of a counter also what the read-back command gives). */
export const pitDescriptions: RegisterDescriptions = {
  PIT_COUNTER: { meaning: 'Count, one byte after the other.' },
  PIT_CONTROL: {
    meaning: 'Control word.',
    fields: [...controlFields, choice('counter (SC)', 6, 7, ['0', '1', '2', 'read-back command'])],
  },
  STATUS: {
    meaning: 'Status byte of a counter, by the read-back command.',
    fields: [...controlFields, flag('no count loaded (null count)', 6), flag('output', 7)],
  },
  NMI_SC: {
    meaning: 'Port 61H of the chipset, where channel 2 ends.',
    fields: [
      flag('gate of counter 2', 0),
      flag('speaker', 1),
      flag('refresh', 4),
      flag('output of counter 2', 5),
    ],
  },
};

/** Where they are, by port; the status is read where the count is. */
export const pitRegisters: readonly RegisterPlace[] = [
  ...[0, 1, 2].map((index): RegisterPlace => [`PIT_COUNTER${index}`, PIT.base + index]),
  ['STATUS', PIT.base],
  ['PIT_CONTROL', PIT.base + 3],
  ['NMI_SC', PORT_B.base],
];

/** What the timer needs of its machine. */
export interface PitHost extends OscillatorHost {
  schedule(time: Cycles, target: EventTarget): EventHandle;
  cancel(handle: EventHandle): void;
  /** Level of channel 0's output. */
  setOutput(asserted: boolean): void;
}

/** What the hardware has of a `Pit`. */
export interface PitHardware extends HardwareState {
  version: 3;
  /** Cycles for which its clock has run. */
  age: Cycles;
  channels: PitChannelState[];
  programmed: boolean;
  listened: boolean;
  portB: number;
  output: boolean;
  line: boolean;
  /** Cycles until the output changes; -1: nobody waits for that. */
  remaining: Cycles;
}

/** What the run has of it; its event is in the queue's snapshot. */
export interface PitRun extends PendingEventRun {
  origin: Cycles;
}

/** The chip. Its register block is ports 0x40 to 0x43. */
export class Pit implements RegisterBlock, Inspectable, Migratable<PitHardware, PitRun>, EventTarget {
  private readonly clock: Oscillator;
  private readonly channels = Array.from({ length: CHANNELS }, () => new PitChannel());
  /** Channel 0 has been programmed by the guest. */
  private programmed = false;
  /** Somebody would see channel 0's line. */
  private listened = false;
  private portB = 0;
  /** As channel 0 has it before anything is written; the line itself has not been driven then. */
  private output = true;
  /** As the line has been driven. */
  private line = false;
  /** Of channel 0's output. */
  private readonly nextChange: PendingEvent;

  /** @param eventTargetId unique in the run */
  constructor(
    readonly eventTargetId: string,
    private readonly host: PitHost,
  ) {
    this.clock = new Oscillator(host, PIT_HZ);
    this.nextChange = new PendingEvent(host, (time) => host.schedule(time, this));
    this.programByFirmware(0);
  }

  /** As after power-on and the firmware's work. The line is taken to be low. */
  reset(): void {
    this.nextChange.cancel();
    this.programmed = this.listened = false;
    this.portB = 0;
    this.output = true;
    this.line = false;
    for (const channel of this.channels) channel.load(new PitChannel().save());
    this.programByFirmware(this.clock.ticks());
  }

  /** Tells whether line 0 of the 8259 is open. */
  setListened(listened: boolean): void {
    if (listened === this.listened) return;
    this.listened = listened;
    this.follow();
  }

  read(offset: number, _size: AccessSize): number {
    return this.channels[offset]?.read(this.clock.ticks()) ?? 0xff;
  }

  write(offset: number, _size: AccessSize, value: number): void {
    const ticks = this.clock.ticks();
    const byte = value & 0xff;
    const ofChannel0 =
      offset === 0 || (offset === CHANNELS && byte >> 6 === 0 && (byte & ACCESS_FIELD) !== 0);
    this.programmed ||= ofChannel0;
    if (offset < CHANNELS) this.channels[offset].write(byte, ticks);
    else if (byte >> 6 === READ_BACK) this.readBack(byte, ticks);
    else this.channels[byte >> 6].control(byte & 0x3f, ticks);
    this.follow();
  }

  registerName(offset: number): string | undefined {
    return ['PIT_COUNTER0', 'PIT_COUNTER1', 'PIT_COUNTER2', 'PIT_CONTROL'][offset];
  }

  /** Port 0x61. */
  readonly portBBlock: RegisterBlock = {
    read: () => this.portBRegister(),
    write: (_offset, _size, value) => {
      this.portB = value & (PortB.gate2 | PortB.speaker);
      this.channels[2].setGate((value & PortB.gate2) !== 0, this.clock.ticks());
    },
    registerName: () => 'NMI_SC',
  };

  /** Counters with their status, and port 61H. */
  inspect(path: StatePath): StateNode | undefined {
    const ticks = this.clock.ticks();
    const counters = this.channels.map((channel, index): StateNode => {
      const { count, status } = channel.look(ticks);
      return {
        name: `Counter ${index}`,
        children: [
          ...describedNodes(pitDescriptions, 16, { [`PIT_COUNTER${index}`]: count }),
          ...describedNodes(pitDescriptions, 8, { STATUS: status }),
        ],
      };
    });
    const portB = describedNodes(pitDescriptions, 8, { NMI_SC: this.portBRegister() });
    return nodeAt({ name: 'pit', children: [...counters, ...portB] }, path);
  }

  onEvent(): void {
    this.nextChange.came();
    this.follow();
  }

  save(): Checkpoint<PitHardware, PitRun> {
    const channels = this.channels.map((each) => each.save());
    const { clock, programmed, listened, portB, output, line, nextChange } = this;
    const { remaining } = nextChange;
    const registers = { channels, programmed, listened, portB, output, line };
    return {
      hardware: { version: 3, age: clock.age, ...registers, remaining },
      run: { origin: clock.origin, ...nextChange.save() },
    };
  }

  load({ hardware, run }: Checkpoint<PitHardware, PitRun>): void {
    this.loadRegisters(hardware);
    this.line = hardware.line;
    this.clock.origin = run.origin;
    this.nextChange.load(run);
  }

  adopt(hardware: PitHardware): void {
    this.loadRegisters(hardware);
    this.clock.adopt(hardware.age);
    if (hardware.line !== this.line) this.drive(hardware.line);
    this.nextChange.adopt(hardware.remaining);
  }

  private loadRegisters(hardware: PitHardware): void {
    requireVersion('the PIT', hardware.version, 3);
    this.programmed = hardware.programmed;
    this.listened = hardware.listened;
    this.channels.forEach((channel, index) => channel.load(hardware.channels[index]));
    this.portB = hardware.portB;
    this.output = hardware.output;
  }

  private portBRegister(): number {
    const ticks = this.clock.ticks();
    const refresh = Math.floor(ticks / REFRESH_TICKS) % 2 === 0 ? 0 : PortB.refresh;
    return this.portB | refresh | (this.channels[2].output(ticks) ? PortB.output2 : 0);
  }

  private programByFirmware(ticks: number): void {
    const [timer, , speaker] = this.channels;
    speaker.setGate(false, ticks);
    timer.control(FIRMWARE_CONTROL, ticks);
    timer.write(0, ticks);
    timer.write(0, ticks);
  }

  private readBack(command: number, ticks: number): void {
    this.channels.forEach((channel, index) => {
      if ((command & (2 << index)) === 0) return;
      if ((command & ReadBack.keepStatus) === 0) channel.latchStatus(ticks);
      if ((command & ReadBack.keepCount) === 0) channel.latchCount(ticks);
    });
  }

  /** Brings the interrupt line to channel 0's output, and comes again when that will change. */
  private follow(): void {
    const { channels, clock } = this;
    this.nextChange.cancel();
    if (!this.programmed && !this.listened) return;
    const ticks = clock.ticks();
    const output = channels[0].output(ticks);
    if (output !== this.output) {
      this.output = output;
      this.drive(output);
    }
    const next = channels[0].nextChange(ticks);
    if (next !== undefined) this.nextChange.comeAt(clock.timeOf(next));
  }

  private drive(asserted: boolean): void {
    this.line = asserted;
    this.host.setOutput(asserted);
  }
}
