import { describe, expect, it } from 'vitest';
import { bench, type Bench } from './harness';

/** Code at 0x1000:0x0010, SS:SP = 0x3000:0x0100, and a vector table whose entries lead to 0x2000:16 × vector. */
function realBench(code: number[]): Bench {
  const b = bench([]);
  b.machine.memory.write(0x10010, Uint8Array.from(code));
  for (let v = 0; v < 256; v++) b.machine.memory.write(v * 4, Uint8Array.of((v * 16) & 255, v >> 4, 0, 0x20));
  b.cpu.init();
  b.cpu.startUp(0x10);
  b.cpu.setRip(0x10n);
  const saved = b.cpu.save();
  const state = saved.hardware;
  state.general[4] = 0xabcd0100n;
  state.general[17] = 0x202n;
  state.segments.set([0x30000n, 0x3000n], 2 * 4);
  b.cpu.load(saved);
  return b;
}

/** Words of 16 bits at the top of the stack. */
function words(b: Bench, count: number): number[] {
  const state = b.cpu.save().hardware;
  const top = Number(state.segments[2 * 4]) + Number(state.general[4] & 0xffffn);
  const view = new DataView(b.machine.memory.read(top, count * 2).buffer);
  return Array.from({ length: count }, (_, i) => view.getUint16(i * 2, true));
}

const place = (b: Bench): number[] => {
  const { segments, general } = b.cpu.save().hardware;
  return [Number(segments[1 * 4 + 1]), Number(segments[1 * 4]), Number(general[16])];
};

const one = (b: Bench): number => b.cpu.run(b.cpu.now() + 1);

describe('real mode', () => {
  it('enters a handler by the vector table with a frame of three words; IRET comes back', () => {
    const b = realBench([0xcd, 0x21, 0xf4]);
    b.machine.memory.write(0x20000 + 0x21 * 16, Uint8Array.of(0xcf));
    one(b);
    expect(place(b)).toEqual([0x2000, 0x20000, 0x210]);
    expect(words(b, 3)).toEqual([0x12, 0x1000, 0x202]);
    expect(b.cpu.getReg(4)).toBe(0xabcd00fan);
    expect(b.cpu.rflags()).toBe(2n);
    one(b);
    expect(place(b)).toEqual([0x1000, 0x10000, 0x12]);
    expect(b.cpu.getReg(4)).toBe(0xabcd0100n);
    expect(b.cpu.rflags()).toBe(0x202n);
  });

  it('takes an interrupt from outside, and tells when its handler has returned', () => {
    const b = realBench([0x90, 0x90]);
    const log: string[] = [];
    b.cpu.callouts = {
      ...b.cpu.callouts,
      interruptDelivered: (v) => log.push(`in ${v}`),
      interruptReturned: () => log.push('out'),
    };
    b.machine.memory.write(0x20080, Uint8Array.of(0xcf));
    one(b);
    b.cpu.deliverInterrupt(8);
    expect(words(b, 3)).toEqual([0x11, 0x1000, 0x202]);
    one(b);
    expect(log).toEqual(['in 8', 'out']);
    expect(place(b)).toEqual([0x1000, 0x10000, 0x11]);
  });

  it('pushes no error code, and the address of the faulting instruction', () => {
    const b = realBench([0xa1, 0xff, 0xff]); // mov ax,[0xffff]: the second byte lies beyond the segment
    one(b);
    expect(place(b)).toEqual([0x2000, 0x20000, 13 * 16]);
    expect(words(b, 3)).toEqual([0x10, 0x1000, 0x202]);
  });

  it('shuts down when the vector table has no entries', () => {
    const b = realBench([0xcd, 0x21]);
    const saved = b.cpu.save();
    const state = saved.hardware;
    state.tables[3] = 3n; // vector 0 alone
    b.cpu.load(saved);
    expect(b.cpu.run(1000)).toBe(4);
    expect(b.cpu.faultReport()?.message).toMatch(/#GP.*#GP/);
  });

  it('makes a segment of a selector by multiplying it by 16', () => {
    const b = realBench([0xb8, 0x34, 0x12, 0x8e, 0xd8, 0xa1, 0x10, 0]); // mov ax,0x1234; mov ds,ax; mov ax,[0x10]
    b.machine.memory.write(0x12350, Uint8Array.of(0xcd, 0xab));
    one(b);
    one(b);
    one(b);
    expect(b.cpu.getReg(0)).toBe(0xabcdn);
    expect(Array.from(b.cpu.save().hardware.segments.subarray(12, 16))).toEqual([
      0x12340n,
      0x1234n,
      0xffffn,
      0x93n,
    ]);
  });

  it('calls a far routine and returns, dropping what RETF names', () => {
    const b = realBench([0x9a, 0x40, 0, 0, 0x40, 0x90]); // call 0x4000:0x40
    b.machine.memory.write(0x40040, Uint8Array.of(0xca, 2, 0)); // retf 2
    one(b);
    expect(place(b)).toEqual([0x4000, 0x40000, 0x40]);
    expect(words(b, 2)).toEqual([0x15, 0x1000]);
    one(b);
    expect(place(b)).toEqual([0x1000, 0x10000, 0x15]);
    expect(b.cpu.getReg(4)).toBe(0xabcd0102n);
  });

  it('jumps through a far pointer in memory', () => {
    const b = realBench([0xff, 0x2e, 0x20, 0]); // jmp far [0x20] in DS, which is at 0
    b.machine.memory.write(0x20, Uint8Array.of(0x78, 0x56, 0x00, 0x40));
    one(b);
    expect(place(b)).toEqual([0x4000, 0x40000, 0x5678]);
  });

  it('does not know the instructions that ask about descriptors', () => {
    // LAR, LSL, VERR, VERW, ARPL of AX: #UD
    const instructions = [
      [0x0f, 0x02, 0xc0],
      [0x0f, 0x03, 0xc0],
      [0x0f, 0x00, 0xe0],
      [0x0f, 0x00, 0xe8],
      [0x63, 0xc0],
    ];
    for (const code of instructions) {
      const b = realBench(code);
      one(b);
      expect(place(b)).toEqual([0x2000, 0x20000, 6 * 16]);
    }
  });

  it('goes into 32-bit protected mode as a start-up routine does', () => {
    const b = realBench([
      ...[0x2e, 0x0f, 0x01, 0x16, 0x40, 0], // cs: lgdt [0x40]
      ...[0x0f, 0x20, 0xc0, 0x0c, 1, 0x0f, 0x22, 0xc0], // mov eax,cr0; or al,1; mov cr0,eax
      ...[0x66, 0xea, 0, 0, 4, 0, 8, 0], // jmp far 8:0x40000
    ]);
    b.machine.memory.write(0x10040, Uint8Array.of(0x1f, 0, 0, 0x50, 0, 0));
    b.poke(0x5000, 0n, 0x00cf9a000000ffffn, 0x00cf92000000ffffn);
    // mov ax,16; mov ss,ax; mov esp,0x90000; push 0x11223344; hlt
    const flat = [0x66, 0xb8, 16, 0, 0x8e, 0xd0, 0xbc, 0, 0, 9, 0, 0x68, 0x44, 0x33, 0x22, 0x11, 0xf4];
    b.machine.memory.write(0x40000, Uint8Array.from(flat));
    expect(b.cpu.run(1000)).toBe(1);
    expect(b.cpu.mode()).toBe('protected');
    expect(b.cpu.getReg(4)).toBe(0x8fffcn);
    expect(b.peek(0x8fffc) & 0xffffffffn).toBe(0x11223344n);
  });
});
