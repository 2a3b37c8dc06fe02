/// <reference types="mocha" />
import * as assert from 'node:assert/strict';
import * as vscode from 'vscode';
import type { TraplineApi } from '../../../src/extension/api';
import { closeEditors, runScenario, sample, scenarioWith, traceTabs, until, write } from './support';

async function api(): Promise<TraplineApi> {
  const extension = vscode.extensions.getExtension<TraplineApi>('trapline.trapline');
  assert.ok(extension);
  return extension.activate();
}

describe('scenarios as tests', () => {
  let found = false;
  before(closeEditors);

  it('are found, one for each scenario, at the line of their expectations', async () => {
    const uri = sample('hello');
    const item = (await (await api()).tests()).get(uri.toString());
    assert.equal(item?.label, 'hello');
    const text = (await vscode.workspace.openTextDocument(uri)).getText().split('\n');
    assert.equal(
      item.range?.start.line,
      text.findIndex((line) => line.includes('"expect"')),
    );
  });

  it('come and go with their files', async () => {
    const { tests } = await api();
    const uri = write('scenarios/coming.trapline.json', scenarioWith('../drivers/hello.c'));
    let known = await tests();
    await until('a test for the new scenario', () => {
      void tests().then((now) => (known = now));
      return known.has(uri.toString());
    });
    await vscode.workspace.fs.delete(uri);
    await until('no test for it any more', () => {
      void tests().then((now) => (known = now));
      return !known.has(uri.toString());
    });
  });

  it('hold where the scenario holds, and no trace opens', async () => {
    const { runTests } = await api();
    const uri = sample('hello');
    const report = (await runTests('run', [uri])).get(uri.toString());
    assert.equal(report?.state, 'passed', JSON.stringify(report?.messages));
    assert.deepEqual(traceTabs(), []);
  });

  it('fail at the line of what did not hold, with what was expected and what was found', async () => {
    const text = scenarioWith('../drivers/hello.c', { expect: { 'packets.tx': 3, 'exits.VMCALL': 2 } });
    const uri = write('scenarios/wrong-test.trapline.json', text);
    const { tests, runTests } = await api();
    await until('the test', () => {
      void tests().then((now) => (found = now.has(uri.toString())));
      return found;
    });
    const report = (await runTests('run', [uri])).get(uri.toString());
    assert.equal(report?.state, 'failed');
    const [message, ...more] = report.messages;
    assert.deepEqual(more, []);
    assert.equal(message?.expectedOutput, '3');
    assert.equal(message.actualOutput, '0');
    const line = text.split('\n').findIndex((each) => each.includes('packets.tx'));
    assert.equal(message.location?.range.start.line, line);
    await vscode.workspace.fs.delete(uri);
  });

  it('tell which statements of the driver were executed', async () => {
    const { runTests } = await api();
    const uri = sample('hello');
    const report = (await runTests('coverage', [uri])).get(uri.toString());
    assert.equal(report?.state, 'passed');
    const driver = vscode.Uri.joinPath(uri, '../../drivers/hello.c').fsPath;
    const [file, ...more] = report.coverage ?? [];
    assert.deepEqual(more, []);
    assert.equal(file?.file, driver);
    assert.ok(file.statements.some(({ executed }) => executed));
  });
});

describe('the runs', () => {
  it('are deleted with their traces, and an open one closes first', async () => {
    const result = await runScenario(sample('hello'));
    assert.ok(result);
    const trace = result.session.traceUri;
    await vscode.workspace.fs.stat(trace);
    await until('the trace', () => traceTabs().length === 1);
    const kept = { id: result.session.id, scenario: sample('hello').toString() };
    await vscode.commands.executeCommand('trapline.deleteRuns', { run: { kept } });
    assert.deepEqual(traceTabs(), []);
    await assert.rejects(async () => vscode.workspace.fs.stat(trace));
  });
});
