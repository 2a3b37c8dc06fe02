/**
 * The host's side of the page's calls. A page is not trusted blindly: method names and arguments are checked before
 * anything is done with them. Knows no editor.
 */
import { z } from 'zod';
import type { KindGroup } from '../../trace/vocabulary/events';
import { queryLaneLimits } from '../../protocol/query-lanes';
import { bookmarkList, laneChoices } from './choice-shapes';
import type { HostAnswer, HostMethods, PageNotice } from '../../protocol/webview';

/** The methods as a host implements them: each may take its time. */
export type HostHandlers = {
  [M in keyof HostMethods]: (
    ...args: Parameters<HostMethods[M]>
  ) => ReturnType<HostMethods[M]> | Promise<ReturnType<HostMethods[M]>>;
};

/** Upper bounds of what a page may ask at once; far above what any screen needs. */
const limits = {
  width: 32_768,
  lanes: 4_096,
  tableRows: 10_000,
  chain: 100_000,
  text: 4_096,
  tracks: 65_536,
};

const cycles = z.number().finite();
const row = z.int().min(0).max(0xffff_ffff);
const text = z.string().max(limits.text);
const limit = (most: number) => z.int().min(0).max(most);

/** Every group of kinds; the compiler sees to it that none is missing. */
const groupNames = {
  mode: 'mode',
  exit: 'exit',
  leg: 'leg',
  interrupt: 'interrupt',
  register: 'register',
  ring: 'ring',
  dma: 'dma',
  iommu: 'iommu',
  virtio: 'virtio',
  packet: 'packet',
  thread: 'thread',
  vmm: 'vmm',
  guest: 'guest',
  record: 'record',
} as const satisfies { [G in KindGroup]: G };

const lane = z.object({
  id: text,
  label: text,
  track: text,
  part: text,
  group: text,
  trackIds: z.array(z.int().min(0)).max(limits.tracks),
  groups: z.array(z.enum(groupNames)),
  kind: z.enum(['mode', 'spans', 'instants']),
  empty: z.boolean(),
  query: text.exactOptional(),
});

/** What can tell whether arguments are those of a method. */
interface ArgumentShape<M extends keyof HostMethods> {
  safeParse(
    args: unknown,
  ): { success: true; data: Parameters<HostMethods[M]> } | { success: false; error: z.ZodError };
}

/** The shape of every method's arguments. */
const argumentShapes: { [M in keyof HostMethods]: ArgumentShape<M> } = {
  viewport: z.tuple([
    z.object({
      from: cycles,
      to: cycles,
      width: z.int().min(1).max(limits.width),
      lanes: z.array(lane).max(limits.lanes),
    }),
  ]),
  describe: z.tuple([row]),
  chain: z.tuple([
    row,
    z.object({ back: limit(limits.chain), forward: limit(limits.chain), limit: limit(limits.chain) }),
  ]),
  criticalPath: z.tuple([row]),
  density: z.tuple([text, cycles, cycles, z.int().min(1).max(limits.width)]),
  complete: z.tuple([text, limit(limits.text)]),
  find: z.tuple([text, z.int().min(-1).max(0x1_0000_0000), z.union([z.literal(1), z.literal(-1)])]),
  events: z.tuple([
    z.object({
      from: cycles,
      to: cycles,
      filter: text,
      offset: z.int().min(0),
      limit: limit(limits.tableRows),
      near: z.union([z.object({ row }), z.object({ time: cycles })]).exactOptional(),
      around: z.boolean().exactOptional(),
    }),
  ]),
  statistics: z.tuple([cycles, cycles]),
  operations: z.tuple([cycles, cycles]),
  mappings: z.tuple([z.int().min(0).max(limits.tracks), cycles, z.int().min(-1)]),
  openSource: z.tuple([row, z.boolean(), z.boolean()]),
  openDisassembly: z.tuple([row, z.boolean(), z.boolean()]),
  travel: z.tuple([z.union([z.object({ cycles: z.number().finite().min(0) }), z.object({ row })])]),
  debugFrom: z.tuple([row]),
  stopAtLike: z.tuple([row]),
  queryLanes: z.tuple([]),
  keepQueryLanes: z.tuple([
    z
      .array(
        z.object({
          id: z.string().max(64),
          label: z.string().max(queryLaneLimits.label),
          query: z.string().max(queryLaneLimits.query),
        }),
      )
      .max(queryLaneLimits.lanes),
  ]),
  keepChoices: z.tuple([laneChoices]),
  keepBookmarks: z.tuple([bookmarkList]),
  stop: z.tuple([]),
  runAgain: z.tuple([]),
};

const notice = z.discriminatedUnion('type', [
  z.object({ type: z.literal('ready') }),
  z.object({ type: z.literal('selected'), row: row.or(z.literal(-1)) }),
  z.object({ type: z.literal('window'), span: z.object({ from: cycles, to: cycles }).exactOptional() }),
  z.object({ type: z.literal('failed'), message: z.string().max(100_000) }),
]) satisfies z.ZodType<PageNotice>;

const call = z.object({
  type: z.literal('call'),
  id: z.number().finite(),
  method: z.string(),
  args: z.array(z.unknown()),
});

/** What a message of a page turned out to be. */
export type PageMessage =
  | { is: 'notice'; notice: PageNotice }
  | { is: 'call'; answer: Promise<HostAnswer> }
  /** Not one of ours; `reason` is for the log. */
  | { is: 'refused'; reason: string };

function isMethod(name: string): name is keyof HostMethods {
  return Object.hasOwn(argumentShapes, name);
}

/** `at 0.from: expected number` of the first thing wrong. */
function firstIssue(error: z.ZodError): string {
  const issue = error.issues[0];
  return issue ? `at ${issue.path.join('.') || 'top'}: ${issue.message}` : error.message;
}

async function answerCall<M extends keyof HostMethods>(
  handlers: HostHandlers,
  id: number,
  method: M,
  args: readonly unknown[],
): Promise<HostAnswer> {
  const parsed = argumentShapes[method].safeParse(args);
  if (!parsed.success)
    return { type: 'answer', id, error: `${method}: wrong arguments, ${firstIssue(parsed.error)}` };
  try {
    return { type: 'answer', id, result: await handlers[method](...parsed.data) };
  } catch (error) {
    return { type: 'answer', id, error: error instanceof Error ? error.message : String(error) };
  }
}

/**
 * Takes any message of a page apart. A call is answered in every case, with its result or with an error for a reader,
 * as long as it carries an id to answer to.
 */
export function receivePageMessage(message: unknown, handlers: HostHandlers): PageMessage {
  const asNotice = notice.safeParse(message);
  if (asNotice.success) return { is: 'notice', notice: asNotice.data };
  const asCall = call.safeParse(message);
  if (!asCall.success) return { is: 'refused', reason: firstIssue(asCall.error) };
  const { id, method, args } = asCall.data;
  if (!isMethod(method)) {
    return {
      is: 'call',
      answer: Promise.resolve({
        type: 'answer',
        id,
        error: `unknown method ${JSON.stringify(method.slice(0, 64))}`,
      }),
    };
  }
  return { is: 'call', answer: answerCall(handlers, id, method, args) };
}
