/** What the tests inside the editor share. */
import * as assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as vscode from 'vscode';
import type { RunResult } from '../../../src/extension/runs/run-service';

/** Folder that the window has open: a copy of the sample workspace. */
export function workspaceFolder(): vscode.Uri {
  const folder = vscode.workspace.workspaceFolders?.[0];
  assert.ok(folder, 'the window has a folder open');
  return folder.uri;
}

/** Folder for what a test makes; it goes when the run is over. */
export function scratch(...names: string[]): string {
  return join(process.env.TRAPLINE_SCRATCH ?? '', ...names);
}

/** Scenario of the sample workspace by the start of its file name. */
export function sample(name: string): vscode.Uri {
  return vscode.Uri.joinPath(workspaceFolder(), 'scenarios', `${name}.trapline.json`);
}

/** Writes a file of the open folder and returns its URI. */
export function write(path: string, text: string): vscode.Uri {
  const uri = vscode.Uri.joinPath(workspaceFolder(), path);
  mkdirSync(dirname(uri.fsPath), { recursive: true });
  writeFileSync(uri.fsPath, text);
  return uri;
}

/** A small scenario around one driver. */
export function scenarioWith(source: string, more: object = {}): string {
  const vm = { name: 'vm0', memoryMiB: 32, guest: { sources: [source] } };
  return JSON.stringify(
    { vmm: 'kvm', vms: [vm], stop: { when: 'guests-exit', afterMs: 20 }, ...more },
    null,
    2,
  );
}

/** Runs a scenario through the command, as the palette does, and waits for its end. */
export async function runScenario(scenario: vscode.Uri): Promise<RunResult> {
  return vscode.commands.executeCommand<RunResult>('trapline.runScenario', scenario);
}

/** Asks again and again until the answer is there. */
export async function until<T>(
  what: string,
  ask: () => T | undefined | false,
  milliseconds = 20_000,
): Promise<T> {
  const end = Date.now() + milliseconds;
  for (;;) {
    const answer = ask();
    if (answer !== undefined && answer !== false) return answer;
    if (Date.now() > end) assert.fail(`${what}: not within ${milliseconds} ms`);
    await new Promise((settle) => setTimeout(settle, 50));
  }
}

/** Tabs that show a trace. */
export function traceTabs(): vscode.Tab[] {
  return vscode.window.tabGroups.all
    .flatMap((group) => group.tabs)
    .filter((tab) => tab.input instanceof vscode.TabInputCustom && tab.input.viewType === 'trapline.trace');
}

/** Closes every editor, so that a test sees its own alone. */
export async function closeEditors(): Promise<void> {
  await vscode.commands.executeCommand('workbench.action.closeAllEditors');
}
