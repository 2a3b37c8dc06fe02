import { describe, expect, it } from 'vitest';
import { StopReason } from '../../../../src/machine/x86/types';
import { CODE, PML4, STACK } from './harness';
import { REAL16, benchMode, real } from './modes-bench';

/** Offsets of the parts of PROGRAM. */
const PROTECTED = 0x17;
const LONG = 0x5c;
const TABLE = 0x88;
const GDT = 0x50200;
const VALUE = 0x123456789abcdef0n;

/** From real mode to 64-bit code and back to compatibility mode, as a second processor's start-up code does it. */
const PROGRAM = [
  ...[0xfa, 0x0f, 0x20, 0xc0, 0x0c, 0x01], // cli; mov eax,cr0; or al,1
  ...[0x66, 0x0f, 0x01, 0x16, TABLE, 0x00], // lgdtd [table]
  ...[0x0f, 0x22, 0xc0], // mov cr0,eax
  ...[0x66, 0xea, PROTECTED, 0x00, 0x01, 0x00, 0x08, 0x00], // jmp far 8:protected, 32 bits wide
  // protected:
  ...[0x66, 0xb8, 0x10, 0x00, 0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xd0], // mov ax,0x10; mov ds,ax; es; ss
  ...[0xbc, 0x00, 0x00, 0x09, 0x00], // mov esp,STACK
  ...[0x0f, 0x20, 0xe0, 0x0f, 0xba, 0xe8, 0x05, 0x0f, 0x22, 0xe0], // mov eax,cr4; bts eax,5 (PAE); mov cr4,eax
  ...[0xb8, 0x00, 0x10, 0x00, 0x00, 0x0f, 0x22, 0xd8], // mov eax,PML4; mov cr3,eax
  ...[0xb9, 0x80, 0x00, 0x00, 0xc0, 0x0f, 0x32], // mov ecx,EFER; rdmsr
  ...[0x0f, 0xba, 0xe8, 0x08, 0x0f, 0x30], // bts eax,8 (LME); wrmsr
  ...[0xe8, 0x07, 0x00, 0x00, 0x00], // call paging
  ...[0xea, LONG, 0x00, 0x01, 0x00, 0x18, 0x00], // jmp far 0x18:long
  ...[0x0f, 0x20, 0xc0, 0x0f, 0xba, 0xe8, 0x1f, 0x0f, 0x22, 0xc0, 0xc3], // paging: mov eax,cr0; bts eax,31; mov cr0,eax; ret
  // long:
  ...[0x48, 0xb8, 0xf0, 0xde, 0xbc, 0x9a, 0x78, 0x56, 0x34, 0x12], // mov rax,VALUE
  ...[0x50, 0x48, 0x8b, 0x1c, 0x24], // push rax; mov rbx,[rsp]
  ...[0xb9, 0x80, 0x00, 0x00, 0xc0, 0x0f, 0x32, 0x89, 0xc7], // mov ecx,EFER; rdmsr; mov edi,eax
  ...[0x6a, 0x08, 0x48, 0x8d, 0x05, 0x03, 0x00, 0x00, 0x00, 0x50, 0x48, 0xcb], // push 8; lea rax,[back]; push rax; retfq
  ...[0xba, 0x55, 0x00, 0x00, 0x00, 0x52, 0x5e, 0xf4], // back: mov edx,0x55; push edx; pop esi; hlt
  ...[0x1f, 0x00, 0x00, 0x02, 0x05, 0x00], // table: limit, base
];

describe('the way from real mode to long mode', () => {
  it.each([true, false])(
    'goes through protected mode, and back to 32-bit code (fast paths: %s)',
    (fastPaths) => {
      const b = benchMode(PROGRAM, {
        ...REAL16,
        fastPaths,
        segments: { ...REAL16.segments, ds: real(CODE >> 4) },
      });
      // Null, 32-bit code, data, 64-bit code.
      b.poke(GDT, 0n, 0x00cf9b000000ffffn, 0x00cf93000000ffffn, 0x00af9b000000ffffn);
      expect(b.cpu.mode()).toBe('real');
      // Stops in each mode by the number of instructions, one cycle at least each.
      const modes = new Set<string>();
      let stop: number = StopReason.Deadline;
      while (stop === StopReason.Deadline) {
        stop = b.cpu.run(b.cpu.now() + 1);
        modes.add(b.cpu.mode());
      }
      expect(stop, b.cpu.faultReport()?.message).toBe(StopReason.Halted);
      expect([...modes]).toEqual(['real', 'protected', 'compatibility', 'long']);
      expect(b.cpu.mode()).toBe('compatibility');
      expect(b.cpu.getReg(3)).toBe(VALUE);
      expect(b.cpu.getReg(7)).toBe(0x500n); // EFER: LME and LMA
      expect(b.cpu.getReg(6)).toBe(0x55n);
      expect(b.cpu.getReg(4)).toBe(BigInt(STACK - 8)); // the pushed value is still there
      expect(b.cpu.save().hardware.control[2]).toBe(BigInt(PML4));
    },
  );
});
