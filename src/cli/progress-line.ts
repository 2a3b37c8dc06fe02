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
/** Exits by the second are those of the last second or so, in milliseconds. */
const RATE_MS = 1000;
/** A guess at the time left needs this much of a run to go by. */
const LEAST_SHARE = 0.005;

const TO_START_AND_CLEAR = '\r\u001b[K';

interface Sample {
  readonly at: number;
  readonly exits: number;
}

/** The line. Everything else that is written to the terminal clears it first. */
export class ProgressLine {
  private readonly started: number;
  private drawn = -Infinity;
  private isShown = false;
  private samples: Sample[] = [];
  private frequencyHz: number | undefined;

  /** @param stopSeconds simulated time at which the run ends at the latest; undefined: not known */
  constructor(
    private readonly terminal: CliTerminal,
    private readonly write: (text: string) => void,
    private readonly stopSeconds: number | undefined,
  ) {
    this.started = terminal.now();
  }

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
    this.samples.push({ at: now, exits });
    while (this.samples.length > 2 && now - this.samples[1].at >= RATE_MS) this.samples.shift();
    const wallSeconds = (now - this.started) / 1000;
    const text = progressText(cycles / frequencyHz, stopSeconds, wallSeconds, this.rate());
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

  /** Exits by the second of wall time; undefined: too early to say. */
  private rate(): number | undefined {
    const first = this.samples[0];
    const last = this.samples.at(-1);
    if (!first || !last || last.at <= first.at) return undefined;
    return ((last.exits - first.exits) / (last.at - first.at)) * 1000;
  }
}

/**
 * `12.4 ms of 200 ms (6 %), 84 211 exits/s, at most 14 s left`: the run may end before its time is up.
 * @param seconds simulated so far
 * @param stopSeconds simulated when the time is up
 * @param wallSeconds since the run began
 * @param rate exits by the second
 */
export function progressText(
  seconds: number,
  stopSeconds: number | undefined,
  wallSeconds: number,
  rate: number | undefined,
): string {
  const parts = [time(seconds)];
  const share =
    stopSeconds === undefined || stopSeconds <= 0 ? undefined : Math.min(1, seconds / stopSeconds);
  if (share !== undefined && stopSeconds !== undefined)
    parts[0] += ` of ${time(stopSeconds)} (${Math.floor(share * 100)} %)`;
  if (rate !== undefined) parts.push(`${count(Math.round(rate))} exits/s`);
  if (share !== undefined && share >= LEAST_SHARE)
    parts.push(`at most ${leftText((wallSeconds * (1 - share)) / share)} left`);
  return parts.join(', ');
}

/** Whole seconds, minutes and hours: nobody needs a guess to be exact. */
function leftText(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.ceil(whole / 60)} min`;
  return `${Math.floor(whole / 3600)} h ${Math.ceil((whole % 3600) / 60)} min`;
}
