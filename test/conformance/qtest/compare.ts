/** Runs scripts on both sides, finds the first step that differs for no known reason, and shrinks the script that shows it. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ScriptBoard } from './board';
import type { Allowance, QtestDevice } from './device';
import { Qemu } from './qemu';
import { Random } from './random';
import type { Operation, Outcome, Step } from './script';

/** Operations of one script: the cost of starting QEMU is small beside them. */
const SCRIPT = 10_000;
/** Multiplier that keeps the seeds of scripts apart. */
const SPREAD = 0x9e3779b1;
/** Runs of QEMU that shrinking a script may take. */
const MOST_RUNS = 300;
/** A firmware's last sixteen bytes are where a CPU begins: CLI, HLT, and back to the HLT. */
const FIRMWARE_BYTES = 0x10000;
const HALT = [0xfa, 0xf4, 0xeb, 0xfd];

/** Steps up to and with the first that differs for no known reason. */
export interface Disagreement {
  script: readonly Operation[];
  step: Step;
  /** Of the seed's scripts. */
  index: number;
}

/** What a comparison has come to. */
export interface Comparison {
  operations: number;
  /** Steps that differed as known, by difference. */
  known: Record<string, number>;
  disagreement?: Disagreement;
}

let firmware: string | undefined;

/** File with a firmware that halts. */
function haltingFirmware(): string {
  if (firmware !== undefined) return firmware;
  const image = new Uint8Array(FIRMWARE_BYTES);
  image.set(HALT, FIRMWARE_BYTES - 16);
  firmware = join(mkdtempSync(join(tmpdir(), 'trapline-qtest-')), 'halt.bin');
  writeFileSync(firmware, image);
  return firmware;
}

async function askQemu(device: QtestDevice, script: readonly Operation[]): Promise<Outcome[]> {
  const qemu = new Qemu({ devices: device.qemu, ...(device.timed && { firmware: haltingFirmware() }) });
  try {
    await qemu.setUp();
    return await qemu.perform(script);
  } finally {
    qemu.close();
  }
}

/** The allowances that together excuse what differs; undefined when they do not. */
function excuses(
  difference: number | 'any',
  allowed: readonly Allowance[],
): readonly Allowance[] | undefined {
  const whole = allowed.find(({ value }) => value === 'any');
  if (whole) return [whole];
  if (difference === 'any') return undefined;
  const bits = (each: Allowance): number => (typeof each.value === 'number' ? each.value : 0);
  const all = allowed.reduce((union, each) => union | bits(each), 0);
  return (difference & ~all) === 0 ? allowed.filter((each) => (bits(each) & difference) !== 0) : undefined;
}

/** The same of bytes of RAM. */
function excusesBytes(
  qemu: string,
  trapline: string,
  allowed: readonly Allowance[],
): readonly Allowance[] | undefined {
  const used = new Set<Allowance>();
  for (let at = 0; 2 * at < qemu.length; at++) {
    if (qemu.slice(2 * at, 2 * at + 2) === trapline.slice(2 * at, 2 * at + 2)) continue;
    const found = allowed.find((each) => each.value === 'any' || each.bytes?.includes(at));
    if (!found) return undefined;
    used.add(found);
  }
  return [...used];
}

/** Whether a step is as it should be; counts the known differences that show in it. */
function agrees(
  device: QtestDevice,
  step: Step,
  allowed: readonly Allowance[],
  known: Record<string, number>,
): boolean {
  const { qemu, trapline } = step;
  const used: Allowance[] = [];
  if (qemu.value !== trapline.value) {
    const [theirs, ours] = [qemu.value, trapline.value];
    const found =
      typeof theirs === 'number' || typeof ours === 'number'
        ? excuses(Number(theirs) ^ Number(ours), allowed)
        : excusesBytes(theirs, ours, allowed);
    if (!found) return false;
    used.push(...found);
  }
  const lines = (qemu.lines ^ trapline.lines) & device.lines;
  if (lines !== 0) {
    const found = allowed.find((each) => ((each.lines ?? 0) & lines) === lines);
    if (!found) return false;
    used.push(found);
  }
  for (const { difference } of used) known[difference] = (known[difference] ?? 0) + 1;
  return true;
}

/** The first step of a script that differs for no known reason: its index, and the step. */
async function firstDifference(
  device: QtestDevice,
  script: readonly Operation[],
  known: Record<string, number>,
): Promise<{ at: number; step: Step } | undefined> {
  const asked = askQemu(device, script);
  const board = new ScriptBoard(device.models);
  const ours = script.map((operation) => board.perform(operation));
  const theirs = await asked;
  const judge = device.judge();
  for (let at = 0; at < script.length; at++) {
    const step = { operation: script[at], qemu: theirs[at], trapline: ours[at] };
    if (!agrees(device, step, judge(step), known)) return { at, step };
  }
  return undefined;
}

/** Operations that belong together, and so does what they begin: none is left out without the others. */
type Turn = readonly Operation[];

function timeOnly(turn: Turn): Turn {
  return turn.filter(({ op }) => op === 'settle');
}

/** Leaves out what is not needed for the two sides to differ: halves of the turns, then smaller parts, down to single ones. */
async function shrink(
  device: QtestDevice,
  whole: readonly Turn[],
  found: Disagreement,
): Promise<Disagreement> {
  let best = found;
  let turns = whole;
  let runs = 0;
  for (let part = Math.max(1, turns.length >> 1); part >= 1;) {
    let left = false;
    for (let first = 0; first < turns.length && runs < MOST_RUNS;) {
      // Time passes as it did: what a device puts off would otherwise be over on one side alone.
      const kept = turns
        .slice(first, first + part)
        .map(timeOnly)
        .filter(({ length }) => length > 0);
      const fewer = [...turns.slice(0, first), ...kept, ...turns.slice(first + part)];
      const script = [...device.prologue, ...fewer.flat()];
      runs += 1;
      const still = fewer.length < turns.length ? await firstDifference(device, script, {}) : undefined;
      if (still) {
        turns = fewer;
        best = { ...best, script: script.slice(0, still.at + 1), step: still.step };
        left = true;
      } else first += part;
    }
    if (part === 1 && !left) break;
    part = Math.max(1, part >> 1);
    if (runs >= MOST_RUNS) break;
  }
  return best;
}

/** A script's turns, of so many operations or a few more. */
function turnsOf(device: QtestDevice, random: Random, operations: number): Turn[] {
  const next = device.begin(random);
  const turns: Turn[] = [];
  for (let count = 0; count < operations;) {
    const turn = next();
    turns.push(turn);
    count += turn.length;
  }
  return turns;
}

/** What is compared. */
export interface Extent {
  seed: number;
  /** So many that agree are enough. */
  operations: number;
  /** Index of the first script of the seed (0): to see one again. */
  first?: number;
}

/**
 * Compares scripts of a seed until so many operations agreed, or one did not.
 * @param progress told after each script of the operations done
 */
export async function compare(
  device: QtestDevice,
  { seed, operations, first = 0 }: Extent,
  progress: (done: number) => void = () => undefined,
): Promise<Comparison> {
  const known: Record<string, number> = {};
  let done = 0;
  for (let index = first; done < operations; index++) {
    const random = new Random((seed ^ Math.imul(index + 1, SPREAD)) >>> 0);
    const turns = turnsOf(device, random, Math.min(SCRIPT, operations - done));
    const script = [...device.prologue, ...turns.flat()];
    const difference = await firstDifference(device, script, known);
    if (difference) {
      const whole = { script: script.slice(0, difference.at + 1), step: difference.step, index };
      return { operations: done + difference.at, known, disagreement: await shrink(device, turns, whole) };
    }
    done += script.length - device.prologue.length;
    progress(done);
  }
  return { operations: done, known };
}
