/**
 * Offers `trapline mcp` to the editor's list of servers, for extensions that take their tools from there alone. Off unless the user wants
 * it: the editor's own agent has the same verbs as tools.
 */
import * as vscode from 'vscode';
import { join } from 'node:path';
import { DisposableStore } from '../disposables';
import { mcpProvider } from '../names';

/** `vscode.McpStdioServerDefinition`, which VS Code has since 1.101. */
type ServerDefinition = new (
  label: string,
  command: string,
  args: string[],
  env: Record<string, string>,
  version: string,
) => object;

interface McpApi {
  McpStdioServerDefinition?: ServerDefinition;
  lm?: {
    registerMcpServerDefinitionProvider?(
      id: string,
      provider: {
        onDidChangeMcpServerDefinitions: vscode.Event<void>;
        provideMcpServerDefinitions(): object[];
      },
    ): vscode.Disposable;
  };
}

const SETTING = 'trapline.agents.mcpServer';

/** Registers the server, where the editor knows such. */
export function registerMcpServer(distDir: string, version: string): vscode.Disposable {
  const owned = new DisposableStore();
  const api = vscode as unknown as McpApi;
  const Definition = api.McpStdioServerDefinition;
  if (!Definition || !api.lm?.registerMcpServerDefinitionProvider) return owned;
  const changed = owned.add(new vscode.EventEmitter<void>());
  const { workspace } = vscode;
  const setting = workspace.onDidChangeConfiguration((change) => {
    if (change.affectsConfiguration(SETTING)) changed.fire();
  });
  owned.add(setting);
  owned.add(workspace.onDidChangeWorkspaceFolders(() => changed.fire()));
  owned.add(workspace.onDidGrantWorkspaceTrust(() => changed.fire()));
  owned.add(
    api.lm.registerMcpServerDefinitionProvider(mcpProvider, {
      onDidChangeMcpServerDefinitions: changed.event,
      provideMcpServerDefinitions: () =>
        workspace.isTrusted && workspace.getConfiguration().get<boolean>(SETTING, false)
          ? (workspace.workspaceFolders ?? [])
              .filter(({ uri }) => uri.scheme === 'file')
              .map(
                ({ name, uri }) =>
                  new Definition(
                    `Trapline (${name})`,
                    process.execPath,
                    [join(distDir, 'cli.js'), 'mcp', uri.fsPath],
                    // The editor's program is Node when it is told so.
                    { ELECTRON_RUN_AS_NODE: '1' },
                    version,
                  ),
              )
          : [],
    }),
  );
  return owned;
}
