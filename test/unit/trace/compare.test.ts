/** The figures of a comparison, counted here row by row, and by hand from a trace that is written for it. */
import { beforeAll, describe, expect, it } from 'vitest';
import { compareRuns, type Comparison } from '../../../src/trace/query/compare';
import { comparisonTable } from '../../../src/trace/query/comparison-text';
import { packetLatency } from '../../../src/trace/query/latency';
import { emptyMeta, TraceStore, type TraceEvent } from '../../../src/trace/query/store';
import { Recorder } from '../../../src/trace/record/recorder';
import { exitKind, Kind, kindRow } from '../../../src/trace/vocabulary/events';
import { VmxExit } from '../../../src/trace/vocabulary/vmx-exit-reasons';
import { jobOf, runJob, sample } from '../../support/runs';

const US = 1000;

/** A trace of one vCPU and one NIC on a wire, written event by event. */
class Story {
  readonly recorder = new Recorder({ records: () => true, maxEvents: 1e6 });
  readonly vcpu = this.recorder.addTrack({ type: 'vcpu', name: 'vCPU 0', group: 'vm0', vm: 0 });
  readonly nic = this.recorder.addTrack({ type: 'device', name: 'nic', group: 'vm0', vm: 0 });
  readonly wire = this.recorder.addTrack({ type: 'link', name: 'wire', group: 'network', vm: -1 });

  /** An event that another one caused; returns its row reference. */
  instant(time: number, track: number, kind: number, cause: number, a = 0, b = 0): number {
    this.recorder.cause = cause;
    return this.recorder.instant(time, track, kind, a, b);
  }

  span(time: number, duration: number, track: number, kind: number, cause: number): number {
    this.recorder.cause = cause;
    return this.recorder.span(time, duration, track, kind, 0, 0);
  }

  /** A frame arrives over the wire at a time, and is in memory a microsecond later. */
  arrival(time: number, cause = 0): number {
    const transit = this.span(time - 5 * US, 5 * US, this.wire, Kind.LinkTransit, cause);
    return this.instant(time + US, this.nic, Kind.PacketRx, transit, 60);
  }

  handler(time: number, duration: number, cause: number): number {
    const raised = this.instant(time - 100, this.nic, Kind.IrqRaise, cause);
    return this.span(time, duration, this.vcpu, Kind.Handler, raised);
  }

  get store(): TraceStore {
    this.recorder.finish(1e6);
    const store = new TraceStore(emptyMeta('story', 1e9));
    store.append(this.recorder.takeDelta());
    store.setMeta({ ...store.meta, ...this.recorder.tables() });
    return store;
  }
}

const EXIT = exitKind(VmxExit.EPT_MISCONFIG);

describe('latencies of packets', () => {
  it('driver to wire: from the exit of the access, or from the access itself where none was needed', () => {
    const story = new Story();
    const exit = story.span(1000, 900, story.vcpu, EXIT, 0);
    const write = story.instant(1500, story.nic, Kind.MmioWrite, exit);
    const bell = story.instant(1600, story.nic, Kind.Doorbell, write);
    // Two packets of one kick.
    story.instant(4000, story.nic, Kind.PacketTx, bell);
    story.instant(5000, story.nic, Kind.PacketTx, bell);
    const bare = story.instant(10_000, story.nic, Kind.MmioWrite, 0);
    story.instant(10_070, story.nic, Kind.PacketTx, bare);
    // Nothing the driver did.
    story.instant(11_000, story.nic, Kind.PacketTx, 0);
    const { send, receive } = packetLatency(story.store);
    expect([send.count, send.min, send.p50, send.max]).toEqual([3, 70, 3000, 4000]);
    expect(receive.count).toBe(0);
  });

  it('wire to handler: of the interrupt that the packet raised', () => {
    const story = new Story();
    const packet = story.arrival(20_000);
    story.handler(23_000, 2000, packet);
    // One that the same packet caused later is not the first; one of nobody's is no packet's.
    story.handler(28_000, 2000, packet);
    story.handler(40_000, 2000, 0);
    const { receive, unreported, roundTrip } = packetLatency(story.store);
    expect([receive.count, receive.p50, unreported, roundTrip.count]).toEqual([1, 3000, 0, 0]);
  });

  it("a handler in whose past a packet lies is not that packet's: what the driver did stands between", () => {
    const story = new Story();
    const first = story.arrival(20_000);
    const handler = story.handler(23_000, 2000, first);
    const exit = story.span(23_500, 900, story.vcpu, EXIT, handler);
    const sent = story.instant(24_000, story.nic, Kind.PacketTx, exit);
    story.handler(26_000, 1000, sent);
    const second = story.arrival(50_000, sent);
    story.handler(53_000, 1000, second);
    const { receive, roundTrip, send } = packetLatency(story.store);
    expect([receive.count, receive.total]).toEqual([2, 3000 + 3000]);
    // The second one is the answer to what the handler of the first one sent.
    expect([roundTrip.count, roundTrip.p50]).toEqual([1, 53_000 - 23_500]);
    expect([send.count, send.p50]).toEqual([1, 500]);
  });

  it('packets without an interrupt of their own: a handler that runs, or the next one, or none', () => {
    const story = new Story();
    const first = story.arrival(20_000);
    story.handler(22_000, 5000, first);
    // In memory at 24,000, while the handler runs; at 31,000, before the next one; at 91,000, after all of them.
    for (const time of [23_000, 30_000, 90_000]) story.arrival(time);
    const last = story.arrival(33_000);
    story.handler(35_000, 1000, last);
    // An interrupt of another device is none of theirs.
    const other = story.recorder.addTrack({ type: 'device', name: 'other', group: 'vm0', vm: 0 });
    const raised = story.instant(95_000, other, Kind.IrqRaise, 0);
    story.span(95_100, 500, story.vcpu, Kind.Handler, raised);
    const { receive, unreported } = packetLatency(story.store);
    expect(unreported).toBe(1);
    expect([receive.count, receive.total]).toEqual([4, 2000 + 1000 + 5000 + 2000]);
  });
});

describe('a comparison', () => {
  const names = ['b7-e1000-emulated', 'a6-coalescing', 'hello'];
  let stores: TraceStore[];
  let comparison: Comparison;
  const rowsOf = (store: TraceStore): TraceEvent[] =>
    Array.from({ length: store.rows }, (_, row) => store.get(row));
  const values = (figure: string): (number | null)[] => {
    const row = comparison.rows.find((each) => each.figure === figure);
    if (!row) throw new Error(`no figure ${figure}`);
    return row.values;
  };

  beforeAll(async () => {
    stores = [];
    for (const name of names) stores.push(runJob(await jobOf(sample(name))).store);
    comparison = compareRuns(stores.map((store, i) => ({ name: names[i], store })));
  });

  it('counts what the rows are', () => {
    const counted = (wanted: (kind: number) => boolean): number[] =>
      stores.map((store) => rowsOf(store).filter(({ kind }) => wanted(kind)).length);
    const ofKind = (kind: number): number[] => counted((each) => each === kind);
    const exits = counted((kind) => kindRow(kind).reason !== undefined);
    const packets = counted((kind) => kind === Kind.PacketTx || kind === Kind.PacketRx);
    expect(values('exits')).toEqual(exits);
    expect(values('userExits')).toEqual(ofKind(Kind.UserExit));
    expect(values('packets')).toEqual(packets);
    expect(values('packets.tx')).toEqual(ofKind(Kind.PacketTx));
    expect(values('interrupts.raised')).toEqual(ofKind(Kind.IrqRaise));
    expect(values('interrupts.injected')).toEqual(ofKind(Kind.IrqInject));
    expect(values('interrupts.handled')).toEqual(ofKind(Kind.Handler));
    expect(values('exits.EPT_MISCONFIG')).toEqual(ofKind(EXIT));
    const reasons = comparison.rows.filter(({ figure }) => figure.startsWith('exits.'));
    expect(stores.map((_, i) => reasons.reduce((sum, row) => sum + row.values[i]!, 0))).toEqual(exits);
    const perPacket = packets.map((n, i) => (n === 0 ? null : exits[i] / n));
    expect(values('perPacket.exits')).toEqual(perPacket);
    expect(perPacket[2]).toBeNull();
  });

  it('adds up what hosts did', () => {
    const cycles = stores.map((store) => {
      const type = new Map(store.meta.tracks.map((track) => [track.id, track.type]));
      return rowsOf(store).reduce((sum, { kind, track, duration }) => {
        const { mode } = kindRow(kind);
        const host = mode === 'vmm-kernel' || mode === 'vmm-user' || mode === 'transition';
        const works =
          (type.get(track) === 'vcpu' && host) || (type.get(track) === 'thread' && kind === Kind.SchedRun);
        return works ? sum + duration : sum;
      }, 0);
    });
    expect(values('hostCycles')).toEqual(cycles);
    expect(cycles[0]).toBeGreaterThan(0);
    // A bare machine has no host.
    expect(cycles[1]).toBe(0);
    expect(values('perPacket.hostCycles')[0]).toBe(cycles[0] / values('packets')[0]!);
  });

  it('has latencies of every packet, and they are times of the run', () => {
    for (const [i, store] of stores.slice(0, 2).entries()) {
      const latency = packetLatency(store);
      expect(latency.send.count).toBe(values('packets.tx')[i]);
      expect(latency.receive.count + latency.unreported).toBe(values('packets.rx')[i]);
      // The echo's answers are what the driver sent.
      expect(latency.roundTrip.count).toBe(latency.receive.count);
      expect(latency.roundTrip.min).toBeGreaterThan(latency.send.min);
      expect(latency.roundTrip.max).toBeLessThan(store.meta.facts.cycles);
      expect(values('latency.send.p50')[i]).toBe(latency.send.p50 / store.meta.frequencyHz);
    }
    expect(values('latency.send.p50')[2]).toBeNull();
  });

  it('relates each run to the first', () => {
    for (const { values: row, ratios } of comparison.rows) {
      row.forEach((value, i) => {
        const none = value === null || row[0] === null || row[0] === 0;
        expect(ratios[i]).toBe(none ? null : value / row[0]!);
      });
    }
    expect(comparison.runs.map(({ name, traceHash }) => [name, traceHash])).toEqual(
      stores.map(({ meta }, i) => [names[i], meta.traceHash]),
    );
  });

  it('keeps counts and gives no times where rows were not recorded', async () => {
    const text = `{ "vms": [{ "guest": { "sources": ["../drivers/e1000.c"], "defines": { "PACKETS": 4 } },
      "devices": [{ "model": "e1000", "link": "wire" }] }], "links": [{ "id": "wire" }], "trace": { "kinds": KINDS } }`;
    const [all, some] = await Promise.all(
      ['"all"', '["exit"]'].map(async (kinds) =>
        runJob(await jobOf(sample('x'), text.replace('KINDS', kinds))),
      ),
    );
    const { rows } = compareRuns([all, some].map(({ store }, i) => ({ name: String(i), store })));
    for (const { figure, values: row } of rows) {
      if (/^(latency|hostCycles|perPacket.hostCycles|perInterrupt|packets.rate)/.test(figure))
        expect(row[1]).toBeNull();
      else expect(row[1]).toBe(row[0]);
    }
  });

  it('is a table without the rows that nobody has', () => {
    const { head, body } = comparisonTable(comparison);
    expect(head).toEqual(['', ...names]);
    const labels = body.map(([label]) => label.trim());
    expect(labels).toContain('VM exits');
    expect(labels).not.toContain('notifications');
    expect(body.every((row) => row.length === 4)).toBe(true);
    const [, first, second] = body.find(([label]) => label === '  sent') ?? [];
    const [sent, other] = values('packets.tx');
    expect(first).toBe(String(sent));
    expect(second).toBe(`${other} (×${other! / sent!})`);
  });
});
