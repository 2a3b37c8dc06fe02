/** Firmware in a ROM: where the CPU begins, where the ROM shows, and the RAM behind it. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { acpiFileNames } from '../../../src/machine/firmware/acpi-loader';
import { prepareRun } from '../../../src/run/prepare';
import { RunSession } from '../../../src/run/session';
import { vmmNames } from '../../../src/vmm/vmm-facts';
import { END, PUT_AL, firmwareJob, out32, out8, romOf, runFirmware } from '../../support/firmware';
import { environment } from '../../support/runs';

/** A register of the host bridge: CONFIG_ADDRESS of function 00:00.0. */
const select = (register: number): number[] => out32(0xcf8, 0x80000000 + (register & 0xfc));
/** PAM0 is at 59H, in the second byte of its word: F0000H to FFFFFH. */
const pam0 = (value: number): number[] => [...select(0x58), ...out8(0xcfd, value)];
/** mov ax, 0xf000; mov ds, ax */
const DS_BIOS = [0xb8, 0x00, 0xf0, 0x8e, 0xd8];
/** cs mov al, [offset]; the same of DS. */
const loadCs = (at: number): number[] => [0x2e, 0xa0, at & 0xff, at >> 8];
const loadDs = (at: number): number[] => [0xa0, at & 0xff, at >> 8];
/** mov byte [offset], value */
const storeDs = (at: number, value: number): number[] => [0xc6, 0x06, at & 0xff, at >> 8, value];
const letter = (text: string): number => text.charCodeAt(0);
const put = (text: string): number[] => [0xb0, letter(text), ...PUT_AL];

const DATA = 0x8000;
const data = (text: string) => [{ at: DATA, bytes: [letter(text)] }];

describe.each(vmmNames)('firmware in a ROM, by the VMM %s', (vmm) => {
  it('begins at the reset vector, reads itself below 4 GiB and below 1 MiB, and cannot be written', async () => {
    const code = [
      ...[...loadCs(DATA), ...PUT_AL],
      ...[...DS_BIOS, ...loadDs(DATA), ...PUT_AL],
      ...[...storeDs(DATA, letter('x')), ...loadDs(DATA), ...PUT_AL],
      ...END,
    ];
    const { serial, end } = await runFirmware(romOf(code, data('R')), {}, { vmm });
    expect(serial).toBe('RRR');
    expect(end.summary.vms[0]?.exitCode).toBe(0);
  });

  it('has RAM behind itself, as PAM0 has it: written while the ROM is read, then read', async () => {
    const code = [
      ...DS_BIOS,
      ...[...pam0(0x20), ...storeDs(DATA, letter('s')), ...loadDs(DATA), ...PUT_AL], // writes alone
      ...[
        ...pam0(0x10),
        ...loadDs(DATA),
        ...PUT_AL,
        ...storeDs(DATA, letter('x')),
        ...loadDs(DATA),
        ...PUT_AL,
      ], // reads alone
      ...[...pam0(0x30), ...storeDs(DATA, letter('w')), ...loadDs(DATA), ...PUT_AL],
      ...[...pam0(0x00), ...loadDs(DATA), ...PUT_AL],
      ...[...loadCs(DATA), ...PUT_AL, ...END],
    ];
    const { serial } = await runFirmware(romOf(code, data('R')), {}, { vmm });
    expect(serial).toBe('RsswRR');
  });

  it('goes on from what its page holds then, when it hides the page it runs from', async () => {
    // At the same place RAM gets "put m" and the ROM has "put r"; what comes before it takes the ROM away.
    const PLACE = 0x4000;
    const hide = pam0(0x30);
    const hidden = [...put('m'), ...END].flatMap((byte, index) => storeDs(PLACE + hide.length + index, byte));
    const there = [0xea, PLACE & 0xff, PLACE >> 8, 0x00, 0xf0]; // jmp far f000:PLACE, below 1 MiB
    const rom = romOf(
      [...DS_BIOS, ...pam0(0x20), ...hidden, ...there],
      [{ at: PLACE, bytes: [...hide, ...put('r'), ...END] }],
    );
    const { serial } = await runFirmware(rom, {}, { vmm });
    expect(serial).toBe('m');
  });

  it('finds nothing of another firmware in memory', async () => {
    const job = await firmwareJob(romOf([0xf4]), {}, { vmm, stop: { when: 'time', afterMs: 0.1 } });
    const session = new RunSession(job);
    const memory = session.memory(0);
    const low = memory.read(0, 1 << 20);
    expect(low.findIndex((byte) => byte !== 0)).toBe(-1);
  });

  it('is begun again by a reset, from the ROM, with the shadow gone', async () => {
    // CMOS register 40H survives: the second time round it is not 0.
    const COUNT = [0xb0, 0x40, 0xe6, 0x70, 0xe4, 0x71]; // mov al, 40h; out 70h, al; in al, 71h
    const again = [
      ...out8(0x71, 1),
      ...DS_BIOS,
      ...pam0(0x30),
      ...storeDs(DATA, letter('x')),
      ...out8(0xcf9, 6),
      0xf4,
    ];
    const done = [...DS_BIOS, ...loadDs(DATA), ...PUT_AL, ...END];
    const code = [...COUNT, 0x84, 0xc0, 0x75, again.length, ...again, ...done]; // test al, al; jnz done
    const { serial } = await runFirmware(romOf(code, data('R')), {}, { vmm });
    expect(serial).toBe('R');
  });

  it('goes on from a snapshot with the shadow as it was', async () => {
    const shadowed = [...DS_BIOS, ...pam0(0x30), ...storeDs(DATA, letter('s'))];
    const wait = [0xb9, 0xe8, 0x03, 0xe2, 0xfe]; // mov cx, 1000; loop $
    const code = [...shadowed, ...wait, ...loadDs(DATA), ...PUT_AL, ...END];
    const job = await firmwareJob(romOf(code, data('R')), {}, { vmm });
    const whole = new RunSession(job);
    while (whole.step());
    const said: string[] = [];
    const first = new RunSession(job);
    first.runInstructions(500);
    const restored = RunSession.restore(
      job,
      structuredClone(first.snapshot()),
      (_vm, text) => void said.push(text),
    );
    while (restored.step());
    const { end } = restored.end();
    expect(said.join('')).toBe('s');
    expect(end.meta.traceHash).toBe(whole.end().end.meta.traceHash);
  });
});

describe('the chipset that a firmware programs', () => {
  const pciWrite = (fn: number, register: number, value: number): number[] => [
    ...out32(0xcf8, 0x80000000 + (1 << 11) + (fn << 8) + register),
    ...out32(0xcfc, value),
  ];
  /** mov dx, port; in al, dx */
  const in8 = (port: number): number[] => [0xba, port & 0xff, port >> 8, 0xec];

  it('has power management answer where its registers say, when they let it', async () => {
    // PM1_CNT's low byte has SCI_EN (1); where nobody answers all bits are ones.
    const show = [...in8(0xe404), 0x24, 0x0f, 0x04, 0x41, ...PUT_AL]; // and al, 15; add al, 'A'
    const code = [
      ...[...show, ...pciWrite(3, 0x40, 0xe401), ...show, ...pciWrite(3, 0x80, 1), ...show],
      ...[...pciWrite(3, 0x40, 0xd001), ...show, ...END],
    ];
    const { serial } = await runFirmware(romOf(code));
    expect(serial).toBe('PPBP');
  });

  it('has fw_cfg with the ACPI tables', async () => {
    // The directory is item 19H; its first four bytes are the count of files, big-endian.
    const select = [0xba, 0x10, 0x05, 0xb8, 0x19, 0x00, 0xef]; // mov dx, 510h; mov ax, 19h; out dx, ax
    const count = [...in8(0x511), ...in8(0x511), ...in8(0x511), ...in8(0x511), 0x04, 0x30, ...PUT_AL];
    const { serial } = await runFirmware(romOf([...select, ...count, ...END]));
    expect(serial).toBe(String(1 + acpiFileNames.length));
  });
});

describe('what is typed at the console', () => {
  /** Prints `>`, then what it reads from COM1, until a full stop. */
  const LOOP = [
    ...put('>'),
    ...[0xba, 0xfd, 0x03, 0xec, 0xa8, 0x01, 0x74, 0xfb], // 1: mov dx, 3fdh; in al, dx; test al, 1; jz back to in
    ...[0xba, 0xf8, 0x03, 0xec, 0xee], // mov dx, 3f8h; in al, dx; out dx, al
    ...[0x3c, 0x2e, 0x75, 0xef], // cmp al, '.'; jne 1b
    ...END,
  ];

  it.each(vmmNames)('arrives in order, each part after what it waits for, by the VMM %s', async (vmm) => {
    const serialInput = [
      { after: '>', send: 'ab' },
      { after: 'b', delayMs: 0.01, send: 'more than a FIFO takes at once!' },
      { after: '!', send: '.' },
    ];
    const { serial, end } = await runFirmware(romOf(LOOP), { serialInput }, { vmm });
    expect(serial).toBe('>abmore than a FIFO takes at once!.');
    expect(end.summary.vms[0]?.exitCode).toBe(0);
  });

  it.each(vmmNames)('goes on from a snapshot, by the VMM %s', async (vmm) => {
    const serialInput = [
      { delayMs: 0.1, send: 'a' },
      { after: 'a', delayMs: 0.1, send: 'b.' },
    ];
    const job = await firmwareJob(romOf(LOOP), { serialInput }, { vmm });
    const whole = new RunSession(job);
    while (whole.step());
    const { traceHash } = whole.end().end.meta;
    for (const milliseconds of [0.05, 0.15]) {
      const first = new RunSession(job);
      first.runTo(Math.round(milliseconds * 2.9e6));
      const restored = RunSession.restore(job, structuredClone(first.snapshot()));
      while (restored.step());
      expect(restored.end().end.meta.traceHash).toBe(traceHash);
    }
  });
});

describe('a firmware that is no ROM image', () => {
  it('is refused at its line, with what is wanted', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'trapline-firmware-'));
    writeFileSync(join(folder, 'rom.bin'), new Uint8Array(1000));
    const text = '{\n"vms": [ { "guest":\n{ "firmware": "rom.bin" } } ] }';
    const prepared = await prepareRun({ ...environment, file: join(folder, 'x.trapline.json'), text });
    expect(prepared.ok).toBe(false);
    expect(prepared.problems[0]).toMatchObject({ line: 3 });
    expect(prepared.problems[0]?.message).toContain('a multiple of 64 KiB up to 16 MiB');
  });
});
