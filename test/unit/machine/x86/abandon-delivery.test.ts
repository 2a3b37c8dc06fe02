/** An exception whose delivery a device gives up leaves CR2, DR6, DR7 and what is pending as they were; it comes again. */
import { expect, it } from 'vitest';
import { StopReason, type CpuHardware } from '../../../../src/machine/x86/types';
import { CODE, DEVICE, type Bench } from './harness';
import { alter, modeBench, untilHandler } from './mode-bench';

const ABSENT = 0x7fffffff000n;

/** A machine whose stack is a device that gives up every store until `serve` is set. */
function onDeviceStack(
  code: number[],
  change: (state: CpuHardware) => void,
): { b: Bench; device: { serve: boolean } } {
  const device = { serve: false };
  const b: Bench = modeBench(
    code,
    { mode: 'long', stack: DEVICE + 0x800 },
    { mmioWrite: () => void (device.serve || b.cpu.abandonInstruction()), mmioRead: () => 0 },
  );
  alter(b, change);
  return { b, device };
}

const CASES: [what: string, code: number[], vector: number, change: (state: CpuHardware) => void][] = [
  ['a page fault', [0x48, 0x8b, 0x03], 14, (s) => void (s.general[3] = ABSENT)],
  ['general detection', [0x0f, 0x21, 0xc0], 1, (s) => void (s.debug[7] = 0x2400n)],
  [
    'an instruction breakpoint',
    [0x90],
    1,
    (s) => void s.debug.set([BigInt(CODE), 0n, 0n, 0n, 0n, 0n, 0xffff0ff0n, 0x401n]),
  ],
];
it.each(CASES)('%s', (_, code, vector, change) => {
  const { b, device } = onDeviceStack(code, change);
  const before = b.cpu.save();
  for (let i = 0; i < 2; i++) {
    expect(b.cpu.run(b.cpu.now() + 100)).toBe(StopReason.Abandoned);
    // Nothing has happened but that the instruction has begun, so that a breakpoint at it is not met again.
    expect(b.cpu.save()).toEqual({ ...before, run: { ...before.run, begun: true } });
  }
  device.serve = true;
  expect(untilHandler(b, 3)).toBe(vector);
  const { control, debug } = b.cpu.save().hardware;
  expect(control[1]).toBe(vector === 14 ? ABSENT : 0n);
  if (vector === 1) expect(debug[6] & 0x6001n).toBe(before.hardware.debug[7] & 0x2000n ? 0x2000n : 1n);
  expect(debug[7] & 0x2000n).toBe(0n);
});

it('a single-step trap stays due', () => {
  const { b, device } = onDeviceStack([0x90, 0x90], (s) => void (s.general[17] = 0x102n));
  for (let i = 0; i < 2; i++) {
    expect(b.cpu.run(b.cpu.now() + 100)).toBe(StopReason.Abandoned);
    expect([b.cpu.instructions(), b.cpu.ripLow, b.cpu.save().hardware.pendingDebug]).toEqual([
      1,
      CODE + 1,
      0x4000,
    ]);
  }
  device.serve = true;
  expect(untilHandler(b, 3)).toBe(1);
  expect(b.cpu.save().hardware.debug[6] & 0x4000n).toBe(0x4000n);
  expect(b.cpu.instructions()).toBe(1);
});

it('SIDT asks a device for nothing more once it was given up', () => {
  let stores = 0;
  const b: Bench = modeBench(
    [0x0f, 0x01, 0x0b],
    { mode: 'long' },
    {
      mmioWrite: () => {
        stores++;
        b.cpu.abandonInstruction();
      },
    },
  );
  b.cpu.setReg(3, BigInt(DEVICE));
  expect(b.cpu.run(b.cpu.now() + 100)).toBe(StopReason.Abandoned);
  expect(stores).toBe(1);
});

it('code that unmaps its own page goes no further, however it is run', () => {
  // and byte [0x3000+…],0xfe: the PDE of the code's own 2 MiB; inc eax
  for (const slice of [1, Infinity]) {
    const b = modeBench([0x80, 0x24, 0x25, 0x00, 0x30, 0, 0, 0xfe, 0xff, 0xc0], { mode: 'long' });
    expect(b.cpu.run(b.cpu.now() + 1)).toBe(StopReason.Deadline);
    const before = b.cpu.getReg(0);
    let stop: StopReason = StopReason.Deadline;
    while (stop === StopReason.Deadline) stop = b.cpu.run(b.cpu.now() + slice);
    expect([stop, b.cpu.getReg(0), b.cpu.instructions()]).toEqual([StopReason.Shutdown, before, 1]);
  }
});
