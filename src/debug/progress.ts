/** Progress of travel that takes its time, for clients that show it, and what a client may cancel. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import type { SessionContext } from './context';

/** Travel that is over sooner is not told of, in milliseconds of wall time. */
const WORTH_TELLING_MS = 500;

interface Motion {
  readonly id: string;
  readonly isTravel: boolean;
  readonly since: number;
  /** The request that set it in motion. */
  readonly request: number | undefined;
  isTold: boolean;
}

export class Progress {
  private motion: Motion | undefined;
  private next = 1;

  constructor(private readonly context: Pick<SessionContext, 'client' | 'send'>) {}

  /** @param request sequence number of the request that the motion answers */
  begin(kind: 'forward' | 'travel', request: number | undefined): void {
    const id = `travel ${this.next++}`;
    this.motion = { id, isTravel: kind === 'travel', since: performance.now(), request, isTold: false };
  }

  /**
   * The run is under way.
   * @param instructions where it has come to
   */
  tick(instructions: number): void {
    const { motion } = this;
    if (!motion?.isTravel || this.context.client.supportsProgressReporting !== true) return;
    if (performance.now() - motion.since < WORTH_TELLING_MS) return;
    const message = `at instruction ${instructions}`;
    if (motion.isTold) return this.context.send('progressUpdate', { progressId: motion.id, message });
    motion.isTold = true;
    this.context.send('progressStart', {
      progressId: motion.id,
      title: 'Travelling through the run',
      cancellable: true,
      message,
      ...(motion.request !== undefined && { requestId: motion.request }),
    });
  }

  end(): void {
    if (this.motion?.isTold) this.context.send('progressEnd', { progressId: this.motion.id });
    this.motion = undefined;
  }

  /** Whether a client cancels the motion that is under way, and no other request of its own. */
  isCancelledBy({ requestId, progressId }: DebugProtocol.CancelArguments): boolean {
    const { motion } = this;
    if (!motion) return false;
    return progressId === motion.id || (requestId !== undefined && requestId === motion.request);
  }
}
