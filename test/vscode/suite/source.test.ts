/// <reference types="mocha" />
import * as assert from 'node:assert/strict';
import * as vscode from 'vscode';
import type { TraplineApi } from '../../../src/extension/api';
import type { DebugMoment } from '../../../src/protocol/debug';
import { closeEditors, runScenario, sample, scenarioWith, until, workspaceFolder, write } from './support';

async function api(): Promise<TraplineApi> {
  const extension = vscode.extensions.getExtension<TraplineApi>('trapline.trapline');
  assert.ok(extension);
  return extension.activate();
}

/** Runs the small driver, which must not print: its first port access breaks that. */
async function broken(): Promise<{ trace: vscode.Uri; scenario: vscode.Uri }> {
  const scenario = write(
    'scenarios/silent.trapline.json',
    scenarioWith('../drivers/hello.c', { expect: { 'exits.IO_INSTRUCTION': 0 } }),
  );
  const result = await runScenario(scenario);
  assert.equal(result?.end?.summary.expectations[0]?.held, false);
  return { trace: result.session.traceUri, scenario };
}

async function fixesOf(scenario: vscode.Uri): Promise<vscode.CodeAction[]> {
  const [error] = await until('the error of the expectation', () => {
    const found = vscode.languages
      .getDiagnostics(scenario)
      .filter(({ source }) => source?.startsWith('Trapline'));
    return found.length > 0 && found;
  });
  assert.ok(error);
  return vscode.commands.executeCommand<vscode.CodeAction[]>(
    'vscode.executeCodeActionProvider',
    scenario,
    error.range,
    vscode.CodeActionKind.QuickFix.value,
  );
}

async function fix(scenario: vscode.Uri, command: string): Promise<number> {
  const found = (await fixesOf(scenario)).find((action) => action.command?.command === command);
  assert.ok(found?.command, `a quick fix that does ${command}`);
  const args = found.command.arguments as unknown[];
  await vscode.commands.executeCommand(found.command.command, ...args);
  return Number(args[1]);
}

describe('an expectation that failed', () => {
  let run: { trace: vscode.Uri; scenario: vscode.Uri };
  before(async () => {
    await closeEditors();
    run = await broken();
    await vscode.window.showTextDocument(run.scenario, { viewColumn: vscode.ViewColumn.Two });
  });
  after(closeEditors);

  it('leads to the event that broke it, whose line tells of it', async () => {
    const row = await fix(run.scenario, 'trapline.showEvent');
    const extension = await api();
    await until('the event in the timeline', () => extension.trace(run.trace)?.pages[0]?.selectedRow === row);
    const text = await until('its text', () => extension.selectedEventText);
    assert.match(text, /^▸ IO_INSTRUCTION/);
  });

  it('leads to its machine code', async () => {
    await vscode.commands.executeCommand('trapline.openTrace', run.trace);
    await vscode.commands.executeCommand('trapline.openDisassembly');
    const editor = await until('machine code', () =>
      vscode.window.visibleTextEditors.find(({ document }) => document.languageId === 'trapline-disassembly'),
    );
    const line = editor.document.lineAt(editor.selection.active.line).text;
    assert.match(line, /^\s+[0-9a-f]+ {2}[0-9a-f ]+\s(?:in|out)\b/);
  });

  it('is debugged from that event', async () => {
    const row = await fix(run.scenario, 'trapline.debugFromEvent');
    const session = await until('a session', () => vscode.debug.activeDebugSession);
    try {
      await until('a frame', () => vscode.debug.activeStackItem instanceof vscode.DebugStackFrame);
      const { moment } = (await session.customRequest('trapline/moment')) as { moment: DebugMoment };
      // It stands before the instruction: of what that does nothing has been recorded.
      assert.ok(moment.rows > 0 && moment.rows <= row, `row ${moment.rows} for event ${row}`);
    } finally {
      await vscode.debug.stopDebugging(session);
      await until('no session', () => vscode.debug.activeDebugSession === undefined);
    }
  });
});

describe('the figures of a driver', () => {
  before(closeEditors);
  after(closeEditors);

  it('stand behind its lines, move with them, and say that the driver has been edited', async () => {
    await runScenario(sample('b7-e1000-emulated'));
    const { lineCosts } = await api();
    const uri = vscode.Uri.joinPath(workspaceFolder(), 'drivers', 'e1000.c');
    const before = await until('figures', () => lineCosts(uri));
    assert.equal(before.outdated, false);
    const document = await vscode.workspace.openTextDocument(uri);
    const doorbell = 'REG_WRITE(TDT, tx_next)';
    const lineNow = (): number =>
      document
        .getText()
        .split('\n')
        .findIndex((text) => text.includes(doorbell)) + 1;
    // 64 is PACKETS in the scenario: the doorbell rings once for each.
    assert.equal(before.lines.find(({ line }) => line === lineNow())?.exits, 64);
    const edit = new vscode.WorkspaceEdit();
    edit.insert(uri, new vscode.Position(0, 0), '/* one */\n/* two */\n');
    await vscode.workspace.applyEdit(edit);
    const after = lineCosts(uri);
    assert.equal(after?.outdated, true);
    assert.equal(after.lines.find(({ line }) => line === lineNow())?.exits, 64);
    const lenses = await vscode.commands.executeCommand<vscode.CodeLens[]>(
      'vscode.executeCodeLensProvider',
      uri,
    );
    const main = document
      .getText()
      .split('\n')
      .findIndex((text) => text.startsWith('int main('));
    const lens = lenses.find(({ range }) => range.start.line === main);
    assert.match(lens?.command?.title ?? '', /\d+ exits .* before the edit .* longest/);
    await vscode.commands.executeCommand('workbench.action.files.revert');
  });
});
