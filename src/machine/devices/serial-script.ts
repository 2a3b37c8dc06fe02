/**
 * Somebody at the other end of a serial line who types what was written down before: each piece after a text was seen, or after
 * some time.
 */
import type { DeviceBus } from '../bus';
import { requireVersion, type Checkpoint, type HardwareState, type Migratable } from '../snapshot';
import type { Cycles } from '../time/event-queue';
import { PendingEvent, type PendingEventRun } from '../time/pending-event';

/** One thing that is typed. */
export interface SerialStep {
  /** What the machine has to have sent before, since the step before this one was typed; empty: nothing. */
  after: Uint8Array;
  /** Time between that (or the step before, or the beginning) and the typing. */
  delay: Cycles;
  send: Uint8Array;
}

/** What the hardware has of a `SerialScript`: how far it is. */
export interface SerialScriptHardware extends HardwareState {
  version: 1;
  step: number;
  /** How much of the text that is waited for the line ends with. */
  matched: number;
  /** Cycles until the step is typed; -1: its text has not been seen. */
  remaining: Cycles;
}

/** The script of one line. */
export class SerialScript implements Migratable<SerialScriptHardware, PendingEventRun> {
  private step = 0;
  private matched = 0;
  private readonly due: PendingEvent;
  /** By step: of each beginning of its text, the longest shorter one that it ends with. */
  private readonly borders: readonly Uint16Array[];

  /**
   * @param kind of its events, which the owner of the bus hands to `onEvent`
   * @param type gets what is typed
   */
  constructor(
    private readonly bus: Pick<DeviceBus, 'now' | 'schedule' | 'cancel'>,
    kind: number,
    private readonly steps: readonly SerialStep[],
    private readonly type: (bytes: Uint8Array) => void,
  ) {
    this.due = new PendingEvent(bus, (time) => bus.schedule(time - bus.now(), kind));
    this.borders = steps.map(({ after }) => bordersOf(after));
  }

  /** The machine is switched on for the first time. */
  start(): void {
    this.wait();
  }

  /** A byte from the machine. */
  seen(byte: number): void {
    const current = this.steps[this.step];
    if (!current || this.matched === current.after.length) return;
    const { after } = current;
    const borders = this.borders[this.step];
    while (this.matched > 0 && after[this.matched] !== byte) this.matched = borders[this.matched - 1]!;
    if (after[this.matched] === byte) this.matched += 1;
    this.wait();
  }

  /** The time to type has come. */
  onEvent(): void {
    this.due.came();
    const { send } = this.steps[this.step];
    this.step += 1;
    this.matched = 0;
    this.type(send);
    this.wait();
  }

  save(): Checkpoint<SerialScriptHardware, PendingEventRun> {
    const { step, matched, due } = this;
    return { hardware: { version: 1, step, matched, remaining: due.remaining }, run: due.save() };
  }

  load({ hardware, run }: Checkpoint<SerialScriptHardware, PendingEventRun>): void {
    this.loadPlace(hardware);
    this.due.load(run);
  }

  adopt(hardware: SerialScriptHardware): void {
    this.loadPlace(hardware);
    this.due.adopt(hardware.remaining);
  }

  private loadPlace({ version, step, matched }: SerialScriptHardware): void {
    requireVersion('the script of a serial line', version, 1);
    this.step = step;
    this.matched = matched;
  }

  /** Once the step's text is there its time runs. */
  private wait(): void {
    const current = this.steps[this.step];
    if (current && this.matched === current.after.length) this.due.comeAt(this.bus.now() + current.delay);
  }
}

/** The table by which a text is found in a stream that is read once (Knuth, Morris, Pratt). */
function bordersOf(text: Uint8Array): Uint16Array {
  const borders = new Uint16Array(text.length);
  for (let at = 1, length = 0; at < text.length; at++) {
    while (length > 0 && text[at] !== text[length]) length = borders[length - 1]!;
    if (text[at] === text[length]) length += 1;
    borders[at] = length;
  }
  return borders;
}
