/// <reference types="mocha" />
import * as assert from 'node:assert/strict';
import * as vscode from 'vscode';
import { closeEditors, runScenario, scenarioWith, until, write } from './support';

/** Errors that Trapline shows for a file. */
function errorsOf(uri: vscode.Uri): vscode.Diagnostic[] {
  return vscode.languages
    .getDiagnostics(uri)
    .filter(
      ({ severity, source }) =>
        severity === vscode.DiagnosticSeverity.Error && source?.startsWith('Trapline'),
    );
}

describe('problems', () => {
  afterEach(closeEditors);

  it('of a driver stand at the line that the compiler names', async () => {
    const lines = ['#include "trapline.h"', '', 'int main(void)', '{', '    return not_declared;', '}', ''];
    const driver = write('drivers/broken.c', lines.join('\n'));
    const scenario = write('scenarios/broken-driver.trapline.json', scenarioWith('../drivers/broken.c'));
    assert.equal(await runScenario(scenario), undefined);
    const [error] = await until(
      'an error in the driver',
      () => errorsOf(driver).length > 0 && errorsOf(driver),
    );
    assert.equal(error?.range.start.line, lines.indexOf('    return not_declared;'));
    assert.equal(error.range.start.character, '    return '.length);
    assert.match(error.message, /not_declared/);
  });

  it('of a scenario stand at the line of the field, and tell the nearest name', async () => {
    const text = scenarioWith('../drivers/hello.c').replace('"memoryMiB"', '"memoryMib"');
    const scenario = write('scenarios/broken-field.trapline.json', text);
    assert.equal(await runScenario(scenario), undefined);
    const [error] = await until(
      'an error in the scenario',
      () => errorsOf(scenario).length > 0 && errorsOf(scenario),
    );
    const line = text.split('\n').findIndex((each) => each.includes('memoryMib'));
    assert.equal(error?.range.start.line, line);
    assert.match(error.message, /memoryMiB/);
  });

  it('of an expectation that failed stand at the expectation, and go when it holds', async () => {
    const wrong = scenarioWith('../drivers/hello.c', { expect: { 'packets.tx': 3 } });
    const scenario = write('scenarios/wrong.trapline.json', wrong);
    const result = await runScenario(scenario);
    assert.equal(result?.end?.summary.expectations[0]?.held, false);
    const [error] = await until(
      'an error at the expectation',
      () => errorsOf(scenario).length > 0 && errorsOf(scenario),
    );
    assert.equal(
      error?.range.start.line,
      wrong.split('\n').findIndex((each) => each.includes('packets.tx')),
    );
    write('scenarios/wrong.trapline.json', wrong.replace('"packets.tx": 3', '"packets.tx": 0'));
    await runScenario(scenario);
    await until('no error', () => errorsOf(scenario).length === 0);
  });
});
