/**
 * Stacks and values of a guest as stock gdb has them through `trapline gdbserver`, and as our own code has them at the same moments
 * of the same run.
 */
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { DebugVariable } from '../../src/guest/dwarf/model';
import { compileExpression } from '../../src/debug/expression/compile';
import { formatValue } from '../../src/debug/expression/format';
import { variableValue } from '../../src/debug/expression/scope';
import { sizeOf } from '../../src/debug/expression/types';
import { DebugError } from '../../src/debug/frames/errors';
import { stackOf, type Frame } from '../../src/debug/frames/frame';
import { programOf, type Program } from '../../src/debug/frames/program';
import { machineOf } from '../../src/debug/register-numbers';
import type { RunJob } from '../../src/protocol/run';
import { ControlledRun } from '../../src/run/control/controlled-run';
import { imageOf } from '../../src/run/guest-image';
import {
  OPTIMISED_OUT,
  OPTIONS,
  asOfEntry,
  asOfFrameInlinedInto,
  isGuessedAbove,
  isMissingInBlock,
  isOfBlockElsewhere,
  textOf,
  withBytesUncovered,
} from './gdb-13';
import { startServer } from './gdb-server';
import { root } from './runs';

/** A moment of a run, and the thread that is looked at. */
export type Place = readonly [instructions: number, thread: number];

interface GdbFrame {
  readonly name: string | null;
  readonly inlined: boolean;
  /** Of a function that ended with a jump: gdb concludes from call sites that there was one. */
  readonly deduced: boolean;
  readonly pc: string;
  readonly line: number;
  readonly registers: Readonly<Record<string, string>>;
  readonly variables: readonly (readonly [name: string, text: string])[];
}

interface GdbPlace {
  readonly told: string;
  readonly frames: readonly GdbFrame[];
  /** Variables of the file whose code is next. */
  readonly names: readonly string[];
  readonly expressions: Readonly<Record<string, string>>;
}

/** What was compared, and what gdb has otherwise for reasons that `gdb-13.ts` gives. */
export interface Comparison {
  places: number;
  frames: number;
  locals: number;
  globals: number;
  registers: number;
  /** Frames of functions that ended with a jump: gdb concludes from call sites that they were there, but they are on no stack. */
  jumpedFrom: number;
  /** Frames that gdb guesses above code that is not in the file. */
  guessed: number;
  /** Functions inlined whose first instruction is next: gdb does not show them yet. */
  beginning: number;
  /** Variables that gdb shows without a value and out of scope. */
  elsewhere: number;
  /** Variables without a value that gdb leaves out of blocks that contain the place. */
  missing: number;
  /** Variables of which some bytes have no piece: gdb takes them for pointers or for zeros. */
  uncovered: number;
  /** Values at the entry that gdb works out in the wrong frame; ours are what the registers held. */
  inlinedEntries: number;
  /** Values at the entry that gdb does not know; ours are what the registers held. */
  unknownEntries: number;
  /** A sentence each. */
  readonly differences: string[];
}

/** Moments drawn at random (a linear congruence, so that a seed says all), of all of a run, in the order of time. */
export function randomPlaces(count: number, seed: number, instructions: number, threads: number): Place[] {
  let state = BigInt(seed >>> 0) * 2n + 1n;
  const draw = (below: number): number => {
    state = BigInt.asUintN(64, state * 6364136223846793005n + 1442695040888963407n);
    return Number((state >> 33n) % BigInt(Math.max(1, below)));
  };
  const places = Array.from({ length: count }, (): Place => [draw(instructions), 1 + draw(threads)]);
  return places.sort(([one], [other]) => one - other);
}

/** Globals of more bytes are compared at every so many moments only: gdb takes 0.2 s to write a stack of 16 KiB down. */
const LARGE = 1024;
const LARGE_EVERY = 40;

/** What gdb says of what cannot be read is told in other words. */
const UNREADABLE = /^error: (?:Cannot access memory|Memory at 0x)/;
const same = (shown: string): string => (UNREADABLE.test(shown) ? 'unreadable' : shown);

/** A variable outside of functions, as it is asked for. */
interface Global {
  readonly name: string;
  readonly expression: string;
  /** Asked for by its name alone, it is looked for in the file of the frame first. */
  readonly isBare: boolean;
  readonly isLarge: boolean;
}

function isLarge({ type }: DebugVariable): boolean {
  try {
    return sizeOf(type) > LARGE;
  } catch (error) {
    if (error instanceof DebugError) return false;
    throw error;
  }
}

/**
 * All variables outside of functions. One that several files have, or none has a place for, is asked for by file and name: which of
 * several gdb takes, and whether it knows one without a place, depends on what it has read before.
 */
function globalsOf(program: Program): readonly Global[] {
  const { debug, symbols } = program;
  if (!debug) return [];
  const files = new Map<string, Map<string, DebugVariable>>();
  for (const { address } of symbols.functions())
    for (const variable of debug.globalsOf(address)) {
      const homes = files.get(variable.name) ?? new Map<string, DebugVariable>();
      files.set(variable.name, homes.set(variable.declared?.file ?? '', variable));
    }
  return [...debug.globalNames()].sort().flatMap((name): Global[] => {
    const homes = [...(files.get(name) ?? [])];
    const bare = debug.global(name);
    return [
      { name, expression: name, isBare: true, isLarge: bare !== undefined && isLarge(bare) },
      ...homes.map(([file, variable]) => ({
        name,
        expression: `'${basename(file)}'::${name}`,
        isBare: false,
        isLarge: isLarge(variable),
      })),
    ];
  });
}

/** Whether a bare name means one variable, whatever gdb has read before. */
function isPlain({ debug }: Program, globals: readonly Global[], name: string, pc: bigint): boolean {
  if (debug?.globalsOf(pc).some((each) => each.name === name)) return true;
  const isSingle = globals.filter((each) => each.name === name).length <= 2;
  return isSingle && debug?.global(name)?.locationAt(pc) !== undefined;
}

/** gdb on a job, at places in the order in which they are given. */
async function askGdb(
  job: RunJob,
  vm: number,
  places: readonly (readonly [...Place, expressions: readonly string[]])[],
  out: string,
): Promise<GdbPlace[]> {
  const server = await startServer(job, vm);
  try {
    // Too many for a variable of the environment.
    const moments = `${out}.moments`;
    writeFileSync(moments, JSON.stringify(places));
    const args = ['-nx', '-batch', '-x', join(root, 'test/fixtures/debug/dump.py'), job.guests[vm].elfFile];
    const env = {
      ...process.env,
      LC_ALL: 'C',
      OUT: out,
      TARGET: `127.0.0.1:${server.port}`,
      MOMENTS: moments,
    };
    const said = await new Promise<string>((resolve, reject) => {
      const gdb = spawn('gdb', args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
      let printed = '';
      const print = (bytes: Buffer): void => {
        printed += bytes.toString();
      };
      gdb.stdout.on('data', print);
      gdb.stderr.on('data', print);
      gdb.on('error', reject);
      gdb.on('close', (code) =>
        code === 0 ? resolve(printed) : reject(new Error(`gdb ended with ${code}: ${printed}`)),
      );
    });
    await server.ended;
    if (server.log.some((line) => line.includes('internal error'))) throw new Error(server.log.join('\n'));
    try {
      return JSON.parse(readFileSync(out, 'utf8')) as GdbPlace[];
    } catch {
      throw new Error(`gdb wrote nothing down: ${said}`);
    }
  } finally {
    await server.stop();
  }
}

/** Where gdb does not show a function inlined that begins right here. */
function withoutBeginning(frames: readonly Frame[], gdb: readonly GdbFrame[]): readonly Frame[] {
  const begins = ({ kind, scopes, pc }: Frame): boolean =>
    kind === 'inlined' && (scopes.at(-1)?.ranges.some(({ low }) => low === pc) ?? false);
  let shown = frames;
  while (shown.length > gdb.length && begins(shown[0])) shown = shown.slice(1);
  return shown;
}

function variablesOf(frame: Frame): Map<string, string> {
  const found = new Map<string, string>();
  for (const { variables } of frame.scopes)
    for (const variable of variables)
      if (!found.has(variable.name))
        found.set(
          variable.name,
          textOf(() => formatValue(variableValue(variable, frame), OPTIONS)),
        );
  return found;
}

/**
 * Compares everything at random moments: names, places and registers of all frames, their variables, and all globals.
 * @param out a file that gdb may write
 */
export async function compareWithGdb(
  job: RunJob,
  vm: number,
  count: number,
  seed: number,
  out: string,
): Promise<Comparison> {
  const run = new ControlledRun(job, { streams: false });
  run.forward();
  const cpus = run.cpus.filter((cpu) => cpu.vm === vm);
  const places = randomPlaces(count, seed, run.moment.instructions, cpus.length);
  const program = programOf(imageOf(job.guests[vm]));
  const globals = globalsOf(program);
  const asked = (index: number): readonly Global[] =>
    index % LARGE_EVERY === 0 ? globals : globals.filter((each) => !each.isLarge);
  const gdb = await askGdb(
    job,
    vm,
    places.map(([instructions, thread], index) => [
      instructions,
      thread,
      asked(index).map(({ expression }) => expression),
    ]),
    out,
  );
  const result: Comparison = {
    places: 0,
    frames: 0,
    locals: 0,
    globals: 0,
    registers: 0,
    jumpedFrom: 0,
    guessed: 0,
    beginning: 0,
    elsewhere: 0,
    missing: 0,
    uncovered: 0,
    inlinedEntries: 0,
    unknownEntries: 0,
    differences: [],
  };
  const differ = (where: string, what: string, ours: unknown, theirs: unknown): void => {
    result.differences.push(`${where}: ${what}: ours ${String(ours)}, gdb's ${String(theirs)}`);
  };
  places.forEach(([instructions, thread], index) => {
    run.seek({ kind: 'instructions', instructions });
    const there = gdb[index];
    const cpu = cpus[thread - 1].index;
    const all = stackOf(program, machineOf(run, cpu, program.architecture, true));
    const moment = `at ${instructions}, thread ${thread}, pc 0x${run.registers(cpu).rip.toString(16)}`;
    const cycles = /cycle (\d+)/.exec(there.told)?.[1];
    if (cycles !== String(run.moment.cycles)) differ(moment, 'cycle', run.moment.cycles, cycles);
    result.places += 1;

    const onStack = there.frames.filter(({ deduced }) => !deduced);
    result.jumpedFrom += there.frames.length - onStack.length;
    const frames = withoutBeginning(all, onStack);
    result.beginning += all.length - frames.length;
    const theirFrames = isGuessedAbove(program, all.at(-1)) ? onStack.slice(0, frames.length) : onStack;
    result.guessed += onStack.length - theirFrames.length;
    const [ourNames, theirNames] = [
      frames.map(({ name, kind }) => `${name ?? null}${kind === 'inlined' ? ' (inlined)' : ''}`).join(' < '),
      theirFrames.map(({ name, inlined }) => `${name}${inlined ? ' (inlined)' : ''}`).join(' < '),
    ];
    if (ourNames !== theirNames) differ(moment, 'stack', ourNames, theirNames);
    frames.slice(0, theirFrames.length).forEach((frame, level) => {
      const theirs = theirFrames[level];
      if (frame.pc !== BigInt(theirs.pc)) return;
      const where = `${moment}, frame ${level} ${theirs.name ?? '??'} at 0x${frame.pc.toString(16)}`;
      result.frames += 1;
      const isHiding = level === 0 && frames.length < all.length;
      if (frame.place && !isHiding && frame.place.line !== theirs.line)
        differ(where, 'line', frame.place.line, theirs.line);
      for (const [number, value] of Object.entries(theirs.registers)) {
        result.registers += 1;
        const own = frame.activation.register(Number(number));
        if (own !== BigInt(value)) differ(where, `register ${number}`, own, value);
      }
      const own = variablesOf(frame);
      const known = new Set(theirs.variables.map(([name]) => name));
      for (const [name, value] of theirs.variables) {
        result.locals += 1;
        const ours = own.get(name);
        if (ours !== undefined && same(ours) === same(value)) continue;
        const reason = reasonFor(run, cpu, program, frame, name, ours, value);
        if (reason) result[reason] += 1;
        else differ(where, name, ours, value);
      }
      for (const [name, value] of own) {
        if (known.has(name)) continue;
        if (value === OPTIMISED_OUT && isMissingInBlock(frame, name)) result.missing += 1;
        else differ(where, name, value, 'not there');
      }
    });
    const unknown = there.names.filter((name) => !globals.some((each) => each.name === name));
    if (unknown.length > 0) differ(moment, 'globals that we do not know', '', unknown.join(' '));
    const [frame] = all;
    for (const { name, expression, isBare } of asked(index)) {
      if (isBare && !isPlain(program, globals, name, frame.callPc)) continue;
      result.globals += 1;
      const ours = textOf(() => {
        const compiled = compileExpression(expression, program, frame);
        return formatValue(compiled.evaluate({ program, frame }), OPTIONS);
      });
      if (same(ours) !== same(there.expressions[expression]))
        differ(moment, expression, ours, there.expressions[expression]);
    }
  });
  return result;
}

/** Why gdb has another value of a variable; undefined: for no reason that is known. */
function reasonFor(
  run: ControlledRun,
  cpu: number,
  program: Program,
  frame: Frame,
  name: string,
  ours: string | undefined,
  theirs: string,
): 'elsewhere' | 'uncovered' | 'inlinedEntries' | 'unknownEntries' | undefined {
  const isUnknown = theirs === OPTIMISED_OUT;
  if (ours === undefined) return isUnknown && isOfBlockElsewhere(frame, name) ? 'elsewhere' : undefined;
  if (theirs === withBytesUncovered(frame, name, ours)) return 'uncovered';
  const isWrongFrame = theirs === asOfFrameInlinedInto(frame, name);
  if (!isUnknown && !isWrongFrame) return undefined;
  if (ours !== asOfEntry(run, cpu, program, frame, name)) return undefined;
  return isWrongFrame ? 'inlinedEntries' : 'unknownEntries';
}
