/** A call-out that gives its instruction up leaves nothing behind: asked again, the guest ends as if it had not happened. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { StopReason, type Cpu, type CpuCallouts } from '../../../../src/machine/x86/types';
import { randomSource } from '../../../conformance/native-oracle/generate';
import { CODE, DEVICE, RAM, bench, callouts } from './harness';
import { randomProgram } from './random-machine';
import { SETUP, le, setGate, system } from './system-bench';

/** RAM goes on in a device page: the tests map the page after this one to the device. */
const EDGE = 0x3ff000;
const HANDLERS = 0x20000;

/** One access as a device sees it, with the value it was given. */
type Access = (string | number)[];

interface Bus {
  callouts: CpuCallouts;
  log: Access[];
  abandoned(): number;
}

/**
 * A bus whose answers depend on nothing but the order of accesses. With `abandons` every access is given up once before
 * it is served; when an instruction asks again for what it was already answered, it gets that answer and no new access.
 */
function busOf(cpu: () => Cpu, seed: number, abandons: boolean, takesTime: boolean): Bus {
  const random = randomSource(seed);
  const log: Access[] = [];
  let key = '';
  let answered: [number, number][] = [];
  let position = 0;
  let refused = -1;
  let count = 0;
  const ask = (...access: Access): number => {
    const c = cpu();
    // An iteration of a repeated instruction is one with another RCX.
    const now = `${c.instructions()} ${c.ripLow} ${c.getReg(1)}`;
    if (now !== key) {
      key = now;
      answered = [];
      position = 0;
      refused = -1;
    }
    if (position < answered.length) {
      const [low, high] = answered[position++];
      c.resultHigh = high;
      return low;
    }
    if (abandons && refused !== position) {
      refused = position;
      position = 0;
      count++;
      c.abandonInstruction();
      c.resultHigh = 0xdeadbeef;
      return 0x0badf00d;
    }
    const answer: [number, number] = [random() | 0, random()];
    log.push([...access, c.now(), c.ripLow, c.instructions(), Number(c.rflags())]);
    answered.push(answer);
    position++;
    if (takesTime) c.advance(random() % 50);
    c.resultHigh = answer[1];
    return answer[0];
  };
  return {
    log,
    abandoned: () => count,
    callouts: callouts({
      mmioRead: (a, s) => ask('read', a, s),
      mmioWrite: (a, s, l, h) => void ask('write', a, s, l, h),
      portIn: (p, s) => ask('in', p, s),
      portOut: (p, s, v) => void ask('out', p, s, v),
      msrRead: (i) => ask('rdmsr', i),
      msrWrite: (i, l, h) => (ask('wrmsr', i, l, h) & 1) === 0,
    }),
  };
}

const hashOf = (bytes: Uint8Array): string => createHash('sha1').update(bytes).digest('hex');

interface End {
  state: unknown;
  /** SHA-1 of RAM: comparing megabytes element by element takes its time. */
  memory: string;
  log: Access[];
}

/** Instruction by instruction until `instructions` have retired, HLT, or a shutdown. */
function runSteps(cpu: Cpu, instructions: number): StopReason {
  for (;;) {
    let stop = cpu.run(cpu.now() + 1);
    for (let again = 0; stop === StopReason.Abandoned; again++) {
      expect(again).toBeLessThan(100);
      stop = cpu.run(cpu.now() + 1);
    }
    if (stop !== StopReason.Deadline || cpu.instructions() >= instructions) return stop;
  }
}

function runFree(cpu: Cpu, cycles: number): StopReason {
  for (;;) {
    const stop = cpu.run(cycles);
    if (stop !== StopReason.Abandoned) return stop;
  }
}

/** Everything but RSP-relative pointers may be a device: RDI, RSI, R15 and RBX point at one, and at the edge of RAM. */
function pointers(seed: number): number[] {
  const random = randomSource(seed);
  const place = (): number[] =>
    le([DEVICE + (random() % 0x800), EDGE + 0xffd + (random() % 4), EDGE + 0x400][random() % 3]);
  return [0xbb, ...place(), 0xbe, ...place(), 0xbf, ...place(), 0x41, 0xbf, ...place()];
}

/** Runs a random program, whose data may lie in devices, by one bus. */
function finish(
  seed: number,
  abandons: boolean,
  fastPaths: boolean,
  stepping: boolean,
): End & { count: number } {
  const random = randomSource(seed ^ 0x5a5a);
  const program = randomProgram(seed);
  const loop = program.length - 5;
  // The program sets its pointers itself at first: ours come behind that, and a loop that skips it.
  const code = [...program.slice(0, 33), ...pointers(random()), ...program.slice(33, loop)];
  code.push(0xe9, ...le(-(code.length + 5 - 33)));
  const b = system([], {}, fastPaths);
  b.poke(0x3000 + (((EDGE + 0x1000) >> 21) & 511) * 8, BigInt(DEVICE) | 0x87n);
  for (let vector = 0; vector < 32; vector++) {
    const error = [8, 10, 11, 12, 13, 14, 17].includes(vector) ? [0x48, 0x83, 0xc4, 8] : [];
    setGate(b, vector, HANDLERS + vector * 32);
    const handler = [...error, 0x48, 0xff, 0x04, 0x24, 0x48, 0xcf]; // inc qword [rsp]; iretq
    b.machine.memory.write(HANDLERS + vector * 32, Uint8Array.from(handler));
  }
  b.machine.memory.write(CODE + SETUP.length, Uint8Array.from(code));
  const bus = busOf(() => b.cpu, seed, abandons, stepping);
  b.cpu.callouts = bus.callouts;
  if (stepping) runSteps(b.cpu, 400);
  else runFree(b.cpu, 4000);
  return {
    state: b.cpu.save(),
    memory: hashOf(b.machine.memory.read(0, RAM)),
    log: bus.log,
    count: bus.abandoned(),
  };
}

describe('an abandoned instruction', () => {
  it.each([
    ['fast paths, running free', true, false],
    ['fast paths, stepping, devices that take time', true, true],
    ['general paths, running free', false, false],
    ['general paths, stepping, devices that take time', false, true],
  ])('leaves nothing behind: %s', (_, fastPaths, stepping) => {
    let abandoned = 0;
    for (let seed = 1; seed <= 8; seed++) {
      const plain = finish(seed, false, fastPaths, stepping);
      const given = finish(seed, true, fastPaths, stepping);
      expect(given.log, `accesses of seed ${seed}`).toEqual(plain.log);
      expect(given.state, `state of seed ${seed}`).toEqual(plain.state);
      expect(given.memory, `memory of seed ${seed}`).toBe(plain.memory);
      abandoned += given.count;
    }
    expect(abandoned).toBeGreaterThan(100);
  });

  // Each between `mov` of the operands and hlt; RBX points at the device, RSI at RAM, RDI at the last RAM before it.
  const CASES: [name: string, code: number[]][] = [
    ['adc [rbx],rax', [0x48, 0x11, 0x03]],
    ['lock xadd [rbx],rcx', [0xf0, 0x48, 0x0f, 0xc1, 0x0b]],
    ['xchg [rbx],ecx', [0x87, 0x0b]],
    ['cmpxchg [rbx],ecx', [0x0f, 0xb1, 0x0b]],
    ['cmpxchg8b [rdi-4]', [0x0f, 0xc7, 0x4f, 0xfc]],
    ['cmpxchg16b [rbx]', [0x48, 0x0f, 0xc7, 0x0b]],
    ['bts [rbx],eax', [0x0f, 0xab, 0x03]],
    ['inc qword [rbx]', [0x48, 0xff, 0x03]],
    ['rcl dword [rbx],3', [0xc1, 0x13, 3]],
    ['shld [rbx],rcx,5', [0x48, 0x0f, 0xa4, 0x0b, 5]],
    ['push qword [rbx]', [0xff, 0x33]],
    ['pop qword [rbx]', [0x8f, 0x03]],
    ['add [rdi-3],rax over the edge', [0x48, 0x01, 0x47, 0xfd]],
    ['neg qword [rdi-5] over the edge', [0x48, 0xf7, 0x5f, 0xfb]],
    ['movsq to the device', [0x48, 0x89, 0xdf, 0x48, 0xa5]],
    ['rep movsd within the device', [0x48, 0x89, 0xdf, 0x48, 0x8d, 0x73, 0x40, 0xb9, 5, 0, 0, 0, 0xf3, 0xa5]],
    ['repe cmpsb', [0x48, 0x89, 0xdf, 0xb9, 5, 0, 0, 0, 0xf3, 0xa6]],
    ['rep insb to the device', [0x48, 0x89, 0xdf, 0xb9, 4, 0, 0, 0, 0xf3, 0x6c]],
    ['rep outsw from the device', [0x48, 0x89, 0xde, 0xb9, 4, 0, 0, 0, 0xf3, 0x66, 0x6f]],
    ['rdmsr', [0xb9, 0x1b, 0, 0, 0, 0x0f, 0x32]],
    ['wrmsr or its #GP', [0xb9, 0x1b, 0, 0, 0, 0x0f, 0x30]],
    ['setb [rbx]; in al,dx; out 0x80,eax', [0x0f, 0x92, 0x03, 0xec, 0xe7, 0x80]],
  ];
  it.each(CASES)('%s', (_, code) => {
    const setup = [
      ...[0x48, 0xb8, ...le(0x80000001), ...le(0x12345678), 0xb9, ...le(0xffff00ff)],
      ...[
        0xbb,
        ...le(DEVICE + 0x10),
        0xbe,
        ...le(EDGE),
        0xbf,
        ...le(EDGE + 0x1000),
        0xba,
        ...le(0x3f8),
        0xf9,
      ],
    ];
    const one = (abandons: boolean, fastPaths: boolean): End => {
      const b = bench([...setup, ...code, 0xf4], {}, fastPaths);
      b.poke(0x3000 + (((EDGE + 0x1000) >> 21) & 511) * 8, BigInt(DEVICE) | 0x87n);
      b.poke(EDGE + 0xff0, 0x1122334455667788n, 0x99aabbccddeeff00n);
      const bus = busOf(() => b.cpu, 7, abandons, true);
      b.cpu.callouts = bus.callouts;
      runSteps(b.cpu, 1000);
      expect(bus.log.length).toBeGreaterThan(0);
      return {
        state: b.cpu.save(),
        memory: hashOf(b.machine.memory.read(0x80000, RAM - 0x80000)),
        log: bus.log,
      };
    };
    for (const fastPaths of [true, false]) expect(one(true, fastPaths)).toEqual(one(false, fastPaths));
  });

  it('stops with RIP at it, nothing retired and nothing charged but what the call-out advanced', () => {
    const b = bench([0x90, 0xbb, ...le(DEVICE), 0x8b, 0x03, 0xf4]);
    let asked = 0;
    b.cpu.callouts = callouts({
      mmioRead: () => {
        if (asked++ === 0) {
          b.cpu.advance(1000);
          b.cpu.abandonInstruction();
        }
        return 5;
      },
    });
    expect(b.cpu.run(100_000)).toBe(StopReason.Abandoned);
    expect([b.cpu.ripLow, b.cpu.instructions(), b.cpu.now(), b.cpu.getReg(0)]).toEqual([
      CODE + 6,
      2,
      1002,
      0n,
    ]);
    expect(b.cpu.run(100_000)).toBe(StopReason.Halted);
    expect([asked, b.cpu.getReg(0), b.cpu.instructions()]).toEqual([2, 5n, 4]);
  });
});
