/** One VS Code server on a free loopback port and, over it, workbench pages in headless Chromium. */
import { spawn } from 'node:child_process';
import { createWriteStream, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Failure } from './shell.mjs';
import { findChromium } from './system-packages.mjs';
import { prepareServer } from '../vscode-server.mjs';

/** Chromium without its own traffic: these flags keep it from looking up its maker's hosts. */
const CHROMIUM_FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Settings that keep a test workbench quiet; a session's own settings go over them. */
const QUIET_SETTINGS = {
  'workbench.startupEditor': 'none',
  'workbench.tips.enabled': false,
  'workbench.enableExperiments': false,
  'extensions.autoCheckUpdates': false,
  'extensions.autoUpdate': false,
  'extensions.ignoreRecommendations': true,
  'security.workspace.trust.startupPrompt': 'never',
  'security.workspace.trust.banner': 'never',
  'git.openRepositoryInParentFolders': 'never',
  'telemetry.telemetryLevel': 'off',
  'update.mode': 'none',
  'window.commandCenter': false,
  'chat.commandCenter.enabled': false,
};

/**
 * Starts VS Code's server.
 * @param {object} options
 * @param {boolean} [options.trusted] false asks for workspace trust as on a desktop; true (the default) trusts every folder
 * @param {Record<string, unknown>} [options.settings] over the quiet ones
 * @param {string} [options.logFile] where the server's own output goes
 * @param {NodeJS.ProcessEnv} [options.env] added to what the extension host sees
 * @param {number} [options.port] 0, the default, takes a free one
 * @returns {Promise<{ origin: string, authority: string, dataDir: string, pid: number, stop: () => Promise<void>, exited: Promise<void> }>}
 */
export async function startServer(options = {}) {
  const serverMain = prepareServer();
  const dataDir = mkdtempSync(join(tmpdir(), 'trapline-vscode-'));
  mkdirSync(join(dataDir, 'data', 'Machine'), { recursive: true });
  const settings = { ...QUIET_SETTINGS, ...options.settings };
  writeFileSync(join(dataDir, 'data', 'Machine', 'settings.json'), JSON.stringify(settings, null, 2));
  const args = [
    serverMain,
    '--host',
    '127.0.0.1',
    '--port',
    String(options.port ?? 0),
    '--without-connection-token',
  ];
  args.push('--accept-server-license-terms', '--telemetry-level', 'off', '--server-data-dir', dataDir);
  if (options.trusted !== false) args.push('--disable-workspace-trust');
  // A group of its own, so that stopping it also ends the extension hosts that it started.
  const child = spawn(process.execPath, args, {
    env: { EXTENSIONS_GALLERY: '{}', ...process.env, ...options.env },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = new Promise((settle) => child.once('close', () => settle()));
  const end = (signal) => {
    try {
      process.kill(-child.pid, signal);
    } catch {
      // It has ended already.
    }
  };
  const atExit = () => {
    end('SIGKILL');
    rmSync(dataDir, { recursive: true, force: true });
  };
  process.once('exit', atExit);

  if (options.logFile !== undefined) {
    const log = createWriteStream(options.logFile);
    child.stdout.pipe(log, { end: false });
    child.stderr.pipe(log, { end: false });
  }
  const port = await listening(child);
  return {
    origin: `http://127.0.0.1:${port}`,
    authority: `127.0.0.1:${port}`,
    dataDir,
    pid: child.pid,
    exited,
    async stop() {
      end('SIGTERM');
      const timer = setTimeout(() => end('SIGKILL'), 3000);
      await exited;
      clearTimeout(timer);
      process.removeListener('exit', atExit);
      atExit();
    },
  };
}

/** Resolves with the port that the server says it listens on. */
function listening(child) {
  return new Promise((settle, fail) => {
    let output = '';
    const timer = setTimeout(
      () => fail(new Failure(`VS Code's server did not start within 60 s:\n${output}`)),
      60_000,
    );
    const read = (data) => {
      output += data;
      const port = /Extension host agent listening on (\d+)/.exec(output)?.[1];
      if (port !== undefined) {
        clearTimeout(timer);
        settle(Number(port));
      }
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('close', () => {
      clearTimeout(timer);
      fail(new Failure(`VS Code's server ended before it listened:\n${output}`));
    });
  });
}

/** Starts headless Chromium. The caller closes it. */
export async function launchBrowser() {
  const { chromium } = await import('playwright-core');
  return chromium.launch({ executablePath: findChromium(), headless: true, args: CHROMIUM_FLAGS });
}

/**
 * Address of a workbench.
 * @param {object} where
 * @param {string} where.origin of the server
 * @param {string} where.authority of the server
 * @param {string} [where.folder] absolute path of the folder to open
 * @param {string[]} [where.extensionPaths] absolute paths of extensions under development
 * @param {string} [where.testsPath] absolute path of the test bundle to run in the extension host
 */
export function workbenchUrl({ origin, authority, folder, extensionPaths = [], testsPath }) {
  const remote = (path) => `vscode-remote://${authority}${path}`;
  const payload = extensionPaths.map((path) => ['extensionDevelopmentPath', remote(path)]);
  if (testsPath !== undefined) payload.push(['extensionTestsPath', remote(testsPath)]);
  payload.push(['skipWelcome', 'true']);
  const query = new URLSearchParams({ payload: JSON.stringify(payload) });
  if (folder === undefined) query.set('ew', 'true');
  else query.set('folder', folder);
  return `${origin}/?${query}`;
}
