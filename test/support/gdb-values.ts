/**
 * Stacks and values of a guest as stock gdb has them through `trapline gdbserver`, and as our own code has them at the same moments
 * of the same run.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DebugScope } from '../../src/guest/dwarf/model';
import { compileExpression } from '../../src/debug/expression/compile';
import { formatValue } from '../../src/debug/expression/format';
import { localNamed, variableValue } from '../../src/debug/expression/scope';
import { sizeOf } from '../../src/debug/expression/types';
import { Value } from '../../src/debug/expression/value';
import { compute, locate, type ExpressionFrame } from '../../src/debug/frames/dwarf-expression';
import { enteringCall } from '../../src/debug/frames/entry-value';
import { DebugError } from '../../src/debug/frames/errors';
import { stackOf, type Frame } from '../../src/debug/frames/frame';
import { programOf, type Program } from '../../src/debug/frames/program';
import { machineOf } from '../../src/debug/register-numbers';
import type { RunJob } from '../../src/protocol/run';
import { ControlledRun } from '../../src/run/control/controlled-run';
import { imageOf } from '../../src/run/guest-image';
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

/** What was compared. */
export interface Comparison {
  places: number;
  frames: number;
  locals: number;
  globals: number;
  registers: number;
  /** Frames of tail calls, which are on no stack any more. */
  deducedFrames: number;
  /** Variables that gdb shows though they are not in scope. */
  outOfScope: number;
  /** Names that only other files have, in several of which they are static: gdb takes that of the file whose symbols it has read first. */
  otherStatics: number;
  /** Structs whose location has pieces of their beginning only: gdb takes what follows for pointers without a value. */
  uncovered: number;
  /** Variables that are optimised out and in scope, and that gdb leaves out. */
  leftOutByGdb: number;
  /** Values at the entry of functions that have been jumped to, where gdb does not see the jumps of clang (DW_AT_call_pc). */
  entryValuesByJump: number;
  /** Values at the entry that gdb works out in the wrong frame. */
  entryValuesOfInlined: number;
  /** Statics of other files that were optimised out: gdb does not know them. */
  unknownToGdb: number;
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

/** Values as gdb writes them, all elements that it shows. */
const OPTIONS = { elements: 200, depth: 20, length: 100_000 };

function text(evaluate: () => string): string {
  try {
    return evaluate();
  } catch (error) {
    if (error instanceof DebugError) return `error: ${error.message}`;
    throw error;
  }
}

/** Globals of more bytes are compared at every so many moments only: gdb takes 0.2 s to write a stack of 16 KiB down. */
const LARGE = 1024;
const LARGE_EVERY = 40;

function sizeOfGlobal({ debug }: Program, name: string): number {
  const type = debug?.global(name)?.type;
  try {
    return type ? sizeOf(type) : 0;
  } catch (error) {
    if (error instanceof DebugError) return 0;
    throw error;
  }
}

/** What gdb says of what cannot be read is told in other words. */
const UNREADABLE = /^error: (?:Cannot access memory|Memory at 0x)/;
/** The symbol table numbers statics of functions; gdb prefers their names in the source. */
const NUMBERED = /(<\w+)\.\d+(?=[+>])/g;
const same = (shown: string): string =>
  UNREADABLE.test(shown) ? 'unreadable' : shown.replace(NUMBERED, '$1');

/** gdb on a job, at places in the order in which they are given. */
async function askGdb(
  job: RunJob,
  vm: number,
  places: readonly (readonly [...Place, expressions: readonly string[]])[],
  out: string,
): Promise<GdbPlace[]> {
  const server = await startServer(job, vm);
  try {
    const args = ['-nx', '-batch', '-x', join(root, 'test/fixtures/debug/dump.py'), job.guests[vm].elfFile];
    const env = {
      ...process.env,
      LC_ALL: 'C',
      OUT: out,
      TARGET: `127.0.0.1:${server.port}`,
      MOMENTS: JSON.stringify(places),
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

/** Frames that are on the stack, as far as gdb knows their functions: beyond those it goes on by what looks like a frame. */
function real(frames: readonly GdbFrame[]): readonly GdbFrame[] {
  const end = frames.findLastIndex(({ name }) => name !== null) + 1;
  return frames.slice(0, Math.max(1, end)).filter(({ deduced }) => !deduced);
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
          text(() => formatValue(variableValue(variable, frame), OPTIONS)),
        );
  return found;
}

/**
 * Whether a variable that gdb shows is out of scope: its block does not contain the place. gdb takes a block for all that is between its
 * first and its last instruction, where its ranges (DWARF 5, 2.17.3) leave out what lies between. Of a function inlined it also shows,
 * as optimised out, the variables of all blocks whose concrete entry is not a child of the function's own.
 */
function isOutOfScope({ activation, callPc }: Frame, name: string, value: string): boolean {
  const blocks = (scope: DebugScope): DebugScope[] => [scope, ...scope.scopes.flatMap(blocks)];
  return blocks(activation.function ?? { ranges: [], variables: [], scopes: [] }).some(
    ({ ranges, variables }) => {
      if (!variables.some((each) => each.name === name)) return false;
      if (ranges.some(({ low, high }) => low <= callPc && callPc < high)) return false;
      const isAround = ranges.some(({ low }) => low <= callPc) && ranges.some(({ high }) => callPc < high);
      return isAround || value === '<optimized out>';
    },
  );
}

/**
 * A variable of an inlined function as gdb 13 has it: it takes the argument of DW_OP_entry_value from the right call site, but works it out
 * with the registers of the frame into which the function is inlined, where they should be those of that frame's caller (DWARF 5, 3.4.2).
 */
function asGdbHasEntryValues({ kind, scopes, activation, callPc }: Frame, name: string): string | undefined {
  const variable = localNamed(scopes, name);
  const location = variable?.locationAt(callPc);
  const call = enteringCall(activation);
  if (kind !== 'inlined' || location?.kind !== 'expression' || !call) return undefined;
  const { site } = call;
  const frame: ExpressionFrame = {
    architecture: activation.architecture,
    register: (number) => activation.register(number),
    readMemory: (address, length) => activation.readMemory(address, length),
    frameBase: () => activation.frameBase(),
    cfa: () => activation.cfa(),
    entryValue: (expression) => {
      const own = site.parameters.find(({ location: place }) => Buffer.compare(place, expression) === 0);
      if (!own) throw new DebugError('The call site does not tell.');
      return compute(own.value, site.unit, activation);
    },
  };
  return text(() => {
    const place = locate(location.bytes, location.unit, frame);
    return variable ? formatValue(Value.at(variable.type, place, activation), OPTIONS) : '';
  });
}

/** Whether a location has DW_OP_implicit_pointer, in its DWARF 5 or its GNU form. */
function hasPointer({ scopes, callPc }: Frame, name: string): boolean {
  const location = localNamed(scopes, name)?.locationAt(callPc);
  return location?.kind === 'expression' && location.bytes.some((byte) => byte === 0xa0 || byte === 0xf2);
}

/** Whether a variable is known by a jump that gdb does not see: it wants an address after it. */
function isEnteredByJump({ scopes, activation, callPc }: Frame, name: string): boolean {
  const location = localNamed(scopes, name)?.locationAt(callPc);
  const usesEntryValue = location?.kind === 'expression' && location.bytes.some((byte) => byte === 0xa3);
  return usesEntryValue && enteringCall(activation)?.site.isTail === true;
}

/** Whether a name that the file of a frame does not have stands for what gdb says in another file. */
function isOtherStatic(program: Program, frame: Frame, name: string, theirs: string): boolean {
  const { debug } = program;
  if (!debug) return false;
  const functions = program.symbols.functions().flatMap(({ address }) => debug.functionAt(address) ?? []);
  const home = frame.function?.declared?.file;
  const own = functions.some((each) => each.declared?.file === home && each.name === name);
  if (own || debug.globalsOf(frame.callPc).some((each) => each.name === name)) return false;
  return functions.some(({ entry }) => {
    const there = Object.create(frame, { callPc: { value: entry }, scopes: { value: [] } }) as Frame;
    const meant = text(() =>
      formatValue(compileExpression(name, program, there).evaluate({ program, frame: there }), OPTIONS),
    );
    return same(meant) === same(theirs);
  });
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
  const globals = [...(program.debug?.globalNames() ?? [])].sort();
  const sizes = new Map(globals.map((name) => [name, sizeOfGlobal(program, name)]));
  const small = globals.filter((name) => (sizes.get(name) ?? 0) <= LARGE);
  const asked = (index: number): readonly string[] => (index % LARGE_EVERY === 0 ? globals : small);
  const gdb = await askGdb(
    job,
    vm,
    places.map(([instructions, thread], index) => [instructions, thread, asked(index)]),
    out,
  );
  const result: Comparison = {
    places: 0,
    frames: 0,
    locals: 0,
    globals: 0,
    registers: 0,
    deducedFrames: 0,
    outOfScope: 0,
    otherStatics: 0,
    uncovered: 0,
    leftOutByGdb: 0,
    entryValuesByJump: 0,
    entryValuesOfInlined: 0,
    unknownToGdb: 0,
    differences: [],
  };
  const differ = (where: string, what: string, ours: unknown, theirs: unknown): void => {
    result.differences.push(`${where}: ${what}: ours ${String(ours)}, gdb's ${String(theirs)}`);
  };
  places.forEach(([instructions, thread], index) => {
    run.seek({ kind: 'instructions', instructions });
    const there = { ...gdb[index], frames: real(gdb[index].frames) };
    result.deducedFrames += gdb[index].frames.filter(({ deduced }) => deduced).length;
    const cpu = cpus[thread - 1].index;
    const machine = machineOf(run, cpu, program.architecture, true);
    const all = stackOf(program, machine);
    const frames = withoutBeginning(all, there.frames);
    const isHidden = frames.length < all.length;
    const moment = `at ${instructions}, thread ${thread}, pc 0x${run.registers(cpu).rip.toString(16)}`;
    const cycles = /cycle (\d+)/.exec(there.told)?.[1];
    if (cycles !== String(run.moment.cycles)) differ(moment, 'cycle', run.moment.cycles, cycles);
    result.places += 1;
    const [ourNames, theirNames] = [
      frames.map(({ name, kind }) => `${name ?? null}${kind === 'inlined' ? ' (inlined)' : ''}`).join(' < '),
      there.frames.map(({ name, inlined }) => `${name}${inlined ? ' (inlined)' : ''}`).join(' < '),
    ];
    if (ourNames !== theirNames) differ(moment, 'stack', ourNames, theirNames);
    frames.slice(0, there.frames.length).forEach((frame, level) => {
      const theirs = there.frames[level];
      if (frame.pc !== BigInt(theirs.pc)) return;
      const where = `${moment}, frame ${level} ${theirs.name ?? '??'} at 0x${frame.pc.toString(16)}`;
      result.frames += 1;
      if (frame.place && (level > 0 || !isHidden) && frame.place.line !== theirs.line)
        differ(where, 'line', frame.place.line, theirs.line);
      for (const [number, value] of Object.entries(theirs.registers)) {
        result.registers += 1;
        const own = frame.activation.register(Number(number));
        if (own !== BigInt(value)) differ(where, `register ${number}`, own, value);
      }
      const own = variablesOf(frame);
      for (const [name, value] of theirs.variables) {
        result.locals += 1;
        const ours = own.get(name);
        if (ours === undefined && isOutOfScope(frame, name, value)) result.outOfScope += 1;
        else if (ours !== value && value === asGdbHasEntryValues(frame, name))
          result.entryValuesOfInlined += 1;
        else if (
          ours !== value &&
          ours === value.replaceAll('<synthetic pointer>', '<optimized out>') &&
          !hasPointer(frame, name)
        )
          result.uncovered += 1;
        else if (value === '<optimized out>' && isEnteredByJump(frame, name)) result.entryValuesByJump += 1;
        else if (ours === undefined || same(ours) !== same(value)) differ(where, name, ours, value);
      }
      const known = new Set(theirs.variables.map(([name]) => name));
      for (const [name, value] of own) {
        if (known.has(name)) continue;
        if (value === '<optimized out>') result.leftOutByGdb += 1;
        else differ(where, name, value, 'not there');
      }
    });
    const unknown = there.names.filter((name) => !globals.includes(name));
    if (unknown.length > 0) differ(moment, 'globals that we do not know', '', unknown.join(' '));
    const [frame] = all;
    for (const name of asked(index)) {
      result.globals += 1;
      const ours = text(() => {
        const compiled = compileExpression(name, program, frame);
        return formatValue(compiled.evaluate({ program, frame }), OPTIONS);
      });
      if (ours === '<optimized out>' && there.expressions[name].startsWith('error: No symbol'))
        result.unknownToGdb += 1;
      else if (
        same(ours) !== same(there.expressions[name]) &&
        isOtherStatic(program, frame, name, there.expressions[name])
      )
        result.otherStatics += 1;
      else if (same(ours) !== same(there.expressions[name]))
        differ(moment, name, ours, there.expressions[name]);
    }
  });
  return result;
}
