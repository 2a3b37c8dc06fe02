/** The scenarios that there are: those of the workspace, followed as they come and go, and the samples that Trapline brings. */
import { EventEmitter, FileType, RelativePattern, Uri, workspace, type Disposable } from 'vscode';
import { DisposableStore } from '../disposables';
import { scenarioEnding } from '../names';
import { describeScenario, type ScenarioText } from './scenario-text';
import { scenarioName } from './run-service';

/** A scenario as lists show it. */
export interface ScenarioFile extends ScenarioText {
  readonly scenario: Uri;
  /** File name without its ending. */
  readonly name: string;
}

const NOT_SEARCHED = '**/{node_modules,.git}/**';
const MOST_SCENARIOS = 1000;

const byPath = (a: Uri, b: Uri): number => a.path.localeCompare(b.path, undefined, { numeric: true });

/** Finds scenarios, and says when there are others. */
export class ScenarioFiles implements Disposable {
  private readonly owned = new DisposableStore();
  private readonly changedEmitter = this.owned.add(new EventEmitter<void>());
  /** A scenario of the workspace was made, changed or deleted. */
  readonly onDidChange = this.changedEmitter.event;
  private found: Promise<readonly ScenarioFile[]> | undefined;
  private bundled: Promise<readonly ScenarioFile[]> | undefined;

  constructor(private readonly extensionUri: Uri) {
    const watcher = this.owned.add(workspace.createFileSystemWatcher(`**/*${scenarioEnding}`));
    const changed = (): void => this.refresh();
    this.owned.add(watcher.onDidCreate(changed));
    this.owned.add(watcher.onDidChange(changed));
    this.owned.add(watcher.onDidDelete(changed));
    this.owned.add(workspace.onDidChangeWorkspaceFolders(changed));
  }

  /** Looks anew. */
  refresh(): void {
    this.found = undefined;
    this.changedEmitter.fire();
  }

  /** Scenarios of the workspace, by path. */
  ofWorkspace(): Promise<readonly ScenarioFile[]> {
    return (this.found ??= this.find());
  }

  /** The samples, by name; they lie where the extension does. */
  samples(): Promise<readonly ScenarioFile[]> {
    return (this.bundled ??= this.findSamples());
  }

  dispose(): void {
    this.owned.dispose();
  }

  private async find(): Promise<readonly ScenarioFile[]> {
    const lists = await Promise.all(
      (workspace.workspaceFolders ?? []).map((folder) =>
        workspace.findFiles(
          new RelativePattern(folder, `**/*${scenarioEnding}`),
          NOT_SEARCHED,
          MOST_SCENARIOS,
        ),
      ),
    );
    return readAll(lists.flat());
  }

  private async findSamples(): Promise<readonly ScenarioFile[]> {
    const folder = Uri.joinPath(this.extensionUri, 'media', 'workspace', 'scenarios');
    const entries = await workspace.fs.readDirectory(folder);
    return readAll(
      entries.flatMap(([name, type]) =>
        type === FileType.File && name.endsWith(scenarioEnding) ? [Uri.joinPath(folder, name)] : [],
      ),
    );
  }
}

async function readAll(uris: readonly Uri[]): Promise<ScenarioFile[]> {
  return Promise.all([...uris].sort(byPath).map(read));
}

/** A file that cannot be read is listed by its name alone. */
async function read(scenario: Uri): Promise<ScenarioFile> {
  const name = scenarioName(scenario);
  try {
    const bytes = await workspace.fs.readFile(scenario);
    return { scenario, name, ...describeScenario(new TextDecoder().decode(bytes)) };
  } catch {
    return { scenario, name, ...describeScenario('') };
  }
}
