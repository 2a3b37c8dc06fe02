/** Motions as the protocol names them. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import type { Handler, Handlers, SessionContext } from '../context';
import { Handles } from '../handles';
import type { MotionEnd } from '../motor';
import type { Stack } from '../stack';
import { BackwardSteps } from './backward';
import { ForwardSteps, type Granularity } from './forward';
import { callTargets, type CallTarget } from './targets';

type StepArguments = DebugProtocol.NextArguments;

export class Motions {
  private readonly forwards: ForwardSteps;
  private readonly backwards: BackwardSteps;
  private readonly targets = new Handles<CallTarget>('call');

  /**
   * @param arrive stops the session where a motion ended
   * @param leave a thread goes on its way
   */
  constructor(
    private readonly context: SessionContext,
    private readonly stack: Stack,
    private readonly arrive: (end: MotionEnd, cpu: number | undefined) => void,
    private readonly leave: (cpu: number) => void,
  ) {
    this.forwards = new ForwardSteps(context);
    this.backwards = new BackwardSteps(context);
  }

  readonly handlers: Handlers = {
    continue: (args: DebugProtocol.ContinueArguments) => ({
      ...this.motion(args.threadId, () => this.run()),
      body: { allThreadsContinued: true },
    }),
    reverseContinue: (args: DebugProtocol.ReverseContinueArguments) =>
      this.motion(args.threadId, () => this.context.motor.move('travel', (control) => control.backward())),
    next: this.step((cpu, granularity) => this.forwards.over(cpu, granularity)),
    stepIn: ({ threadId, granularity = 'line', targetId }: DebugProtocol.StepInArguments) => {
      const target = targetId === undefined ? undefined : this.targets.get(targetId);
      return this.motion(threadId, (cpu) =>
        target ? this.forwards.intoCall(cpu, target.address) : this.forwards.into(cpu, granularity),
      );
    },
    stepInTargets: ({ frameId }: DebugProtocol.StepInTargetsArguments) => ({
      body: { targets: this.targetsOf(frameId) },
    }),
    stepOut: this.step((cpu, granularity) => this.forwards.out(cpu, granularity)),
    stepBack: this.step((cpu, granularity) => this.backwards.back(cpu, granularity)),
    'trapline/stepOutBack': this.step((cpu) => this.backwards.out(cpu)),
  };

  /** The run has moved. */
  clear(): void {
    this.targets.clear();
  }

  /** Of the innermost frame alone: in the others a call is under way. */
  private targetsOf(frameId: number): DebugProtocol.StepInTarget[] {
    const { cpu, pc } = this.stack.frameOf(frameId, 0);
    if (this.context.debuggee.control.register(cpu, 'rip') !== pc) return [];
    return callTargets(this.context.debuggee, cpu).map((target) => ({
      id: this.targets.add(target),
      label: target.label,
      line: this.context.toClientLine(target.line),
      ...(target.column > 0 && { column: this.context.toClientColumn(target.column) }),
    }));
  }

  /** Goes on until something stops the run. */
  run(): MotionEnd {
    return this.context.motor.move('forward', (control) => control.forward());
  }

  /** A line is what a person means by a step, unless a client asks for less. */
  private step(make: (cpu: number, granularity: Granularity) => MotionEnd): Handler {
    return ({ threadId, granularity = 'line' }: StepArguments) =>
      this.motion(threadId, (cpu) => make(cpu, granularity));
  }

  /** The response goes out first: a motion may take long. */
  private motion(threadId: unknown, make: (cpu: number) => MotionEnd) {
    const cpu = this.stack.cpuOf(threadId);
    return {
      later: () => {
        this.leave(cpu);
        this.arrive(make(cpu), cpu);
      },
    };
  }
}
