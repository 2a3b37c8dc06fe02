/** Row D9: a virtual function in a VM, what it asks of the physical function's driver, and what it is refused. */
import { beforeAll, describe, expect, it } from 'vitest';
import { DropReason } from '../../../../src/machine/devices/ixgbe/bits';
import type { TraceEvent } from '../../../../src/trace/query/store';
import { Kind, exitKind } from '../../../../src/trace/vocabulary/events';
import { Message, Refusal } from '../../../../src/trace/vocabulary/mailbox-messages';
import { VmxExit } from '../../../../src/trace/vocabulary/vmx-exit-reasons';
import {
  between,
  countedRun,
  endOf,
  mark,
  ofKind,
  trackOf,
  type CountedRun,
} from '../../../support/section-a';

/** Of the scenarios. */
const FUNCTION = 1;
const VFS = 4;
const PACKETS = 64;
const FRAME = 256;
/** Marks of ixgbevf.c. */
const BEGIN = 1;
const END = 2;
/** Of VFMAILBOX (datasheet, 8.3.5.1.6). */
const ACKNOWLEDGE = 2;
const TYPE = 0xffff;

/** What the driver asks for when it begins, in its order: `introduce` and `agree`. */
const SET_UP = [
  Message.reset,
  Message.negotiate,
  Message.getQueues,
  Message.setAddress,
  Message.setFrameLength,
  Message.setMulticast,
  Message.setVlan,
  Message.setVlan,
];
/** What `ask_too_much` asks for, and why it gets none of it. */
const TRESPASSES = [
  [Message.setAddress, Refusal.anothersAddress],
  [Message.setAddress, Refusal.badAddress],
  [Message.setAddressFilter, Refusal.furtherAddress],
  [Message.setFrameLength, Refusal.frameLength],
  [Message.negotiate, Refusal.version],
  [7, Refusal.unknown],
] as const;

function logOf(run: CountedRun) {
  const [resets, requests, refused, ignored, spoofed, sent, received, interrupts, , , , reads, writes] =
    run.words('vf_log');
  return { resets, requests, refused, ignored, spoofed, sent, received, interrupts, reads, writes };
}

/** Rows from one back to its first cause. */
function chainOf(run: CountedRun, row: TraceEvent): TraceEvent[] {
  const chain: TraceEvent[] = [];
  for (let at: TraceEvent | undefined = row; at && chain.length < 100; at = run.rows[at.cause])
    chain.push(at);
  return chain;
}

function endsWell(run: CountedRun): void {
  expect(run.end.meta.message).toBeUndefined();
  expect(run.end.summary.vms[0].exitCode).toBe(0);
  expect(run.end.summary.expectations.filter(({ held }) => !held)).toEqual([]);
}

describe('D9: a virtual function in a VM', () => {
  let run: CountedRun;
  let log: ReturnType<typeof logOf>;
  let own: number;
  let physical: number;

  beforeAll(async () => {
    run = await countedRun('d9-sriov');
    log = logOf(run);
    own = trackOf(run, `nic0.vf${FUNCTION}`);
    physical = trackOf(run, 'nic0');
  });

  it('sends and receives, by queues and DMA of its own', () => {
    endsWell(run);
    expect(ofKind(run, Kind.VfsEnabled, physical).map(({ a }) => a)).toEqual([VFS]);
    expect([log.sent, log.received]).toEqual([PACKETS, PACKETS]);
    for (const kind of [Kind.PacketTx, Kind.PacketRx])
      expect(ofKind(run, kind).map(({ track }) => track)).toEqual(Array.from({ length: PACKETS }, () => own));
    const { tracks } = run.store.meta;
    const dma = run.rows.filter(({ kind }) => kind === Kind.DmaRead || kind === Kind.DmaWrite);
    expect(new Set(dma.map(({ track }) => tracks[track].name))).toEqual(new Set([`nic0.vf${FUNCTION}`]));
    expect(ofKind(run, Kind.PacketTx).map(({ a }) => a)).toEqual(
      Array.from({ length: PACKETS }, () => FRAME),
    );
  });

  it('leaves the guest for none of its registers while it works', () => {
    const rows = between(run.rows, mark(run, BEGIN), mark(run, END));
    const accesses = rows.filter(
      ({ kind, track }) => track === own && (kind === Kind.MmioRead || kind === Kind.MmioWrite),
    );
    expect(accesses.length).toBe(log.reads + log.writes);
    const exits = [VmxExit.EPT_MISCONFIG, VmxExit.EPT_VIOLATION].map(exitKind);
    expect(rows.filter(({ kind }) => exits.includes(kind))).toEqual([]);
  });

  it('interrupts by messages of its own', () => {
    expect(ofKind(run, Kind.Msi, own).length).toBe(log.interrupts);
    expect(ofKind(run, Kind.Handler).length).toBe(log.interrupts);
    expect(log.interrupts).toBeGreaterThan(0);
  });

  it('has each request answered by the driver of the physical function', () => {
    const requests = ofKind(run, Kind.VfRequest);
    expect(requests.map(({ a, b }) => [a, b & TYPE])).toEqual(SET_UP.map((type) => [FUNCTION, type]));
    expect(log.requests).toBe(SET_UP.length);
    expect(ofKind(run, Kind.VfRefused)).toEqual([]);
    // One message for each request, for each acknowledgement of an answer, and for each reset.
    expect(ofKind(run, Kind.Msi, physical).length).toBe(2 * log.requests + log.resets);
    expect(ofKind(run, Kind.FunctionReset, physical).length).toBe(log.resets);
  });

  it('follows a request from the store in the guest to the answer', () => {
    const { tracks } = run.store.meta;
    const { registers = {} } = tracks[own];
    for (const request of ofKind(run, Kind.VfRequest)) {
      const chain = chainOf(run, request);
      const way = [Kind.SchedRun, Kind.SchedWake, Kind.IrqAccept, Kind.Msi, Kind.MmioWrite];
      const places = way.map((kind) => chain.findIndex((row) => row.kind === kind));
      expect(places).toEqual([...places].sort((x, y) => x - y));
      expect(places[0]).toBeGreaterThan(0);
      const store = chain[places[way.length - 1]];
      // The thread also finds what has come while it woke up for something else: a reset, an acknowledgement.
      expect(tracks[store.track].id).toBe(own);
      expect(['VFMAILBOX', 'VFCTRL']).toContain(registers[String(store.a)]);
      expect(store.start).toBeLessThan(request.start);
    }
  });

  it('takes the time of its accesses to the device', () => {
    const { costs } = run.end.meta;
    const [first] = ofKind(run, Kind.VfRequest);
    // The answer to a reset: who may send and receive is read and written, and the address read; the lock, four words, the signal written.
    expect(first.duration).toBe((2 + 2) * costs['bus.read'] + (2 + 1 + 4 + 1) * costs['bus.write']);
  });

  it('may reset itself by configuration space as well, where QEMU has the kernel do it', async () => {
    const other = await countedRun('d9-sriov', (text) =>
      text.replace(`"PACKETS": ${PACKETS}`, `"PACKETS": ${PACKETS}, "FUNCTION_RESET": 1`),
    );
    endsWell(other);
    const { resets, requests, received } = logOf(other);
    expect({ resets, requests, received }).toEqual({ resets: 1, requests: SET_UP.length, received: PACKETS });
    expect(ofKind(other, Kind.FunctionReset, trackOf(other, 'nic0')).map(({ a }) => a)).toEqual([FUNCTION]);
  });

  it('acknowledges each answer', () => {
    const signals = ofKind(run, Kind.MmioWrite, own).filter(
      ({ a, b }) => run.store.meta.tracks[own].registers?.[String(a)] === 'VFMAILBOX' && b === ACKNOWLEDGE,
    );
    expect(signals.length).toBe(log.requests);
  });
});

describe('D9: what a virtual function may not do', () => {
  let run: CountedRun;
  let log: ReturnType<typeof logOf>;
  let own: number;

  beforeAll(async () => {
    run = await countedRun('d9-sriov-trespass');
    log = logOf(run);
    own = trackOf(run, `nic0.vf${FUNCTION}`);
  });

  it('is refused by the driver of the physical function, each time with the reason', () => {
    endsWell(run);
    const refusals = [...TRESPASSES, [Message.negotiate, Refusal.notReset]];
    const rows = ofKind(run, Kind.VfRefused);
    expect(rows.map(({ a, b, cause }) => [a, run.rows[cause].b & TYPE, b])).toEqual(
      refusals.map(([type, reason]) => [FUNCTION, type, reason]),
    );
    expect([log.refused, run.end.summary.host.vfRefusals]).toEqual([refusals.length, refusals.length]);
    expect(rows.every(({ start, cause }) => start === endOf(run.rows[cause]))).toBe(true);
    // It introduces itself twice.
    expect(log.requests).toBe(2 * SET_UP.length + refusals.length);
    expect(ofKind(run, Kind.VfRequest).length).toBe(log.requests);
  });

  it('has no register for it', () => {
    const { registers = {} } = run.store.meta.tracks[own];
    const ignored = ofKind(run, Kind.DeviceIgnored, own);
    const unknown = ofKind(run, Kind.MmioWrite, own).filter(({ a }) => registers[String(a)] === undefined);
    expect(unknown.length).toBe(log.ignored);
    expect(ignored.length).toBe(log.ignored);
  });

  it('resets itself alone, and tells of it', () => {
    const physical = trackOf(run, 'nic0');
    expect(ofKind(run, Kind.FunctionReset, physical).map(({ a }) => a)).toEqual(
      Array.from({ length: log.resets }, () => FUNCTION),
    );
    expect(log.resets).toBe(2);
  });

  it('sends nothing with the address of another', () => {
    const dropped = ofKind(run, Kind.PacketDrop);
    expect(dropped.map(({ b, track }) => [b, track])).toEqual(
      Array.from({ length: log.spoofed }, () => [DropReason.MacSpoofed, own]),
    );
    expect(ofKind(run, Kind.PacketTx).length).toBe(log.sent);
  });
});
