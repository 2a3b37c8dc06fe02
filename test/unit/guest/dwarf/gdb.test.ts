/** Debug information against gdb, which reads the same files on its own: scopes, variables, types and where breakpoints go. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DebugScope } from '../../../../src/guest/dwarf/model';
import { GuestImage } from '../../../../src/guest/image';
import { has, root, run, temporaryFolder } from '../build';
import { buildProgram } from './programs';
import { fullText } from './type-text';

const missing = ['gcc', 'clang', 'gdb'].filter((each) => !has(each));
const folder = temporaryFolder();
afterAll(folder.remove);

/** Instructions that are compared in each guest that is there, and in each program of ours. */
const SAMPLES = 60;

interface Seen {
  variables: Record<string, [isParameter: boolean, type: string]>;
  functions: string[];
  globals: Record<string, string>;
}
/** Several types where one scope has the name several times; gone: optimised out everywhere. */
type TheirVariables = Record<string, [isParameter: boolean, types: string[], isGone: boolean]>;
type TheirSeen = Omit<Seen, 'variables'> & { variables: TheirVariables };
type Dump = Record<string, { at: Record<string, TheirSeen | null>; breaks: Record<string, string> }>;

function load(file: string): GuestImage {
  return GuestImage.parse(new Uint8Array(readFileSync(file)), file);
}

/** Addresses spread over the functions of a file. */
function samples(image: GuestImage): bigint[] {
  const functions = image.symbols.functions().filter(({ size }) => size > 0n);
  const bytes = functions.flatMap(({ address, size }) =>
    Array.from({ length: Number(size) }, (_, offset) => address + BigInt(offset)),
  );
  const step = Math.max(1, Math.floor(bytes.length / SAMPLES));
  return bytes.filter((_, index) => index % step === 0);
}

/** Scopes that contain an address, the innermost first. */
function chain(scope: DebugScope, pc: bigint): DebugScope[] {
  const inner = scope.scopes.find(({ ranges }) => ranges.some(({ low, high }) => pc >= low && pc < high));
  return [...(inner ? chain(inner, pc) : []), scope];
}

/**
 * What gdb has, without what it shows in too many places: what is optimised out of an inner block it has in the outer one, too, even
 * where the inner one has it.
 */
function asOurs(theirs: TheirVariables, ours: Seen['variables']): Seen['variables'] {
  return Object.fromEntries(
    Object.entries(theirs).flatMap(([name, [isParameter, types, isGone]]) => {
      const own = Object.hasOwn(ours, name) ? ours[name] : undefined;
      if (isGone && !own) return [];
      const known = types.map((type) => withoutLength(name, type));
      return [[name, [isParameter, own && known.includes(own[1]) ? own[1] : known[0]]]];
    }),
  );
}

/** Of the one array whose length only runs have: gdb gives it some. */
function withoutLength(name: string, type: string): string {
  return name === 'room' ? type.replace(/^\[1?\]/, '[?]') : type;
}

function seenAt(image: GuestImage, pc: bigint): Seen | null {
  const home = image.debug.functionAt(pc);
  if (!home) return null;
  const scopes = chain(home, pc);
  // A variable may be called as what every object has: `constructor` for one.
  const variables = Object.create(null) as Seen['variables'];
  for (const { name, type, isParameter } of scopes.flatMap((scope) => scope.variables))
    variables[name] ??= [isParameter, withoutLength(name, fullText(type))];
  const globals: Seen['globals'] = {};
  for (const { name, type } of image.debug.globalsOf(pc)) globals[name] ??= fullText(type);
  const functions = [...scopes.flatMap(({ inlined }) => inlined?.name ?? []), home.name];
  return { variables, functions, globals };
}

const programs = ['gcc', 'clang'].flatMap((compiler) =>
  ['-gdwarf-4', '-gdwarf-5'].flatMap((version) =>
    ['-O0', '-O2'].map((optimise) => [compiler, version, optimise] as const),
  ),
);
const guests = readdirSync(join(root, 'dist/guests')).filter((name) => name.endsWith('.elf'));

describe.skipIf(missing.length > 0)(
  `debug information (needs gcc, clang, gdb; missing: ${missing.join(', ') || 'none'})`,
  () => {
    let theirs: Dump;
    const built = new Map<string, string>();

    beforeAll(() => {
      for (const how of programs) built.set(how.join(' '), buildProgram(folder.path, how[0], how.slice(1)));
      const files = [...built.values(), ...guests.map((name) => join(root, 'dist/guests', name))];
      const work = files.map((file) => {
        const image = load(file);
        const names = image.symbols.functions().map(({ name }) => name);
        return [
          file,
          samples(image).map(Number),
          names.filter((name) => image.debug.functionsNamed(name).length === 1),
        ];
      });
      const out = join(folder.path, 'dump.json');
      process.env.DUMP_IN = join(folder.path, 'work.json');
      writeFileSync(process.env.DUMP_IN, JSON.stringify(work));
      process.env.DUMP_OUT = out;
      run('gdb', ['-nx', '-batch', '-x', join(import.meta.dirname, 'dump-symbols.py')]);
      theirs = JSON.parse(readFileSync(out, 'utf8')) as Dump;
    }, 300_000);

    function compare(file: string): void {
      const image = load(file);
      const { at, breaks } = theirs[file];
      const addresses = Object.keys(at);
      expect(addresses.length).toBeGreaterThan(20);
      const ours = Object.fromEntries(addresses.map((address) => [address, seenAt(image, BigInt(address))]));
      const expected = Object.entries(at).map(([address, here]) => [
        address,
        here && { ...here, variables: asOurs(here.variables, ours[address]?.variables ?? {}) },
      ]);
      expect(ours).toEqual(Object.fromEntries(expected));
      expect(addresses.filter((address) => at[address] !== null).length).toBeGreaterThan(20);
      expect([image.debugProblem, ...image.debug.problems]).toEqual([undefined]);
      const places = Object.keys(breaks).map((name) => [
        name,
        `0x${image.debug.functionsNamed(name)[0].afterPrologue.toString(16)}`,
      ]);
      // Optimised code of clang has marks of its own, which this release of gdb does not read.
      if (!file.includes('clanggdwarf') || file.includes('O0'))
        expect(Object.fromEntries(places)).toEqual(breaks);
    }

    it.each(programs)('%s %s %s: scopes, variables and types are those that gdb has', (...how) => {
      compare(built.get(how.join(' ')) ?? '');
    });

    it.each(guests)('%s: scopes, variables and types are those that gdb has', (name) => {
      compare(join(root, 'dist/guests', name));
    });
  },
);
