/** The life of a session's run: launch, restart, and the end of it, which leaves its trace whole. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import { DebugErrorId, type LaunchAttributes } from '../protocol/debug';
import type { HandlerResult, Handlers, OutputCategory } from './context';
import type { Debuggee } from './debuggee';
import { RequestError } from './errors';
import { prepareLaunch } from './launch';
import { Motor, type MotionHost } from './motor';
import type { OpenedRun, SessionOutside } from './outside';
import type { PointTable } from './points';

/** The session that it is the life of. */
export interface Living extends MotionHost {
  readonly points: PointTable;
  /** A motion is under way. */
  tick(): void;
  send(event: string, body?: object): void;
  output(category: OutputCategory, text: string): void;
}

/** What is done where something of it has happened. */
export interface LifeEvents {
  /** A run has been built. @param cpu the vCPU that the launch is about */
  opened(cpu: number): void;
  /** The run is to begin. */
  configured(): void;
  /** Another run stands in the place of the one that was. */
  restarted(): void;
}

export class Life {
  attributes: LaunchAttributes = {};
  private run: { readonly opened: OpenedRun; readonly motor: Motor } | undefined;
  private isOver = false;
  private isConfigured = false;

  constructor(
    private readonly session: Living,
    private readonly outside: SessionOutside,
    private readonly events: LifeEvents,
  ) {}

  readonly handlers: Handlers = {
    launch: (args: LaunchAttributes) => this.launch(args),
    configurationDone: () => ({ later: () => this.configured() }),
    restart: (args: { arguments?: LaunchAttributes }) => this.restart(args?.arguments),
    terminate: () => ({ later: () => this.finish() }),
    disconnect: (args: DebugProtocol.DisconnectArguments) => ({
      later: () => this.disconnect(args?.terminateDebuggee === false),
    }),
  };

  /** @throws RequestError where nothing has been launched */
  get debuggee(): Debuggee {
    return this.present.opened.debuggee;
  }

  /** @throws RequestError where nothing has been launched */
  get motor(): Motor {
    return this.present.motor;
  }

  get isTravelling(): boolean {
    return this.run?.motor.isTravelling ?? false;
  }

  /** Hands on what has been recorded since the last time. */
  pump(): void {
    this.run?.opened.pump();
  }

  /** The session is over, and the run with it, wherever it has come to. */
  finish(): void {
    if (this.isOver) return;
    this.isOver = true;
    const exitCode = this.run?.opened.close() ?? 0;
    if (this.run) this.session.send('exited', { exitCode });
    this.session.send('terminated');
    this.outside.over();
  }

  private get present(): { readonly opened: OpenedRun; readonly motor: Motor } {
    if (this.run) return this.run;
    throw new RequestError('Nothing has been launched.', DebugErrorId.NoRun);
  }

  private async launch(attributes: LaunchAttributes): Promise<HandlerResult> {
    if (this.run) throw new RequestError('This session has a run already.');
    this.attributes = attributes;
    await this.open();
    return { later: () => this.session.send('initialized') };
  }

  private async open(): Promise<void> {
    const { environment } = this.outside;
    const job = await prepareLaunch(this.attributes, environment, (line) =>
      this.session.output('console', `${line}\n`),
    );
    const opened = this.outside.open(job, {
      serial: (vm, text) => this.fromGuest(vm, text),
      tick: () => this.session.tick(),
    });
    this.run = { opened, motor: new Motor(opened.debuggee.control, this.session.points, this.session) };
    this.events.opened(this.firstCpu());
  }

  private firstCpu(): number {
    const { vm = 0 } = this.attributes;
    const found = this.debuggee.control.cpus.find((each) => each.vm === vm || each.vmName === vm);
    return found?.index ?? 0;
  }

  /** With several guests each says whose words they are. */
  private fromGuest(vm: number, text: string): void {
    const { programs } = this.debuggee;
    const name = programs.length > 1 ? `[${programs[vm]?.vmName}] ` : '';
    this.session.output('stdout', `${name}${text}`);
  }

  private configured(): void {
    this.isConfigured = true;
    if (this.attributes.noDebug !== true) return this.events.configured();
    this.motor.move('forward', (control) => control.forward(), [], false);
    this.finish();
  }

  /** A run anew, from its beginning; the scenario and its guests are prepared again, for they may have changed. */
  private async restart(attributes: LaunchAttributes | undefined): Promise<HandlerResult> {
    if (attributes && typeof attributes === 'object') this.attributes = attributes;
    this.run?.opened.close();
    this.run = undefined;
    await this.open();
    this.events.restarted();
    return { later: () => (this.isConfigured ? this.configured() : undefined) };
  }

  /** Leaves the run to itself: it goes to its end as if nobody had looked, and its trace with it. */
  private disconnect(detaches: boolean): void {
    if (detaches && this.run) {
      const { control } = this.debuggee;
      this.motor.move('travel', () => control.seek({ kind: 'moment', moment: control.frontier }), [], false);
      this.motor.move('forward', () => control.forward(), [], false);
    }
    this.finish();
  }
}
