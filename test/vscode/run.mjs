#!/usr/bin/env node
/**
 * Runs test/vscode/suite inside a real VS Code: the desktop one where its download and a display can be had, else the wrapper
 * around VS Code's server. `TRAPLINE_VSCODE=server` or `=desktop` decides by hand; `TRAPLINE_GREP` picks tests by name.
 */
import { runTests } from '@vscode/test-electron';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildIsCurrent } from '../../scripts/lib/freshness.mjs';
import { main, root, run, say } from '../../scripts/lib/shell.mjs';

/** Can VS Code be downloaded and shown here? */
async function desktopIsPossible() {
  if (process.env.TRAPLINE_VSCODE !== undefined) return process.env.TRAPLINE_VSCODE === 'desktop';
  if (process.platform === 'linux' && !process.env.DISPLAY && !process.env.WAYLAND_DISPLAY) return false;
  const versions = 'https://update.code.visualstudio.com/api/releases/stable';
  return fetch(versions, { signal: AbortSignal.timeout(3000) }).then(
    (answer) => answer.ok,
    () => false,
  );
}

await main(async () => {
  if (!buildIsCurrent() && (await run(process.execPath, ['esbuild.mjs'])) !== 0) return 1;
  const desktop = await desktopIsPossible();
  const scratch = mkdtempSync(join(tmpdir(), 'trapline-editor-'));
  const workspace = join(scratch, 'workspace');
  cpSync(join(root, 'media', 'workspace'), workspace, { recursive: true });
  say(desktop ? 'in the desktop VS Code' : "in VS Code's server and headless Chromium");
  try {
    await runTests({
      ...(!desktop && { vscodeExecutablePath: join(root, 'scripts', 'code-wrapper.mjs') }),
      extensionDevelopmentPath: root,
      extensionTestsPath: join(root, 'dist', 'test', 'vscode', 'index.js'),
      launchArgs: [workspace],
      extensionTestsEnv: { TRAPLINE_SCRATCH: scratch },
    });
    return 0;
  } catch (error) {
    say(String(error.message ?? error));
    return 1;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
});
