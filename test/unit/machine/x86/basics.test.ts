import { describe, expect, it } from 'vitest';
import { StopReason } from '../../../../src/machine/x86/types';
import { DEVICE, bench } from './harness';

describe('vCPU basics', () => {
  it('runs straight-line code until HLT', () => {
    // mov eax,5; add rax,7; push rax; pop rbx; hlt
    const { cpu } = bench([0xb8, 5, 0, 0, 0, 0x48, 0x83, 0xc0, 7, 0x50, 0x5b, 0xf4]);
    expect(cpu.run(1000)).toBe(StopReason.Halted);
    expect(cpu.getReg(0)).toBe(12n);
    expect(cpu.getReg(3)).toBe(12n);
    expect(cpu.instructions()).toBe(5);
    // base 1 + base 1 + memory 2 + memory 2 + serialising 10
    expect(cpu.now()).toBe(16);
  });

  it('stops at the first boundary at or after the deadline', () => {
    const { cpu } = bench([0x48, 0xff, 0xc0, 0xeb, 0xfb]); // loop: inc rax; jmp loop
    expect(cpu.run(7)).toBe(StopReason.Deadline);
    expect(cpu.now()).toBe(7);
    expect(cpu.getReg(0)).toBe(4n);
    expect(cpu.run(10)).toBe(StopReason.Deadline);
    expect(cpu.getReg(0)).toBe(5n);
  });

  it('reads and writes a device by call-out at the start time of the instruction', () => {
    const log: unknown[] = [];
    // mov ebx, DEVICE; mov eax,[rbx+8]; mov [rbx+16],rax; hlt
    const b = bench([0xbb, 0, 0, 0, 0xfe, 0x8b, 0x43, 8, 0x48, 0x89, 0x43, 16, 0xf4], {
      mmioRead: (a, s) => {
        log.push(['r', a, s, b.cpu.now(), b.cpu.ripLow]);
        b.cpu.advance(100);
        return 0xfedcba98 | 0;
      },
      mmioWrite: (a, s, l, h) => void log.push(['w', a, s, l, h, b.cpu.now()]),
    });
    expect(b.cpu.run(1_000_000)).toBe(StopReason.Halted);
    expect(log).toEqual([
      ['r', DEVICE + 8, 4, 1, 0x10005],
      ['w', DEVICE + 16, 8, 0xfedcba98, 0, 103],
    ]);
  });
});

describe('what a call-out may do to the run around it', () => {
  // l: mov eax,[rbx]; inc ecx; jmp l, with a device at rbx
  const LOOP = [0xbb, 0, 0, 0, 0xfe, 0x8b, 0x03, 0xff, 0xc1, 0xeb, 0xfa];

  it('brings the deadline forward', () => {
    const b = bench(LOOP, {
      mmioRead: () => {
        b.cpu.limitDeadline(b.cpu.now() + 3);
        return 0;
      },
    });
    expect(b.cpu.run(1_000_000)).toBe(StopReason.Deadline);
    // mov ebx at 0; the load from 1 to 3; inc until 4 = 1 + 3
    expect(b.cpu.now()).toBe(4);
    expect(b.cpu.ripLow).toBe(0x10009);
  });

  it('asks for attention at the boundary after the instruction', () => {
    const b = bench(LOOP, { mmioRead: () => (b.cpu.requestAttention(), 0) });
    expect(b.cpu.run(1_000_000)).toBe(StopReason.Attention);
    expect([b.cpu.now(), b.cpu.ripLow, b.cpu.instructions()]).toEqual([3, 0x10007, 2]);
  });

  it('charges more time than a 32-bit count holds', () => {
    const times: number[] = [];
    const b = bench(LOOP, {
      mmioRead: () => {
        times.push(b.cpu.now());
        b.cpu.advance(2 ** 40);
        return 0;
      },
    });
    expect(b.cpu.run(3 * 2 ** 40)).toBe(StopReason.Deadline);
    // 2 for the load, 1 each for inc and jmp, between one load and the next
    expect(times).toEqual([1, 2 ** 40 + 5, 2 * 2 ** 40 + 9]);
    expect(b.cpu.now()).toBe(3 * 2 ** 40 + 11);
  });
});
