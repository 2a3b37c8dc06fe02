/** Walks through the time of a run under control: what is seen at a moment is what was seen there on the straight way. */
import { expect } from 'vitest';
import type { RunJob } from '../../src/protocol/run';
import { checksumOf } from '../../src/run/checksum';
import { ControlledRun } from '../../src/run/control/controlled-run';
import type { ControlReader, Moment } from '../../src/run/control/control';
import { hashOf } from '../../src/trace/record/hash';
import { TraceStore, emptyMeta } from '../../src/trace/query/store';
import type { Outcome } from './journeys';

/** A run under control, whose deltas are gathered and whose console is heard. */
export class Walk {
  readonly store = new TraceStore(emptyMeta('test', 1));
  readonly run: ControlledRun;
  serial = '';

  constructor(job: RunJob, options: { checkpointBytes?: number } = {}) {
    this.run = new ControlledRun(job, {
      ...options,
      checksRam: true,
      serial: (_vm, text) => {
        this.serial += text;
      },
    });
  }

  takeDeltas(): void {
    for (let delta = this.run.takeDelta(); delta; delta = this.run.takeDelta()) {
      this.store.append(delta);
    }
  }

  /** To the end, as `Journey.end` tells it. */
  end(): Outcome {
    this.run.forward();
    const { end, deltas } = this.run.end();
    for (const delta of deltas) this.store.append(delta);
    this.store.setMeta(end.meta);
    const { wallSeconds: _, ...summary } = end.summary;
    return {
      traceHash: end.summary.traceHash,
      receivedHash: hashOf(this.store),
      summary,
      serial: this.serial,
      message: end.meta.message,
    };
  }
}

/** Everything that can be read of a run at a moment: registers of all vCPUs, a sum over all RAM. */
export function seen(reader: ControlReader, ramBytes: number): { moment: Moment; state: string } {
  const vms = [...new Set(reader.cpus.map(({ vm }) => vm))];
  return {
    moment: reader.moment,
    state: checksumOf({
      registers: reader.cpus.map(({ index }) => reader.registers(index)),
      ram: vms.map((vm) => reader.readMemory({ kind: 'physical', vm }, 0n, ramBytes)),
    }),
  };
}

export function expectSame(reader: ControlReader, wanted: ReturnType<typeof seen>, ramBytes: number): void {
  expect(reader.moment).toEqual(wanted.moment);
  expect(seen(reader, ramBytes).state).toBe(wanted.state);
}
