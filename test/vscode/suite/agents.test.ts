/// <reference types="mocha" />
/** What agents are offered inside the editor: tools, and links that open events. */
import * as assert from 'node:assert/strict';
import * as vscode from 'vscode';
import type { TraplineApi } from '../../../src/extension/api';
import { closeEditors, runScenario, sample, traceTabs, until } from './support';

interface Manifest {
  contributes: { languageModelTools: { name: string }[] };
}

describe('agents', () => {
  const extension = vscode.extensions.getExtension<TraplineApi>('trapline.trapline');
  const contributed = (extension?.packageJSON as Manifest).contributes.languageModelTools.map(
    ({ name }) => name,
  );

  /** Invokes a tool as a chat does, without one; its answer. */
  async function invoke(name: string, input: object): Promise<Record<string, unknown>> {
    const { content } = await vscode.lm.invokeTool(name, { input, toolInvocationToken: undefined });
    const [part] = content;
    assert.ok(part instanceof vscode.LanguageModelTextPart);
    return JSON.parse(part.value) as Record<string, unknown>;
  }

  before(async () => {
    await extension?.activate();
  });
  after(closeEditors);

  it('are offered every verb as a tool', () => {
    const known = vscode.lm.tools.map(({ name }) => name);
    assert.ok(contributed.length > 10);
    assert.deepEqual(
      contributed.filter((name) => !known.includes(name)),
      [],
    );
  });

  it('ask about the latest run, by its id and hash, and what is wrong is said', async () => {
    const result = await runScenario(sample('hello'));
    const summary = await invoke('trapline_summarize_trace', {});
    assert.equal(summary['trace'], result?.session.id);
    assert.equal(summary['hash'], result?.end?.summary.traceHash);
    const { scenarios } = await invoke('trapline_list_scenarios', { containing: 'hello' });
    assert.ok(Array.isArray(scenarios) && scenarios.length > 0);
    await assert.rejects(invoke('trapline_describe_event', { row: 2 ** 30 }), /no event/);
    await assert.rejects(invoke('trapline_find_events', { query: '', trace: '../../x.arrow' }), /outside/);
  });

  it('give links that open an event in its trace', async () => {
    await closeEditors();
    const { open, trace } = await invoke('trapline_find_events', { query: 'exit', limit: 1 });
    assert.equal(typeof open, 'string');
    const link = vscode.Uri.parse(String(open).replace('{row}', '12'), true);
    assert.equal(link.authority, 'trapline.trapline');
    assert.equal(link.path, '/event');
    const [, uri = ''] = /^trace=(.+)&row=12$/.exec(link.query) ?? [];
    assert.ok(uri.includes(String(trace)), uri);
    await vscode.commands.executeCommand('trapline.showEvent', uri, 12);
    await until('the trace opens', () => traceTabs().length === 1);
  });
});
