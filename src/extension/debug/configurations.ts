/** From F5 without a launch.json, or with one, to a configuration that names a scenario. */
import {
  l10n,
  window,
  workspace,
  type DebugConfiguration,
  type DebugConfigurationProvider,
  type WorkspaceFolder,
} from 'vscode';
import { scenarioOf } from '../../debug/launch';
import { debugType, scenarioEnding } from '../names';

const cSource = /\.[ch]$/i;

/** What F5 in the active editor means; undefined where it is no driver and no scenario. */
function ofActiveEditor(): DebugConfiguration | undefined {
  const { document } = window.activeTextEditor ?? {};
  if (document?.uri.scheme !== 'file') return undefined;
  const { fsPath } = document.uri;
  const base = { type: debugType, request: 'launch', name: l10n.t('Debug') };
  if (fsPath.endsWith(scenarioEnding)) return { ...base, scenario: fsPath };
  return cSource.test(fsPath) ? { ...base, program: fsPath } : undefined;
}

/** Completes configurations. */
export class Configurations implements DebugConfigurationProvider {
  /** @param scenarioInSight the scenario of the trace that is open */
  constructor(private readonly scenarioInSight: () => string | undefined) {}

  provideDebugConfigurations(): DebugConfiguration[] {
    const scenario = '${workspaceFolder}/scenarios/hello.trapline.json';
    return [
      { type: debugType, request: 'launch', name: l10n.t('Debug a scenario'), scenario, stopOnEntry: true },
    ];
  }

  resolveDebugConfiguration(
    _folder: WorkspaceFolder | undefined,
    configuration: DebugConfiguration,
  ): DebugConfiguration | undefined {
    const { type, noDebug } = configuration as { type?: string; noDebug?: boolean };
    if (type) return configuration;
    const scenario = this.scenarioInSight();
    const found =
      ofActiveEditor() ??
      (scenario === undefined
        ? undefined
        : { type: debugType, request: 'launch', name: l10n.t('Debug'), scenario });
    if (found) return { ...found, ...(noDebug === true && { noDebug }) };
    void window.showInformationMessage(
      l10n.t('Open a driver, a scenario or a trace, then press F5 to debug it.'),
    );
    return undefined;
  }

  async resolveDebugConfigurationWithSubstitutedVariables(
    folder: WorkspaceFolder | undefined,
    configuration: DebugConfiguration,
  ): Promise<DebugConfiguration | undefined> {
    if (!workspace.isTrusted) {
      void window.showErrorMessage(
        l10n.t(
          'Trapline compiles and runs guest code only in trusted workspaces. Trust this workspace to debug its drivers.',
        ),
      );
      return undefined;
    }
    await saveSources();
    const cwd = folder?.uri.fsPath;
    try {
      const scenario = await scenarioOf({ ...configuration, ...(cwd !== undefined && { cwd }) });
      const compiler = workspace.getConfiguration('trapline').get<string>('compiler.path', '');
      return {
        ...configuration,
        scenario,
        ...(compiler !== '' && configuration.compiler === undefined && { compiler }),
      };
    } catch (error) {
      void window.showErrorMessage(error instanceof Error ? error.message : String(error));
      return undefined;
    }
  }
}

/** Compilers and runs read files: what the reader sees in the editor must be on disk. */
async function saveSources(): Promise<void> {
  const dirty = workspace.textDocuments.filter(
    ({ isDirty, uri }) =>
      isDirty && uri.scheme === 'file' && (cSource.test(uri.path) || uri.path.endsWith(scenarioEnding)),
  );
  await Promise.all(dirty.map((document) => document.save()));
}
