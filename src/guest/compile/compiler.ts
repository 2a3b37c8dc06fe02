/** From a scenario's sources to one ELF file, by the user's own compiler. */
import { readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { basename, dirname, extname, join, resolve } from 'node:path';
import {
  compileFlags,
  COMPILED,
  foldersOf,
  isCxx,
  languageFlags,
  LINKED,
  linkFlags,
  switchesOfKit,
} from './compile-input';
import { problemWith, type Defines, type Optimisation } from './compile-input';
import { findCompiler, findCxxCompiler, type Compiler } from './compiler-find';
import { parseDiagnostics, type Diagnostic } from './diagnostics';
import { GuestImageError } from '../errors';
import type { PathRemap } from '../image';
import { linkObjects } from '../link/link';
import { hashFile, hashOf, ObjectCache, parseDependencies, type CompiledObject } from './object-cache';
import { findPrebuilt } from './prebuilt';
import { runProcess, type ProcessEnd } from './process';

export type { Diagnostic };

/** One compiler process may take this long. */
const DEFAULT_TIMEOUT_MS = 60_000;
const LINKER_SCRIPT = 'guest.ld';

export interface CompileOptions {
  /** Absolute paths: .c, .cpp, .cc, .cxx, .S, .s, .o. */
  sources: readonly string[];
  defines: Defines;
  optimise: Optimisation;
  /** `media/guest-kit`. */
  kitDir: string;
  /** False for sources that begin at a `_start` of their own: the kit's code is left out. True by default. */
  withKit?: boolean;
  /** Objects and executables are kept here. */
  cacheDir: string;
  /** `dist/guests`: where unchanged samples lie ready-made, for when there is no compiler. Without it none is looked for. */
  prebuiltDir?: string;
  /** Path or name of a compiler; empty to look for gcc, then clang. */
  compiler: string;
  /** Paths are recorded in the debug information with `from` replaced by `to`; by default as they are. */
  prefixMap?: readonly PathRemap[];
  signal?: AbortSignal | undefined;
  /** Of one compiler process, in milliseconds; 60 s by default. */
  timeoutMs?: number;
  /** One line of what is being done: `compiling e1000.c with gcc 12.2.0`. */
  log?: ((line: string) => void) | undefined;
  /** For the PATH; the process's own by default. */
  env?: NodeJS.ProcessEnv;
}

/** Why a compilation gave no guest. */
export type CompileFailure =
  'no-compiler' | 'invalid-input' | 'compile-error' | 'cancelled' | 'timeout' | 'compiler-failed';

export type CompileResult =
  /** `remap` is to be given to `GuestImage.parse`; `prebuilt` is true when no compiler was at work. */
  | { ok: true; elfPath: string; warnings: Diagnostic[]; remap: PathRemap[]; prebuilt: boolean }
  /** `message` says it in one sentence or two; `diagnostics` has the places. */
  | { ok: false; reason: CompileFailure; diagnostics: Diagnostic[]; message: string };

type Failed = Extract<CompileResult, { ok: false }>;
type Step<T> = { ok: true; value: T } | Failed;

/**
 * Compiles sources and guest kit to one executable. What has not changed is not compiled again. The result depends on the
 * contents and paths of the sources, the macros, the kit and the compiler alone.
 */
export async function compileGuest(options: CompileOptions): Promise<CompileResult> {
  const sources = options.sources.map((each) => resolve(each));
  const problem = problemWith(sources, options.defines) ?? (await missing(sources));
  if (problem) return failed('invalid-input', problem);
  const env = options.env ?? process.env;
  const found = await findCompiler(options.compiler, env, options.signal);
  if (options.signal?.aborted) return cancelled;
  if (!found.ok) return readyMade(options, sources, found.message);
  try {
    const cxx = sources.some(isCxx) ? await findCxxCompiler(found.compiler, env, options.signal) : found;
    if (options.signal?.aborted) return cancelled;
    if (!cxx.ok) return failed('no-compiler', cxx.message);
    return await new Compilation(options, sources, { c: found.compiler, cxx: cxx.compiler }).run();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return failed('compiler-failed', `The guest could not be compiled in ${options.cacheDir}: ${why}`);
  }
}

/** Without a compiler: the ready-made guest, if the sources are those of a sample. */
async function readyMade(
  options: CompileOptions,
  sources: string[],
  noCompiler: string,
): Promise<CompileResult> {
  const { prebuiltDir, kitDir, defines, optimise } = options;
  if (prebuiltDir === undefined) return failed('no-compiler', noCompiler);
  const prebuilt = await findPrebuilt({ sources, defines, optimise, prebuiltDir, kitDir });
  if (!prebuilt.found) return failed('no-compiler', `${prebuilt.message} ${noCompiler}`.trim());
  options.log?.(`no compiler found: using the ready-made ${basename(prebuilt.elfPath)}`);
  return { ok: true, elfPath: prebuilt.elfPath, warnings: [], remap: prebuilt.remap, prebuilt: true };
}

class Compilation {
  private readonly cache: ObjectCache;
  /** Of the sources, and of the kit's own files. */
  private readonly flags: { source: readonly string[]; kit: readonly string[] };
  private readonly env: NodeJS.ProcessEnv;

  constructor(
    private readonly options: CompileOptions,
    private readonly sources: readonly string[],
    private readonly compilers: { c: Compiler; cxx: Compiler },
  ) {
    this.cache = new ObjectCache(options.cacheDir);
    const { kitDir, defines, optimise, prefixMap = [] } = options;
    this.flags = {
      source: compileFlags(kitDir, foldersOf(sources), defines, optimise, prefixMap),
      kit: compileFlags(kitDir, [], switchesOfKit(defines), optimise, prefixMap),
    };
    this.env = compilerEnvironment(options.env ?? process.env);
  }

  async run(): Promise<CompileResult> {
    await this.cache.open();
    const { kitDir, withKit = true } = this.options;
    const kit = withKit ? (await readdir(kitDir)).sort().filter(isCompiled) : [];
    const files = [
      ...kit.map((each) => ({ file: join(kitDir, each), flags: this.flags.kit })),
      ...this.sources.map((file) => ({ file, flags: this.flags.source })),
    ];
    const steps = await inParallel(files, ({ file, flags }) => this.objectOf(file, flags));
    const failures = steps.filter((each) => !each.ok);
    if (failures.length > 0) return merge(failures);
    const objects = steps.flatMap((each) => (each.ok ? [each.value] : []));
    const linked = await this.link(objects.map((each) => each.path));
    if (!linked.ok) return linked;
    const warnings = objects.flatMap((each) => each.warnings);
    return { ok: true, elfPath: linked.value, warnings, remap: [], prebuilt: false };
  }

  private async objectOf(file: string, general: readonly string[]): Promise<Step<CompiledObject>> {
    if (isLinked(file)) return { ok: true, value: { path: file, warnings: [] } };
    const compiler = isCxx(file) ? this.compilers.cxx : this.compilers.c;
    const flags = [...languageFlags(file), ...general];
    const key = hashOf([compiler.path, compiler.version, ...flags, file]);
    const kept = await this.cache.find(key);
    if (kept) return { ok: true, value: kept };
    this.options.log?.(`compiling ${basename(file)} with ${compiler.version}`);
    const object = this.cache.temporary('.o');
    const rule = `${object}.d`;
    try {
      const args = [...flags, '-MMD', '-MF', rule, '-c', '-o', object, file];
      const end = await this.execute(compiler, args, dirname(file));
      if (!end.ok) return end;
      const inputs = new Set([
        file,
        ...parseDependencies(await readOrEmpty(rule)).map((each) => resolve(dirname(file), each)),
      ]);
      const warnings = end.value.filter((each) => each.severity !== 'error');
      return { ok: true, value: await this.cache.keep(key, object, [...inputs], warnings) };
    } finally {
      await this.cache.discard(object);
      await this.cache.discard(rule);
    }
  }

  private async link(objects: readonly string[]): Promise<Step<string>> {
    const script = join(this.options.kitDir, LINKER_SCRIPT);
    const contents = await Promise.all(
      [script, ...objects].map(async (each) => (await hashFile(each)) ?? ''),
    );
    const compiler = this.compilers.c;
    const key = hashOf([compiler.path, compiler.version, ...linkFlags(''), ...contents]);
    const name = basename(this.sources[0], extname(this.sources[0])).replace(/[^A-Za-z0-9_-]/g, '_');
    const elfPath = join(this.options.cacheDir, `${name}-${key.slice(0, 16)}.elf`);
    if ((await hashFile(elfPath)) !== undefined) return { ok: true, value: elfPath };
    const partial = this.cache.temporary('.elf');
    try {
      const end = await this.execute(
        compiler,
        [...linkFlags(script), '-o', partial, ...objects],
        this.options.cacheDir,
      );
      if (!end.ok) {
        if (end.reason !== 'compile-error') return end;
        const own = await this.linkWithout(objects, end);
        if (!own.ok) return own;
        await writeFile(partial, own.value);
      }
      await rename(partial, elfPath);
      return { ok: true, value: elfPath };
    } finally {
      await this.cache.discard(partial);
    }
  }

  /** A compiler may come without a linker for ELF: ours does it. What ours cannot link either, the compiler has explained. */
  private async linkWithout(objects: readonly string[], refused: Failed): Promise<Step<Uint8Array>> {
    try {
      const inputs = await Promise.all(
        objects.map(async (path) => ({ name: basename(path), bytes: new Uint8Array(await readFile(path)) })),
      );
      const value = linkObjects(inputs);
      this.options.log?.(`linked by Trapline itself: ${refused.message}`);
      return { ok: true, value };
    } catch (error) {
      if (!(error instanceof GuestImageError)) throw error;
      if (refused.diagnostics.some((each) => each.severity === 'error' && each.file)) return refused;
      return { ...refused, message: `${refused.message} Trapline's own linker says: ${error.message}` };
    }
  }

  /** Runs the compiler; gives what it said when it succeeded. */
  private async execute(
    compiler: Compiler,
    args: readonly string[],
    cwd: string,
  ): Promise<Step<Diagnostic[]>> {
    const { signal, timeoutMs = DEFAULT_TIMEOUT_MS } = this.options;
    const end = await runProcess(compiler.path, args, { cwd, env: this.env, signal, timeoutMs });
    if (end.how === 'exited' && end.code === 0) return { ok: true, value: parseDiagnostics(end.stderr) };
    return this.explain(compiler.path, end, timeoutMs);
  }

  private explain(who: string, end: ProcessEnd, timeoutMs: number): Failed {
    switch (end.how) {
      case 'cancelled':
        return cancelled;
      case 'timeout':
        return failed('timeout', `${who} did not end within ${timeoutMs / 1000} s and was stopped.`);
      case 'failed':
        return failed('compiler-failed', `${who} could not be run: ${end.message}.`);
      case 'exited': {
        const diagnostics = parseDiagnostics(end.stderr);
        const first = diagnostics.find((each) => each.severity === 'error');
        const where = first?.file ? `${basename(first.file)}:${first.line}: ` : '';
        const what = first
          ? where + first.message
          : `${who} failed with exit code ${end.code}: ${lastLines(end.stderr)}`;
        return failed('compile-error', what, diagnostics);
      }
    }
  }
}

const cancelled: Failed = {
  ok: false,
  reason: 'cancelled',
  diagnostics: [],
  message: 'Compiling was cancelled.',
};

function failed(reason: CompileFailure, message: string, diagnostics: Diagnostic[] = []): Failed {
  return { ok: false, reason, diagnostics, message };
}

/** All that several failed compilations have to say; the first one's reason and message. */
function merge(failures: readonly Failed[]): Failed {
  return { ...failures[0], diagnostics: failures.flatMap((each) => each.diagnostics) };
}

async function missing(sources: readonly string[]): Promise<string | undefined> {
  for (const source of sources) {
    try {
      if (!(await stat(source)).isFile()) return `${source} is not a file.`;
    } catch {
      return `${source} does not exist: check the path in the scenario.`;
    }
  }
  return undefined;
}

/** Messages in English, dates of no day, and no headers slipped in by the user's environment. */
function compilerEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { CPATH: _1, C_INCLUDE_PATH: _2, LIBRARY_PATH: _3, GCC_COLORS: _4, ...rest } = env;
  return { ...rest, LC_ALL: 'C', SOURCE_DATE_EPOCH: '0' };
}

/** Whether a file is one that a compiler makes an object of, by its ending. */
export function isCompiled(file: string): boolean {
  return (COMPILED as readonly string[]).includes(extname(file));
}

function isLinked(file: string): boolean {
  return (LINKED as readonly string[]).includes(extname(file));
}

async function readOrEmpty(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    return ''; // plain assembly (.s) has no dependencies to report
  }
}

function lastLines(text: string): string {
  return text.trim().split('\n').slice(-3).join(' ');
}

/** Maps with as many at once as there are processors; the results are in the order of the items. */
async function inParallel<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < items.length; index = next++) results[index] = await work(items[index]);
  };
  await Promise.all(Array.from({ length: Math.min(availableParallelism(), items.length) }, worker));
  return results;
}
