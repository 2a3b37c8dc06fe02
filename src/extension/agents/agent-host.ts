/** What the editor does for verbs: its runs are those of the Runs view, and a run that an agent asks for is one of them. */
import { Uri } from 'vscode';
import type { KeptRun } from '../../verbs/context';
import { problemsText } from '../../verbs/problems-text';
import type { VerbHost } from '../../verbs/thread/verb-client';
import { runTraceUri, type RunArchive } from '../runs/run-archive';
import type { ArchivedRun } from '../runs/run-record';
import { ProblemsFound, scenarioName, type RunService } from '../runs/run-service';

/** Characters of what guests print that are kept: the last ones. */
const CONSOLE = 4_096;

export function agentHost(runs: RunService, archive: RunArchive): VerbHost {
  const keptRun = (run: ArchivedRun): KeptRun => {
    const { id, title, ended } = run;
    const scenario = Uri.parse(run.scenario);
    const link = runTraceUri(id, scenarioName(scenario)).toString(true);
    return { id, file: archive.traceFile(run).fsPath, scenario: scenario.fsPath, title, ended, link };
  };
  return {
    runs: async () => (await archive.list()).map(keptRun),
    async run(file, signal) {
      const scenario = Uri.file(file);
      let console = '';
      const listening = runs.onDidStart((session) => {
        if (session.scenario.toString() !== scenario.toString()) return;
        session.onDidPrint(({ text }) => (console = (console + text).slice(-CONSOLE)));
      });
      const stop = (): void =>
        runs.activeRuns.find((run) => run.scenario.toString() === scenario.toString())?.stop();
      signal.addEventListener('abort', stop, { once: true });
      try {
        const result = await runs.run(scenario);
        signal.throwIfAborted();
        if (!result) throw new Error('It was stopped before it ran.');
        if (result.failure !== undefined) throw new Error(result.failure);
        const kept = await archive.find(result.session.id);
        if (!kept) throw new Error('Its trace could not be kept.');
        return { run: keptRun(kept), console };
      } catch (error) {
        if (error instanceof ProblemsFound)
          throw new Error(`It was not run. ${problemsText(error.problems)}`, { cause: error });
        throw error;
      } finally {
        listening.dispose();
        signal.removeEventListener('abort', stop);
      }
    },
  };
}
