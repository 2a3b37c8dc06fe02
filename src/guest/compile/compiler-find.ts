/** Finding a C compiler that makes x86-64 ELF files. */
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, isAbsolute, join, resolve } from 'node:path';
import { tmpdir } from 'node:os';
import { runProcess } from './process';

/** Tried in this order when the setting names none. */
const CANDIDATES = ['gcc', 'clang', 'x86_64-linux-gnu-gcc'] as const;
/** Targets whose output a guest can be made of (`-dumpmachine`). */
const GOOD_TARGET = /^(x86_64|amd64)-.*(linux|elf|freebsd|netbsd|openbsd|none)/;
const PROBE_TIMEOUT_MS = 20_000;

const INSTALL =
  'Install one (Debian, Ubuntu: `sudo apt-get install gcc`; on a machine that is not x86-64: `sudo apt-get install gcc-x86-64-linux-gnu`), ' +
  'or name one in the setting trapline.compiler.path.';

/** A compiler that can be used. */
export interface Compiler {
  /** Absolute path of the program. */
  path: string;
  /** First line of `--version`. */
  version: string;
}

export type FoundCompiler = { ok: true; compiler: Compiler } | { ok: false; message: string };

/**
 * Looks for a compiler: the one that the setting names, or else gcc, clang and the cross gcc on the PATH.
 * @param setting path or name of a program; empty to search
 * @param env the PATH is taken from here
 */
export async function findCompiler(
  setting: string,
  env: NodeJS.ProcessEnv,
  signal?: AbortSignal,
): Promise<FoundCompiler> {
  const refused: string[] = [];
  for (const name of setting ? [setting] : CANDIDATES) {
    const path = await locate(name, env);
    if (!path) continue;
    const probed = await probe(path, env, signal);
    if (probed.ok) return probed;
    refused.push(probed.message);
  }
  const why = refused.length > 0 ? ` ${refused.join(' ')}` : '';
  const what = setting
    ? `The compiler ${setting} of the setting trapline.compiler.path ${refused.length > 0 ? 'cannot be used' : 'does not exist'}.`
    : 'No C compiler for guests was found: looked for gcc and clang on the PATH.';
  return { ok: false, message: `${what}${why} ${INSTALL}` };
}

/** Names of C compilers, and of the C++ compiler that each comes with. A version may stand behind, and a target before. */
const CXX_NAMES: Readonly<Record<string, string>> = { gcc: 'g++', clang: 'clang++', cc: 'c++' };
const COMPILER_NAME = /(?<=[/\\-])(gcc|clang|cc)(-[0-9.]+)?(\.exe)?$/;

/**
 * The C++ compiler beside a C compiler: g++ with gcc, clang++ with clang. A compiler of another name compiles both itself.
 */
export async function findCxxCompiler(
  compiler: Compiler,
  env: NodeJS.ProcessEnv,
  signal?: AbortSignal,
): Promise<FoundCompiler> {
  const match = COMPILER_NAME.exec(compiler.path);
  if (!match) return { ok: true, compiler };
  const [end, name, version = '', suffix = ''] = match;
  const cxx = `${CXX_NAMES[name]}${version}${suffix}`;
  const path = await locate(compiler.path.slice(0, -end.length) + cxx, env);
  if (path) return probe(path, env, signal);
  return {
    ok: false,
    message: `There is no C++ compiler (${cxx}) beside ${compiler.path}. Install one (Debian, Ubuntu: \`sudo apt-get install g++\`), or write the guest in C.`,
  };
}

/** A path as it is; a bare name by the PATH. */
async function locate(name: string, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const isPath = isAbsolute(name) || name.includes('/') || name.includes('\\');
  const suffixes = process.platform === 'win32' ? ['.exe', ''] : [''];
  const folders = isPath ? [''] : (env['PATH'] ?? env['Path'] ?? '').split(delimiter).filter(isAbsolute);
  for (const folder of folders) {
    for (const suffix of suffixes) {
      const path = folder ? join(folder, name + suffix) : resolve(name + suffix);
      if (await executable(path)) return path;
    }
  }
  return undefined;
}

async function executable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

async function probe(
  path: string,
  env: NodeJS.ProcessEnv,
  signal: AbortSignal | undefined,
): Promise<FoundCompiler> {
  const options = { cwd: tmpdir(), env: { ...env, LC_ALL: 'C' }, signal, timeoutMs: PROBE_TIMEOUT_MS };
  const target = await runProcess(path, ['-dumpmachine'], options);
  if (target.how !== 'exited' || target.code !== 0)
    return { ok: false, message: `${path} does not answer as a compiler.` };
  const triple = target.stdout.trim();
  if (!GOOD_TARGET.test(triple)) {
    return {
      ok: false,
      message: `${path} compiles for ${triple || 'an unknown target'}, not to x86-64 ELF.`,
    };
  }
  const version = await runProcess(path, ['--version'], options);
  if (version.how !== 'exited' || version.code !== 0)
    return { ok: false, message: `${path} --version failed.` };
  return { ok: true, compiler: { path, version: version.stdout.split('\n')[0].trim() } };
}
