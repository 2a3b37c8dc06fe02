/** Programs that no npm package brings: the compiler for guests, Chromium for pages, ripgrep for VS Code's search. */
import { existsSync } from 'node:fs';
import { Failure, runQuiet, say, which } from './shell.mjs';

/** Debian package and a program that shows that it is there. */
const PROGRAMS = {
  gcc: 'gcc',
  'g++': 'g++',
  make: 'make',
  python3: 'python3',
  ripgrep: 'rg',
  chromium: 'chromium',
};

/**
 * Makes sure that the named Debian packages are there; installs them when this process may.
 * @param {(keyof typeof PROGRAMS)[]} packages
 * @throws {Failure} that names the command to type when it may not
 */
export function ensurePrograms(packages) {
  const missing = packages.filter((name) => which(PROGRAMS[name]) === undefined);
  if (missing.length === 0) return;
  const command = `apt-get install -y --no-install-recommends ${missing.join(' ')}`;
  if (process.getuid?.() !== 0 || which('apt-get') === undefined) {
    throw new Failure(
      `Needed and not found: ${missing.join(', ')}. Install them, on Debian or Ubuntu with\n  sudo ${command}`,
    );
  }
  say(`installing ${missing.join(', ')}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  runQuiet('apt-get', ['update'], { env });
  runQuiet('apt-get', command.split(' ').slice(1), { env });
}

/** Chromium for headless work: `TRAPLINE_CHROMIUM`, else the first of the usual names. */
export function findChromium() {
  const named = process.env.TRAPLINE_CHROMIUM;
  if (named !== undefined && existsSync(named)) return named;
  for (const name of ['chromium', 'chromium-browser', 'google-chrome']) {
    const path = which(name);
    if (path !== undefined) return path;
  }
  throw new Failure('Chromium was not found: install it, or give its path in TRAPLINE_CHROMIUM.');
}
