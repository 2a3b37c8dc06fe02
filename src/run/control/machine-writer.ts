/** Writes into a machine. */
import { PAGE_SIZE } from '../../machine/memory/dirty-log';
import type { Cpu } from '../../machine/x86/types';
import type { MemorySpace, RegisterName } from './control';
import type { Writable } from './edits';

/** Positions in `CpuHardware.general`. */
const RIP = 16;
const RFLAGS = 17;
/** RFLAGS bit 1, which is always set (SDM vol. 1, 3.4.3). */
const ALWAYS_SET = 2n;

interface Piece {
  readonly at: bigint;
  readonly part: Uint8Array;
}

/**
 * Writes to memory, all of it or nothing.
 * @throws RangeError where there is no RAM at some of the bytes
 */
export function writeBytes(target: Writable, space: MemorySpace, address: bigint, bytes: Uint8Array): void {
  const places = piecesOf(address, bytes).map((piece) => placeOf(target, space, piece));
  if (places.some((place) => place === undefined)) {
    throw new RangeError(
      `${bytes.length} bytes at 0x${address.toString(16)} cannot be written: there is no RAM at all of them`,
    );
  }
  for (const write of places) write?.();
}

/** What writes a piece; undefined: there is no RAM. */
function placeOf(
  { session, reader }: Writable,
  space: MemorySpace,
  { at, part }: Piece,
): (() => void) | undefined {
  const { guests, host } = session.machine;
  const inGuest = (vm: number, physical: number | undefined): (() => void) | undefined => {
    const memory = guests[vm]?.memory;
    if (physical === undefined || !memory?.contains(physical, part.length)) return undefined;
    return () => memory.write(physical, part);
  };
  const inHost = (physical: number | undefined): (() => void) | undefined =>
    physical !== undefined && host.memory.contains(physical, part.length)
      ? () => void host.memory.write(physical, part)
      : undefined;
  if (space.kind === 'virtual')
    return inGuest(reader.cpus[space.cpu]?.vm ?? -1, reader.translate(space.cpu, at));
  const number = Number(at);
  if (at < 0n || !Number.isSafeInteger(number)) return undefined;
  if (space.kind === 'physical') return inGuest(space.vm, number);
  return inHost(space.kind === 'host' ? number : host.translateIova(space.track, number));
}

/** By page. */
function piecesOf(address: bigint, bytes: Uint8Array): Piece[] {
  const pieces: Piece[] = [];
  for (let done = 0; done < bytes.length;) {
    const at = BigInt.asUintN(64, address + BigInt(done));
    const length = Math.min(PAGE_SIZE - Number(at & 0xfffn), bytes.length - done);
    pieces.push({ at, part: bytes.subarray(done, done + length) });
    done += length;
  }
  return pieces;
}

/** Writes to a register. @throws RangeError for a register that there is not */
export function writeRegister(cpu: Cpu, register: RegisterName, value: bigint): void {
  const index = register === 'rip' ? RIP : register === 'rflags' ? RFLAGS : register.general;
  if (
    !Number.isInteger(index) ||
    index < 0 ||
    index > RFLAGS ||
    (typeof register !== 'string' && index >= RIP)
  )
    throw new RangeError(`there is no general register ${index}: give 0 to 15`);
  const written = BigInt.asUintN(64, register === 'rflags' ? value | ALWAYS_SET : value);
  const { hardware, run } = cpu.save();
  const general = hardware.general.slice();
  general[index] = written;
  cpu.load({ hardware: { ...hardware, general }, run });
}
