/** The same guest under QEMU's translator (TCG), timed by the marks it writes. */
import { spawn, spawnSync } from 'node:child_process';
import { rm, stat } from 'node:fs/promises';
import { END_MARK, START_MARK, type Guest } from './guest';

const QEMU = 'qemu-system-x86_64';
// prettier-ignore
const MACHINE = [
  '-accel', 'tcg', '-m', '64', '-display', 'none', '-nodefaults', '-no-reboot', '-device', 'isa-debug-exit,iobase=0xf4',
  '-device', 'e1000,romfile=', '-debugcon', 'stdio',
];
const TRACED = ['-trace', 'memory_region_ops_read', '-trace', 'memory_region_ops_write'];

/** The version line of the QEMU on the PATH; undefined where there is none. */
export function qemuVersion(): string | undefined {
  const found = spawnSync(QEMU, ['--version'], { encoding: 'utf8' });
  return found.status === 0 ? found.stdout.split('\n')[0] : undefined;
}

/** What a run under QEMU showed. */
export interface QemuRun {
  /** Between the marks. */
  seconds: number;
  /** Of the trace file, boot included; 0 without one. */
  traceBytes: number;
}

/** Runs the guest to its end. @param traceFile records every access to a device register there; deleted afterwards */
export async function runQemu(guest: Guest, traceFile?: string): Promise<QemuRun> {
  const trace = traceFile ? [...TRACED, '-D', traceFile] : [];
  const child = spawn(QEMU, [...MACHINE, ...trace, '-kernel', guest.file], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let started = NaN;
  let ended = NaN;
  let words = '';
  child.stderr.on('data', (text: Buffer) => (words += text.toString()));
  child.stdout.on('data', (marks: Buffer) => {
    const time = performance.now();
    if (marks.includes(START_MARK)) started = time;
    if (marks.includes(END_MARK)) ended = time;
  });
  await new Promise<void>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', () => resolve());
  });
  const traceBytes = traceFile ? (await stat(traceFile)).size : 0;
  if (traceFile) await rm(traceFile);
  if (!(ended > started)) throw new Error(`QEMU did not run the guest ${guest.file} to its end: ${words}`);
  return { seconds: (ended - started) / 1000, traceBytes };
}
