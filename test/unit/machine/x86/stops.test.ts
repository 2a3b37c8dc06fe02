/** Breakpoints of whoever owns the vCPU, and watched bytes. */
import { describe, expect, it } from 'vitest';
import type { JitOptions } from '../../../../src/machine/x86/jit/jit';
import { StopReason, type CoreAccess, type CoreWatch } from '../../../../src/machine/x86/types';
import { CODE, DEVICE, PML4, STACK, bench, type Bench } from './harness';
import { SETUP, le, setGate, system } from './system-bench';

const DATA = 0x50000;
const HANDLER = 0x21000;
const AFTER_SETUP = CODE + SETUP.length;
const NOP = 0x90;
const HLT = 0xf4;
const LONG = 1_000_000;

/** Stops at each of some addresses; `log` has what came: linear address and instructions retired. */
class Stopper {
  readonly log: string[] = [];
  readonly accesses: string[] = [];
  wanted = false;

  constructor(
    private readonly b: Bench,
    private readonly stops = true,
  ) {
    b.machine.stops.listener = {
      signal: this,
      reached: (cpu, address) => {
        this.log.push(`0x${address.toString(16)} at ${this.b.machine.cpus[cpu].instructions()}`);
        return this.stops;
      },
      accessed: (access) => void this.accesses.push(this.written(access)),
    };
  }

  at(...addresses: number[]): this {
    this.b.machine.stops.setBreakpoints(addresses.map((address) => ({ address: BigInt(address) })));
    return this;
  }

  watch(...ranges: CoreWatch[]): this {
    this.b.machine.stops.setWatches(ranges);
    return this;
  }

  private written({ cpu, by, write, address, before, after }: CoreAccess): string {
    const what = write ? `${before.join()} > ${after.join()}` : before.join();
    return `${by ?? cpu} ${write ? 'w' : 'r'} 0x${address.toString(16)}: ${what}`;
  }
}

const run = (b: Bench, cycles = LONG): number => b.cpu.run(b.cpu.now() + cycles);
const both = (address: number, length: number): CoreWatch => ({ address, length, read: true, write: true });

describe('a breakpoint', () => {
  it('stops before its instruction, which is not charged, and once: the first of a run too', () => {
    const b = bench([NOP, NOP, NOP, HLT]);
    const { log } = new Stopper(b).at(CODE, CODE + 2);
    expect(run(b)).toBe(StopReason.Stopped);
    expect([b.cpu.instructions(), b.cpu.now(), b.cpu.ripLow]).toEqual([0, 0, CODE]);
    expect(run(b)).toBe(StopReason.Stopped);
    expect([b.cpu.instructions(), b.cpu.now(), b.cpu.ripLow]).toEqual([2, 2, CODE + 2]);
    expect(run(b)).toBe(StopReason.Halted);
    expect(log).toEqual([`0x${CODE.toString(16)} at 0`, `0x${(CODE + 2).toString(16)} at 2`]);
  });

  it('stops each time a loop of one instruction comes to it', () => {
    const b = bench([0xeb, 0xfe]);
    const { log } = new Stopper(b).at(CODE);
    for (let i = 0; i < 4; i++) expect(run(b)).toBe(StopReason.Stopped);
    expect(log.map((each) => each.split(' at ')[1])).toEqual(['0', '1', '2', '3']);
  });

  it.each([undefined, 'saved and loaded'])(
    'is come to once by a repeated instruction that is cut (%s)',
    (moved) => {
      // mov edi, DATA; mov ecx, 100; rep stosb; hlt
      const b = bench([0xbf, ...le(DATA), 0xb9, ...le(100), 0xf3, 0xaa, HLT]);
      const { log } = new Stopper(b).at(CODE + 10);
      expect(run(b)).toBe(StopReason.Stopped);
      let stop = run(b, 10);
      for (let cuts = 0; stop === StopReason.Deadline; cuts++) {
        expect(cuts).toBeLessThan(100);
        if (moved) b.cpu.load(structuredClone(b.cpu.save()));
        stop = run(b, 7);
      }
      expect([stop, log.length]).toEqual([StopReason.Halted, 1]);
    },
  );

  it('is come to once by an instruction that was given up, saved and loaded in between or not', () => {
    for (const moved of [false, true]) {
      let asked = 0;
      const b = bench([0xb8, ...le(DEVICE), 0x8b, 0x00, HLT], {
        mmioRead: () => {
          if (asked++ === 0) b.cpu.abandonInstruction();
          return 5;
        },
      });
      const { log } = new Stopper(b, false).at(CODE + 5);
      expect(run(b)).toBe(StopReason.Abandoned);
      if (moved) b.cpu.load(structuredClone(b.cpu.save()));
      expect(run(b)).toBe(StopReason.Halted);
      expect([log.length, b.cpu.getReg(0)]).toEqual([1, 5n]);
    }
  });

  it('stops at the first instruction of a handler, and at an instruction that is gone back to', () => {
    const b = system([0xfb, NOP, NOP, NOP, HLT]);
    b.machine.memory.write(HANDLER, Uint8Array.of(0x50, 0x58, 0x48, 0xcf));
    setGate(b, 0x40, HANDLER);
    b.cpu.run(1);
    const { log } = new Stopper(b).at(HANDLER, AFTER_SETUP + 2);
    expect(run(b)).toBe(StopReason.Stopped);
    b.cpu.deliverInterrupt(0x40);
    const before = b.cpu.instructions();
    for (let i = 0; i < 2; i++) expect(run(b)).toBe(StopReason.Stopped);
    expect(run(b)).toBe(StopReason.Halted);
    const [nop, handler] = [AFTER_SETUP + 2, HANDLER].map((address) => `0x${address.toString(16)}`);
    expect(log).toEqual([`${nop} at ${before}`, `${handler} at ${before}`, `${nop} at ${before + 3}`]);
  });

  it('is one of a linear address: another one of the same page is none', () => {
    // jmp to the same page, seen 2 MiB higher, where it says jmp again: the second byte of the page stands for itself
    const b = bench([0xbb, ...le(CODE + 0x200000 + 9), 0xff, 0xe3, NOP, NOP, NOP, HLT]);
    b.poke(0x3000 + 8, 0x87n);
    const { log } = new Stopper(b).at(CODE + 0x200000 + 10);
    expect(run(b)).toBe(StopReason.Stopped);
    expect(run(b)).toBe(StopReason.Halted);
    expect(log).toEqual([`0x${(CODE + 0x200000 + 10).toString(16)} at 3`]);
    // The same place by its other name.
    const other = bench([0xeb, 0x07, ...new Array<number>(7).fill(NOP), NOP, NOP, HLT]);
    const none = new Stopper(other).at(CODE + 0x200000 + 10);
    expect([run(other), none.log]).toEqual([StopReason.Halted, []]);
  });

  it('stays where code is written anew', () => {
    // mov byte [CODE + 12], 0x90 over HLT; then the NOP, HLT
    const b = bench([0xc6, 0x04, 0x25, ...le(CODE + 12), NOP, NOP, NOP, NOP, NOP, HLT, HLT]);
    const { log } = new Stopper(b).at(CODE + 12);
    expect(run(b)).toBe(StopReason.Stopped);
    expect(run(b)).toBe(StopReason.Halted);
    expect([log.length, b.cpu.instructions()]).toEqual([1, 7]);
    expect(b.cpu.ripLow).toBe(CODE + 14);
  });

  it('counts from the base of the code segment in 16-bit code', () => {
    const b = bench([]);
    b.machine.memory.write(0x10010, Uint8Array.of(NOP, NOP, HLT));
    b.cpu.init();
    b.cpu.startUp(0x10);
    b.cpu.setRip(0x10n);
    const { log } = new Stopper(b).at(0x11, 0x10011, 0x20011);
    expect(run(b)).toBe(StopReason.Stopped);
    expect(run(b)).toBe(StopReason.Halted);
    expect(log).toEqual(['0x10011 at 1']);
  });

  it('stops before an instruction that lies in two pages', () => {
    const b = bench([0xe9, ...le(0xffa - 5)]);
    b.machine.memory.write(CODE + 0xffa, Uint8Array.of(NOP, NOP, NOP, 0xb8, ...le(7), HLT));
    const { log } = new Stopper(b).at(CODE + 0xffd);
    expect(run(b)).toBe(StopReason.Stopped);
    expect([b.cpu.ripLow, b.cpu.getReg(0)]).toEqual([CODE + 0xffd, 0n]);
    expect(run(b)).toBe(StopReason.Halted);
    expect([log.length, b.cpu.getReg(0)]).toEqual([1, 7n]);
  });

  it('stops while the guest steps through its own code', () => {
    // pushf; or qword [rsp], TF; popf; nop; nop; hlt
    const b = system([0x9c, 0x48, 0x81, 0x0c, 0x24, ...le(0x100), 0x9d, NOP, NOP, HLT]);
    b.machine.memory.write(HANDLER, Uint8Array.of(0x48, 0xcf));
    setGate(b, 1, HANDLER);
    const nop = AFTER_SETUP + 10;
    const { log } = new Stopper(b).at(nop + 1, HANDLER);
    const reasons: number[] = [];
    for (let i = 0; i < 4; i++) reasons.push(run(b));
    expect(reasons).toEqual(new Array<number>(4).fill(StopReason.Stopped));
    // The trap behind the first NOP comes before the breakpoint at the second.
    expect(log.map((each) => each.split(' ')[0])).toEqual(
      [HANDLER, nop + 1, HANDLER, HANDLER].map((a) => `0x${a.toString(16)}`),
    );
  });

  it.each<[string, JitOptions | false]>([
    ['interpreted', false],
    ['compiled', { threshold: 1, batch: 1 }],
  ])('stops in a hot loop, and no more when it is taken away (%s)', (_name, jit) => {
    // mov ecx, 1000; l: inc rax; add rdx, rax; dec ecx; jnz l; hlt
    const loop = CODE + 5;
    const code = [0xb9, ...le(1000), 0x48, 0xff, 0xc0, 0x48, 0x01, 0xc2, 0xff, 0xc9, 0x75, 0xf6, HLT];
    const b = bench(code, {}, true, jit);
    const stopper = new Stopper(b);
    expect(run(b, 2000)).toBe(StopReason.Deadline);
    stopper.at(loop + 3);
    for (let i = 0; i < 10; i++) {
      const before = b.cpu.instructions();
      expect([run(b), b.cpu.ripLow]).toEqual([StopReason.Stopped, loop + 3]);
      if (i > 0) expect(b.cpu.instructions() - before).toBe(4);
    }
    stopper.at();
    expect(run(b)).toBe(StopReason.Halted);
    expect([b.cpu.getReg(0), b.cpu.instructions(), stopper.log.length]).toEqual([1000n, 4002, 10]);
  });
});

describe('a watch', () => {
  it('tells of loads, stores, and both in the order of one instruction, with the bytes before and after', () => {
    // mov ebx, DATA; mov eax, [rbx]; mov [rbx+2], ax; add dword [rbx], 1; lock xadd [rbx], eax; hlt
    const b = bench([
      ...[
        0xbb,
        ...le(DATA),
        0x8b,
        0x03,
        0x66,
        0x89,
        0x43,
        0x02,
        0x83,
        0x03,
        0x01,
        0xf0,
        0x0f,
        0xc1,
        0x03,
        HLT,
      ],
    ]);
    b.poke(DATA, 0x0403_0201n);
    const { accesses } = new Stopper(b).watch(both(DATA + 1, 2));
    expect(run(b)).toBe(StopReason.Halted);
    expect(accesses).toEqual([
      '0 r 0x50000: 1,2,3,4',
      '0 w 0x50002: 3,4 > 1,2',
      '0 r 0x50000: 1,2,1,2',
      '0 w 0x50000: 1,2,1,2 > 2,2,1,2',
      '0 r 0x50000: 2,2,1,2',
      '0 w 0x50000: 2,2,1,2 > 3,4,4,6',
    ]);
  });

  it('stops behind the instruction', () => {
    const b = bench([0xbb, ...le(DATA), 0xc6, 0x03, 0x05, NOP, HLT]);
    const stopper = new Stopper(b);
    b.machine.stops.setWatches([both(DATA, 1)]);
    const { listener } = b.machine.stops;
    const accessed = listener?.accessed.bind(listener);
    if (listener) {
      listener.accessed = (access): void => {
        accessed?.(access);
        stopper.wanted = true;
      };
    }
    expect([run(b), b.cpu.instructions(), b.cpu.ripLow]).toEqual([StopReason.Stopped, 2, CODE + 8]);
    stopper.wanted = false;
    expect([run(b), b.cpu.instructions()]).toEqual([StopReason.Halted, 4]);
    expect(stopper.accesses).toEqual(['0 w 0x50000: 0 > 5']);
  });

  it('tells of pushes, calls, repeated instructions and a store across pages', () => {
    // push 5; mov edi, DATA + 0xffe; mov eax, 0x04030201; mov [rdi], eax; mov ecx, 2; rep stosb; hlt
    const b = bench([
      ...[0x6a, 0x05, 0xbf, ...le(DATA + 0xffe), 0xb8, ...le(0x04030201), 0x89, 0x07],
      ...[0xb9, ...le(2), 0xf3, 0xaa, HLT],
    ]);
    const { accesses } = new Stopper(b).watch(both(STACK - 8, 8), both(DATA + 0xfff, 2));
    expect(run(b)).toBe(StopReason.Halted);
    expect(accesses).toEqual([
      '0 w 0x8fff8: 0,0,0,0,0,0,0,0 > 5,0,0,0,0,0,0,0',
      '0 w 0x50fff: 0,0 > 2,3',
      '0 w 0x50fff: 2 > 1',
    ]);
  });

  it('tells of the frame that an interrupt pushes', () => {
    const b = system([0xfb, NOP, HLT]);
    b.machine.memory.write(HANDLER, Uint8Array.of(0x48, 0xcf));
    setGate(b, 0x40, HANDLER);
    b.cpu.run(b.cpu.now() + 1);
    while (!b.cpu.interruptible()) b.cpu.run(b.cpu.now() + 1);
    const { accesses } = new Stopper(b).watch({ address: STACK - 40, length: 8, read: false, write: true });
    const rip = b.cpu.ripLow;
    b.cpu.deliverInterrupt(0x40);
    expect(accesses).toEqual([`0 w 0x8ffd8: 0,0,0,0,0,0,0,0 > ${[...le(rip), 0, 0, 0, 0].join()}`]);
  });

  it('tells of the accessed and dirty bits that a walk sets', () => {
    const b = bench([0xc6, 0x04, 0x25, ...le(0x200000), 1, HLT]);
    const entry = 0x3000 + 8;
    const { accesses } = new Stopper(b).watch({ address: entry, length: 1, read: false, write: true });
    expect(run(b)).toBe(StopReason.Halted);
    expect(accesses).toEqual([`0 w 0x${entry.toString(16)}: ${0x87} > ${0x87 | 0x60}`]);
    expect(b.peek(PML4) & 0x20n).toBe(0x20n);
  });

  it('does not tell of what an instruction did that was given up', () => {
    let asked = 0;
    // mov esi, DATA; mov edi, DEVICE; movsb; hlt
    const b = bench([0xbe, ...le(DATA), 0xbf, ...le(DEVICE), 0xa4, HLT], {
      mmioWrite: () => {
        if (asked++ === 0) b.cpu.abandonInstruction();
      },
    });
    const { accesses } = new Stopper(b).watch(both(DATA, 4));
    expect([run(b), accesses.length]).toEqual([StopReason.Abandoned, 0]);
    expect(run(b)).toBe(StopReason.Halted);
    expect(accesses).toEqual(['0 r 0x50000: 0']);
  });

  it('tells who else reads and writes, but of no snapshot that is put in place', () => {
    const b = bench([HLT]);
    const { memory } = b.machine;
    const saved = memory.save();
    const { accesses } = new Stopper(b).watch(both(DATA + 1, 1));
    memory.write(DATA, Uint8Array.of(1, 2, 3), 'nic0');
    memory.write(DATA + 2, Uint8Array.of(9), 'nic0');
    memory.read(DATA, 2, 'nic0');
    memory.load(saved);
    expect(accesses).toEqual(['nic0 w 0x50000: 0,0,0 > 1,2,3', 'nic0 r 0x50000: 1,2']);
  });

  it('is over when it is taken away', () => {
    const b = bench([0xa2, ...le(DATA), 0, 0, 0, 0, 0xeb, 0xf5]);
    const stopper = new Stopper(b).watch(both(DATA, 1));
    run(b, 20);
    const { length } = stopper.accesses;
    stopper.watch();
    run(b, 100);
    expect([length > 0, stopper.accesses.length]).toEqual([true, length]);
  });
});
