/** Motions as the protocol names them. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import type { Handler, Handlers, SessionContext } from '../context';
import type { MotionEnd } from '../motor';
import type { Stack } from '../stack';
import { BackwardSteps } from './backward';
import { ForwardSteps, type Granularity } from './forward';

type StepArguments = DebugProtocol.NextArguments;

export class Motions {
  private readonly forwards: ForwardSteps;
  private readonly backwards: BackwardSteps;

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
    stepIn: this.step((cpu, granularity) => this.forwards.into(cpu, granularity)),
    stepOut: this.step((cpu, granularity) => this.forwards.out(cpu, granularity)),
    stepBack: this.step((cpu, granularity) => this.backwards.back(cpu, granularity)),
    'trapline/stepOutBack': this.step((cpu) => this.backwards.out(cpu)),
  };

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
