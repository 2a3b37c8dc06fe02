/** A controlled run for a session: the control itself, the programs of its guests, and its trace as it grows. */
import type { RunJob, RunMessage } from '../protocol/run';
import { ControlledRun } from '../run/control/controlled-run';
import { imageOf } from '../run/guest-image';
import { TraceStore } from '../trace/query/store';
import { CLanguage } from './c-language';
import type { Debuggee } from './debuggee';
import type { OpenedRun, RunListener } from './outside';
import { Program } from './program';

/** What surrounds a run. */
export interface RunSurroundings {
  readonly listener: RunListener;
  /** Shared memory by which another thread interrupts; absent: nobody does. */
  readonly interrupt?: SharedArrayBuffer;
  /** Gets the news of the trace. They are its to keep. */
  readonly news: (message: RunMessage) => void;
}

/** @throws Error with a message for a reader when the job cannot be built */
export function openRun(job: RunJob, surroundings: RunSurroundings): OpenedRun {
  return new OpenControlledRun(job, surroundings);
}

class OpenControlledRun implements OpenedRun {
  readonly debuggee: Debuggee;
  private readonly control: ControlledRun;
  private readonly trace: TraceStore;
  private isClosed = false;

  constructor(
    job: RunJob,
    private readonly surroundings: RunSurroundings,
  ) {
    const { listener, interrupt, news } = surroundings;
    this.control = new ControlledRun(job, {
      serial: (vm, text) => {
        news({ type: 'serial', vm, text });
        listener.serial(vm, text);
      },
      onNews: () => {
        this.pump();
        listener.tick();
      },
      ...(interrupt && { interrupt }),
    });
    const meta = this.control.meta();
    news({ type: 'started', meta });
    this.trace = new TraceStore(meta);
    const names = meta.facts.vms.map(({ name }) => name);
    const programs = job.guests.map(
      (guest, vm) => new Program(vm, names[vm] ?? `vm${vm}`, guest.elfFile, imageOf(guest)),
    );
    this.debuggee = {
      control: this.control,
      programs,
      trace: this.trace,
      language: new CLanguage(programs),
    };
  }

  pump(): void {
    if (this.isClosed) return;
    for (let delta = this.control.takeDelta(); delta; delta = this.control.takeDelta()) {
      this.surroundings.news({ type: 'delta', delta, progress: this.control.progress() });
      this.trace.append(delta);
    }
  }

  close(): number {
    if (this.isClosed) return 0;
    this.pump();
    this.isClosed = true;
    const progress = this.control.progress();
    const { end, deltas } = this.control.end();
    const last = deltas.pop();
    for (const delta of deltas) this.surroundings.news({ type: 'delta', delta, progress });
    if (last) this.surroundings.news({ type: 'ended', end, delta: last, progress });
    return end.meta.facts.vms.reduce((worst, { exitCode = 0 }) => Math.max(worst, exitCode), 0);
  }
}
