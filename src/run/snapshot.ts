/**
 * A whole run as plain data: it crosses threads and can be kept in files, and a run restored from it anywhere goes on as the
 * saved one would have. One snapshot on top of another holds only what changed since.
 */
import type { RamState } from '../machine/memory/guest-ram';
import { ROW_BYTES } from '../trace/block';
import type { FrameBatch } from '../trace/exchange/frames';
import { mergeRecorderStates, type RecorderState } from '../trace/record/recorder-state';
import type { RunState } from '../trace/model';
import { SnapshotError, requireVersion } from '../trace/snapshot-error';
import type { UnitStates } from '../vmm/units';
import { checksumOf } from './checksum';

export { SnapshotError } from '../trace/snapshot-error';

/** Version of `RunSnapshot`. */
export const RUN_SNAPSHOT_VERSION = 1;

const PAGE = 4096;

/** What a run is a run of: a snapshot continues no other. */
export interface RunIdentity {
  scenarioText: string;
  /** SHA-256 of each VM's guest, hexadecimal. */
  guests: string[];
  /** Name and checksum of each capture that a peer sends; absent without any. */
  captures?: string[];
  /** Checksum over the files that the VMs' disks begin with; absent: no disk has one. */
  images?: string;
}

/** How far a session's own accounts are. */
export interface SessionState {
  state: RunState;
  message?: string;
  sliceEnd: number;
  /** By VM: console output not handed on yet. */
  serial: string[];
  /** Frames not handed on yet; absent where there are none. */
  frames?: FrameBatch;
}

/** State of a run at an instruction boundary. */
export interface RunSnapshot {
  version: typeof RUN_SNAPSHOT_VERSION;
  identity: RunIdentity;
  /** Simulated cycles and guest instructions so far. */
  cycles: number;
  instructions: number;
  /** The snapshot that this one is the changes since; absent: this one is complete. */
  base?: RunSnapshot;
  /** By VM. */
  ram: RamState[];
  recorder: RecorderState;
  /** By name, everything else of the machine. */
  units: UnitStates;
  session: SessionState;
  /** Over all of the above but `base`, whose own checksum counts instead. */
  checksum: string;
}

/** Completes a snapshot with its checksum. */
export function sealed(snapshot: Omit<RunSnapshot, 'checksum'>): RunSnapshot {
  return { ...snapshot, checksum: sumOf(snapshot) };
}

function sumOf({ base, ...rest }: Omit<RunSnapshot, 'checksum'>): string {
  return checksumOf({ ...rest, base: base?.checksum });
}

/** A snapshot and those it stands on, the complete one first. @throws SnapshotError when the chain has no beginning */
function chainOf(snapshot: RunSnapshot): RunSnapshot[] {
  const chain: RunSnapshot[] = [];
  const seen = new Set<RunSnapshot>();
  for (let each: RunSnapshot | undefined = snapshot; each; each = each.base) {
    if (seen.has(each))
      throw new SnapshotError('the snapshot stands on itself: it is damaged; take a new one');
    seen.add(each);
    chain.push(each);
  }
  return chain.reverse();
}

/**
 * Refuses a snapshot that is of another program, of another run, or not as it was taken.
 * @param identity of the run it is to continue
 * @throws SnapshotError saying which of these
 */
export function verifySnapshot(snapshot: RunSnapshot, identity: RunIdentity): void {
  for (const each of chainOf(snapshot)) {
    requireVersion('a run', each.version, RUN_SNAPSHOT_VERSION);
    requireIdentity(each.identity, identity);
    const { checksum, ...rest } = each;
    let sum: string | undefined;
    try {
      sum = sumOf(rest);
    } catch {
      // Whatever cannot be summed was never sealed.
    }
    if (sum !== checksum) {
      throw new SnapshotError('the snapshot is damaged (its checksum does not fit): take a new one');
    }
  }
}

function requireIdentity(found: RunIdentity | undefined, expected: RunIdentity): void {
  const refuse = (what: string): never => {
    throw new SnapshotError(
      `the snapshot is of another run (${what}): restore it with the job it was taken from`,
    );
  };
  if (found?.scenarioText !== expected.scenarioText) refuse('the scenario is not the same');
  const differs = expected.guests.findIndex((sha, vm) => sha !== found?.guests[vm]);
  if (differs >= 0) refuse(`the guest of VM ${differs} is not the same`);
  if (String(expected.captures) !== String(found?.captures)) refuse('a capture is not the same');
  if (found?.images !== expected.images) refuse('the image of a disk is not the same');
}

/** The same snapshot on its own, without those it stands on. Give it one that is intact. */
export function flattened(snapshot: RunSnapshot): RunSnapshot {
  const chain = chainOf(snapshot);
  const [first] = chain;
  if (!first || chain.length === 1) return snapshot;
  const { base: _base, checksum: _checksum, ...last } = snapshot;
  return sealed({
    ...last,
    ram: first.ram.map((_, vm) => mergeRam(chain.map((each) => each.ram[vm]))),
    recorder: chain.slice(1).reduce((sum, each) => mergeRecorderStates(sum, each.recorder), first.recorder),
  });
}

/** The newest contents of every page. */
function mergeRam(states: (RamState | undefined)[]): RamState {
  const [first] = states;
  if (!first) throw new SnapshotError('the snapshot lacks the RAM of a VM: take a new one');
  const newest = new Map<number, Uint8Array>();
  for (const state of states) {
    state?.pages.forEach((page, i) => newest.set(page, state.bytes.subarray(i * PAGE, (i + 1) * PAGE)));
  }
  const pages = Uint32Array.from(newest.keys()).sort();
  const bytes = new Uint8Array(pages.length * PAGE);
  pages.forEach((page, i) => bytes.set(newest.get(page) ?? new Uint8Array(PAGE), i * PAGE));
  return { ...first, pages, bytes };
}

/** Bytes that a snapshot's large parts take, without those it stands on. */
export function snapshotBytes(snapshot: RunSnapshot): { ram: number; rows: number } {
  const ram = snapshot.ram.reduce((sum, { bytes }) => sum + bytes.length, 0);
  const rows = snapshot.recorder.chunks.reduce((sum, { start }) => sum + start.length, 0);
  return { ram, rows: rows * ROW_BYTES };
}
