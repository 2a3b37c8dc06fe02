/**
 * What a PC's BIOS keeps in low memory for the software it starts: the BIOS data area at 40:00, the extended one below video
 * memory, and the real-mode interrupt vectors (Ralf Brown's Interrupt List, MEMORY.LST; IBM PS/2 and PC BIOS Interface
 * Technical Reference, section 3).
 */
import { FIRMWARE_COMMAND } from '../devices/reset-ports';
import { Fields, type FirmwareTable } from './fields';
import { BIOS_SEGMENT, EBDA, TEXT_MEMORY } from './memory-map';

const KIB = 1024;
const BDA = { base: 0x400, size: 0x100 } as const;
const COM1 = 0x3f8;
/** Equipment: 80x25 in colour (bits 5:4), one serial port (bits 11:9); no diskette drive, no coprocessor. */
const EQUIPMENT = (2 << 4) | (1 << 9);
/** The keyboard's ring of sixteen words, as offsets in this segment. */
const KEYBOARD_RING = { start: 0x1e, end: 0x3e } as const;
const COLOUR_TEXT_MODE = 3;
const TEXT = { columns: 80, rows: 25, pageBytes: 0x1000, fontHeight: 16, crtc: 0x3d4 } as const;
/** Shape of the cursor: first and last line of a character, in the scale of eight. */
const CURSOR_SHAPE = 0x0607;
/** Ticks of the interval timer a day, and seconds: counter 0 divides 1.193182 MHz by 65536. */
const TICKS_A_DAY = 0x1800b0;
const SECONDS_A_DAY = 86_400;
/** Blank with the attribute of light grey on black. */
const BLANK = 0x0720;

/** Offset of the interrupt handlers in the BIOS's segment, and of the code at the reset vector. */
const HANDLERS = 0xe000;
const RESET = 0xe05b;
const RESET_VECTOR = 0xfff0;
const MODEL = { offset: 0xfffe, at: 0xfc } as const;
const VECTORS = 256;
/** Vectors of the two 8259s, and of the timer, as a BIOS programs them. */
const MASTER_VECTORS = 0x08;
const SLAVE_VECTORS = 0x70;
const LINES = 8;

/** iret */
const RETURN = [0xcf];
/** push ax; mov al, 0x20; out 0x20, al; pop ax; iret */
const END_OF_INTERRUPT = [0x50, 0xb0, 0x20, 0xe6, 0x20, 0x58, 0xcf];
/** push ax; mov al, 0x20; out 0xa0, al; out 0x20, al; pop ax; iret */
const END_OF_BOTH = [0x50, 0xb0, 0x20, 0xe6, 0xa0, 0xe6, 0x20, 0x58, 0xcf];
/** push ds; push ax; xor ax, ax; mov ds, ax; add word [0x46c], 1; adc word [0x46e], 0; mov al, 0x20; out 0x20, al; pop ax; pop ds; iret */
const TIMER_TICK = [
  ...[0x1e, 0x50, 0x31, 0xc0, 0x8e, 0xd8],
  ...[0x83, 0x06, 0x6c, 0x04, 0x01, 0x83, 0x16, 0x6e, 0x04, 0x00],
  ...[0xb0, 0x20, 0xe6, 0x20, 0x58, 0x1f, 0xcf],
];
/** Where software leaves the address that it wants to go on at after a reset, by the CMOS's shutdown status. */
const RESUME_VECTOR = 0x467;
/** Shutdown status: to the resume vector, with an end of interrupt before that, or without. */
const Shutdown = { register: 0x0f, jumpAfterEoi: 0x05, jump: 0x0a } as const;
const word = (value: number): number[] => [value & 0xff, value >> 8];
/** What runs at the reset vector, after INIT and after a jump to it (IBM PC AT Technical Reference, "System BIOS", shutdown). */
const RESET_CODE = [
  ...[0xfa, 0x31, 0xc0, 0x8e, 0xd8], // cli; xor ax, ax; mov ds, ax
  ...[0xb0, Shutdown.register, 0xe6, 0x70, 0xe4, 0x71, 0x88, 0xc4], // mov al, register; out 0x70, al; in al, 0x71; mov ah, al
  ...[0xb0, Shutdown.register, 0xe6, 0x70, 0xb0, 0x00, 0xe6, 0x71], // the same again; mov al, 0; out 0x71, al: it is for once
  ...[0x80, 0xfc, Shutdown.jump, 0x74, 0x0f], // cmp ah, jump; je 2f
  ...[0x80, 0xfc, Shutdown.jumpAfterEoi, 0x74, 0x06], // cmp ah, jumpAfterEoi; je 1f
  ...[0xb0, FIRMWARE_COMMAND.startOver, 0xe6, FIRMWARE_COMMAND.base, 0xf4, 0xf4], // mov al, startOver; out port, al; hlt; hlt
  ...[0xb0, 0x20, 0xe6, 0x20], // 1: mov al, 0x20; out 0x20, al
  ...[0xff, 0x2e, ...word(RESUME_VECTOR)], // 2: jmp far [resume vector]
];

/**
 * The areas and vectors.
 * @param secondsOfDay what the clock shows at power-on: the tick count at 40:6C follows from it
 */
export function biosData(secondsOfDay: number): FirmwareTable[] {
  return [
    { address: 0, bytes: interruptVectors() },
    { address: BDA.base, bytes: biosDataArea(secondsOfDay) },
    { address: EBDA.base, bytes: new Fields().add(1, EBDA.size / KIB).done() },
    { address: TEXT_MEMORY.base, bytes: blankScreen() },
    ...handlerCode(),
  ];
}

/** 40:00 to 40:FF. */
function biosDataArea(secondsOfDay: number): Uint8Array {
  const bytes = new Uint8Array(BDA.size);
  const view = new DataView(bytes.buffer);
  const words: Record<number, number> = {
    0x00: COM1,
    0x0e: EBDA.base / 16,
    0x10: EQUIPMENT,
    0x13: EBDA.base / KIB,
    0x1a: KEYBOARD_RING.start,
    0x1c: KEYBOARD_RING.start,
    0x4a: TEXT.columns,
    0x4c: TEXT.pageBytes,
    0x60: CURSOR_SHAPE,
    0x63: TEXT.crtc,
    0x80: KEYBOARD_RING.start,
    0x82: KEYBOARD_RING.end,
    0x85: TEXT.fontHeight,
  };
  for (const [at, value] of Object.entries(words)) view.setUint16(Number(at), value, true);
  bytes[0x49] = COLOUR_TEXT_MODE;
  bytes[0x84] = TEXT.rows - 1;
  view.setUint32(0x6c, Math.floor((secondsOfDay * TICKS_A_DAY) / SECONDS_A_DAY), true);
  return bytes;
}

function blankScreen(): Uint8Array {
  return new Uint8Array(new Uint16Array(TEXT_MEMORY.size / 2).fill(BLANK).buffer);
}

/** Handlers one after the other: of software interrupts and exceptions, of the 8259s, of the timer. */
const handlers = [RETURN, END_OF_INTERRUPT, END_OF_BOTH, TIMER_TICK];
const handlerAt = handlers.map((_, index) =>
  handlers.slice(0, index).reduce((at, code) => at + code.length, HANDLERS),
);

/** Segment and offset for each vector. No BIOS service answers: a software interrupt returns with its registers as they were. */
function interruptVectors(): Uint8Array {
  const [plain, master, slave, timer] = handlerAt;
  const within = (vector: number, base: number): boolean => vector >= base && vector < base + LINES;
  const handlerOf = (vector: number): number => {
    if (vector === MASTER_VECTORS) return timer;
    if (within(vector, MASTER_VECTORS)) return master;
    return within(vector, SLAVE_VECTORS) ? slave : plain;
  };
  const fields = new Fields();
  for (let vector = 0; vector < VECTORS; vector++) fields.add(2, handlerOf(vector), BIOS_SEGMENT.base / 16);
  return fields.done();
}

function handlerCode(): FirmwareTable[] {
  const at = (offset: number, bytes: readonly number[]): FirmwareTable => ({
    address: BIOS_SEGMENT.base + offset,
    bytes: Uint8Array.from(bytes),
  });
  return [
    ...handlers.map((code, index) => at(handlerAt[index], code)),
    at(RESET, RESET_CODE),
    at(RESET_VECTOR, [0xea, RESET & 0xff, RESET >> 8, 0x00, 0xf0]), // jmp 0xf000:RESET
    at(MODEL.offset, [MODEL.at]),
  ];
}
