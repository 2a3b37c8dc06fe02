/** One line at the foot of a terminal that tells how far a run is, and goes when it is over. */
import type { RunProgress } from '../protocol/run';
import { count, time } from './print';

/** A terminal that standard error goes to. */
export interface CliTerminal {
  /** Columns that a line has room for. */
  columns(): number;
  /** Milliseconds since some moment. */
  now(): number;
}

/** The line is written anew no more often than this, in milliseconds. */
const EVERY_MS = 100;
/** How fast a run goes is how fast it was in the last seconds, in milliseconds: the first ones are slower than all others. */
const SPEED_MS = 2000;
/** Too short a stretch says nothing, in milliseconds. */
const LEAST_MS = 500;

const TO_START_AND_CLEAR = '\r\u001b[K';

interface Sample {
  readonly at: number;
  readonly exits: number;
  /** Simulated. */
  readonly seconds: number;
}

/** How fast a run goes at present, by the second of wall time. */
export interface Speed {
  readonly exits: number;
  /** Simulated seconds. */
  readonly seconds: number;
}

/** The line. Everything else that is written to the terminal clears it first. */
export class ProgressLine {
  private drawn = -Infinity;
  private isShown = false;
  private samples: Sample[] = [];
  private frequencyHz: number | undefined;

  /** @param stopSeconds simulated time at which the run ends at the latest; undefined: not known */
  constructor(
    private readonly terminal: CliTerminal,
    private readonly write: (text: string) => void,
    private readonly stopSeconds: number | undefined,
  ) {}

  /** The machine is built, and its cycles have a length. */
  begin(frequencyHz: number): void {
    this.frequencyHz = frequencyHz;
  }

  /** Tells how far the run is, unless it has just been told. */
  tell({ cycles, exits }: Pick<RunProgress, 'cycles' | 'exits'>): void {
    const { frequencyHz, stopSeconds } = this;
    const now = this.terminal.now();
    if (frequencyHz === undefined || now - this.drawn < EVERY_MS) return;
    this.drawn = now;
    const seconds = cycles / frequencyHz;
    this.samples.push({ at: now, exits, seconds });
    while (this.samples.length > 2 && now - this.samples[1].at >= SPEED_MS) this.samples.shift();
    const text = progressText(seconds, stopSeconds, this.speed());
    const room = Math.max(0, this.terminal.columns() - 1);
    this.write(`${TO_START_AND_CLEAR}${text.slice(0, room)}`);
    this.isShown = true;
  }

  /** Takes the line away, so that something else can be written. */
  clear(): void {
    if (!this.isShown) return;
    this.isShown = false;
    this.write(TO_START_AND_CLEAR);
    // What is written next may be long: the line comes back at the next news.
    this.drawn = -Infinity;
  }

  /** Undefined: too early to say. */
  private speed(): Speed | undefined {
    const [first] = this.samples;
    const last = this.samples.at(-1);
    if (!first || !last || last.at - first.at < LEAST_MS) return undefined;
    const wall = (last.at - first.at) / 1000;
    return { exits: (last.exits - first.exits) / wall, seconds: (last.seconds - first.seconds) / wall };
  }
}

/**
 * `12.4 ms of 200 ms (6 %), 84 211 exits/s, at most 14 s left`: the run may end before its time is up.
 * @param seconds simulated so far
 * @param stopSeconds simulated when the time is up
 * @param speed at present
 */
export function progressText(
  seconds: number,
  stopSeconds: number | undefined,
  speed: Speed | undefined,
): string {
  const isBounded = stopSeconds !== undefined && stopSeconds > 0;
  const share = isBounded ? Math.min(100, Math.floor((seconds / stopSeconds) * 100)) : undefined;
  const parts = [isBounded ? `${time(seconds)} of ${time(stopSeconds)} (${share} %)` : time(seconds)];
  if (speed) parts.push(`${count(Math.round(speed.exits))} exits/s`);
  if (speed && isBounded && speed.seconds > 0)
    parts.push(`at most ${leftText(Math.max(0, stopSeconds - seconds) / speed.seconds)} left`);
  return parts.join(', ');
}

/** Whole seconds, minutes and hours: nobody needs a guess to be exact. */
function leftText(seconds: number): string {
  // A whole number that is only nearly one through rounding is that one.
  const whole = Math.ceil(seconds - 1e-6);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.ceil(whole / 60)} min`;
  return `${Math.floor(whole / 3600)} h ${Math.ceil((whole % 3600) / 60)} min`;
}
