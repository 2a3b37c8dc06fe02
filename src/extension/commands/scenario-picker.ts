/** Lets the reader choose among the workspace's scenarios. */
import { QuickPickItemKind, Uri, commands, l10n, window, workspace, type QuickPickItem } from 'vscode';
import { parse } from 'jsonc-parser';
import { Command, scenarioEnding } from '../names';
import { scenarioName } from '../runs/run-service';

interface ScenarioItem extends QuickPickItem {
  uri?: Uri;
}

const mostScenarios = 500;

/** Title of a scenario's text; a broken file has none. */
export function titleOf(text: string): string | undefined {
  const value: unknown = parse(text, [], { allowTrailingComma: true });
  const title = typeof value === 'object' && value !== null && 'title' in value ? value.title : undefined;
  return typeof title === 'string' && title !== '' ? title : undefined;
}

async function itemOf(uri: Uri): Promise<ScenarioItem> {
  const bytes = await workspace.fs.readFile(uri);
  const title = titleOf(new TextDecoder().decode(bytes));
  return {
    label: `$(circuit-board) ${scenarioName(uri)}`,
    ...(title !== undefined && { detail: title }),
    description: workspace.asRelativePath(uri),
    uri,
  };
}

/** The scenario in the active text editor. */
function activeScenario(): Uri | undefined {
  const uri = window.activeTextEditor?.document.uri;
  return uri?.path.endsWith(scenarioEnding) ? uri : undefined;
}

/** Asks for a scenario of the workspace; the active one, then `suggested`, stands first. Undefined when there is none or none is chosen. */
export async function pickScenario(question: string, suggested?: Uri): Promise<Uri | undefined> {
  const first = activeScenario() ?? suggested;
  const found = await workspace.findFiles(
    `**/*${scenarioEnding}`,
    '**/{node_modules,.git}/**',
    mostScenarios,
  );
  const others = found
    .filter((uri) => uri.toString() !== first?.toString())
    .sort((a, b) => a.path.localeCompare(b.path, undefined, { numeric: true }));
  const uris = first ? [first, ...others] : others;
  if (uris.length === 0) {
    const create = l10n.t('Create Sample Workspace');
    const pressed = await window.showInformationMessage(
      l10n.t('This workspace has no scenario ({0}).', `*${scenarioEnding}`),
      create,
    );
    if (pressed === create) await commands.executeCommand(Command.createSampleWorkspace);
    return undefined;
  }
  const items = await Promise.all(uris.map(itemOf));
  const [head, ...rest] = items;
  const separator: ScenarioItem = { label: l10n.t('in this workspace'), kind: QuickPickItemKind.Separator };
  const shown = first && head ? [head, separator, ...rest] : items;
  const picked = await window.showQuickPick(shown, {
    placeHolder: question,
    matchOnDescription: true,
    matchOnDetail: true,
  });
  return picked?.uri;
}
