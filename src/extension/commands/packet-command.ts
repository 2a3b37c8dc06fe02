/** “Export Packets…”: what passed the links of a trace's run, for Wireshark. */
import { basename } from 'node:path';
import { ProgressLocation, Uri, commands, l10n, window, workspace, type Disposable } from 'vscode';
import { version } from '../../../package.json';
import type { TraceEditors } from '../editor/trace-editors';
import { Command } from '../names';
import { exportPackets } from '../../run/packet-export';
import { scenarioName, type RunTools } from '../runs/run-service';

const CAPTURE_ENDING = 'pcapng';

/** Registers the command. */
export class PacketCommand implements Disposable {
  private readonly registration: Disposable;

  constructor(
    private readonly editors: TraceEditors,
    private readonly tools: RunTools,
  ) {
    this.registration = commands.registerCommand(Command.exportPackets, (uri?: unknown, target?: unknown) =>
      this.export(uri, target),
    );
  }

  dispose(): void {
    this.registration.dispose();
  }

  /** A second argument names the file without asking. */
  private async export(uri: unknown, given: unknown): Promise<void> {
    const document = uri instanceof Uri ? this.editors.document(uri) : this.editors.active?.document;
    const meta = document?.content.view?.meta;
    if (!document || !meta)
      return void window.showInformationMessage(l10n.t('Open the trace whose packets you want first.'));
    const { scenario } = document;
    if (scenario?.scheme !== 'file')
      return void window.showInformationMessage(
        l10n.t(
          'A trace does not hold the packets themselves, and its scenario, which would have to be run again for them, is not there.',
        ),
      );
    if (!workspace.isTrusted)
      return void window.showErrorMessage(
        l10n.t('The run is made again for its packets, which needs a trusted workspace.'),
      );
    const target = given instanceof Uri ? given : await this.askTarget(scenario);
    if (!target) return;
    await window.withProgress(
      {
        location: ProgressLocation.Notification,
        title: l10n.t('Running {0} again for its packets', scenarioName(scenario)),
        cancellable: true,
      },
      async (_progress, token) => {
        const abort = new AbortController();
        token.onCancellationRequested(() => abort.abort());
        const { prepare, start } = this.tools;
        const environment = this.tools.environment();
        const tools = { prepare, start, environment, application: `Trapline ${version}` };
        try {
          const result = await exportPackets(tools, meta, scenario.fsPath, target.fsPath, abort.signal);
          if (!result.ok)
            void window.showErrorMessage(
              l10n.t(
                '{0} could not be run again for its packets: {1}',
                scenarioName(scenario),
                result.reason,
              ),
            );
          else if (result.same)
            void window.showInformationMessage(l10n.t('The packets are in {0}.', basename(target.fsPath)));
          else
            void window.showWarningMessage(
              l10n.t(
                'The packets in {0} are those of a new run, which is not the one of this trace: a driver has changed since.',
                basename(target.fsPath),
              ),
            );
        } catch (error) {
          if (abort.signal.aborted) return;
          const reason = error instanceof Error ? error.message : String(error);
          void window.showErrorMessage(l10n.t('The packets could not be exported: {0}', reason));
        }
      },
    );
  }

  private async askTarget(scenario: Uri): Promise<Uri | undefined> {
    return window.showSaveDialog({
      defaultUri: Uri.joinPath(scenario, '..', `${scenarioName(scenario)}.${CAPTURE_ENDING}`),
      filters: { [l10n.t('Captures')]: [CAPTURE_ENDING] },
      saveLabel: l10n.t('Export Packets'),
    });
  }
}
