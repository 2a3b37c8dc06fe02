/** Where the editor starts Trapline: everything is made and registered here, and nothing else happens. */
import { Uri, debug, window, workspace, type ExtensionContext } from 'vscode';
import { prepareRun } from '../run/prepare';
import { startRun, startRunInto } from '../run/start';
import { version } from '../../package.json';
import { agentHost } from './agents/agent-host';
import { AgentTools } from './agents/agent-tools';
import { EventLinks } from './agents/event-links';
import { registerMcpServer } from './agents/mcp-provider';
import { CompareCommand } from './commands/compare-command';
import { ExchangeCommands } from './commands/exchange-commands';
import { PacketCommand } from './commands/packet-command';
import { RunCommands } from './commands/run-commands';
import { registerSampleWorkspace } from './commands/sample-workspace';
import { TraceCommands } from './commands/trace-commands';
import { Configurations } from './debug/configurations';
import { DebugCommands } from './debug/debug-commands';
import { DebugSessions } from './debug/debug-sessions';
import { HistoryCommand } from './debug/history-command';
import { registerInlineValues } from './debug/inline-values';
import { MachineView } from './debug/machine-view';
import { TimelineLink } from './debug/timeline-link';
import { ChoiceStore } from './editor/choice-store';
import { TraceEditors } from './editor/trace-editors';
import { KeptQueryLanes } from './editor/kept-query-lanes';
import { scenarioOf, traceHandlers } from './editor/trace-handlers';
import { ScenarioForms } from './form/scenario-form';
import { createTestApi, type TraplineApi } from './api';
import { debugType, runScheme } from './names';
import { GuestOutput } from './runs/guest-output';
import { ProblemReporter } from './runs/problems';
import { RunArchive } from './runs/run-archive';
import { RunFiles } from './runs/run-files';
import { RunIndicator } from './runs/run-indicator';
import { RunService, type RunTools } from './runs/run-service';
import { ScenarioFiles } from './runs/scenario-files';
import { CostDecorations } from './source/cost-decorations';
import { FunctionLenses } from './source/function-lenses';
import { ShownTrace } from './source/shown-trace';
import { SelectedEvent } from './source/selected-event';
import { SourceCosts } from './source/source-costs';
import { Disassemblies } from './disassembly/disassemblies';
import { GuestCode } from './disassembly/guest-code';
import { SourceOpener } from './source/open-source';
import { ScenarioTests } from './tests/scenario-tests';
import { MechanismsView } from './views/mechanisms-view';
import { RunsView } from './views/runs-view';
import { StateView } from './views/state-view';

/** As package.json has it. */
const DEFAULT_KEPT_RUNS = 10;

function runTools({ extensionUri, globalStorageUri }: ExtensionContext): RunTools {
  return {
    prepare: prepareRun,
    start: startRun,
    startInto: startRunInto,
    environment: () => ({
      distDir: Uri.joinPath(extensionUri, 'dist').fsPath,
      kitDir: Uri.joinPath(extensionUri, 'media', 'guest-kit').fsPath,
      cacheDir: Uri.joinPath(globalStorageUri, 'guests').fsPath,
      compiler: workspace.getConfiguration('trapline').get<string>('compiler.path', ''),
    }),
  };
}

/** Called once by the editor, at the first use of a command, a trace or a run's file. */
export function activate(context: ExtensionContext): TraplineApi {
  const { extensionUri, subscriptions } = context;
  const own = <T extends { dispose(): void }>(item: T): T => (subscriptions.push(item), item);

  const log = own(window.createOutputChannel('Trapline', { log: true }));
  const problems = own(new ProblemReporter());
  const setting = <T>(name: string, otherwise: T): T =>
    workspace.getConfiguration('trapline').get<T>(name, otherwise);
  const archive = own(
    new RunArchive(Uri.joinPath(context.storageUri ?? context.globalStorageUri, 'runs'), () =>
      Math.max(1, setting('runs.keep', DEFAULT_KEPT_RUNS)),
    ),
  );
  const scenarios = own(new ScenarioFiles(extensionUri));
  const tools = runTools(context);
  const { distDir } = tools.environment();
  const runs = own(new RunService(tools, archive, problems, log));
  const output = own(new GuestOutput(runs));
  const files = new RunFiles(runs, archive);
  own(workspace.registerFileSystemProvider(runScheme, files, { isReadonly: true, isCaseSensitive: true }));

  const choices = new ChoiceStore(context.workspaceState, log);
  const sources = own(new SourceOpener());
  const queryLanes = new KeptQueryLanes(context.workspaceState);
  const sessions = own(new DebugSessions(runs, () => tools.environment(), log));
  const timeline = own(new TimelineLink(sessions, () => editors));
  const editors: TraceEditors = own(
    new TraceEditors(
      extensionUri,
      { runs, archive, log, distDir },
      (document, panel) =>
        traceHandlers(document, panel, {
          sources,
          disassemblies,
          debugging: timeline,
          queryLanes,
          choices,
          runScenario: (scenario) => runCommands.runScenario(scenario),
        }),
      choices,
      log,
    ),
  );
  const costs = own(new SourceCosts((why) => log.error(`The figures of the source cannot be shown: ${why}`)));
  const shownTrace = own(new ShownTrace(editors, costs));
  const disassemblies: Disassemblies = own(
    new Disassemblies({ editors, costs, code: new GuestCode(tools), scenarioOf }),
  );
  const runCommands: RunCommands = own(new RunCommands({ runs, editors, output, log }));
  own(new RunIndicator(runs, (trace) => editors.isInView(trace)));
  own(new TraceCommands(editors, archive, timeline));
  own(new PacketCommand(editors, tools));
  own(new ExchangeCommands(editors));
  own(
    new CompareCommand(archive, distDir, { extensionUri, editors, sources, log }, (scenario) =>
      runCommands.runScenario(scenario),
    ),
  );
  own(registerSampleWorkspace(extensionUri));
  own(new MechanismsView(scenarios, runs, archive, (trace) => editors.open(trace)));
  own(new RunsView(runs, archive));
  own(new StateView(editors));
  own(new HistoryCommand(sessions, editors));
  own(new ScenarioForms(extensionUri, log));
  const tests = own(new ScenarioTests(scenarios, runs));
  const configurations = new Configurations(() => editors.active?.document.scenario?.fsPath);
  own(debug.registerDebugConfigurationProvider(debugType, configurations));
  own(registerInlineValues());
  own(new DebugCommands(sessions, editors, own(new MachineView(sessions))));

  own(new AgentTools(agentHost(runs, archive), () => tools.environment()));
  own(registerMcpServer(distDir, version));
  own(EventLinks.register());

  own(new CostDecorations(costs));
  own(new FunctionLenses(costs));
  const selectedEvent = own(new SelectedEvent(editors, costs));
  own(
    runs.onDidStart((session) => {
      if (runs.isInBackground(session) || !setting('runs.openTrace', true)) return;
      editors
        .openRun(session)
        .catch((error: unknown) => log.error(`The trace of ${session.name} did not open: ${String(error)}`));
    }),
  );
  own(
    runs.onDidEnd((session) => {
      void shownTrace.show(session.traceUri);
      // Closed before its end: nobody looks at it, and the archive has it.
      if (!editors.document(session.traceUri)) runs.release(session);
    }),
  );
  own(editors.onDidOpen((document) => void shownTrace.show(document.uri)));

  return createTestApi({ runs, editors, costs, selectedEvent, tests });
}
