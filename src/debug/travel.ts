/** Travel: to a moment, a row or a time, to the last writer of a value and the changes of it; and what would have been said. */
import type { DebugRequests, PastMessage, SeekTarget, WatchTarget, WriterFound } from '../protocol/debug';
import type { ControlReader, Goal, Moment, PointHit, Stop } from '../run/control/control';
import { accessSentence } from './breakpoint';
import type { Handlers, SessionContext } from './context';
import type { DataBreakpoints, WatchedRange } from './data-breakpoints';
import { describeRow } from './describe-row';
import { addressOf, RequestError, textOf, wholeNumber } from './errors';
import { fillLogMessage, parseLogMessage } from './log-message';
import type { MotionEnd, OwnPoint } from './motor';
import { checkQuery } from './stops-at-events';
import type { Stack } from './stack';
import { reasonOf } from '../run/reason';
import type { Writer } from './writer';

type Arguments<K extends keyof DebugRequests> = DebugRequests[K]['arguments'];

/** Messages that one answer holds at most; the count goes on. */
const MOST_MESSAGES = 1_000;
const MOST_BYTES = 1 << 20;

/** What a motion of travel does to the session: it stops there. */
export type Arrive = (end: MotionEnd, text?: string) => void;

/** @throws RequestError for a target that names no figure */
export function goalOf(target: SeekTarget): Goal {
  const figures = target as Partial<Record<'row' | 'cycles' | 'instructions', unknown>>;
  if (figures.row !== undefined)
    return { kind: 'row', row: wholeNumber(figures.row, 'A row'), atInstruction: true };
  if (figures.cycles !== undefined)
    return { kind: 'cycles', cycles: wholeNumber(figures.cycles, 'A time in cycles') };
  if (figures.instructions !== undefined)
    return {
      kind: 'instructions',
      instructions: wholeNumber(figures.instructions, 'A number of instructions'),
    };
  throw new RequestError('Name the moment: { row }, { cycles } or { instructions }.');
}

export class Travel {
  constructor(
    private readonly context: SessionContext,
    private readonly data: DataBreakpoints,
    private readonly stack: Stack,
    private readonly writer: Writer,
    private readonly cpu: () => number,
    private readonly arrive: Arrive,
  ) {}

  readonly handlers: Handlers = {
    'trapline/moment': () => {
      const { moment, frontier } = this.context.debuggee.control;
      return { body: { moment: plain(moment), frontier: plain(frontier) } };
    },
    'trapline/hasFuture': () => ({ body: { hasFuture: this.context.debuggee.control.hasFuture } }),
    'trapline/discardFuture': ({ confirmed }: Arguments<'trapline/discardFuture'>) => {
      this.writer.confirm(confirmed === true);
      return { body: {} };
    },
    'trapline/seek': (target: SeekTarget) => {
      const end = this.goTo(target);
      return { body: { moment: plain(end.stop.moment) }, later: () => this.arrive(end) };
    },
    'trapline/inspect': ({ path, at }: Arguments<'trapline/inspect'>) => ({ body: this.inspect(path, at) }),
    'trapline/lastWriter': (target: WatchTarget) => this.toAccess(target, 'write', 'back'),
    'trapline/previousChange': (target: WatchTarget) => this.toAccess(target, 'change', 'back'),
    'trapline/nextChange': (target: WatchTarget) => this.toAccess(target, 'change', 'on'),
    'trapline/logInPast': (args: Arguments<'trapline/logInPast'>) => ({ body: this.logInPast(args) }),
  };

  /** Goes to a moment; to a row by the instruction that it is about. @throws RequestError for a target that names none */
  goTo(target: SeekTarget): MotionEnd {
    const goal = goalOf(target);
    const isKnown = isBefore(goal, this.context.debuggee.control.frontier);
    return this.context.motor.move(
      isKnown ? 'travel' : 'forward',
      (control) => control.seek(goal),
      [],
      false,
    );
  }

  private inspect(path: unknown, at: SeekTarget | undefined): { node?: unknown } {
    if (!Array.isArray(path) || !path.every((each): each is string => typeof each === 'string'))
      throw new RequestError('A path is a list of names.');
    const { control } = this.context.debuggee;
    const read = (reader: ControlReader) => reader.inspect(path);
    const node = at === undefined ? read(control) : control.at(goalOf(at), read);
    return node === undefined ? {} : { node: withoutBigints(node) };
  }

  private toAccess(target: WatchTarget, access: 'write' | 'change', direction: 'back' | 'on') {
    const range = this.rangeOf(target);
    const { control } = this.context.debuggee;
    const from = control.moment;
    const point: OwnPoint = { kind: 'data', ...range, access };
    // What has just been written was written last; a change before this moment is another one than the last.
    const withPresent = access === 'write';
    const motion =
      direction === 'back'
        ? (): Stop => control.backward(undefined, { withPresent })
        : (): Stop => control.forward();
    const end = this.context.motor.move(direction === 'back' ? 'travel' : 'forward', motion, [point], false);
    if (end.own.length > 0) {
      const found = writerOf(end.stop.hits[0], end.stop.moment, range);
      return { body: found, later: () => this.arrive(end, found.sentence) };
    }
    const back = this.context.motor.move(
      'travel',
      () => control.seek({ kind: 'moment', moment: from }),
      [],
      false,
    );
    const sentence =
      direction === 'back'
        ? 'Nothing has written it before this moment.'
        : 'It does not change up to the end of the run.';
    const body: WriterFound = { found: false, sentence, moment: plain(back.stop.moment) };
    return { body, later: () => this.arrive(back, sentence) };
  }

  /** The stretch of memory that is meant. @throws RequestError where it is none */
  rangeOf(target: WatchTarget): WatchedRange {
    if ('expression' in target && target.expression !== undefined) {
      const frame = this.stack.frameOf(target.frameId, this.cpu());
      return this.data.rangeOf(frame, textOf(target.expression, 'An expression'));
    }
    const { address, length, vm = 0 } = target as Extract<WatchTarget, { address: string }>;
    return {
      vm: wholeNumber(vm, 'A VM', 0, Math.max(0, this.context.debuggee.programs.length - 1)),
      address: wholeNumber(Number(addressOf(address)), 'An address'),
      length: wholeNumber(length, 'A length', 1, MOST_BYTES),
    };
  }

  /** Goes back to where the run began, listens up to this moment, and comes to stand here again. */
  private logInPast(args: Arguments<'trapline/logInPast'>): { count: number; messages: PastMessage[] } {
    const parts = parseLogMessage(textOf(args.message, 'A message'));
    const most = wholeNumber(args.limit ?? MOST_MESSAGES, 'A limit', 0, MOST_MESSAGES);
    const { control, language, trace } = this.context.debuggee;
    const messages: PastMessage[] = [];
    let count = 0;
    const say = ({ cpu, row }: PointHit): boolean => {
      count++;
      if (messages.length >= most) return false;
      const [frame] = language.frames(control, cpu, 1);
      const text = fillLogMessage(parts, (expression) => {
        if (expression === 'event') return describeRow({ ...this.context.debuggee, trace }, row);
        try {
          return frame ? language.evaluate(frame, expression).text : '<no frame>';
        } catch (error) {
          return `<${reasonOf(error)}>`;
        }
      });
      messages.push({ moment: plain(control.moment), text });
      return false;
    };
    const points = this.pastPoints(args).map((place): OwnPoint => ({ ...place, when: say }));
    const moment = control.moment;
    const move = (motion: () => Stop, own: readonly OwnPoint[] = []): MotionEnd =>
      this.context.motor.move('travel', motion, own, false);
    move(() => control.seek({ kind: 'instructions', instructions: 0 }));
    try {
      move(() => control.forward({ kind: 'moment', moment }), points);
    } finally {
      move(() => control.seek({ kind: 'moment', moment }));
    }
    return { count, messages };
  }

  private pastPoints({ query, source, line }: Arguments<'trapline/logInPast'>): OwnPoint[] {
    if (query !== undefined) {
      checkQuery(textOf(query, 'A query'));
      return [{ kind: 'event', query }];
    }
    const path = textOf(source, 'The path of a source');
    const wanted = this.context.fromClientLine(wholeNumber(line, 'A line'));
    const points = this.context.debuggee.programs.flatMap((program) =>
      (program.placeOf(path, wanted)?.addresses ?? []).map((address): OwnPoint => ({
        kind: 'code',
        vm: program.vm,
        address,
      })),
    );
    if (points.length === 0) throw new RequestError('There is no code at or behind this line.');
    return points;
  }
}

function writerOf(hit: PointHit | undefined, moment: Moment, range: WatchedRange): WriterFound {
  const access = hit?.access;
  if (!access) return { found: true, sentence: 'It was written here.', moment: plain(moment) };
  const { who, isDevice } = access;
  return { found: true, who, isDevice, sentence: `${accessSentence(access, range)}.`, moment: plain(moment) };
}

/** Moments as they cross to clients: the three figures and nothing else. */
export function plain({ instructions, cycles, rows }: Moment): Moment {
  return { instructions, cycles, rows };
}

function isBefore(goal: Goal, frontier: Moment): boolean {
  switch (goal.kind) {
    case 'moment':
      return goal.moment.instructions <= frontier.instructions;
    case 'cycles':
      return goal.cycles <= frontier.cycles;
    case 'instructions':
      return goal.instructions <= frontier.instructions;
    case 'row':
      return goal.row < frontier.rows;
  }
}

/** JSON has no integers of 64 bits: they cross as texts of digits. */
function withoutBigints(value: unknown): unknown {
  if (typeof value === 'bigint') return `0x${value.toString(16)}`;
  if (Array.isArray(value)) return value.map(withoutBigints);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, withoutBigints(each)]));
}
