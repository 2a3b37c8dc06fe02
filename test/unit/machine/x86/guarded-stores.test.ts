/** Pages of RAM to which stores of vCPUs are call-outs, as to a page that the EPT map without the right to write. */
import { describe, expect, it } from 'vitest';
import { StopReason } from '../../../../src/machine/x86/types';
import { bench, type Bench } from './harness';
import { le } from './system-bench';

const HLT = 0xf4;
const PAGE = 4096;
const GUARDED = 0x50000;
const load = (at: number): number[] => [0x48, 0x8b, 0x1c, 0x25, ...le(at)];
const save = (at: number): number[] => [0x48, 0x89, 0x1c, 0x25, ...le(at)];

type Store = [address: number, size: number, value: bigint];

function guarding(
  code: number[],
  ...more: [fastPaths?: boolean, jit?: { threshold: number; batch: number }]
) {
  const stores: Store[] = [];
  const mmioWrite = (address: number, size: number, low: number, high: number): void =>
    void stores.push([address, size, (BigInt(high) << 32n) | BigInt(low)]);
  const b = bench([...code, HLT], { mmioWrite }, ...more);
  b.machine.guardStores([GUARDED / PAGE]);
  return { b, stores };
}

function ended(b: Bench): void {
  expect(b.cpu.run(1_000_000)).toBe(StopReason.Halted);
}

describe.each([true, false])('with fast paths: %s', (fastPaths) => {
  it('stores are call-outs and do nothing more, loads are not', () => {
    const code = [...load(GUARDED), ...save(GUARDED + 8), ...load(GUARDED + 8), ...save(GUARDED + PAGE)];
    const { b, stores } = guarding(code, fastPaths);
    b.poke(GUARDED, 0x1122334455667788n, 7n);
    ended(b);
    expect(stores).toEqual([[GUARDED + 8, 8, 0x1122334455667788n]]);
    expect([b.peek(GUARDED + 8), b.peek(GUARDED + PAGE)]).toEqual([7n, 7n]);
  });

  it('an instruction that reads and writes reads RAM', () => {
    // lock add dword [GUARDED],3
    const { b, stores } = guarding([0xf0, 0x83, 0x04, 0x25, ...le(GUARDED), 3], fastPaths);
    b.poke(GUARDED, 39n);
    ended(b);
    expect(stores).toEqual([[GUARDED, 4, 42n]]);
    expect(b.peek(GUARDED)).toBe(39n);
  });

  it('of a store that reaches into the page, the bytes that do', () => {
    const { b, stores } = guarding([...load(GUARDED + PAGE), ...save(GUARDED - 4)], fastPaths);
    b.poke(GUARDED + PAGE, 0x0807060504030201n);
    ended(b);
    expect(stores).toEqual([5n, 6n, 7n, 8n].map((value, i) => [GUARDED + i, 1, value]));
    expect(b.peek(GUARDED - 4)).toBe(0x04030201n);
  });
});

it('what was stored to without asking before, is guarded at once, in compiled code too, and free again', () => {
  // mov ecx,1000; 1: mov [GUARDED],rbx; dec ecx; jnz 1b; hlt; the same again twice
  const loop = [0xb9, ...le(1000), ...save(GUARDED), 0xff, 0xc9, 0x75, 0xf4, HLT];
  const { b, stores } = guarding([...loop, ...loop, ...loop], true, { threshold: 10, batch: 1 });
  b.machine.guardStores([]);
  ended(b);
  expect(stores).toHaveLength(0);
  b.machine.guardStores([GUARDED / PAGE]);
  ended(b);
  expect(stores).toHaveLength(1000);
  b.machine.guardStores([]);
  ended(b);
  expect(stores).toHaveLength(1000);
});

it('others than vCPUs are not held up', () => {
  const { b, stores } = guarding([]);
  b.machine.memory.write(GUARDED, Uint8Array.of(1));
  expect([b.peek(GUARDED), stores]).toEqual([1n, []]);
});
