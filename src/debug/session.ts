/**
 * One debug session: takes requests of the Debug Adapter Protocol one by one, moves the run, and says where it stands. It is
 * synchronous but for the launch, and knows neither threads nor streams: its surroundings bring messages and take them.
 */
import type { DebugProtocol } from '@vscode/debugprotocol';
import { DebugErrorId, type LaunchAttributes } from '../protocol/debug';
import { reasonOf } from '../run/reason';
import { Breakpoints } from './breakpoints';
import { capabilities } from './capabilities';
import type { HandlerResult, Handlers, OutputCategory, SessionContext } from './context';
import { CrashHelp } from './crash';
import { DataBreakpoints } from './data-breakpoints';
import { cpuName, threadOf, type Debuggee } from './debuggee';
import { Listings } from './disassembly/listings';
import { Disassembly } from './disassembly/requests';
import { RequestError } from './errors';
import { Evaluation } from './evaluation';
import { DebugError } from './frames/errors';
import { Memory } from './memory';
import { Life } from './life';
import type { MotionEnd, MotionHost, Motor } from './motor';
import type { SessionOutside } from './outside';
import { PointTable } from './points';
import { Progress } from './progress';
import { Sources } from './sources';
import { Stack } from './stack';
import { Motions } from './stepping/requests';
import { StopsAtEvents } from './stops-at-events';
import { Histories } from './history';
import { plain, Travel } from './travel';
import { Variables } from './variables';
import { Writer } from './writer';

/** What may be served at a pause of a motion that goes on afterwards. */
const SERVED_WHILE_MOVING: ReadonlySet<string> = new Set([
  'threads',
  'setBreakpoints',
  'setFunctionBreakpoints',
  'setInstructionBreakpoints',
  'setDataBreakpoints',
  'setExceptionBreakpoints',
  'breakpointLocations',
  'loadedSources',
  'modules',
  'source',
  'cancel',
  'trapline/moment',
  'trapline/stopAt',
  'trapline/clearStopAt',
  'trapline/hasFuture',
  'trapline/inspect',
]);
/** What ends a motion: it is served once that stands. */
const ENDS_MOTION: ReadonlySet<string> = new Set(['pause', 'disconnect', 'terminate', 'restart']);

/** What came of an exception stop, for `exceptionInfo`. */
interface ExceptionTold {
  readonly id: string;
  readonly text: string;
}

export class DebugSession implements SessionContext, MotionHost {
  client: DebugProtocol.InitializeRequestArguments = { adapterID: 'trapline' };
  readonly points = new PointTable();
  private readonly afterMotion: DebugProtocol.Request[] = [];
  private pauseAsked = false;
  /** Sequence number of the request that is being answered. */
  private answered: number | undefined;
  private readonly progress = new Progress(this);
  /** The vCPU that the client was last told of. */
  private focus = 0;
  private exception: ExceptionTold | undefined;
  private readonly handlers: Handlers;
  private readonly life: Life;
  private readonly stack: Stack;
  private readonly variables: Variables;
  private readonly breakpoints = new Breakpoints(this);
  private readonly motions: Motions;
  private readonly travel: Travel;

  constructor(private readonly outside: SessionOutside) {
    const cpu = (): number => this.focus;
    const listings = new Listings(() => this.debuggee);
    this.life = new Life(this, outside, {
      opened: (first) => {
        this.focus = first;
        this.breakpoints.setAgain();
      },
      configured: () => this.configured(),
      restarted: () => {
        listings.outdate();
        this.forgetMoment();
      },
    });
    const writer = new Writer(this, () => this.machineChanged());
    this.variables = new Variables(this, writer);
    this.stack = new Stack(this, this.variables, listings);
    const data = new DataBreakpoints(this, this.breakpoints, this.stack, this.variables, cpu);
    this.motions = new Motions(
      this,
      this.stack,
      (end, stepped) => this.arrive(end, 'step', stepped),
      (stepped) => this.leave(stepped),
    );
    this.travel = new Travel(this, data, this.stack, writer, cpu, (end, text) =>
      this.arrive(end, 'goto', undefined, text),
    );
    const parts: { readonly handlers: Handlers }[] = [
      this.life,
      this.breakpoints,
      new StopsAtEvents(this),
      data,
      this.stack,
      this.variables,
      new Evaluation(this, this.stack, this.variables, writer, cpu),
      new Memory(this, writer, cpu),
      new Disassembly(this, cpu),
      new Sources(this, listings),
      this.motions,
      this.travel,
      new Histories(this, (target) => this.travel.rangeOf(target)),
    ];
    this.handlers = Object.assign({}, this.own, ...parts.map(({ handlers }) => handlers)) as Handlers;
  }

  /** Life of the session itself. */
  private readonly own: Handlers = {
    initialize: (args: DebugProtocol.InitializeRequestArguments) => {
      this.client = args ?? this.client;
      return { body: capabilities };
    },
    pause: () => {
      this.pauseAsked = true;
      return {};
    },
    cancel: (args: DebugProtocol.CancelArguments) => {
      if (this.progress.isCancelledBy(args)) this.pauseAsked = true;
      return {};
    },
    exceptionInfo: () => ({ body: this.exceptionInfo() }),
  };

  get attributes(): LaunchAttributes {
    return this.life.attributes;
  }

  get debuggee(): Debuggee {
    return this.life.debuggee;
  }

  get motor(): Motor {
    return this.life.motor;
  }

  get isTravelling(): boolean {
    return this.life.isTravelling;
  }

  toClientLine(line: number): number {
    return this.client.linesStartAt1 === false ? line - 1 : line;
  }
  fromClientLine(line: number): number {
    return this.client.linesStartAt1 === false ? line + 1 : line;
  }
  toClientColumn(column: number): number {
    return this.client.columnsStartAt1 === false ? column - 1 : column;
  }
  fromClientColumn(column: number): number {
    return this.client.columnsStartAt1 === false ? column + 1 : column;
  }

  /** Takes a request and answers it, whatever it is. */
  async receive(request: DebugProtocol.Request): Promise<void> {
    await this.answer(request);
    for (let next = this.afterMotion.shift(); next; next = this.afterMotion.shift()) await this.answer(next);
  }

  private async answer(request: DebugProtocol.Request): Promise<void> {
    const before = this.answered;
    this.answered = request.seq;
    try {
      const result = this.handle(request);
      this.respond(request, result instanceof Promise ? await result : result);
    } catch (error) {
      this.refuse(request, error);
    } finally {
      this.answered = before;
    }
  }

  private handle(request: DebugProtocol.Request): HandlerResult | Promise<HandlerResult> {
    const { command } = request;
    const handler = Object.hasOwn(this.handlers, command) ? this.handlers[command] : undefined;
    if (!handler) throw new RequestError(`There is no request “${String(command)}”.`);
    const args: unknown = request.arguments ?? {};
    if (typeof args !== 'object' || Array.isArray(args))
      throw new RequestError(`The arguments of “${command}” have to be an object.`);
    return handler(args as never);
  }

  private respond(request: DebugProtocol.Request, { body, later }: HandlerResult): void {
    this.outside.send({
      type: 'response',
      seq: 0,
      request_seq: request.seq,
      command: request.command,
      success: true,
      ...(body && { body }),
    });
    try {
      later?.();
    } catch (error) {
      this.output('important', `${reasonOf(error)}\n`);
    }
  }

  private refuse(request: DebugProtocol.Request, error: unknown): void {
    const id = error instanceof RequestError ? error.id : idOf(error);
    const message = reasonOf(error);
    const response: DebugProtocol.ErrorResponse = {
      type: 'response',
      seq: 0,
      request_seq: request.seq,
      command: request.command,
      success: false,
      message,
      body: { error: { id, format: message.replace(/[{}]/g, '_'), showUser: showsUser(request.command) } },
    };
    this.outside.send(response);
  }

  send(event: string, body?: object): void {
    this.outside.send({ type: 'event', seq: 0, event, ...(body && { body }) });
  }

  output(
    category: OutputCategory,
    text: string,
    place?: { readonly source: DebugProtocol.Source; readonly line: number },
  ): void {
    const where = place && { source: place.source, line: this.toClientLine(place.line) };
    this.send('output', { category, output: text, ...where });
  }

  /** The client has said all that it had to say before the run begins. */
  private configured(): void {
    const { at, stopOnEntry } = this.attributes;
    this.moved();
    if (at !== undefined) {
      return this.arrive(this.travel.goTo(at), 'goto', undefined, 'The moment that was asked for');
    }
    if (stopOnEntry === true) return this.stopped('entry', this.focus, 'Before the first instruction');
    this.arrive(this.motions.run(), 'step', undefined);
  }

  // ---- Motions ----

  begin(kind: 'forward' | 'travel'): void {
    this.pauseAsked = false;
    this.progress.begin(kind, this.answered);
    this.outside.moving(kind);
  }

  end(): void {
    this.outside.moving('still');
    this.progress.end();
    this.life.pump();
  }

  /** About every 50 ms of a motion. */
  tick(): void {
    this.progress.tick(this.debuggee.control.moment.instructions);
  }

  /** See `MotionHost`: what has come in is answered here, or put off to when the motion has ended. */
  serve(): boolean {
    for (let next = this.outside.take(); next; next = this.outside.take()) {
      const { command } = next;
      if (ENDS_MOTION.has(command)) this.pauseAsked = true;
      if (ENDS_MOTION.has(command) && command !== 'pause') this.afterMotion.push(next);
      else if (command === 'pause' || SERVED_WHILE_MOVING.has(command)) void this.answer(next);
      else this.refuse(next, new RequestError('The run is under way: stop it first.', DebugErrorId.Running));
    }
    return !this.pauseAsked;
  }

  /** A client that stepped knows that its thread runs; of a motion that it did not ask for it is told. */
  private leave(cpu: number): void {
    this.focus = cpu;
  }

  /** Says where a motion ended, and why. */
  private arrive(
    { stop, users }: MotionEnd,
    reason: string,
    stepped: number | undefined,
    text?: string,
  ): void {
    if (this.afterMotion.length > 0) return this.forgetMoment();
    const [hit] = users;
    const cpu = hit ? hit.cpu : (stepped ?? stop.cpu);
    if (hit) {
      const owner = this.points.ownerOf(hit.id);
      const told = owner?.tell?.(hit);
      const ids = users.flatMap(({ id }) => this.points.ownerOf(id)?.breakpoint ?? []);
      if (owner?.reason === 'exception') this.exception = { id: 'event', text: told ?? '' };
      return this.stopped(owner?.reason ?? 'breakpoint', cpu, told, ids);
    }
    switch (stop.reason) {
      case 'interrupted':
        return this.stopped('pause', stepped ?? this.focus);
      case 'beginning':
        return this.stopped('entry', cpu, 'The beginning of the run');
      case 'ended':
        return this.runEnded(stop.message);
      case 'point':
      case 'goal':
        return this.stopped(reason, cpu, text);
    }
  }

  /** The run is over: a crash is shown where it came from, and a run that ended well can be travelled back through. */
  private runEnded(message: string | undefined): void {
    const { control } = this.debuggee;
    if (this.attributes.stopAtEnd === false) return this.life.finish();
    const stop = { reason: 'ended', hits: [], cpu: this.focus, moment: control.moment } as const;
    const crash = new CrashHelp(this.debuggee, this.motor).find({
      ...stop,
      ...(message !== undefined && { message }),
    });
    if (this.afterMotion.length > 0) return this.forgetMoment();
    if (!crash) return this.stopped('end', this.focus, message ?? 'The run has ended');
    this.exception = { id: crash.title, text: crash.text };
    this.output('important', `${crash.text}\n`);
    this.stopped('exception', crash.cpu, crash.title, [], crash.text);
  }

  private stopped(
    reason: string,
    cpu: number,
    description?: string,
    hitBreakpointIds: number[] = [],
    text = description,
  ) {
    this.focus = cpu;
    if (reason !== 'exception') this.exception = undefined;
    this.forgetMoment();
    this.moved();
    this.send('stopped', {
      reason,
      threadId: threadOf(cpu),
      allThreadsStopped: true,
      ...(description !== undefined && { description: `${cpuName(this.debuggee, cpu)}: ${description}` }),
      ...(text !== undefined && reason === 'exception' && { text }),
      ...(hitBreakpointIds.length > 0 && { hitBreakpointIds }),
      moment: plain(this.debuggee.control.moment),
    });
  }

  private moved(): void {
    const { moment, frontier } = this.debuggee.control;
    this.send('trapline/moved', { moment: plain(moment), frontier: plain(frontier) });
  }

  /** Frames and variables of the moment that has been left are none any more. */
  private forgetMoment(): void {
    this.stack.clear();
    this.variables.clear();
    this.motions.clear();
  }

  /** A person changed memory or a register. */
  private machineChanged(): void {
    this.points.forgetAfter(this.debuggee.control.moment);
    this.stack.clear();
    this.moved();
    this.send('invalidated', { areas: ['variables', 'stacks'] });
  }

  private exceptionInfo() {
    if (!this.exception) throw new RequestError('The run has not stopped at an exception.');
    const { id, text } = this.exception;
    return { exceptionId: id, description: text, breakMode: 'always', details: { message: text } };
  }
}

/** Errors that are a person's rather than ours have an id of their own. */
function idOf(error: unknown): DebugErrorId {
  return error instanceof DebugError ? DebugErrorId.Expression : DebugErrorId.General;
}

/** What a person asked for is refused in the open; what a client asks by itself is not. */
function showsUser(command: string): boolean {
  return (
    command === 'launch' || command === 'restart' || command.startsWith('step') || command === 'setVariable'
  );
}
