/** A bare machine for vCPU tests: identity-mapped RAM, code assembled from iced-x86 text-like calls or given as bytes. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createMachineCore, type GuestMachineCore } from '../../../../src/machine/x86';
import type { JitOptions } from '../../../../src/machine/x86/jit/jit';
import type { Cpu, CpuCallouts, CpuVendor, MachineCoreOptions } from '../../../../src/machine/x86/types';

const root = join(__dirname, '../../../..');

let compiled: WebAssembly.Module | undefined;

/** The compiled core; built when missing or out of date. */
export function coreModule(): WebAssembly.Module {
  if (!compiled) {
    execFileSync(process.execPath, [join(root, 'scripts/build-core.mjs')]);
    compiled = new WebAssembly.Module(readFileSync(join(root, 'dist/cpu-core.wasm')));
  }
  return compiled;
}

export const RAM = 4 << 20;
export const CODE = 0x10000;
export const STACK = 0x90000;
/** Page tables: PML4, PDPT, one PD of 2 MiB pages for the first GiB, and one for the device hole at 0xfe000000. */
export const PML4 = 0x1000;
const PDPT = 0x2000;
const PD_LOW = 0x3000;
const PD_HIGH = 0x4000;
export const DEVICE = 0xfe000000;

export const COSTS: MachineCoreOptions['costs'] = {
  base: 1,
  memory: 2,
  branch: 1,
  multiply: 3,
  divide: 20,
  serialising: 10,
  control: 7,
  pause: 7,
};

/** One machine and its first vCPU. */
export interface Bench {
  machine: GuestMachineCore;
  cpu: Cpu;
  poke(address: number, ...values: bigint[]): void;
  peek(address: number): bigint;
}

/** Call-outs that fail loudly, with some replaced. */
export function callouts(overrides: Partial<CpuCallouts> = {}): CpuCallouts {
  const unexpected = (name: string) => (): never => {
    throw new Error(`unexpected call-out ${name}`);
  };
  return {
    mmioRead: unexpected('mmioRead'),
    mmioWrite: unexpected('mmioWrite'),
    portIn: unexpected('portIn'),
    portOut: unexpected('portOut'),
    msrRead: () => undefined,
    msrWrite: () => false,
    cpuid: () => ({ eax: 0, ebx: 0, ecx: 0, edx: 0 }),
    hlt: () => undefined,
    vmcall: () => false,
    cr8Read: () => 0,
    cr8Write: () => undefined,
    interruptDelivered: () => undefined,
    interruptReturned: () => undefined,
    ...overrides,
  };
}

/** A machine with `code` at CODE, ready to run there in 64-bit mode with user-accessible identity mapping. */
export function bench(
  code: Uint8Array | number[],
  overrides: Partial<CpuCallouts> = {},
  fastPaths = true,
  jit?: JitOptions | false,
  vendor: CpuVendor = 'intel',
): Bench {
  const machine = createMachineCore(
    { ramBytes: RAM, cpus: 1, module: coreModule(), costs: COSTS, vendor },
    { fastPaths, jit },
  );
  const poke = (address: number, ...values: bigint[]): void => {
    const bytes = new Uint8Array(values.length * 8);
    const view = new DataView(bytes.buffer);
    values.forEach((v, i) => view.setBigUint64(i * 8, BigInt.asUintN(64, v), true));
    machine.memory.write(address, bytes);
  };
  const peek = (address: number): bigint =>
    new DataView(machine.memory.read(address, 8).buffer).getBigUint64(0, true);
  poke(PML4, BigInt(PDPT) | 7n);
  poke(PDPT, BigInt(PD_LOW) | 7n, 0n, 0n, BigInt(PD_HIGH) | 7n);
  for (let i = 0; i < 512; i++) poke(PD_LOW + i * 8, (BigInt(i) << 21n) | 0x87n);
  for (let i = 0; i < 512; i++) poke(PD_HIGH + i * 8, (3n << 30n) | (BigInt(i) << 21n) | 0x87n);
  machine.memory.write(CODE, Uint8Array.from(code));
  const cpu = machine.cpus[0];
  cpu.callouts = callouts(overrides);
  cpu.startLongMode(BigInt(CODE), BigInt(STACK), PML4);
  return { machine, cpu, poke, peek };
}
