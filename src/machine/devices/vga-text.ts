/**
 * The ports of a VGA in its colour text mode (IBM Personal System/2 Hardware Technical Reference, video subsystem, 1992): the
 * CRT controller with its index register, miscellaneous output, and the status that tells of the retrace. The text itself is
 * RAM at B8000H. Sequencer, graphics and attribute controllers and the palette are not there.
 */
import type { AccessSize, RegisterBlock } from '../bus';
import {
  requireVersion,
  type Checkpoint,
  type HardwareState,
  type Migratable,
  type RunState,
} from '../snapshot';
import type { Cycles } from '../time/event-queue';
import { Oscillator, type OscillatorHost } from '../time/oscillator';

/** Where its parts answer. The CRT controller and the status are at 3Bx or 3Dx, as miscellaneous output chooses. */
export const VGA = {
  crtcMono: { base: 0x3b4, size: 2 },
  statusMono: { base: 0x3ba, size: 1 },
  miscWrite: { base: 0x3c2, size: 1 },
  miscRead: { base: 0x3cc, size: 1 },
  crtcColour: { base: 0x3d4, size: 2 },
  statusColour: { base: 0x3da, size: 1 },
} as const;

/** Registers of the CRT controller after a BIOS has set mode 3 (80 by 25, colour), and the cursor at the first character. */
const MODE_3 = [
  ...[0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0x00, 0x00, 0x00, 0x00],
  ...[0x9c, 0x8e, 0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff],
];
const NAMES = [
  ...['HTOTAL', 'HDISP_END', 'HBLANK_START', 'HBLANK_END', 'HSYNC_START', 'HSYNC_END', 'VTOTAL', 'OVERFLOW'],
  ...[
    'ROW_SCAN',
    'MAX_SCAN',
    'CURSOR_START',
    'CURSOR_END',
    'START_HIGH',
    'START_LOW',
    'CURSOR_HIGH',
    'CURSOR_LOW',
  ],
  ...[
    'VSYNC_START',
    'VSYNC_END',
    'VDISP_END',
    'OFFSET',
    'UNDERLINE',
    'VBLANK_START',
    'VBLANK_END',
    'MODE',
    'LINE_COMPARE',
  ],
];
/** Vertical retrace end: bit 7 protects registers 0 to 7, but for bit 4 of register 7 (line compare). */
const Protect = { register: 0x11, bit: 0x80, last: 7, overflow: 7, open: 0x10 } as const;
const INDEX_MASK = 0x1f;
/** Miscellaneous output in mode 3: 3Dx, RAM on, 28 MHz clock, signs of 400 lines. */
const MISC_MODE_3 = 0x67;
const COLOUR = 1;
/** Input status 1: nothing is displayed now; the beam goes back to the top. */
const Status = { blank: 1, retrace: 8 } as const;
/** The picture of mode 3 by its registers: 449 lines of 900 dots at 28.322 MHz; 720 by 400 of it are shown; 2 lines of retrace. */
const DOTS_HZ = 28_322_000;
const LINE = { dots: 900, shown: 720 } as const;
const FRAME = { lines: 449, shown: 400, retraceStart: 412, retraceLines: 2 } as const;
const FLOATING = 0xff;

/** What the hardware has of a `VgaText`. */
export interface VgaTextHardware extends HardwareState {
  version: 2;
  index: number;
  misc: number;
  registers: Uint8Array;
  /** Cycles for which the beam has gone its way. */
  dotsAge: Cycles;
}

/** What the run has of it. */
export interface VgaTextRun extends RunState {
  dotsOrigin: Cycles;
}

/** The adapter. Each part is a block of its own. */
export class VgaText implements Migratable<VgaTextHardware, VgaTextRun> {
  private index = 0;
  private misc = MISC_MODE_3;
  private readonly registers = Uint8Array.from(MODE_3);

  private readonly dots: Oscillator;

  constructor(host: OscillatorHost) {
    this.dots = new Oscillator(host, DOTS_HZ);
  }

  /** The CRT controller's ports of monochrome and of colour: those that are not chosen float. */
  readonly crtcMono = this.crtcAt(false);
  readonly crtcColour = this.crtcAt(true);
  readonly statusMono = this.statusAt(false);
  readonly statusColour = this.statusAt(true);

  /** Write: miscellaneous output. Read: input status 0, which has no monitor's sense and no interrupt to tell of. */
  readonly miscWrite: RegisterBlock = {
    read: () => 0,
    write: (_offset, _size, value) => void (this.misc = value & 0xff),
    registerName: () => 'VGA_MISC',
  };

  readonly miscRead: RegisterBlock = {
    read: () => this.misc,
    write: () => undefined,
    registerName: () => 'VGA_MISC_READ',
  };

  /** As after power-on and the BIOS's setting of mode 3. */
  reset(): void {
    this.index = 0;
    this.misc = MISC_MODE_3;
    this.registers.set(MODE_3);
  }

  save(): Checkpoint<VgaTextHardware, VgaTextRun> {
    const { index, misc, dots } = this;
    const registers = this.registers.slice();
    return {
      hardware: { version: 2, index, misc, registers, dotsAge: dots.age },
      run: { dotsOrigin: dots.origin },
    };
  }

  load({ hardware, run }: Checkpoint<VgaTextHardware, VgaTextRun>): void {
    this.loadRegisters(hardware);
    this.dots.origin = run.dotsOrigin;
  }

  adopt(hardware: VgaTextHardware): void {
    this.loadRegisters(hardware);
    this.dots.adopt(hardware.dotsAge);
  }

  private loadRegisters(hardware: VgaTextHardware): void {
    requireVersion('the VGA', hardware.version, 2);
    this.index = hardware.index;
    this.misc = hardware.misc;
    this.registers.set(hardware.registers);
  }

  private chosen(colour: boolean): boolean {
    return ((this.misc & COLOUR) !== 0) === colour;
  }

  /** Index and data. A word written to the index sets both, low byte first. */
  private crtcAt(colour: boolean): RegisterBlock {
    const read = (offset: number): number => {
      if (!this.chosen(colour)) return FLOATING;
      return offset === 0 ? this.index : (this.registers[this.index] ?? FLOATING);
    };
    return {
      read: (offset: number, size: AccessSize) => (size === 1 ? read(offset) : read(0) | (read(1) << 8)),
      write: (offset: number, size: AccessSize, value: number) => {
        if (!this.chosen(colour)) return;
        if (offset === 0) this.index = value & INDEX_MASK;
        if (offset === 1) this.setRegister(value & 0xff);
        else if (size === 2) this.setRegister((value >> 8) & 0xff);
      },
      registerName: (offset: number) =>
        offset === 0 ? 'CRTC_INDEX' : `CRTC ${NAMES[this.index] ?? ''}`.trim(),
    };
  }

  private setRegister(value: number): void {
    const { index, registers } = this;
    if (index >= registers.length) return;
    const isProtected = (registers[Protect.register] & Protect.bit) !== 0 && index <= Protect.last;
    if (!isProtected) registers[index] = value;
    else if (index === Protect.overflow)
      registers[index] = (registers[index] & ~Protect.open) | (value & Protect.open);
  }

  private statusAt(colour: boolean): RegisterBlock {
    return {
      read: () => (this.chosen(colour) ? this.status() : FLOATING),
      write: () => undefined,
      registerName: () => 'VGA_STATUS',
    };
  }

  /** Where the beam is follows from the time: the first picture began with the oscillator. */
  private status(): number {
    const dots = this.dots.ticks();
    const line = Math.floor(dots / LINE.dots) % FRAME.lines;
    const blank = line >= FRAME.shown || dots % LINE.dots >= LINE.shown;
    const sinceRetrace = line - FRAME.retraceStart;
    const retrace = sinceRetrace >= 0 && sinceRetrace < FRAME.retraceLines;
    return (blank ? Status.blank : 0) | (retrace ? Status.retrace : 0);
  }
}
