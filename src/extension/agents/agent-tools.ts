/** The verbs as tools of the editor's language models. */
import {
  LanguageModelTextPart,
  LanguageModelToolResult,
  MarkdownString,
  env,
  l10n,
  lm,
  workspace,
  type CancellationToken,
  type Disposable,
  type LanguageModelTool,
  type PreparedToolInvocation,
} from 'vscode';
import type { RunEnvironment } from '../../run/api';
import { VERBS } from '../../verbs/table';
import { VerbClient, type VerbHost } from '../../verbs/thread/verb-client';
import { VerbError, type Execution, type Verb } from '../../verbs/verb';
import { DisposableStore } from '../disposables';
import { eventLinkPrefix, toolPrefix } from '../names';

/** Registers a tool for each verb, where the editor has language models. */
export class AgentTools implements Disposable {
  private readonly owned = new DisposableStore();
  private verbs: VerbClient | undefined;

  constructor(
    private readonly host: VerbHost,
    private readonly environment: () => RunEnvironment,
  ) {
    // Editors that are built on VS Code may leave it out.
    if (typeof (lm as Partial<typeof lm> | undefined)?.registerTool !== 'function') return;
    for (const verb of VERBS) this.owned.add(lm.registerTool(toolPrefix + verb.name, this.toolOf(verb)));
    this.owned.add(workspace.onDidChangeWorkspaceFolders(() => this.renew()));
    this.owned.add(
      workspace.onDidChangeConfiguration((change) => {
        if (change.affectsConfiguration('trapline.compiler.path')) this.renew();
      }),
    );
  }

  dispose(): void {
    this.owned.dispose();
    this.renew();
  }

  private toolOf(verb: Verb): LanguageModelTool<object> {
    return {
      prepareInvocation: ({ input }) => prepared(verb, input),
      invoke: async ({ input }, token) =>
        new LanguageModelToolResult([new LanguageModelTextPart(await this.answer(verb, input, token))]),
    };
  }

  /** Rejects with what was wrong, which is for the model. */
  private async answer(verb: Verb, input: object, token: CancellationToken): Promise<string> {
    if (executionOf(verb, input) && !workspace.isTrusted) {
      throw new Error(
        l10n.t(
          'Trapline compiles and runs guest code only in trusted workspaces. Trust this workspace to run scenarios.',
        ),
      );
    }
    const abort = new AbortController();
    const listening = token.onCancellationRequested(() => abort.abort());
    try {
      const outcome = await this.client().call(verb.name, input, abort.signal);
      if (outcome.ok) return JSON.stringify(outcome.answer);
      throw new Error(outcome.message);
    } finally {
      listening.dispose();
    }
  }

  private client(): VerbClient {
    return (this.verbs ??= new VerbClient(
      {
        folders: (workspace.workspaceFolders ?? [])
          .filter(({ uri }) => uri.scheme === 'file')
          .map(({ uri }) => uri.fsPath),
        environment: this.environment(),
        link: `${env.uriScheme}:${eventLinkPrefix}`,
      },
      this.host,
    ));
  }

  /** Folders or the compiler are others: the next question starts another thread. */
  private renew(): void {
    this.verbs?.dispose();
    this.verbs = undefined;
  }
}

/** What the editor shows, and asks its user, before a tool is invoked. */
function prepared(verb: Verb, input: object): PreparedToolInvocation {
  const invocationMessage = l10n.t('Trapline: {0}', verb.title);
  const execution = executionOf(verb, input);
  if (!execution) return { invocationMessage };
  const [title, text] =
    execution.what === 'run'
      ? [
          l10n.t('Run a scenario?'),
          l10n.t(
            'Trapline compiles the guests of `{0}` on this computer and runs them on a simulated one.',
            plain(execution.scenario),
          ),
        ]
      : [
          l10n.t('Make a run again?'),
          l10n.t(
            'To look into the machine, Trapline compiles the guests of the trace `{0}` on this computer and runs them on a simulated one.',
            plain(execution.trace),
          ),
        ];
  return { invocationMessage, confirmationMessages: { title, message: new MarkdownString(text) } };
}

/** What an input would execute; one that does not fit is refused later, with its reason. */
function executionOf(verb: Verb, input: object): Execution {
  try {
    return verb.check(input).executes;
  } catch (error) {
    if (error instanceof VerbError) return undefined;
    throw error;
  }
}

/** A name that a model gave, as it stands between backticks. */
function plain(name: string): string {
  return name.replace(/[`\r\n]/g, ' ').slice(0, 200);
}
