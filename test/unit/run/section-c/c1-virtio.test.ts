/** Row C1: virtio over PCI and over MMIO, from discovery to work, and a trace that agrees with what the driver counted. */
import { beforeAll, describe, expect, it } from 'vitest';
import { QueueFault } from '../../../../src/machine/devices/virtio/queue/faults';
import type { TraceEvent } from '../../../../src/trace/query/store';
import { Kind } from '../../../../src/trace/vocabulary/events';
import { Journey, freely } from '../../../support/journeys';
import { jobOf, sample } from '../../../support/runs';
import { between, countedRun, mark, ofKind, trackOf, type CountedRun } from '../../../support/section-a';
import { exitsOf } from '../../../support/section-b';

const Mark = { found: 1, statusIs: 2, refused: 3, works: 4, broken: 5, worksAgain: 6, end: 7 } as const;
const DEVICES = ['virtio-net', 'virtio-console', 'virtio-rng'] as const;
const ENTROPY = 2;
/** Bits of the device status (2.1), in the order of the handshake (3.1.1). */
const [ACKNOWLEDGE, DRIVER, DRIVER_OK, FEATURES_OK, NEEDS_RESET] = [1, 2, 4, 8, 64];
const REFUSED = ACKNOWLEDGE | DRIVER;
const TRIED = REFUSED | FEATURES_OK;
const RUNNING = TRIED | DRIVER_OK;
const REFUSAL = [0, ACKNOWLEDGE, REFUSED, TRIED];
const HANDSHAKE = [...REFUSAL, RUNNING];

interface Counted {
  statusWrites: number;
  statusReads: number;
  kicks: number;
  queueInterrupts: number;
  configurationInterrupts: number;
}

/** What the driver has in its log. */
function logOf(run: CountedRun) {
  const words = run.words('c1_log');
  const of = DEVICES.map((_name, i): Counted => {
    const [statusWrites, statusReads, kicks, queueInterrupts, configurationInterrupts] = words.slice(
      9 * i + 4,
      9 * i + 9,
    );
    return { statusWrites, statusReads, kicks, queueInterrupts, configurationInterrupts };
  });
  const [withoutVersion, notOffered, brokenStatus, random, frames, sent, received, printed, echoed] =
    words.slice(27);
  return { of, withoutVersion, notOffered, brokenStatus, random, frames, sent, received, printed, echoed };
}

/** Rows of a device for accesses to a register, by what the registers are called. */
function accessesTo(run: CountedRun, device: string, name: string, kind: number): TraceEvent[] {
  const track = trackOf(run, device);
  const registers = run.store.meta.tracks.find(({ id }) => id === track)?.registers ?? {};
  return ofKind(run, kind, track).filter(({ a }) => registers[String(a)] === name);
}

const transports = [
  { transport: 'pci', status: 'DEVICE_STATUS', first: 0xc000_0000, end: 0xd000_0000 },
  { transport: 'mmio', status: 'STATUS', first: 0xfeb0_0000, end: 0xfeb0_1000 },
] as const;

describe.each(transports)('C1: virtio over $transport', ({ transport, status, first, end }) => {
  let run: CountedRun;
  let log: ReturnType<typeof logOf>;

  beforeAll(async () => {
    run = await countedRun(`c1-virtio-${transport}`);
    log = logOf(run);
  });

  it('ends well, and holds what it expects', () => {
    expect(run.end.meta.message).toBeUndefined();
    expect(run.end.summary.vms[0]?.exitCode).toBe(0);
    expect(run.end.summary.expectations.filter(({ held }) => !held)).toEqual([]);
    expect(ofKind(run, Kind.DeviceMisused)).toEqual([]);
  });

  it('takes the steps of the handshake in their order, and nothing else', () => {
    const written = DEVICES.map((device) =>
      accessesTo(run, device, status, Kind.MmioWrite).map(({ b }) => b),
    );
    expect(written).toEqual([HANDSHAKE, HANDSHAKE, [...REFUSAL, ...REFUSAL, ...HANDSHAKE, ...HANDSHAKE]]);
    DEVICES.forEach((device, i) => {
      expect(written[i].length).toBe(log.of[i].statusWrites);
      const reads = accessesTo(run, device, status, Kind.MmioRead).filter(
        ({ start }) => start < mark(run, Mark.end).start,
      );
      // The table at the end reads each once more.
      expect(reads.length).toBe(log.of[i].statusReads - 1);
    });
  });

  it('has a mark with the status that reads back after each write', () => {
    const marks = ofKind(run, Kind.Mark).filter(({ a }) => a === Mark.statusIs);
    const readBack = (device: number): number[] =>
      marks.filter(({ b }) => b >> 8 === device).map(({ b }) => b & 0xff);
    const kept = (bits: number[]): number[] => bits.map((each) => (each === TRIED ? REFUSED : each));
    expect([0, 1].map(readBack)).toEqual([HANDSHAKE, HANDSHAKE]);
    expect(readBack(ENTROPY)).toEqual([...kept(REFUSAL), ...kept(REFUSAL), ...HANDSHAKE, ...HANDSHAKE]);
  });

  it('refuses what it cannot work with: FEATURES_OK does not stick', () => {
    expect([log.withoutVersion, log.notOffered]).toEqual([REFUSED, REFUSED]);
    const refusals = ofKind(run, Kind.Mark).filter(({ a }) => a === Mark.refused);
    expect(refusals.map(({ b }) => b)).toEqual([REFUSED, REFUSED]);
    const ignored = ofKind(run, Kind.DeviceIgnored);
    expect(ignored.map(({ track, b }) => [track, b])).toEqual(
      refusals.map(() => [trackOf(run, 'virtio-rng'), TRIED]),
    );
  });

  it('finds the devices by asking the bus, or by knowing where they are', () => {
    const asked = [Kind.CfgRead, Kind.CfgWrite].flatMap((kind) => ofKind(run, kind));
    if (transport === 'mmio') expect(asked).toEqual([]);
    else expect(asked.length).toBeGreaterThan(0);
  });

  it('shows every access of the driver, as a register or as a signal', () => {
    const pages = run.log.entries.filter(
      ({ isPort, address }) => !isPort && address >= first && address < end,
    );
    const accesses = pages.reduce((sum, { reads, writes }) => sum + reads + writes, 0);
    const rows = DEVICES.flatMap((device) =>
      [Kind.MmioRead, Kind.MmioWrite, Kind.Ioeventfd].flatMap((kind) =>
        ofKind(run, kind, trackOf(run, device)),
      ),
    );
    // On MMIO the driver also looks where a fourth device would be, and nobody answers.
    const unanswered = transport === 'mmio' ? 1 : 0;
    expect(rows.length).toBe(accesses - unanswered);
  });

  it('is notified by signals, one for each kick, and by no register', () => {
    DEVICES.forEach((device, i) => {
      const track = trackOf(run, device);
      expect(ofKind(run, Kind.Ioeventfd, track).length).toBe(log.of[i].kicks);
      // Several before QEMU's main loop has come to it are one.
      const known = ofKind(run, Kind.VirtqKick, track).length;
      expect(known).toBeGreaterThan(0);
      expect(known).toBeLessThanOrEqual(log.of[i].kicks);
    });
  });

  it('moves what each device is for', () => {
    const buffers = (device: string, queue: number): number =>
      ofKind(run, Kind.VirtqUsed, trackOf(run, device))
        .filter(({ a }) => a === queue)
        .reduce((sum, { b }) => sum + b, 0);
    expect(run.end.summary.packets).toMatchObject({ tx: log.frames, rx: log.frames });
    expect([0, 1].map((queue) => buffers('virtio-net', queue))).toEqual([log.frames, log.frames]);
    // Its queues: console out, control in and out, channel in and out (5.3.2).
    expect([1, 2, 3, 4, 5].map((queue) => buffers('virtio-console', queue))).toEqual([
      1,
      log.received,
      log.sent,
      1,
      1,
    ]);
    expect(run.serial.replaceAll('\r', '')).toContain('\nA line by the virtio console.\n');
    expect([log.printed, log.echoed]).toEqual([
      'A line by the virtio console.\n'.length,
      'there and back\0'.length,
    ]);
    expect([buffers('virtio-rng', 0), log.random]).toEqual([2, 2 * 64]);
  });

  it('needs a reset after a chain that is a loop, and works again after it', () => {
    const rng = trackOf(run, 'virtio-rng');
    const [needed, ...more] = ofKind(run, Kind.VirtioNeedsReset);
    expect([needed?.track, needed?.a, needed?.b, more]).toEqual([rng, QueueFault.CHAIN_LENGTH, 0, []]);
    expect(log.brokenStatus).toBe(RUNNING | NEEDS_RESET);
    expect(mark(run, Mark.broken).b).toBe(RUNNING | NEEDS_RESET);
    expect(log.of.map(({ configurationInterrupts }) => configurationInterrupts)).toEqual([0, 0, 1]);
    const resets = accessesTo(run, 'virtio-rng', status, Kind.MmioWrite).filter(({ b }) => b === 0);
    const silent = between(run.rows, needed, resets[resets.length - 1]).filter(({ track }) => track === rng);
    expect(silent.filter(({ kind }) => kind === Kind.VirtqUsed || kind === Kind.VirtqInterrupt)).toEqual([]);
    expect(
      between(run.rows, mark(run, Mark.broken), mark(run, Mark.worksAgain)).filter(
        ({ kind, track }) => kind === Kind.VirtqUsed && track === rng,
      ).length,
    ).toBe(1);
  });

  it('interrupts by lines, through the IOAPIC', () => {
    expect(ofKind(run, Kind.Msi)).toEqual([]);
    const pins = new Set(ofKind(run, Kind.IoapicRoute).map(({ a }) => a));
    // PCI: IRQ 11 and 10, the first two devices share one. MMIO: each has its own.
    expect([...pins].sort()).toEqual(transport === 'mmio' ? [16, 17, 18] : [10, 11]);
    const handled = log.of.reduce(
      (sum, { queueInterrupts, configurationInterrupts }) => sum + queueInterrupts + configurationInterrupts,
      0,
    );
    expect(ofKind(run, Kind.Handler).length).toBe(handled);
  });
});

describe('C1: what KVM does for a notification', () => {
  /** Cycles that KVM takes from each exit of a notification to its signal. */
  async function handling(transport: string): Promise<number[]> {
    const run = await countedRun(`c1-virtio-${transport}`);
    const signals = new Set(ofKind(run, Kind.Ioeventfd).map(({ cause }) => cause));
    return exitsOf(run)
      .filter(({ row, reason }) => signals.has(row.row) && reason === 'EPT_MISCONFIG')
      .flatMap(({ legs }) => legs.filter(({ kind }) => kind === Kind.KvmHandle))
      .map(({ duration }) => duration);
  }

  it('is less where an address is enough than where it has to look at the value', async () => {
    const pci = await handling('pci');
    const mmio = await handling('mmio');
    expect([pci.length > 0, mmio.length > 0]).toEqual([true, true]);
    expect(Math.max(...pci)).toBeLessThan(Math.min(...mmio));
  });
});

describe.each(transports)('C1: the driver of virtio over $transport', ({ transport }) => {
  it.each([
    ['without a VMM', '"vmm": "kvm"', '"vmm": "none"'],
    ['with vhost', '"model": "virtio-net"', '"model": "virtio-net", "backend": "vhost"'],
    ['without ioeventfds', '"model": "virtio-net"', '"model": "virtio-net", "ioeventfd": false'],
  ])('does the same %s', async (_how, from, to) => {
    const [as, other] = await Promise.all([
      countedRun(`c1-virtio-${transport}`),
      countedRun(`c1-virtio-${transport}`, (text) => text.replace(from, to)),
    ]);
    expect(other.end.meta.message).toBeUndefined();
    expect(other.end.summary.vms[0]?.exitCode).toBe(0);
    const { of: _devices, ...moved } = logOf(as);
    expect(logOf(other)).toMatchObject(moved);
    expect(ofKind(other, Kind.VirtqUsed).reduce((sum, { b }) => sum + b, 0)).toBe(
      ofKind(as, Kind.VirtqUsed).reduce((sum, { b }) => sum + b, 0),
    );
  });
});

describe('C1: a run with devices on MMIO', () => {
  it('goes on from a snapshot as it would have', async () => {
    const job = await jobOf(sample('c1-virtio-mmio'));
    const reference = freely(job);
    for (const part of [0.3, 0.5, 0.7]) {
      const journey = new Journey(job);
      journey.session.runTo(Math.floor(reference.summary.cycles * part));
      journey.move(journey.session.snapshot(), structuredClone);
      while (journey.session.step());
      expect(journey.end()).toEqual(reference);
    }
  });
});
