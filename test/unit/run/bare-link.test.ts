/** A NIC on a physical bus and a slow wire: it sends no faster than the wire takes, and fetches no more than its buffer holds. */
import { beforeAll, describe, expect, it } from 'vitest';
import { WIRE_OVERHEAD } from '../../../src/machine/link/wire';
import { Kind } from '../../../src/trace/vocabulary/events';
import { countedRun, ofKind, type CountedRun } from '../../support/section-a';

const SIZE = 128;
const FRAME = 200;
const GBPS = 0.1;
/** Of the 64 KiB, what the receiver does not have (PBA after a reset: 48 KiB). */
const TRANSMIT_BUFFER = 16 << 10;

describe('a burst on a slow wire without a VMM', () => {
  let run: CountedRun;

  beforeAll(async () => {
    run = await countedRun('a4-rings', (text) =>
      text
        .replace('"SIZE": 8, "LAPS": 10', `"SIZE": ${SIZE}, "LAPS": 1`)
        .replace('"id": "wire"', `"id": "wire", "gbps": ${GBPS}`)
        .replace('"packets.tx": 70', `"packets.tx": ${SIZE - 1}`),
    );
  });

  it('arrives whole', () => {
    expect(run.end.summary.vms[0]?.exitCode).toBe(0);
    expect(run.end.summary.expectations.filter(({ held }) => !held)).toEqual([]);
  });

  it('leaves frame by frame, as soon as the wire is free and no sooner', () => {
    const { preamble, fcs, gap } = WIRE_OVERHEAD;
    const cyclesPerBit = run.end.meta.frequencyHz / 1e9 / GBPS;
    const occupied = Math.ceil((FRAME + preamble + fcs + gap) * 8 * cyclesPerBit);
    const starts = ofKind(run, Kind.PacketTx).map(({ start }) => start);
    expect(starts).toHaveLength(SIZE - 1);
    const gaps = starts.slice(1).map((start, i) => start - starts[i]);
    expect(new Set(gaps)).toEqual(new Set([occupied]));
  });

  it('waits in memory, but for what the packet buffer holds', () => {
    const events = run.rows
      .filter(({ kind, b }) => kind === Kind.PacketTx || (kind === Kind.DmaRead && b === FRAME))
      .map(({ kind, start, duration }) => ({
        at: start + duration,
        bytes: kind === Kind.PacketTx ? -FRAME : FRAME,
      }))
      .sort((x, y) => x.at - y.at || x.bytes - y.bytes);
    let held = 0;
    let most = 0;
    for (const { bytes } of events) most = Math.max(most, (held += bytes));
    expect(held).toBe(0);
    expect(most).toBeLessThanOrEqual(TRANSMIT_BUFFER);
    // It is filled as far as whole frames go; each takes up its bytes and what the hardware keeps beside them.
    expect(most).toBeGreaterThan(TRANSMIT_BUFFER * 0.8);
  });
});
