import { describe, expect, it } from 'vitest';
import { StopReason } from '../../../../src/machine/x86/types';
import { CODE, STACK, type Bench } from './harness';
import { FLAT32, FLAT_DATA, REAL16, benchMode, real, type Segment, type Start } from './modes-bench';

const regs = (b: Bench): number[] => Array.from({ length: 8 }, (_, r) => Number(b.cpu.getReg(r)));
const bytes = (b: Bench, at: number, length: number): number[] => [...b.machine.memory.read(at, length)];

/** Runs to HLT. */
function run(code: readonly number[], start: Start): Bench {
  const b = benchMode(code, start);
  expect(b.cpu.run(1_000_000), b.cpu.faultReport()?.message).toBe(StopReason.Halted);
  return b;
}

/** The first exception of a program without an IDT, and the linear address of the instruction that raised it. */
function firstFault(code: readonly number[], start: Start): string {
  const b = benchMode(code, start);
  expect(b.cpu.run(1_000_000)).toBe(StopReason.Shutdown);
  const report = b.cpu.faultReport();
  return `${/triple fault: (\S+),/.exec(report?.message ?? '')?.[1] ?? ''} ${report?.rip ?? ''}`;
}

const at = (offset: number): string => `0x${(CODE + offset).toString(16)}`;

describe('32-bit code', () => {
  it('calls, loops, pushes and addresses memory with 32-bit operands', () => {
    const code = [
      ...[0xb8, 0x44, 0x33, 0x22, 0x11], // mov eax,0x11223344
      ...[0xb9, 3, 0, 0, 0], // mov ecx,3
      ...[0x01, 0xc8, 0xe2, 0xfc], // l: add eax,ecx; loop l
      ...[0x50, 0xe8, 0x31, 0, 0, 0], // push eax; call f
      ...[0xa3, 0, 0, 5, 0], // mov [0x50000],eax
      ...[0x60, 0x31, 0xdb, 0x61], // pushad; xor ebx,ebx; popad
      ...[0xbf, 0x10, 0, 5, 0, 0xb9, 4, 0, 0, 0, 0xf3, 0xab], // mov edi,0x50010; mov ecx,4; rep stosd
      ...[0xbe, 0, 0, 5, 0, 0xbb, 0, 0, 4, 0], // mov esi,0x50000; mov ebx,0x40000
      ...[0x8b, 0x94, 0x33, 0, 0, 0xfc, 0xff], // mov edx,[ebx+esi-0x40000]
      ...[0x9c, 0x5d], // pushfd; pop ebp
      ...[0xc8, 0x10, 0, 0, 0xc9], // enter 16,0; leave
      ...[0x66, 0xff, 0x06, 0xf4], // inc word [esi]; hlt
      ...[0x8b, 0x54, 0x24, 4, 0x83, 0xea, 0x44], // f: mov edx,[esp+4]; sub edx,0x44
      ...[0x89, 0xd0, 0xc2, 4, 0], // mov eax,edx; ret 4
    ];
    const b = run(code, FLAT32);
    const sum = 0x11223344 + 3 + 2 + 1 - 0x44;
    const [eax, ecx, edx, ebx, esp, ebp, esi, edi] = regs(b);
    expect([eax, ecx, edx, ebx, esp, esi, edi]).toEqual([sum, 0, sum, 0x40000, STACK, 0x50000, 0x50020]);
    // The flags are REP STOS's, that is XOR EBX,EBX's: ZF and PF, and bit 1.
    expect(ebp).toBe(0x46);
    expect(b.peek(0x50000) & 0xffffffffn).toBe(BigInt(sum + 1));
    expect(bytes(b, 0x50010, 16)).toEqual(Array.from({ length: 4 }, () => [0x06, 0x33, 0x22, 0x11]).flat());
  });

  it('cuts addresses and EIP to 32 bits', () => {
    // mov eax,-1; lea ebx,[eax+eax+3]; mov byte [eax+0x50001],7; mov ax,[esp-4]; jmp short +0; hlt
    const code = [
      ...[0xb8, 0xff, 0xff, 0xff, 0xff, 0x8d, 0x5c, 0x00, 0x03],
      ...[0xc6, 0x80, 0x01, 0, 5, 0, 7, 0xeb, 0, 0xf4],
    ];
    const b = run(code, FLAT32);
    expect(b.cpu.getReg(3)).toBe(1n);
    expect(bytes(b, 0x50000, 1)).toEqual([7]);
  });

  it('adds segment bases, and takes ES for the target of string operations', () => {
    const start: Start = {
      ...FLAT32,
      segments: {
        ...FLAT32.segments,
        ds: { ...FLAT_DATA, base: 0x50000 },
        es: { ...FLAT_DATA, base: 0x60000 },
        fs: { ...FLAT_DATA, base: 0xfffff000 },
      },
    };
    const code = [
      ...[0xc7, 0x05, 0x10, 0, 0, 0, 0x78, 0x56, 0x34, 0x12], // mov dword [0x10],0x12345678
      ...[0xbe, 0x10, 0, 0, 0, 0xbf, 0x20, 0, 0, 0], // mov esi,0x10; mov edi,0x20
      0xa5, // movsd
      ...[0x64, 0xa1, 0x10, 0x10, 5, 0], // mov eax,fs:[0x51010]: its base wraps at 4 GiB
      0xf4,
    ];
    const b = run(code, start);
    expect(bytes(b, 0x60020, 4)).toEqual([0x78, 0x56, 0x34, 0x12]);
    expect(b.cpu.getReg(0)).toBe(0x12345678n);
  });

  it('has 16-bit operands and addresses by prefix', () => {
    const code = [
      ...[0xb8, 0xff, 0xff, 0xff, 0xff, 0x66, 0xb8, 0x34, 0x12], // mov eax,-1; mov ax,0x1234
      ...[0x66, 0x50, 0x66, 0x5b], // push ax; pop bx
      ...[0xbe, 0xf0, 0xff, 0xff, 0xff], // mov esi,-16
      ...[0x67, 0x8d, 0x4c, 0x20], // lea ecx,[si+0x20]
      0xf4,
    ];
    const b = run(code, FLAT32);
    expect(regs(b).slice(0, 5)).toEqual([0xffff1234, 0x10, 0, 0x1234, STACK]);
  });
});

describe('segment limits and rights', () => {
  const small: Segment = { ...FLAT_DATA, limit: 0xfff };
  const with_ = (segments: Start['segments']): Start => ({
    ...FLAT32,
    segments: { ...FLAT32.segments, ...segments },
  });
  const LOAD = [0xa1, 0xfd, 0x0f, 0, 0, 0xf4]; // mov eax,[0xffd]; hlt

  it('raises #GP beyond the limit, by the last byte', () => {
    expect(firstFault(LOAD, with_({ ds: small }))).toBe(`#GP ${at(0)}`);
    run(LOAD, with_({ ds: { ...small, limit: 0x1000 } }));
  });

  it('raises #SS on the stack segment', () => {
    // push eax at the very top of a stack of 4 KiB; then beyond it
    expect(firstFault([0x50, 0xbc, 0x02, 0x10, 0, 0, 0x50], { ...with_({ ss: small }), sp: 0x1000 })).toBe(
      `#SS ${at(6)}`,
    );
  });

  it('knows expand-down segments', () => {
    const down = { ...FLAT_DATA, limit: 0xfff, attributes: 0xc097 };
    expect(firstFault(LOAD, with_({ ds: down }))).toBe(`#GP ${at(0)}`);
    run([0xa1, 0x00, 0x10, 0, 0, 0xf4], with_({ ds: down }));
  });

  it('refuses stores to read-only and code segments, loads from execute-only ones, and null segments', () => {
    const store = [0xa3, 0, 0, 5, 0, 0xf4]; // mov [0x50000],eax; hlt
    const load = [0xa1, 0, 0, 5, 0, 0xf4];
    const kind = (attributes: number): Start => with_({ ds: { ...FLAT_DATA, attributes } });
    expect(firstFault(store, kind(0xc091))).toBe(`#GP ${at(0)}`);
    run(load, kind(0xc091));
    expect(firstFault(store, kind(0xc09b))).toBe(`#GP ${at(0)}`);
    run(load, kind(0xc09b));
    expect(firstFault(load, kind(0xc099))).toBe(`#GP ${at(0)}`);
    expect(firstFault(load, with_({ ds: { selector: 0, base: 0, limit: 0, attributes: 0 } }))).toBe(
      `#GP ${at(0)}`,
    );
  });

  it('raises #GP at a branch beyond the code segment, and at the first byte that lies beyond', () => {
    const cs = { selector: 8, base: CODE, limit: 0x0f, attributes: 0x409b };
    const start = { ...with_({ cs }), ip: 0 };
    expect(firstFault([0x90, 0xeb, 0x20], start)).toBe(`#GP ${at(1)}`); // nop; jmp +0x20
    // 14 nops, then mov al,0 in the last two bytes, then the segment's end
    expect(firstFault([...Array<number>(14).fill(0x90), 0xb0, 0, 0xf4], start)).toBe(`#GP ${at(16)}`);
    // 12 nops, then a five-byte instruction of which one byte lies beyond
    expect(firstFault([...Array<number>(12).fill(0x90), 0xb8, 0, 0, 0, 0, 0xf4], start)).toBe(
      `#GP ${at(12)}`,
    );
  });
});

describe('16-bit code', () => {
  it('runs in real mode with segments of 64 KiB', () => {
    const code = [
      ...[0xb8, 0x34, 0x12, 0xa3, 0x10, 0], // mov ax,0x1234; mov [0x10],ax
      ...[0xbb, 0x00, 0x80, 0xbe, 0x10, 0x80], // mov bx,0x8000; mov si,0x8010
      ...[0x8b, 0x08], // mov cx,[bx+si]: 0x10010 wraps to 0x10
      ...[0x51, 0xe8, 1, 0, 0xf4], // push cx; call f; hlt
      ...[0x89, 0xe5, 0x8b, 0x56, 2], // f: mov bp,sp; mov dx,[bp+2] (SS by default)
      ...[0x26, 0x89, 0x16, 0x20, 0], // mov es:[0x20],dx
      ...[0xc2, 2, 0], // ret 2
    ];
    const b = run(code, REAL16);
    expect(regs(b)).toEqual([0x1234, 0x1234, 0x1234, 0x8000, 0x8000, 0x7ffc, 0x8010, 0]);
    expect(bytes(b, 0x50010, 2)).toEqual([0x34, 0x12]);
    expect(bytes(b, 0x60020, 2)).toEqual([0x34, 0x12]);
    // pushed: the argument, the return address 0x12
    expect(bytes(b, 0x87ffc, 4)).toEqual([0x12, 0, 0x34, 0x12]);
  });

  it('wraps the stack pointer at 64 KiB and leaves the upper half of ESP alone', () => {
    // mov esp,0x70000; push ax; hlt
    const b = run([0x66, 0xbc, 0, 0, 7, 0, 0x50, 0xf4], { ...REAL16, sp: 0 });
    expect(b.cpu.getReg(4)).toBe(0x7fffen);
  });

  it('raises #GP and #SS for words over the end of a segment', () => {
    expect(firstFault([0xa1, 0xff, 0xff], REAL16)).toBe(`#GP ${at(0)}`); // mov ax,[0xffff]
    expect(firstFault([0x58], { ...REAL16, sp: 0xffff })).toBe(`#SS ${at(0)}`); // pop ax
  });

  it('reaches beyond 64 KiB with 32-bit addresses when the cached limit allows it', () => {
    const flat: Segment = { ...real(0), limit: 0xffffffff };
    const code = [0x66, 0xb8, 0x20, 0, 0x20, 0, 0x67, 0xc7, 0, 0xcd, 0xab, 0xf4]; // mov eax,0x200020; mov word [eax],0xabcd
    const b = run(code, { ...REAL16, segments: { ...REAL16.segments, ds: flat } });
    expect(bytes(b, 0x200020, 2)).toEqual([0xcd, 0xab]);
    expect(firstFault(code, REAL16)).toBe(`#GP ${at(6)}`);
  });

  it('cuts branch targets to 16 bits, and counts CX or ECX by prefix', () => {
    const code = [
      ...[0x66, 0xb9, 2, 0, 1, 0], // mov ecx,0x10002
      ...[0x40, 0xe2, 0xfd], // l: inc ax; loop l (CX)
      ...[0xe3, 1, 0xf4], // jcxz over hlt
      ...[0x67, 0x66, 0xe3, 1, 0x43, 0x43, 0xf4], // jecxz (not taken); inc bx; inc bx; hlt
    ];
    const b = run(code, REAL16);
    expect(regs(b).slice(0, 4)).toEqual([2, 0x10000, 0, 2]);
    // At offset 0: jmp -16 goes to 0xfff2.
    const jump = benchMode([0xeb, 0xf0], { ...REAL16, segments: { ...REAL16.segments, ds: real(0x1000) } });
    jump.machine.memory.write(0x1fff2, Uint8Array.from([0xf4]));
    expect(jump.cpu.run(1000)).toBe(StopReason.Halted);
    expect(jump.cpu.ripLow).toBe(0xfff3);
  });

  it('repeats string operations with 16-bit counters and indices that wrap', () => {
    // mov cx,4; mov si,0xfffe; mov di,0x100; rep movsb; hlt
    const b = benchMode([0xb9, 4, 0, 0xbe, 0xfe, 0xff, 0xbf, 0, 1, 0xf3, 0xa4, 0xf4], REAL16);
    b.machine.memory.write(0x5fffe, Uint8Array.from([1, 2]));
    b.machine.memory.write(0x50000, Uint8Array.from([3, 4]));
    expect(b.cpu.run(1000)).toBe(StopReason.Halted);
    expect(bytes(b, 0x60100, 4)).toEqual([1, 2, 3, 4]);
    expect(regs(b).slice(6)).toEqual([2, 0x104]);
  });
});
