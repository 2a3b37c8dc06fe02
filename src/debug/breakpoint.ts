/** One breakpoint of the user: when it stops the run, and what it says. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import type { Moment, PointHit } from '../run/control/control';
import type { SessionContext } from './context';
import { type HitCounter, parseHitCondition } from './hit-counter';
import { fillLogMessage, parseLogMessage, type LogPart } from './log-message';
import type { PointOwner, StopReason } from './points';
import { reasonOf } from '../run/reason';

/** What a client may ask of any kind of breakpoint. */
export interface BreakpointWishes {
  readonly condition?: string | undefined;
  readonly hitCondition?: string | undefined;
  readonly logMessage?: string | undefined;
}

/** What makes a breakpoint the same when it is set again: its hits are counted on. */
export function counterKey(place: string, { condition = '', logMessage = '' }: BreakpointWishes): string {
  return JSON.stringify([place, condition, logMessage]);
}

export class Breakpoint implements PointOwner {
  /** Set where it is asked which hit one is. */
  readonly counter: HitCounter | undefined;
  private readonly countTest: ((hits: number) => boolean) | undefined;
  private readonly log: readonly LogPart[] | undefined;
  private failure: string | undefined;

  /**
   * @param place where a log message says that it comes from
   * @param hits its hits so far
   * @param watched of a breakpoint on data: the bytes that it is about
   * @throws RequestError for a hit condition that cannot be understood
   */
  constructor(
    private readonly context: SessionContext,
    readonly breakpoint: number,
    readonly reason: StopReason,
    private readonly wishes: BreakpointWishes,
    private readonly hits: HitCounter,
    private readonly place?: { readonly source: DebugProtocol.Source; readonly line: number },
    private readonly watched?: ByteRange,
  ) {
    const { hitCondition, logMessage } = wishes;
    this.countTest = hitCondition?.trim() ? parseHitCondition(hitCondition) : undefined;
    this.counter = this.countTest && hits;
    this.log = logMessage ? parseLogMessage(logMessage) : undefined;
  }

  /** A condition first, then the count, as the protocol has it; a logpoint speaks and never stops. */
  accepts(hit: PointHit): boolean {
    this.failure = undefined;
    if (!this.holds(hit)) return false;
    if (!this.countTest && !this.log) return true;
    try {
      const { number, isNew } = this.hits.add(this.context.debuggee.control.moment);
      if (this.countTest?.(number) === false) return false;
      if (!this.log) return true;
      if (isNew && !this.context.isTravelling)
        this.context.output('console', `${this.messageAt(hit)}\n`, this.place);
      return false;
    } catch (error) {
      this.failure = reasonOf(error);
      return true;
    }
  }

  count(hit: PointHit): void {
    if (this.holds(hit)) this.hits.add(this.context.debuggee.control.moment);
  }

  forgetAfter(moment: Moment): void {
    this.hits.forgetAfter(moment);
  }

  /** What a logpoint says at a hit. */
  private messageAt({ cpu }: PointHit): string {
    const { language, control } = this.context.debuggee;
    const [frame] = language.frames(control, cpu, 1);
    return fillLogMessage(this.log ?? [], (expression) => {
      try {
        return frame ? language.evaluate(frame, expression).text : '<no frame>';
      } catch (error) {
        return `<${reasonOf(error)}>`;
      }
    });
  }

  /** A condition that cannot be worked out stops the run and says why. */
  private holds({ cpu }: PointHit): boolean {
    const { condition } = this.wishes;
    if (!condition?.trim()) return true;
    const { language, control } = this.context.debuggee;
    try {
      const [frame] = language.frames(control, cpu, 1);
      return !frame || language.test(frame, condition);
    } catch (error) {
      this.failure = `The condition “${condition}” cannot be worked out here: ${reasonOf(error)}`;
      return true;
    }
  }

  tell(hit: PointHit): string | undefined {
    return this.failure ?? (hit.access ? accessSentence(hit.access, this.watched) : undefined);
  }
}

/** Guest-physical bytes. */
export interface ByteRange {
  readonly address: number;
  readonly length: number;
}

/**
 * `e1000 wrote 16 bytes at 0x1230 by DMA; 1 byte at 0x123c: 0x0 → 0x7`.
 * @param watched of these bytes the values are told; without it, of all that were accessed
 */
export function accessSentence(access: NonNullable<PointHit['access']>, watched: ByteRange = access): string {
  const { who, isDevice, write, address, length, before, after } = access;
  const from = Math.max(0, watched.address - address);
  const to = Math.min(length, watched.address + watched.length - address);
  const done = `${who} ${write ? 'wrote' : 'read'} ${bytesAt(address, length)}${isDevice ? ' by DMA' : ''}`;
  const part = from > 0 || to < length ? `; ${bytesAt(address + from, to - from)}` : '';
  const [was, is] = [before.subarray(from, to), after.subarray(from, to)];
  return write ? `${done}${part}: ${hexOf(was)} → ${hexOf(is)}` : `${done}${part}: ${hexOf(is)}`;
}

function bytesAt(address: number, length: number): string {
  return `${length} byte${length === 1 ? '' : 's'} at 0x${address.toString(16)}`;
}

const MOST_BYTES = 8;

/** Little endian, as a number; of long ones the first bytes. */
export function hexOf(bytes: Uint8Array): string {
  if (bytes.length > MOST_BYTES) {
    const first = [...bytes.subarray(0, MOST_BYTES)].map((byte) => byte.toString(16).padStart(2, '0'));
    return `${first.join(' ')} …`;
  }
  const digits = [...bytes].reverse().map((byte) => byte.toString(16).padStart(2, '0'));
  return `0x${digits.join('').replace(/^0+(?=.)/, '')}`;
}
