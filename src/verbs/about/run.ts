/** Running a scenario. */
import { z } from 'zod';
import { judge } from '../../scenario/breaking-events';
import { summarise } from '../../trace/query/summary';
import { verdictOf } from '../../trace/query/verdict';
import { aboutTrace, microseconds, moreOut, pageOf, textField, traceOut } from '../fields';
import { defineVerb } from '../verb';
import { unmetOf, unmetOut } from './unmet';

/** Characters of what guests have printed: the last ones say how it ended. */
const CONSOLE = 240;

export const runScenario = defineVerb({
  name: 'run_scenario',
  title: 'Run a scenario',
  says: "Compiles a scenario's guest drivers and runs them on the simulated computer to the end; the trace is kept. Tells whether the scenario's expectations held and, of each that did not, the event that broke it. The same sources give the same trace.",
  input: z.strictObject({
    scenario: textField('Path of the scenario (*.trapline.json), as list_scenarios gives it.'),
  }),
  output: z.object({
    ...traceOut,
    state: z.string(),
    verdict: z.string().describe('passed; missed: not as expected; failed; stopped.'),
    message: z.string().optional(),
    events: z.int(),
    exits: z.int().describe('VM exits.'),
    us: z.number().describe('Simulated time in µs.'),
    console: z.string().optional().describe('The last that the guests have printed.'),
    unmet: z.array(unmetOut),
    ...moreOut,
  }),
  executes: ({ scenario }) => ({ what: 'run', scenario }),
  async perform({ scenario }, context) {
    const { run, console } = await context.run(await context.folders.find(scenario));
    const trace = await context.open(run.id);
    const { store } = trace;
    const { meta, rows } = store;
    const summary = summarise(meta, rows);
    const expectations = judge(store, summary);
    const unmet = unmetOf(expectations);
    return aboutTrace(
      context,
      trace,
      {
        state: meta.state,
        verdict: verdictOf(meta, { ...summary, expectations }),
        message: meta.message,
        events: rows,
        exits: Object.values(summary.exits).reduce((sum, count) => sum + count, 0),
        us: microseconds(store, summary.cycles),
        ...(console !== '' && { console: console.slice(-CONSOLE) }),
      },
      { unmet: { ...pageOf(unmet, { offset: 0, limit: 50 }), rest: () => 'summarize_trace' } },
    );
  },
});
