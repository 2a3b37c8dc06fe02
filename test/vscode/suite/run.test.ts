/// <reference types="mocha" />
import * as assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import * as vscode from 'vscode';
import { closeEditors, runScenario, sample, scenarioWith, scratch, traceTabs, until, write } from './support';

describe('a run', () => {
  beforeEach(closeEditors);

  it('of the sample opens its trace, ends, and holds what the scenario expects', async () => {
    const result = await runScenario(sample('b7-e1000-emulated'));
    assert.ok(result?.end, result?.failure ?? 'the run ended');
    assert.equal(result.end.meta.state, 'finished');
    const { expectations, packets, vms } = result.end.summary;
    // As many as `expect` has lines in the scenario, and every one of them held.
    assert.equal(expectations.length, 7);
    assert.deepEqual(
      expectations.filter(({ held }) => !held),
      [],
    );
    // PACKETS in the scenario is 64, and the peer sends each one back.
    assert.equal(packets.tx, 64);
    assert.equal(packets.rx, 64);
    assert.equal(vms[0]?.exitCode, 0);
    const [tab, ...more] = await until('a trace tab', () => traceTabs().length > 0 && traceTabs());
    assert.ok(tab?.input instanceof vscode.TabInputCustom);
    assert.match(tab.label, /b7-e1000-emulated/);
    assert.deepEqual(more, []);
  });

  it('gives the same trace every time', async () => {
    const hashes = [];
    for (let turn = 0; turn < 2; turn++) {
      const result = await runScenario(sample('b7-e1000-emulated'));
      hashes.push(result?.end?.summary.traceHash);
    }
    assert.match(hashes[0] ?? '', /^[0-9a-f]{16}$/);
    assert.equal(hashes[0], hashes[1]);
  });

  it('can be saved as a file that opens again', async () => {
    const result = await runScenario(sample('b7-e1000-emulated'));
    assert.ok(result);
    const file = vscode.Uri.file(scratch('kept.trapline.arrow'));
    await vscode.commands.executeCommand('trapline.saveTraceAs', result.session.traceUri, file);
    assert.ok(existsSync(file.fsPath));
    // Arrow's IPC file format begins and ends with its name.
    const bytes = readFileSync(file.fsPath);
    assert.equal(bytes.subarray(0, 6).toString('latin1'), 'ARROW1');
    assert.equal(bytes.subarray(-6).toString('latin1'), 'ARROW1');
    await closeEditors();
    await vscode.commands.executeCommand('vscode.open', file);
    await until('the file in a trace editor', () =>
      traceTabs().some(({ label }) => label.startsWith('kept')),
    );
  });

  it('without an end stops soon after it is asked to', async () => {
    // A simulated minute, the most that a scenario may ask for: far more than this test would wait.
    const endless = write(
      'scenarios/endless.trapline.json',
      scenarioWith('../drivers/spin.c', { stop: { afterMs: 60_000 } }),
    );
    const running = runScenario(endless);
    await until('a trace of the running run', () =>
      traceTabs().some(({ label }) => label.startsWith('endless')),
    );
    await vscode.commands.executeCommand('trapline.stopRun');
    const result = await running;
    assert.equal(result?.failure, undefined);
    assert.equal(result?.end?.meta.state ?? 'cancelled', 'cancelled');
  });
});
