/** A ROM of a firmware, put together in the test, and runs of it. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jobOf, runJob, type FinishedRun } from './runs';
import type { RunSession } from '../../src/run/session';
import type { RunJob } from '../../src/protocol/run';

export const ROM_BYTES = 0x10000;
/** What the segment of the BIOS begins with below 1 MiB, and the last 64 KiB below 4 GiB. */
export const TOP = 0xffff0000;

/** jmp near from F000:FFF0 to F000:0000: the reset vector of a ROM whose code stands at its beginning. */
const RESET = { at: 0xfff0, code: [0xe9, 0x0d, 0x00] };

/** 64 KiB: code at the beginning, the jump there at the reset vector, and whatever else. */
export function romOf(
  code: readonly number[],
  more: readonly { at: number; bytes: readonly number[] }[] = [],
): Uint8Array {
  const rom = new Uint8Array(ROM_BYTES).fill(0xf4);
  for (const { at, bytes } of [{ at: 0, bytes: code }, { at: RESET.at, bytes: RESET.code }, ...more])
    rom.set(bytes, at);
  return rom;
}

/** mov dx, port; mov al, value; out dx, al */
export const out8 = (port: number, value: number): number[] => [
  0xba,
  port & 0xff,
  port >> 8,
  0xb0,
  value,
  0xee,
];
/** mov dx, port; mov eax, value; out dx, eax: in 16-bit code. */
export const out32 = (port: number, value: number): number[] => [
  ...[0xba, port & 0xff, port >> 8, 0x66, 0xb8],
  ...[0, 8, 16, 24].map((bit) => (value >>> bit) & 0xff),
  ...[0x66, 0xef],
];
/** AL to the console. */
export const PUT_AL = [0xba, 0xf8, 0x03, 0xee];
/** Ends the guest with code 0 (isa-debug-exit). */
export const END = out8(0xf4, 0);

/** The job of a scenario whose one guest has this ROM. `vm` and `more` are added to the VM and to the scenario. */
export async function firmwareJob(rom: Uint8Array, vm: object = {}, more: object = {}): Promise<RunJob> {
  const folder = mkdtempSync(join(tmpdir(), 'trapline-firmware-'));
  writeFileSync(join(folder, 'rom.bin'), rom);
  const scenario = { vms: [{ memoryMiB: 16, ...vm, guest: { firmware: 'rom.bin' } }], ...more };
  return jobOf(join(folder, 'rom.trapline.json'), JSON.stringify(scenario));
}

/** Runs it to its end. */
export async function runFirmware(
  rom: Uint8Array,
  vm: object = {},
  more: object = {},
  inspect?: (session: RunSession) => void,
): Promise<FinishedRun> {
  return runJob(await firmwareJob(rom, vm, more), inspect);
}
