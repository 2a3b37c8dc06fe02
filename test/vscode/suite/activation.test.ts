/// <reference types="mocha" />
import * as assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as vscode from 'vscode';
import { scratch, workspaceFolder } from './support';

interface Manifest {
  contributes: {
    commands: { command: string; title: string; category?: string }[];
    configuration: { properties: Record<string, unknown> } | { properties: Record<string, unknown> }[];
  };
}

describe('the extension', () => {
  const extension = vscode.extensions.getExtension<unknown>('trapline.trapline');
  const manifest = extension?.packageJSON as Manifest;

  it('activates', async () => {
    assert.ok(extension);
    await extension.activate();
    assert.equal(extension.isActive, true);
  });

  it('registers every command that it contributes', async () => {
    const known = await vscode.commands.getCommands(true);
    const contributed = manifest.contributes.commands.map(({ command }) => command);
    assert.ok(contributed.length > 4);
    assert.deepEqual(
      contributed.filter((command) => !known.includes(command)),
      [],
    );
  });

  it('gives every setting that it contributes a default', () => {
    const { configuration } = manifest.contributes;
    const properties = [configuration].flat().flatMap((group) => Object.keys(group.properties));
    assert.ok(properties.length > 0);
    for (const name of properties) {
      assert.notEqual(vscode.workspace.getConfiguration().inspect(name)?.defaultValue, undefined, name);
    }
  });

  it('creates the sample workspace and never overwrites what differs unasked', async () => {
    const folder = vscode.Uri.file(scratch('created'));
    await vscode.commands.executeCommand('trapline.createSampleWorkspace', folder);
    const original = workspaceFolder().fsPath;
    for (const part of ['drivers', 'scenarios']) {
      for (const name of readdirSync(join(original, part))) {
        const made = join(folder.fsPath, part, name);
        assert.ok(existsSync(made), `${part}/${name}`);
        assert.equal(readFileSync(made, 'utf8'), readFileSync(join(original, part, name), 'utf8'));
      }
    }
  });
});
