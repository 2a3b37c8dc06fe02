/**
 * The two 8259A interrupt controllers of a PC (Intel 8259A data sheet, 231468): the slave's output is input 2 of the master.
 * Inputs are 0..15 as IRQ lines are numbered.
 */
import { flag } from '../../trace/vocabulary/bit-fields';
import type { AccessSize, RegisterBlock } from '../bus';
import type { Inspectable, StateNode, StatePath } from '../inspect';
import { nodeAt, registerNode } from '../registers';
import {
  requireVersion,
  type Checkpoint,
  type HardwareState,
  type Migratable,
  type RunState,
} from '../snapshot';

/** Command and data port of master and slave, and the registers that choose level or edge per input. */
export const PIC = {
  master: { base: 0x20, size: 2 },
  slave: { base: 0xa0, size: 2 },
  edgeLevel: { base: 0x4d0, size: 2 },
} as const;

const CASCADE = 2;
/** What a controller answers when a request has gone before it is acknowledged ("spurious", page 18). */
const SPURIOUS = 7;
/** Inputs whose trigger can be chosen; timer, keyboard, cascade, clock and coprocessor are edge for good. */
const LEVEL_ABLE = [0xf8, 0xde] as const;

const Icw1 = { select: 0x10, single: 0x02, needsIcw4: 0x01 } as const;
const Icw4 = { autoEoi: 0x02, fullyNested: 0x10 } as const;
const Ocw3 = {
  select: 0x08,
  poll: 0x04,
  readCommand: 0x02,
  readIsr: 0x01,
  maskCommand: 0x40,
  mask: 0x20,
} as const;
/** Which initialisation word is awaited next at the data port. */
const Step = { none: 0, icw2: 1, icw3: 2, icw4: 3 } as const;

/** State of one controller, a part of the pair's hardware; all fields are its registers and flip-flops. */
export interface PicChipState {
  irr: number;
  isr: number;
  imr: number;
  lines: number;
  base: number;
  /** The input of lowest priority. */
  lowest: number;
  step: number;
  single: boolean;
  needsIcw4: boolean;
  autoEoi: boolean;
  rotateOnAutoEoi: boolean;
  fullyNested: boolean;
  specialMask: boolean;
  readIsr: boolean;
  poll: boolean;
  level: number;
}

/** What the hardware has of a `PicPair`; the run has nothing of it. */
export interface PicPairHardware extends HardwareState {
  version: 2;
  chips: PicChipState[];
  output: boolean;
}

function initialState(base: number, imr: number): PicChipState {
  return {
    irr: 0,
    isr: 0,
    imr,
    lines: 0,
    base,
    lowest: 7,
    step: Step.none,
    single: false,
    needsIcw4: false,
    autoEoi: false,
    rotateOnAutoEoi: false,
    fullyNested: false,
    specialMask: false,
    readIsr: false,
    poll: false,
    level: 0,
  };
}

const masterState = (): PicChipState => initialState(0x08, 0xff & ~(1 << CASCADE));
const slaveState = (): PicChipState => initialState(0x70, 0xff);

/** One controller. */
class Chip {
  /**
   * @param master whether the other one hangs on its input 2
   * @param ended told of each end of interrupt
   */
  constructor(
    readonly master: boolean,
    public state: PicChipState,
    private readonly ended: (input: number) => void,
  ) {}

  setLine(input: number, asserted: boolean): void {
    const { state } = this;
    const bit = 1 << input;
    const rose = asserted && (state.lines & bit) === 0;
    state.lines = asserted ? state.lines | bit : state.lines & ~bit;
    if ((state.level & bit) !== 0) state.irr = asserted ? state.irr | bit : state.irr & ~bit;
    else if (rose) state.irr |= bit;
  }

  /** The request that goes before all in service; -1: there is none. */
  pending(): number {
    const { state } = this;
    const request = this.first(state.irr & ~state.imr);
    let serving = state.specialMask ? state.isr & ~state.imr : state.isr;
    if (state.fullyNested && this.master) serving &= ~(1 << CASCADE);
    return request < this.first(serving) ? this.input(request) : -1;
  }

  /** The acknowledge cycle of a pending input. */
  acknowledge(input: number): void {
    const { state } = this;
    const bit = 1 << input;
    if ((state.level & bit) === 0) state.irr &= ~bit;
    if (!state.autoEoi) state.isr |= bit;
    else {
      if (state.rotateOnAutoEoi) state.lowest = input;
      this.ended(input);
    }
  }

  /** A read at either port: after a poll command it is an acknowledge cycle ("Poll Command"). */
  read(offset: number): number {
    const { state } = this;
    if (!state.poll) return offset !== 0 ? state.imr : state.readIsr ? state.isr : state.irr;
    state.poll = false;
    const input = this.pending();
    if (input < 0) return SPURIOUS;
    this.acknowledge(input);
    return 0x80 | input;
  }

  writeCommand(value: number): void {
    if ((value & Icw1.select) !== 0) this.initialise(value);
    else if ((value & Ocw3.select) !== 0) this.operate(value);
    else this.endOfInterrupt(value >> 5, value & 7);
  }

  writeData(value: number): void {
    const { state } = this;
    switch (state.step) {
      case Step.icw2:
        state.base = value & 0xf8;
        state.step = state.single ? this.afterIcw3 : Step.icw3;
        return;
      case Step.icw3:
        state.step = this.afterIcw3;
        return;
      case Step.icw4:
        state.autoEoi = (value & Icw4.autoEoi) !== 0;
        state.fullyNested = (value & Icw4.fullyNested) !== 0;
        state.step = Step.none;
        return;
      default:
        state.imr = value;
    }
  }

  /** ICW3 comes only where there are several controllers, ICW4 only where ICW1 says so ("Initialization Command Words"). */
  private get afterIcw3(): number {
    return this.state.needsIcw4 ? Step.icw4 : Step.none;
  }

  /** ICW1 clears all but the lines themselves; an edge has to come anew (page 10). */
  private initialise(value: number): void {
    const { base, lines, level } = this.state;
    this.state = {
      ...initialState(base, 0),
      irr: lines & level,
      lines,
      level,
      step: Step.icw2,
      single: (value & Icw1.single) !== 0,
      needsIcw4: (value & Icw1.needsIcw4) !== 0,
    };
  }

  private operate(value: number): void {
    const { state } = this;
    if ((value & Ocw3.poll) !== 0) state.poll = true;
    if ((value & Ocw3.readCommand) !== 0) state.readIsr = (value & Ocw3.readIsr) !== 0;
    if ((value & Ocw3.maskCommand) !== 0) state.specialMask = (value & Ocw3.mask) !== 0;
  }

  /** OCW2: bit 0 of the command ends an interrupt, bit 1 names the input, bit 2 rotates priorities. */
  private endOfInterrupt(command: number, named: number): void {
    const { state } = this;
    const [ends, specific, rotates] = [1, 2, 4].map((bit) => (command & bit) !== 0);
    if (!ends) {
      if (!specific) state.rotateOnAutoEoi = rotates;
      else if (rotates) state.lowest = named;
      return;
    }
    const position = this.first(state.isr);
    const input = specific ? named : this.input(position);
    if (!specific && position === 8) return;
    state.isr &= ~(1 << input);
    if (rotates) state.lowest = input;
    this.ended(input);
  }

  /** Place of the first of some inputs in the order of priority; 8 when there are none. */
  private first(inputs: number): number {
    for (let place = 0; place < 8; place++) if ((inputs & (1 << this.input(place))) !== 0) return place;
    return 8;
  }

  private input(place: number): number {
    return (place + this.state.lowest + 1) & 7;
  }
}

/**
 * Both controllers, as a PC's firmware initialises them (SeaBIOS, pic_reset): vectors 08H and 70H, and everything masked but
 * the cascade. What a BIOS then opens, the board says.
 */
export class PicPair implements Inspectable, Migratable<PicPairHardware> {
  private readonly master = new Chip(true, masterState(), (input) => this.acknowledged(input));
  private readonly slave = new Chip(false, slaveState(), (input) => this.acknowledged(8 + input));
  private output = false;

  /**
   * @param onOutput level of the master's output, when it changes
   * @param acknowledged told of the end of interrupt of an IRQ line
   */
  constructor(
    private readonly onOutput: (asserted: boolean) => void,
    private readonly acknowledged: (line: number) => void = () => undefined,
  ) {}

  readonly masterPorts = this.portsOf(this.master);
  readonly slavePorts = this.portsOf(this.slave);
  /** ELCR1 and ELCR2: a bit for each input that is level-triggered. */
  readonly edgeLevelPorts: RegisterBlock = {
    read: (offset) => this.chip(offset).state.level,
    write: (offset, _size, value) => {
      this.chip(offset).state.level = value & LEVEL_ABLE[offset & 1];
      this.update();
    },
    registerName: (offset) => ['ELCR1', 'ELCR2'][offset],
  };

  /** Level of an IRQ line, 0..15; line 2 is the cascade and nobody else's. */
  setLine(line: number, asserted: boolean): void {
    if (line === CASCADE) return;
    this.chip(line >> 3).setLine(line & 7, asserted);
    this.update();
  }

  /** Whether a request at an IRQ line of the master (0..7) would be passed on. */
  lineOpen(line: number): boolean {
    return (this.master.state.imr & (1 << line)) === 0;
  }

  /** As after power-on, with no line asserted. */
  reset(): void {
    this.master.state = masterState();
    this.slave.state = slaveState();
    this.update();
  }

  /** Whether the processor is being asked to acknowledge. */
  get asserted(): boolean {
    return this.output;
  }

  /** The vector that an acknowledge cycle would give now. */
  get pendingVector(): number {
    const { master, slave } = this;
    const input = master.pending();
    if (input !== CASCADE) return master.state.base + (input < 0 ? SPURIOUS : input);
    const behind = slave.pending();
    return slave.state.base + (behind < 0 ? SPURIOUS : behind);
  }

  /** The processor's acknowledge cycle: the vector. */
  acknowledge(): number {
    const vector = this.takeRequest();
    this.update();
    return vector;
  }

  /** The registers of both controllers (page 9 of the data sheet): one bit for each input. */
  inspect(path: StatePath): StateNode | undefined {
    const inputs = Array.from({ length: 8 }, (_, input) => flag(`IR${input}`, input));
    const chips = { master: this.master, slave: this.slave };
    const children = Object.entries(chips).map(([name, { state }]): StateNode => {
      const registers = { IRR: state.irr, ISR: state.isr, IMR: state.imr, ELCR: state.level };
      const nodes = Object.entries(registers).map(([register, value]) =>
        registerNode({ name: register, value: BigInt(value), bits: 8, fields: inputs }),
      );
      const base: StateNode = { name: 'vector base', value: { kind: 'number', value: BigInt(state.base) } };
      return { name, children: [...nodes, base] };
    });
    return nodeAt({ name: '8259', children }, path);
  }

  save(): Checkpoint<PicPairHardware, RunState> {
    const chips = [{ ...this.master.state }, { ...this.slave.state }];
    return { hardware: { version: 2, chips, output: this.output }, run: {} };
  }

  load({ hardware }: Checkpoint<PicPairHardware, RunState>): void {
    this.loadChips(hardware);
    this.output = hardware.output;
  }

  adopt(hardware: PicPairHardware): void {
    this.loadChips(hardware);
    if (hardware.output !== this.output) this.drive(hardware.output);
  }

  private loadChips({ version, chips }: PicPairHardware): void {
    requireVersion('the PICs', version, 2);
    [this.master, this.slave].forEach((chip, index) => (chip.state = { ...chips[index] }));
  }

  private takeRequest(): number {
    const { master, slave, pendingVector } = this;
    const input = master.pending();
    const behind = slave.pending();
    if (input >= 0) master.acknowledge(input);
    if (input === CASCADE && behind >= 0) slave.acknowledge(behind);
    return pendingVector;
  }

  private chip(index: number): Chip {
    return (index & 1) === 0 ? this.master : this.slave;
  }

  private portsOf(chip: Chip): RegisterBlock {
    const number = chip.master ? 1 : 2;
    return {
      read: (offset: number, _size: AccessSize) => {
        const value = chip.read(offset);
        this.update();
        return value;
      },
      write: (offset: number, _size: AccessSize, value: number) => {
        if (offset === 0) chip.writeCommand(value & 0xff);
        else chip.writeData(value & 0xff);
        this.update();
      },
      registerName: (offset: number) => [`PIC${number}_COMMAND`, `PIC${number}_DATA`][offset],
    };
  }

  private update(): void {
    // Each request of the slave is an edge of its own: the master has forgotten the last one when it acknowledged it.
    if (this.slave.pending() >= 0) this.master.setLine(CASCADE, true);
    this.master.setLine(CASCADE, false);
    const asserted = this.master.pending() >= 0;
    if (asserted !== this.output) this.drive(asserted);
  }

  private drive(asserted: boolean): void {
    this.output = asserted;
    this.onOutput(asserted);
  }
}
