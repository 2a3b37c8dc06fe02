/** Guests that are not C sources: Multiboot kernels with command line and modules, kernels as a source, object files. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Prepared } from '../../../src/run/api';
import { prepareRun } from '../../../src/run/prepare';
import { has, run } from '../guest/build';
import { MULTIBOOT, elf32 } from '../../support/elf32';
import { environment, jobOf, runJob, sample } from '../../support/runs';

const folder = mkdtempSync(join(tmpdir(), 'trapline-kernels-'));
const file = join(folder, 'scenarios', 'kernel.trapline.json');

/** mov eax, [ebx+24]; mov eax, [eax]; movzx eax, byte [eax]; mov dx, 0xf4; out dx, eax: exits with the first module's first byte. */
const FIRST_BYTE = [
  0x8b, 0x43, 0x18, 0x8b, 0x00, 0x0f, 0xb6, 0x00, 0x66, 0xba, 0xf4, 0x00, 0xef, 0xf4, 0xeb, 0xfd,
];

/** Counts in EBX what is not as it should be, and ends the guest with that. */
const CHECKED_KERNEL = `
    .macro port8 port, right
    mov $\\port, %dx
    inb %dx, %al
    cmp $\\right, %al
    je 1f
    inc %ebx
1:
    .endm
    .macro word16 address, right
    cmpw $\\right, \\address
    je 1f
    inc %ebx
1:
    .endm
    .text
    .code32
    .globl _start
    jmp _start
    .align 4
    .long 0x1badb002, 0, -0x1badb002
_start:
    xor %ebx, %ebx
`;

/** One VM with a guest; its lines stand one below the other, the first of them in line 3. */
function scenario(guest: readonly string[]): string {
  return ['{ "vms": [{', '"guest": {', ...guest, '} }] }'].join('\n');
}

function prepare(...guest: string[]): Promise<Prepared> {
  return prepareRun({ ...environment, file, text: scenario(guest) });
}

/** `line: message` of all that is wrong. */
async function refused(...guest: string[]): Promise<string[]> {
  const prepared = await prepare(...guest);
  expect(prepared.ok).toBe(false);
  return prepared.problems.map(({ line, message }) => `${line}: ${message}`);
}

beforeAll(() => {
  mkdirSync(join(folder, 'scenarios'), { recursive: true });
  mkdirSync(join(folder, 'a-folder'));
  writeFileSync(join(folder, 'kernel.elf'), elf32(MULTIBOOT, FIRST_BYTE));
  writeFileSync(join(folder, 'plain.elf'), elf32([0, 0, 0], FIRST_BYTE));
  writeFileSync(join(folder, 'disk.img'), Uint8Array.of(200, 1, 2));
  writeFileSync(join(folder, 'text.o'), 'not an object');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('a kernel', () => {
  it('gets its command line and modules, each string beginning with the name of a file', async () => {
    const prepared = await prepare(
      '"kernel": "../kernel.elf", "cmdline": "root=none quiet",',
      '"modules": [{ "file": "../disk.img", "cmdline": "rw" }, { "file": "../disk.img" }, { "text": "é", "cmdline": "greeting" }]',
    );
    if (!prepared.ok) throw new Error(prepared.problems[0]?.message);
    const [guest] = prepared.job.guests;
    expect(guest.elfFile).toBe(join(folder, 'kernel.elf'));
    expect(guest.boot?.cmdline).toBe('kernel.elf root=none quiet');
    expect(guest.boot?.modules.map(({ bytes, cmdline }) => [[...bytes], cmdline])).toEqual([
      [[200, 1, 2], 'disk.img rw'],
      [[200, 1, 2], 'disk.img'],
      [[0xc3, 0xa9], 'greeting'],
    ]);
  });

  it('finds them in memory when it runs', async () => {
    const text = scenario(['"kernel": "../kernel.elf", "modules": [{ "file": "../disk.img" }]']);
    expect(runJob(await jobOf(file, text)).end.summary.vms[0]?.exitCode).toBe(200);
    const inline = scenario(['"kernel": "../kernel.elf", "modules": [{ "text": "A" }]']);
    expect(runJob(await jobOf(file, inline)).end.summary.vms[0]?.exitCode).toBe(0x41);
  });

  it('without a Multiboot header is refused, at its line', async () => {
    const [problem, ...others] = await refused('"cmdline": "",', '"kernel": "../plain.elf"');
    expect(problem).toMatch(/^4: .*plain\.elf has no Multiboot 1 header/);
    expect(others).toEqual([]);
  });

  it('that does not exist, or whose modules do not, is told with all of them, each at its line', async () => {
    const problems = await refused(
      '"kernel": "../no.elf",',
      '"modules": [',
      '{ "text": "x" },',
      '{ "file": "../no.img" },',
      '{ "file": "../a-folder" }',
      ']',
    );
    expect(problems).toEqual([
      expect.stringMatching(/^3: The kernel .*no\.elf does not exist/),
      expect.stringMatching(/^6: The module .*no\.img does not exist/),
      expect.stringMatching(/^7: The module .*a-folder is not a file/),
    ]);
  });

  it('with modules that do not fit is told how much memory it needs', async () => {
    writeFileSync(join(folder, 'big.img'), new Uint8Array(31 << 20));
    const [problem] = await refused('"kernel": "../kernel.elf", "modules": [{ "file": "../big.img" }]');
    expect(problem).toMatch(/^2: .*needs 33 MiB of RAM, the VM has 32 MiB/);
  });
});

describe.skipIf(!has('gcc'))('a kernel as a source (needs gcc)', () => {
  it('is compiled without the kit, and prints what the loader gave it', async () => {
    const { serial, end } = runJob(await jobOf(sample('multiboot')));
    expect(serial.replaceAll('\r', '').split('\n')).toEqual([
      '32-bit mode, loaded as: multiboot greeting=hello verbose',
      'RAM       0x00000000, bytes 0x0009fc00',
      'reserved  0x0009fc00, bytes 0x00000400',
      'reserved  0x000e0000, bytes 0x00020000',
      'RAM       0x00100000, bytes 0x01f00000', // 32 MiB less the first
      'reserved  0xb0000000, bytes 0x10000000', // configuration space as memory
      '64-bit mode',
      '',
    ]);
    expect(end.summary.vms[0]?.exitCode).toBe(0);
  });

  it('is given a stack, the top of conventional memory', async () => {
    writeFileSync(
      join(folder, 'stack.S'),
      `${CHECKED_KERNEL}
    cmp $0x9fc00, %esp
    je 1f
    inc %ebx
1:  push $0x12345678
    mov 0x9fbfc, %eax
    pop %ecx
    cmp %eax, %ecx
    jne 2f
    cmp $0x12345678, %ecx
    je 3f
2:  inc %ebx
3:  mov %ebx, %eax
    mov $0xf4, %dx
    outl %eax, %dx
    hlt
`,
    );
    const { end } = runJob(await jobOf(file, scenario(['"kernel": "../stack.S"'])));
    expect(end.summary.vms[0]?.exitCode).toBe(0);
  });

  it('finds what a BIOS has left: data area, 8259s, a screen', async () => {
    writeFileSync(
      join(folder, 'bios.S'),
      `${CHECKED_KERNEL}
    word16 0x40e, 0x9fc0
    word16 0x413, 639
    word16 0xb8000, 0x0720      /* a blank, light grey */
    port8 0x21, 0xfa            /* the timer, which the BIOS serves, and the cascade */
    port8 0xa1, 0xff
    mov $0x3d4, %dx
    mov $0x0f, %al
    outb %al, %dx
    port8 0x3d5, 0
    mov $0x3d4, %dx
    mov $0x2a0f, %ax
    outw %ax, %dx
    port8 0x3d5, 0x2a
    mov %ebx, %eax
    mov $0xf4, %dx
    outl %eax, %dx
    hlt
`,
    );
    const { end } = runJob(await jobOf(file, scenario(['"kernel": "../bios.S"'])));
    expect(end.summary.vms[0]?.exitCode).toBe(0);
  });

  it('that opens line 0 of the 8259 gets the 18.2 ticks a second that a BIOS has programmed', async () => {
    writeFileSync(
      join(folder, 'ticks.S'),
      `${CHECKED_KERNEL}
    mov $0xfe, %al
    outb %al, $0x21
    lidt table
    lgdt segments
    mov $handler, %eax
    mov %ax, gate
    shr $16, %eax
    mov %ax, gate + 6
    sti
1:  hlt
    cmp $3, %ebx
    jb 1b
    rdtsc
    shrd $20, %edx, %eax
    mov $0xf4, %dx
    outl %eax, %dx
    hlt
handler:
    inc %ebx
    mov $0x20, %al
    outb %al, $0x20
    iret
    .align 8
gates: .skip 8 * 8
gate:  .word 0, 8, 0x8e00, 0
table: .word 9 * 8 - 1
    .long gates
    .align 8
gdt: .quad 0, 0x00cf9a000000ffff, 0x00cf92000000ffff
segments: .word 23
    .long gdt
`,
    );
    const text = '{ "vms": [{ "guest": { "kernel": "../ticks.S" } }], "stop": { "afterMs": 300 } }';
    const { end } = runJob(await jobOf(file, text));
    // Three periods of 65536 / 1193182 s at 2.9 GHz, in units of 2^20 cycles.
    expect(end.summary.vms[0]?.exitCode).toBe(Math.floor((3 * 65_536 * 2.9e9) / 1_193_182 / 2 ** 20));
  });

  it('that goes to real mode is woken by the timer, which the BIOS counts in its data area', async () => {
    writeFileSync(
      join(folder, 'real.S'),
      `${CHECKED_KERNEL}
    lgdt segments
    mov $real, %esi
    mov $0x8000, %edi
    mov $real_end - real, %ecx
    rep movsb
    ljmp $8, $0x8000
    .code16
real:
    mov %cr0, %eax
    and $0xfe, %al
    mov %eax, %cr0
    ljmp $0, $0x8000 + 1f - real
1:  lidt %cs:0x8000 + vectors - real
    xor %ax, %ax
    mov %ax, %ds
    mov %ax, %ss
    mov $0x7000, %sp
    mov 0x46c, %ebx
    sti
    hlt
    cli
    mov 0x46c, %eax
    sub %ebx, %eax
    mov $0xf4, %dx
    outl %eax, %dx
    hlt
vectors: .word 0x3ff
    .long 0
real_end:
    .align 8
gdt: .quad 0, 0x00009a000000ffff
segments: .word 15
    .long gdt
`,
    );
    const text = '{ "vms": [{ "guest": { "kernel": "../real.S" } }], "stop": { "afterMs": 300 } }';
    const { end } = runJob(await jobOf(file, text));
    expect(end.summary.vms[0]?.exitCode).toBe(1);
  });

  describe.each(['kvm', 'none'])('that resets itself under %s', (vmm) => {
    /** Sets the shutdown status to "jump" and the resume vector, marks its RAM, and resets softly by what is put in. */
    const resetting = (reset: string): string => `${CHECKED_KERNEL}
    cmpl $0x600df00d, 0x7ffc        /* what RAM kept: it has been here */
    je again
    movl $0x600df00d, 0x7ffc
    mov $resume, %esi
    mov $0x8000, %edi
    mov $resume_end - resume, %ecx
    rep movsb
    movl $0x08000000, 0x467         /* 0800:0000 */
    mov $0x0a, %ah
    mov $0x0f, %al
    outb %al, $0x70
    mov %ah, %al
    outb %al, $0x71
    ${reset}
    hlt
again:
    xor %eax, %eax
    inb $0x92, %al
    and $1, %al
    shl $4, %al
    orb 0x7ff8, %al                 /* port 92H by 16, and how often it was resumed */
    mov $0xf4, %dx
    outl %eax, %dx
    hlt
    .code16
resume:
    xor %ax, %ax
    mov %ax, %ds
    incb 0x7ff8
    inb $0x92, %al
    or $1, %al
    outb %al, $0x92
    ljmp $0xffff, $0
resume_end:
`;
    const exitCode = async (reset: string): Promise<number | undefined> => {
      writeFileSync(join(folder, 'reset.S'), resetting(reset));
      const text = `{ "vmm": "${vmm}", "vms": [{ "guest": { "kernel": "../reset.S" } }], "stop": { "afterMs": 300 } }`;
      return runJob(await jobOf(file, text)).end.summary.vms[0]?.exitCode;
    };

    it.each([
      ['port 92H', 'inb $0x92, %al; or $1, %al; outb %al, $0x92'],
      ['the keyboard controller', 'mov $0xfe, %al; outb %al, $0x64'],
      ['its output port', 'mov $0xd1, %al; outb %al, $0x64; mov $2, %al; outb %al, $0x60'],
      ['a soft reset of the chipset', 'mov $0xcf9, %dx; mov $4, %al; outb %al, %dx'],
      ['INIT to itself', 'movl $0x4500, 0xfee00300'],
    ])('goes on at the resume vector after %s', async (_way, reset) => {
      // Resumed once; the latch of port 92H, which a reset of the whole machine would have cleared, stays.
      expect(await exitCode(reset)).toBe(0x11);
    });

    it('is not resumed after a hard reset', async () => {
      // The status stays in the CMOS; the reset is of the whole machine.
      expect(await exitCode('mov $0xcf9, %dx; mov $6, %al; outb %al, %dx')).toBe(0);
    });
  });

  it('without a header is refused: the kit, which would start it, is not there', async () => {
    writeFileSync(join(folder, 'plain.S'), '.globl _start\n_start: hlt\n');
    expect(await refused('"kernel": "../plain.S"')).toEqual([
      expect.stringMatching(/^3: .*no Multiboot 1 header/),
    ]);
  });

  it('with a mistake is refused with the place in the source', async () => {
    writeFileSync(join(folder, 'wrong.S'), '.globl _start\n_start: no_such_instruction\n');
    const prepared = await prepare('"kernel": "../wrong.S"');
    expect(prepared.problems[0]).toMatchObject({
      file: join(folder, 'wrong.S'),
      line: 2,
      source: 'compiler',
    });
  });
});

describe('objects', () => {
  it('that do not exist are told, each at its line', async () => {
    const problems = await refused('"objects": [', '"../no.o",', '"../text.o",', '"../neither.o"', ']');
    expect(problems).toEqual([
      expect.stringMatching(/^4: The object .*no\.o does not exist/),
      expect.stringMatching(/^6: The object .*neither\.o does not exist/),
    ]);
  });

  it('that are none are refused by name', async () => {
    expect(await refused('"objects": ["../text.o"]')).toEqual([expect.stringMatching(/^3: .*text\.o/)]);
  });

  it.skipIf(!has('gcc'))('are linked and run (needs gcc)', async () => {
    writeFileSync(
      join(folder, 'a.S'),
      '.globl _start\n_start: call answer; mov $0xf4, %dx; out %eax, %dx; hlt\n',
    );
    writeFileSync(join(folder, 'b.c'), 'static int seven = 7; int answer(void) { return 6 * seven; }\n');
    for (const name of ['a.S', 'b.c'])
      run('gcc', [
        '-c',
        '-O0',
        '-fno-pic',
        '-ffreestanding',
        '-o',
        join(folder, `${name}.o`),
        join(folder, name),
      ]);
    const both = scenario(['"objects": ["../a.S.o", "../b.c.o"]']);
    expect(runJob(await jobOf(file, both)).end.summary.vms[0]?.exitCode).toBe(42);
    expect(await refused('"objects": ["../a.S.o"]')).toEqual([expect.stringMatching(/^3: .*answer/)]);
    expect(await refused('"objects": ["../b.c.o"]')).toEqual([expect.stringMatching(/^3: .*_start/)]);
  });
});
