/** What there is: scenarios that can be run, and traces that can be asked about. */
import { z } from 'zod';
import { baseName } from '../../trace/vocabulary/format';
import { clipped } from '../answer';
import { limitField, moreOut, offsetField, pageOf, textField } from '../fields';
import { defineVerb } from '../verb';

/** Characters of what a scenario is about: a list is for choosing. */
const MOST_ABOUT = 100;

export const listScenarios = defineVerb({
  name: 'list_scenarios',
  title: 'List scenarios',
  says: 'Lists the scenarios (*.trapline.json) of the folder: guest drivers on a simulated x86-64 computer under a hypervisor. Begin here to find out what can be run.',
  input: z.strictObject({
    containing: textField('Only scenarios with this text in their path, title or description.').optional(),
    offset: offsetField,
    limit: limitField,
  }),
  output: z.object({
    scenarios: z.array(z.object({ file: z.string(), title: z.string(), about: z.string().optional() })),
    ...moreOut,
  }),
  async perform({ containing, ...page }, context) {
    const wanted = containing?.toLowerCase();
    const all = (await context.scenarios()).filter(
      ({ file, title, about }) =>
        wanted === undefined || [file, title, about].some((text) => text.toLowerCase().includes(wanted)),
    );
    const scenarios = pageOf(all, page, ({ file, title, about }) => ({
      file,
      title,
      ...(about !== '' && { about: clipped(about, MOST_ABOUT) }),
    }));
    return { body: {}, lists: { scenarios } };
  },
});

export const listTraces = defineVerb({
  name: 'list_traces',
  title: 'List traces',
  says: 'Lists the traces of earlier runs, newest first. Every other verb takes the id of one, or "latest", or the path of a *.trapline.arrow file.',
  input: z.strictObject({ offset: offsetField, limit: limitField }),
  output: z.object({
    traces: z.array(
      z.object({
        trace: z.string().describe('Id of the run.'),
        scenario: z.string(),
        title: z.string(),
        ended: z.string(),
      }),
    ),
    ...moreOut,
  }),
  async perform(page, context) {
    const traces = pageOf(await context.runs(), page, ({ id, scenario, title, ended }) => ({
      trace: id,
      scenario: baseName(scenario),
      title,
      ended,
    }));
    return { body: {}, lists: { traces } };
  },
});
