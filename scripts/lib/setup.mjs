/** What every command of the project needs before it can do its work. */
import { dependenciesAreCurrent } from './freshness.mjs';
import { Failure, run, say } from './shell.mjs';

/** Oldest Node.js that the project is built and tested with. */
const OLDEST_NODE = 20;

/** @throws {Failure} when this Node.js is too old */
export function checkNode() {
  if (Number(process.versions.node.split('.')[0]) >= OLDEST_NODE) return;
  throw new Failure(
    `Trapline needs Node.js ${OLDEST_NODE} or newer; this is ${process.version}. Get one from https://nodejs.org.`,
  );
}

/** Installs the dependencies when they are missing or not those of package-lock.json. */
export async function ensureDependencies() {
  if (dependenciesAreCurrent()) return;
  say('installing the dependencies (npm ci)');
  const code = await run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
  if (code !== 0) throw new Failure(`npm ci failed with code ${code}; its message is above.`);
}
