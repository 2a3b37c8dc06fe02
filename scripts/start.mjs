#!/usr/bin/env node
/**
 * `npm start`: from a fresh clone to the sample on the screen. Uses only what Node brings until the dependencies are installed.
 *
 *   node scripts/start.mjs [--no-open] [--port N]
 */
import { spawn } from 'node:child_process';
import { cpSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { buildIsCurrent } from './lib/freshness.mjs';
import { checkNode, ensureDependencies } from './lib/setup.mjs';
import { cacheDir, Failure, main, root, run, say, which } from './lib/shell.mjs';
import { ensurePrograms } from './lib/system-packages.mjs';

const SAMPLE = 'b7-e1000-emulated.trapline.json';

await main(async () => {
  say('Trapline: installs, builds, runs the sample scenario, then opens it in VS Code');
  checkNode();
  await ensureDependencies();
  // The sample is C; without a compiler there is nothing to run in a clone.
  if (which('clang') === undefined) ensurePrograms(['gcc']);
  if (!buildIsCurrent()) {
    say('building (npm run build)');
    if ((await run(process.execPath, ['esbuild.mjs'])) !== 0)
      throw new Failure('The build failed; its message is above.');
  }
  const workspace = sampleWorkspace();
  say(`running ${SAMPLE}`);
  const code = await run(process.execPath, ['dist/cli.js', 'run', join(workspace, 'scenarios', SAMPLE)]);
  if (code !== 0) throw new Failure(`The sample scenario ended with code ${code}; its summary is above.`);
  if (process.argv.includes('--no-open')) return 0;
  return openInEditor(workspace);
});

/** The user's own copy of the sample, kept between starts so that edits in it last. */
function sampleWorkspace() {
  const workspace = join(cacheDir, 'sample-workspace');
  if (!existsSync(workspace)) cpSync(join(root, 'media', 'workspace'), workspace, { recursive: true });
  return workspace;
}

/** Desktop VS Code where there is one and a screen to show it; else VS Code's server and its address. */
async function openInEditor(workspace) {
  const display = process.platform !== 'linux' || process.env.DISPLAY || process.env.WAYLAND_DISPLAY;
  if (display && which('code') !== undefined) {
    say('opening VS Code; in it: F1, "Trapline: Run Scenario"');
    spawn('code', [`--extensionDevelopmentPath=${root}`, workspace], {
      detached: true,
      stdio: 'ignore',
    }).unref();
    return 0;
  }
  say("no desktop VS Code here: starting VS Code's own server");
  const { startServer, workbenchUrl } = await import('./lib/vscode-session.mjs');
  const at = process.argv.indexOf('--port');
  const port = at < 0 ? 0 : Number(process.argv[at + 1]);
  const server = await startServer({ port, settings: { 'workbench.colorTheme': 'Default Dark Modern' } });
  say(`open in a browser: ${workbenchUrl({ ...server, folder: workspace, extensionPaths: [root] })}`);
  say('in it: F1, "Trapline: Run Scenario". Ctrl-C here stops the server.');
  const asked = new Promise((settle) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => settle('asked'));
  });
  const why = await Promise.race([asked, server.exited.then(() => 'ended')]);
  await server.stop();
  if (why === 'ended') throw new Failure("VS Code's server ended by itself.");
  return 0;
}
