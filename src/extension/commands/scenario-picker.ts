/** Lets the reader choose among the workspace's scenarios. */
import type { Uri } from 'vscode';
import { QuickPickItemKind, commands, l10n, window, workspace, type QuickPickItem } from 'vscode';
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

/** The choices: `first` above the others, which stand by path; the way to samples when there is nothing. */
async function choices(first: Uri | undefined): Promise<ScenarioItem[]> {
  const found = await workspace.findFiles(
    `**/*${scenarioEnding}`,
    '**/{node_modules,.git}/**',
    mostScenarios,
  );
  const others = found
    .filter((uri) => uri.toString() !== first?.toString())
    .sort((a, b) => a.path.localeCompare(b.path, undefined, { numeric: true }));
  if (!first && others.length === 0) {
    const detail = l10n.t('This workspace has no scenario ({0}).', `*${scenarioEnding}`);
    return [{ label: l10n.t('$(new-folder) Create the sample workspace'), detail }];
  }
  const items = await Promise.all(others.map(itemOf));
  if (!first) return items;
  const separator: ScenarioItem = { label: l10n.t('in this workspace'), kind: QuickPickItemKind.Separator };
  return [await itemOf(first), separator, ...items];
}

/**
 * Asks for a scenario of the workspace; the active one, then `suggested`, stands first. Undefined when there is none or
 * none is chosen.
 */
export async function pickScenario(question: string, suggested?: Uri): Promise<Uri | undefined> {
  // The list opens at once and fills when the files are found and read.
  const items = choices(activeScenario() ?? suggested);
  const options = { placeHolder: question, matchOnDescription: true, matchOnDetail: true };
  const picked = await window.showQuickPick(items, options);
  if (picked && !picked.uri) await commands.executeCommand(Command.createSampleWorkspace);
  return picked?.uri;
}
