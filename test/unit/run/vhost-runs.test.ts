/** Machines with network devices over vhost: several NICs, several VMs, pins instead of messages, resets while packets come. */
import { describe, expect, it } from 'vitest';
import { Kind } from '../../../src/trace/vocabulary/events';
import { nicRun, nicsVm, trafficVm, type NicRun } from '../../support/nic-runs';

const PACKETS = 40;
const echo = [{ id: 'wire', peer: { kind: 'echo' } }];
/** Words of each NIC in a guest's log. */
const WORDS = 5;
/** Its mark behind the last packet. */
const END = 2;

function logsOf(
  run: NicRun,
): { sent: number; received: number; interrupts: number; kicks: number; resets: number }[] {
  const words = run.words('nics_log');
  return Array.from({ length: words.length / WORDS }, (_, nic) => {
    const [sent, received, interrupts, kicks, resets] = words.slice(WORDS * nic, WORDS * (nic + 1));
    return { sent, received, interrupts, kicks, resets };
  });
}

function expectWell(run: NicRun): void {
  expect(run.serial).toBe('');
  expect(run.end.meta.message).toBeUndefined();
  for (const { exitCode } of run.end.summary.vms) expect(exitCode).toBe(0);
  for (const kind of [Kind.VirtioNeedsReset, Kind.DeviceMisused, Kind.PacketDrop])
    expect(run.ofKind(kind)).toEqual([]);
}

describe('vhost by a pin', () => {
  it('has the level-triggered interrupt of QEMU, each with its queue bit, and handles as many as the guest says', async () => {
    const run = await nicRun({ vms: [nicsVm(['vhost'], { PACKETS, BY_MSIX: 0 })], links: echo });
    expectWell(run);
    const [log] = logsOf(run);
    expect(log).toMatchObject({ sent: PACKETS, received: PACKETS });
    expect(run.ofKind(Kind.Irqfd)).toEqual([]);
    const handlers = run.ofKind(Kind.Handler);
    expect(log.interrupts).toBeGreaterThan(0);
    expect(handlers.length).toBeGreaterThanOrEqual(log.interrupts);
    // The pin is raised by QEMU's main loop, whom the worker has woken.
    const raised = run.ofKind(Kind.IrqRaise);
    expect(raised.length).toBeGreaterThan(0);
    for (const raise of raised) {
      const tracks = run
        .chain(raise)
        .filter(({ kind }) => kind === Kind.SchedRun)
        .map(run.trackOf);
      expect(tracks[0]).not.toMatch(/vhost/);
      expect(tracks.some((name) => name.startsWith('vhost'))).toBe(true);
      expect(run.chain(raise).some(({ kind }) => kind === Kind.VirtqInterrupt)).toBe(true);
    }
    // Each one that went up before the driver had its last packet has come down. Nobody handles one that comes after that.
    const [end] = run.ofKind(Kind.Mark).filter(({ a }) => a === END);
    expect(run.ofKind(Kind.IrqLower)).toHaveLength(raised.filter(({ start }) => start < end.start).length);
  });
});

describe.each([
  ['vhost', 1],
  ['vhost', 0],
  ['qemu', 1],
  ['qemu', 0],
] as const)('a device over %s that is reset while packets come, MSI-X %i', (backend, msix) => {
  it.each([1000, 2500, 7777])(
    'works anew each time, and no buffer of before is written: one every %i ns',
    async (intervalNs) => {
      const run = await nicRun({
        vms: [nicsVm([backend], { PACKETS, RESETS: 4, BY_MSIX: msix })],
        links: [{ id: 'wire', peer: { kind: 'generate', count: 400, intervalNs } }],
      });
      expectWell(run);
      const [log] = logsOf(run);
      expect(log).toMatchObject({ received: PACKETS, resets: 4 });
    },
  );
});

describe('two NICs over vhost in a VM', () => {
  it.each([1, 0])('have a worker each, and send to one another (MSI-X %i)', async (msix) => {
    const run = await nicRun({
      vms: [nicsVm(['vhost', 'vhost'], { PACKETS, BY_MSIX: msix })],
      links: [{ id: 'wire' }],
    });
    expectWell(run);
    for (const log of logsOf(run)) expect(log).toMatchObject({ sent: PACKETS, received: PACKETS });
    const workers = run.end.meta.tracks.filter(
      ({ name, type }) => type === 'thread' && name.startsWith('vhost'),
    );
    expect(new Set(workers.map(({ name }) => name)).size).toBe(2);
    // What a NIC sends is the work of its own worker.
    for (const packet of run.ofKind(Kind.PacketTx)) {
      const worker = run.chain(packet).find(({ kind }) => kind === Kind.SchedRun)!;
      expect(run.trackOf(worker)).toBe(`vhost ${run.trackOf(packet)}`);
    }
  });

  it('may be one over vhost and one in QEMU', async () => {
    const run = await nicRun({ vms: [nicsVm(['vhost', 'qemu'], { PACKETS })], links: [{ id: 'wire' }] });
    expectWell(run);
    for (const log of logsOf(run)) expect(log).toMatchObject({ sent: PACKETS, received: PACKETS });
  });
});

describe('two VMs on a link', () => {
  it.each([
    ['vhost', 'vhost'],
    ['vhost', 'qemu'],
  ] as const)('send to one another: %s and %s', async (one, other) => {
    const defines = { PACKETS, WINDOW: PACKETS, BATCH: 5 };
    const run = await nicRun({
      host: { cpus: 4 },
      vms: [trafficVm(one, defines, { name: 'a' }), trafficVm(other, defines, { name: 'b' })],
      links: [{ id: 'wire' }],
    });
    expect(run.end.meta.message).toBeUndefined();
    for (const vm of [0, 1]) {
      expect(run.end.summary.vms[vm]?.exitCode).toBe(0);
      expect(run.words('traffic_log', vm).slice(0, 2)).toEqual([PACKETS, PACKETS]);
      expect(run.end.summary.vms[vm]?.packets).toEqual({ tx: PACKETS, rx: PACKETS, dropped: 0 });
    }
  });
});
