/** Writes into the machine: made once by whoever debugs, and again by every session that comes by their moment. */
import type { RunSession } from '../session';
import type { MachineReader } from './machine-reader';
import type { Moment } from './control';
import { isBefore } from './moments';

/** A session that can be written to. */
export interface Writable {
  readonly session: RunSession;
  readonly reader: MachineReader;
}

interface Edit {
  readonly moment: Moment;
  readonly make: (target: Writable) => void;
}

/** All of a run, in the order of time. */
export type EditLog = Edit[];

/** How far one session has come in them. */
export class Edits {
  private done = 0;

  constructor(
    private readonly target: Writable,
    private readonly log: EditLog,
  ) {}

  /** Edits that are made in the present state. */
  get made(): number {
    return this.done;
  }

  set made(count: number) {
    this.done = count;
  }

  /** Moment of the next one that is to be made. */
  get next(): Moment | undefined {
    return this.log[this.done]?.moment;
  }

  /** Makes those that are due at a moment. */
  makeDue(now: Moment): void {
    for (let edit = this.log[this.done]; edit && !isBefore(now, edit.moment); edit = this.log[this.done]) {
      edit.make(this.target);
      this.done += 1;
    }
  }

  /** Makes a new one; those that were to come are of a future that will not be. @throws whatever it throws; it is not kept then */
  add(moment: Moment, make: (target: Writable) => void): void {
    make(this.target);
    this.log.length = this.done;
    this.log.push({ moment, make });
    this.done += 1;
  }
}
