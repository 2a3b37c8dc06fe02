#!/usr/bin/env node
/**
 * Prepares VS Code's own server out of the npm package `code-server`, for machines that reach the npm registry and nothing
 * else. The tests run in it when VS Code's download is out of reach, and `npm start` opens it where there is no desktop.
 * Everything lies in `.cache/vscode-server`; a stamp tells that it is complete, so that a second call returns at once.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { cacheDir, Failure, main, runQuiet, say, which } from './lib/shell.mjs';
import { ensurePrograms } from './lib/system-packages.mjs';

/** Holds VS Code 1.100.3, the oldest version that Trapline supports, and runs on Node 20. */
const PACKAGE = 'code-server@4.100.3';

/** Change it whenever the steps below change, so that old preparations are made anew. */
const RECIPE = 2;

const home = join(cacheDir, 'vscode-server');
const vscode = join(home, 'node_modules', 'code-server', 'lib', 'vscode');
const stampFile = join(home, 'ready.json');
const stamp = JSON.stringify({
  package: PACKAGE,
  recipe: RECIPE,
  abi: process.versions.modules,
  arch: process.arch,
});

/** Native parts that the server cannot do without, with the file that their build leaves. */
const NATIVE = {
  'node-pty': 'node-pty/build/Release/pty.node',
  '@vscode/spdlog': '@vscode/spdlog/build/Release/spdlog.node',
  'native-watchdog': 'native-watchdog/build/Release/watchdog.node',
};

/** True when a complete preparation for this Node lies in the cache. */
export function serverIsReady() {
  return existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp;
}

/**
 * Prepares the server unless it is ready: about 1.5 minutes and 300 MB.
 * @returns path of its `server-main.js`
 */
export function prepareServer() {
  if (!serverIsReady()) {
    ensurePrograms(['ripgrep', 'python3', 'make', 'g++']);
    say(`preparing VS Code's server from ${PACKAGE}, once (about a minute and a half)`);
    rmSync(home, { recursive: true, force: true });
    mkdirSync(home, { recursive: true });
    writeFileSync(join(home, 'package.json'), '{ "private": true }\n');
    npm(['install', '--ignore-scripts', PACKAGE], home);
    npm(['install', '--omit=dev', '--ignore-scripts'], vscode);
    for (const [name, file] of Object.entries(NATIVE)) buildNative(name, file);
    npm(['install', '--omit=dev', '--ignore-scripts'], join(vscode, 'extensions'));
    symlinkSync('node_modules', join(vscode, 'node_modules.asar'));
    const ripgrep = join(vscode, 'node_modules', '@vscode', 'ripgrep', 'bin', 'rg');
    mkdirSync(dirname(ripgrep), { recursive: true });
    symlinkSync(which('rg'), ripgrep);
    writeFileSync(stampFile, stamp);
  }
  return join(vscode, 'out', 'server-main.js');
}

/** A package's own last step may fail after a good build (it may want to fetch a tool), so the built file decides. */
function buildNative(name, file) {
  let message = '';
  try {
    npm(['rebuild', name], vscode);
  } catch (error) {
    message = error.message;
  }
  if (!existsSync(join(vscode, 'node_modules', file)))
    throw new Failure(`${name} was not built.\n${message}`);
}

function npm(args, cwd) {
  const env = { ...process.env };
  const headers = join(dirname(process.execPath), '..');
  if (existsSync(join(headers, 'include', 'node', 'node.h'))) env.npm_config_nodedir ??= headers;
  runQuiet('npm', [...args, '--no-audit', '--no-fund', '--yes'], { cwd, env });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await main(() => say(`ready: ${prepareServer()}`));
}
