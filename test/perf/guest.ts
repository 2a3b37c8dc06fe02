/** The guest of the side-by-side figures: built by the system's compiler for one loop and number of rounds, and read back. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** A loop of `guest.S`, by the number its source knows it by. */
export interface Loop {
  name: 'alu' | 'calls' | 'mmio';
  number: number;
  /** Instructions of one round. */
  length: number;
}

export const loops: Record<Loop['name'], Loop> = {
  alu: { name: 'alu', number: 1, length: 10 },
  calls: { name: 'calls', number: 2, length: 8 },
  mmio: { name: 'mmio', number: 3, length: 3 },
};

/** How often the loop goes round before and between the marks. */
export interface Rounds {
  warmUp: number;
  measured: number;
}

/** What the guest writes to the debug console before and after the measured rounds. */
export const START_MARK = 'S'.charCodeAt(0);
export const END_MARK = 'E'.charCodeAt(0);
export const DEBUG_CONSOLE = 0xe9;
export const EXIT_PORT = 0xf4;

/** A guest as its file says: where its bytes go, and how a loader enters it in 64-bit mode. */
export interface Guest {
  file: string;
  address: number;
  bytes: Uint8Array;
  entry: number;
  cr3: number;
}

const MULTIBOOT_MAGIC = 0x1badb002;
/** ELF32: where the program headers begin; of the first: its place in the file, physical address, bytes. */
const E_PHOFF = 28;
const P_OFFSET = 4;
const P_PADDR = 12;
const P_FILESZ = 16;
/** In `guest.S` after the three words of the Multiboot header. */
const LONG_MODE = 12;
const TABLES = 16;

/** Builds the guest in `directory`. Throws with the compiler's words when it cannot. */
export async function buildGuest(
  source: string,
  directory: string,
  loop: Loop,
  rounds: Rounds,
): Promise<Guest> {
  const file = join(directory, `${loop.name}-${rounds.warmUp}-${rounds.measured}.elf`);
  await promisify(execFile)('gcc', [
    ...['-m32', '-nostdlib', '-static', '-no-pie', '-Wl,-N,-Ttext=0x100000,--build-id=none'],
    ...[`-DLOOP=${loop.number}`, `-DWARM_UP=${rounds.warmUp}`, `-DITERATIONS=${rounds.measured}`],
    ...['-o', file, source],
  ]);
  const image = await readFile(file);
  const header = image.readUInt32LE(E_PHOFF);
  const at = image.readUInt32LE(header + P_OFFSET);
  const bytes = image.subarray(at, at + image.readUInt32LE(header + P_FILESZ));
  if (bytes.readUInt32LE(0) !== MULTIBOOT_MAGIC) throw new Error(`${file}: the text does not begin with it`);
  return {
    file,
    address: image.readUInt32LE(header + P_PADDR),
    bytes,
    entry: bytes.readUInt32LE(LONG_MODE),
    cr3: bytes.readUInt32LE(TABLES),
  };
}
