/** Tells whether what is made from the sources is older than they are. */
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheDir, root } from './shell.mjs';

/** What the bundles are made of. */
const SOURCES = [
  'src',
  'webview',
  'media',
  'scripts',
  'test/vscode/suite',
  'package.json',
  'esbuild.mjs',
  'tsconfig.json',
];
/** What must be there for the product to run. */
const RESULTS = [
  'extension.js',
  'worker.js',
  'trace-worker.js',
  'gdb-worker.js',
  'cli.js',
  'cpu-core.wasm',
  'webview/main.js',
  'iced_x86_bg.wasm',
  'wasm-zstd.wasm',
];
const stampFile = join(cacheDir, 'built.json');

/** Folders that hold no sources: what is installed, and what a build itself writes. */
const NOT_SOURCES = new Set(['node_modules', 'generated']);

/** Newest modification time of a file, or of all files in a folder, in milliseconds since 1970. */
function newest(path) {
  if (!existsSync(path)) return 0;
  const status = statSync(path);
  if (!status.isDirectory()) return status.mtimeMs;
  return readdirSync(path)
    .filter((name) => !NOT_SOURCES.has(name))
    .reduce((latest, name) => Math.max(latest, newest(join(path, name))), 0);
}

/** State of the sources, to be given to `markBuilt` when a build that began now is complete. */
export function newestSource() {
  return Math.max(...SOURCES.map((source) => newest(join(root, source))));
}

/** Notes that dist/ was built from the sources as they were when `newestSource` was asked. */
export function markBuilt(sources) {
  mkdirSync(cacheDir, { recursive: true });
  writeFileSync(stampFile, JSON.stringify({ newestSource: sources }));
}

/** True when dist/ holds every part, built from the sources as they are. */
export function buildIsCurrent() {
  if (!existsSync(stampFile)) return false;
  if (!RESULTS.every((name) => existsSync(join(root, 'dist', name)))) return false;
  return JSON.parse(readFileSync(stampFile, 'utf8')).newestSource >= newestSource();
}

/** True when node_modules/ was installed from package-lock.json as it is. */
export function dependenciesAreCurrent() {
  const installed = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(installed)) return false;
  const packagesOf = (file) => JSON.parse(readFileSync(file, 'utf8')).packages;
  const wanted = packagesOf(join(root, 'package-lock.json'));
  const present = packagesOf(installed);
  return Object.entries(wanted).every(
    ([path, { version, optional }]) => path === '' || optional === true || present[path]?.version === version,
  );
}
