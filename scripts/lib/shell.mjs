/** Running other programs, for scripts that may use nothing but what Node brings. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Root folder of the project. */
export const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** Where every tool keeps what it can make again. */
export const cacheDir = join(root, '.cache');

/** A failure whose message is all that the reader needs: scripts print it without a stack. */
export class Failure extends Error {}

/**
 * Runs a program with its output shown and waits for it.
 * @returns its exit code; 128 + n when a signal ended it
 */
export function run(command, args, options = {}) {
  return new Promise((settle, fail) => {
    const child = spawn(command, args, { cwd: root, stdio: 'inherit', ...options });
    child.on('error', fail);
    child.on('close', (code) => settle(code ?? 128));
  });
}

/**
 * Runs a program with its output kept; the output is part of the message when it fails.
 * @throws {Failure} when the program cannot be started or its exit code is not 0
 */
export function runQuiet(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 26, ...options });
  if (result.error) throw new Failure(`${command} could not be started: ${result.error.message}`);
  if (result.status !== 0) {
    const tail = `${result.stdout}${result.stderr}`.trim().split('\n').slice(-25).join('\n');
    throw new Failure(`${command} ${args.join(' ')} failed with code ${result.status}:\n${tail}`);
  }
  return result.stdout;
}

/** Full path of a program on the PATH, or undefined. */
export function which(name) {
  for (const folder of (process.env.PATH ?? '').split(':')) {
    if (folder !== '' && existsSync(join(folder, name))) return join(folder, name);
  }
  return undefined;
}

/** Prints a step of a script. */
export function say(text) {
  process.stdout.write(`\u25b8 ${text}\n`);
}

/** Runs the main function of a script; a `Failure` is printed as its message, anything else with its stack. */
export async function main(body) {
  try {
    process.exitCode = (await body()) ?? 0;
  } catch (error) {
    process.stderr.write(error instanceof Failure ? `\n${error.message}\n` : `${error?.stack ?? error}\n`);
    process.exitCode = 1;
  }
}
