/**
 * The keyboard controller of a PC (Intel 8042; IBM PS/2 Hardware Technical Reference, keyboard controller) and the keyboard at it,
 * which answers its commands at once and whose keys nobody strikes. There is no mouse port.
 */
import { flag } from '../../trace/vocabulary/bit-fields';
import type { RegisterBlock } from '../bus';
import type { Inspectable, StateNode, StatePath } from '../inspect';
import { describedNodes, nodeAt, type RegisterDescriptions, type RegisterPlace } from '../registers';
import {
  requireVersion,
  type Checkpoint,
  type HardwareState,
  type Migratable,
  type RunState,
} from '../snapshot';
import { numberNode } from '../state-nodes';

/** Data and command port, and the interrupt that tells of a byte to be read. */
export const KEYBOARD = { data: { base: 0x60, size: 1 }, command: { base: 0x64, size: 1 }, irq: 1 } as const;

/** Status: not locked, and the self-test passed; and there is something to read; the last write was a command. */
const STATUS = 0x14;
const Status = { output: 0x01, command: 0x08 } as const;
/** Command byte: interrupt on, self-test passed, keyboard disabled, scan codes translated to those of the PC/XT. */
const Config = { interrupt: 0x01, passed: 0x04, disabled: 0x10, translate: 0x40 } as const;
const OUTPUT_NO_RESET = 1;
const A20_ON = 2;

/** Commands to the controller. */
const Command = {
  readConfig: 0x20,
  writeConfig: 0x60,
  selfTest: 0xaa,
  testKeyboard: 0xab,
  disableKeyboard: 0xad,
  enableKeyboard: 0xae,
  /** The output port's bit 0 low resets the processor; its bit 1 is A20. */
  readOutput: 0xd0,
  writeOutput: 0xd1,
  echo: 0xd2,
} as const;
/** Commands 0xF0 to 0xFF pulse output lines low; line 0, at bit 0, is the processor's reset. */
const PULSE = 0xf0;
const PASSED = 0x55;
/** Of the keyboard. */
const BUFFER_BYTES = 16;

/** Commands to the keyboard, and what it answers. */
const ACK = 0xfa;
const RESEND = 0xfe;
const BASIC_ASSURANCE = 0xaa;
const SCAN_CODE_SET = 2;
/** Without and with translation. */
const IDENTITY = { plain: [0xab, 0x83], translated: [0xab, 0x41] } as const;
const Key = { lights: 0xed, echo: 0xee, scanCodes: 0xf0, identify: 0xf2, rate: 0xf3, reset: 0xff } as const;
/** Enable, disable, defaults: nothing more is to be told of them. */
const PLAIN_COMMANDS: readonly number[] = [0xf4, 0xf5, 0xf6];
/** The byte after these is an argument. */
const WITH_ARGUMENT: readonly number[] = [Key.lights, Key.scanCodes, Key.rate];

/** What its registers mean, and those that commands reach. */
export const keyboardDescriptions: RegisterDescriptions = {
  KBD_DATA: {
    meaning: 'What controller or keyboard say; writes go to the keyboard, or are the argument of a command.',
  },
  KBD_COMMAND: {
    meaning: 'Read: status. Written: a command to the controller.',
    fields: [
      flag('output buffer full', 0),
      flag('input buffer full', 1),
      flag('self-test passed', 2),
      flag('the last write was a command', 3),
      flag('not locked', 4),
    ],
  },
  'command byte': {
    meaning: 'Configuration of the controller: command 20H reads it, 60H writes it.',
    fields: [
      flag('interrupt', 0),
      flag('self-test passed', 2),
      flag('keyboard disabled', 4),
      flag('translation', 6),
    ],
  },
  'output port': {
    meaning: 'Lines of the controller: command D0H reads it, D1H writes it.',
    fields: [flag('no reset', 0), flag('A20', 1)],
  },
};

/** Where they are, by port; command byte and output port are reached by commands. */
export const keyboardRegisters: readonly RegisterPlace[] = [
  ['KBD_DATA', KEYBOARD.data.base],
  ['KBD_COMMAND', KEYBOARD.command.base],
  ['command byte', KEYBOARD.data.base],
  ['output port', KEYBOARD.data.base],
];

/** What the hardware has of a `KeyboardController`; the run has nothing of it. */
export interface KeyboardControllerHardware extends HardwareState {
  version: 1;
  config: number;
  outputPort: number;
  /** What can be read, the next byte first. */
  output: Uint8Array;
  /** The command to the controller whose argument is to come; 0: none. */
  command: number;
  /** The same of the keyboard. */
  keyboardCommand: number;
  commandLast: boolean;
}

/** Where its lines lead. */
export interface KeyboardLines {
  /** The processor's reset, by this way. */
  reset(how: string): void;
  /** The interrupt's level. */
  interrupt(asserted: boolean): void;
}

/** The controller. Each port is a block of its own. */
export class KeyboardController implements Inspectable, Migratable<KeyboardControllerHardware> {
  private config = Config.interrupt | Config.passed | Config.translate;
  private outputPort = OUTPUT_NO_RESET | A20_ON;
  private output: number[] = [];
  private command = 0;
  private keyboardCommand = 0;
  private commandLast = true;

  constructor(private readonly lines: KeyboardLines) {}

  readonly data: RegisterBlock = {
    read: () => {
      const byte = this.output.shift() ?? 0;
      // Each byte is an interrupt of its own.
      this.lines.interrupt(false);
      this.tell();
      return byte;
    },
    write: (_offset, _size, value) => {
      this.commandLast = false;
      const { command } = this;
      this.command = 0;
      if (command === Command.writeConfig) this.config = value;
      else if (command === Command.writeOutput) this.setOutputPort(value);
      else if (command === Command.echo) this.say([value]);
      else this.say(this.keyboardAnswer(value));
      this.tell();
    },
    registerName: () => 'KBD_DATA',
  };

  readonly commandPort: RegisterBlock = {
    read: () => this.status,
    write: (_offset, _size, value) => {
      this.commandLast = true;
      this.command = value;
      this.say(this.answer(value));
      this.tell();
      if ((value & PULSE) === PULSE && (value & 1) === 0)
        this.lines.reset('the keyboard controller (port 0x64)');
    },
    registerName: () => 'KBD_COMMAND',
  };

  inspect(path: StatePath): StateNode | undefined {
    const { output, config, outputPort } = this;
    const children = describedNodes(keyboardDescriptions, 8, {
      KBD_DATA: output.length > 0 ? output[0] : 0,
      KBD_COMMAND: this.status,
      'command byte': config,
      'output port': outputPort,
    });
    const waiting = numberNode('to be read', output.length, 'bytes');
    return nodeAt({ name: 'keyboard', children: [{ name: 'Registers', children }, waiting] }, path);
  }

  /** As after power-on, when a BIOS has made it ready; the line is taken to be low. */
  reset(): void {
    this.config = Config.interrupt | Config.passed | Config.translate;
    this.outputPort = OUTPUT_NO_RESET | A20_ON;
    this.output = [];
    this.command = this.keyboardCommand = 0;
    this.commandLast = true;
  }

  save(): Checkpoint<KeyboardControllerHardware, RunState> {
    const { config, outputPort, command, keyboardCommand, commandLast } = this;
    const output = Uint8Array.from(this.output);
    return {
      hardware: { version: 1, config, outputPort, output, command, keyboardCommand, commandLast },
      run: {},
    };
  }

  load({ hardware }: Checkpoint<KeyboardControllerHardware, RunState>): void {
    requireVersion('the keyboard controller', hardware.version, 1);
    this.config = hardware.config;
    this.outputPort = hardware.outputPort;
    this.output = [...hardware.output];
    this.command = hardware.command;
    this.keyboardCommand = hardware.keyboardCommand;
    this.commandLast = hardware.commandLast;
  }

  adopt(hardware: KeyboardControllerHardware): void {
    this.load({ hardware, run: {} });
    this.tell();
  }

  private get status(): number {
    return STATUS | (this.output.length > 0 ? Status.output : 0) | (this.commandLast ? Status.command : 0);
  }

  private setOutputPort(value: number): void {
    this.outputPort = value | OUTPUT_NO_RESET;
    if ((value & OUTPUT_NO_RESET) === 0) this.lines.reset('the keyboard controller (port 0x60)');
  }

  /** What the controller itself answers to a command. */
  private answer(command: number): readonly number[] {
    switch (command) {
      case Command.readConfig:
        return [this.config];
      case Command.selfTest:
        this.output = [];
        this.config |= Config.passed;
        return [PASSED];
      case Command.testKeyboard:
        return [0];
      case Command.disableKeyboard:
        this.config |= Config.disabled;
        return [];
      case Command.enableKeyboard:
        this.config &= ~Config.disabled;
        return [];
      case Command.readOutput:
        return [this.outputPort];
      default:
        return [];
    }
  }

  /** What the keyboard answers to a byte. It is enabled by whatever is sent to it. */
  private keyboardAnswer(value: number): readonly number[] {
    this.config &= ~Config.disabled;
    const { keyboardCommand } = this;
    this.keyboardCommand = 0;
    if (keyboardCommand === Key.scanCodes && value === 0) return [ACK, SCAN_CODE_SET];
    if (keyboardCommand !== 0 || PLAIN_COMMANDS.includes(value)) return [ACK];
    if (WITH_ARGUMENT.includes(value)) {
      this.keyboardCommand = value;
      return [ACK];
    }
    if (value === Key.echo) return [Key.echo];
    if (value === Key.reset) return [ACK, BASIC_ASSURANCE];
    if (value !== Key.identify) return [RESEND];
    const translated = (this.config & Config.translate) !== 0;
    return [ACK, ...(translated ? IDENTITY.translated : IDENTITY.plain)];
  }

  /** What finds no room in the keyboard's buffer is lost. */
  private say(bytes: readonly number[]): void {
    this.output.push(...bytes.slice(0, Math.max(0, BUFFER_BYTES - this.output.length)));
  }

  private tell(): void {
    this.lines.interrupt(this.output.length > 0 && (this.config & Config.interrupt) !== 0);
  }
}
