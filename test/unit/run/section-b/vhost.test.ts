/**
 * vhost: the queues of a virtio network device in the host's kernel. QEMU is not entered for a packet; what the guest writes leads
 * by an ioeventfd to the worker, and from there by an irqfd back to the guest's handler.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import type { TraceEvent } from '../../../../src/trace/query/store';
import { Kind, kinds } from '../../../../src/trace/vocabulary/events';
import { betweenMarks, kindName, nicRun, nicsVm, trafficVm, type NicRun } from '../../../support/nic-runs';
import { exitsOf, userExits } from '../../../support/section-b';

const PACKETS = 24;
const echo = [{ id: 'wire', peer: { kind: 'echo' } }];
const isExit = ({ kind }: TraceEvent): boolean => kinds.get(kind)?.group === 'exit';

describe.each([
  ['each frame with a kick', { KICK_ALWAYS: 1, WINDOW: 1 }],
  ['kicks by event index', {}],
  ['kicks by flag, in batches', { USE_EVENT_IDX: 0, BATCH: 4 }],
  ['packed rings', { USE_PACKED: 1, WINDOW: 2 }],
])('frames over vhost, %s', (_name, defines) => {
  let run: NicRun;
  let log: { kicks: number; refills: number; interrupts: number };

  beforeAll(async () => {
    run = await nicRun({ vms: [trafficVm('vhost', { PACKETS, ...defines })], links: echo });
    const [kicks, , refills, , interrupts] = run.words('nic_log');
    log = { kicks, refills, interrupts };
  });

  it('all come back', () => {
    expect(run.end.meta.message).toBeUndefined();
    expect(run.end.summary.vms[0]?.exitCode).toBe(0);
    expect(run.end.summary.packets).toEqual({ tx: PACKETS, rx: PACKETS, dropped: 0 });
    const [sent, received] = run.words('traffic_log');
    expect([sent, received]).toEqual([PACKETS, PACKETS]);
  });

  it('never enter QEMU while the guest sends and receives', () => {
    const inside = new Set(betweenMarks(run).map(({ row }) => row));
    const exits = exitsOf(run).filter(({ row }) => inside.has(row.row));
    expect(exits.length).toBeGreaterThanOrEqual(log.kicks);
    expect(exits.filter((exit) => userExits(exit) > 0)).toEqual([]);
    const loop = betweenMarks(run).filter((row) => run.trackOf(row) === 'QEMU main loop');
    expect(loop).toEqual([]);
  });

  it('are kicked as often as the driver says', () => {
    const rung = run.ofKind(Kind.Ioeventfd);
    expect(rung).toHaveLength(log.kicks + log.refills);
    // Receive is queue 0, transmit queue 1: what is written is the queue.
    expect(rung.filter(({ b }) => b === 1)).toHaveLength(log.kicks);
    expect(run.ofKind(Kind.IrqDeliver).length).toBeGreaterThanOrEqual(log.interrupts);
  });

  it('lead from each store to the worker', () => {
    for (const [index, rung] of run.ofKind(Kind.Ioeventfd).entries()) {
      const [exit, ...rest] = run.chain(rung);
      // The first access to a page has KVM find out that there is no memory.
      if (index > 0 || kindName(exit) !== 'EPT_VIOLATION') expect(kindName(exit)).toBe('EPT_MISCONFIG');
      expect(rest.filter(isExit)).toEqual([]);
      expect(rung.a).toBe(exit.a);
    }
    const kicks = run.ofKind(Kind.VirtqKick);
    for (const kick of kicks) {
      const [ran, woken, rung, exit] = run.chain(kick);
      expect([ran, woken, rung].map(({ kind }) => kind)).toEqual([
        Kind.SchedRun,
        Kind.SchedWake,
        Kind.Ioeventfd,
      ]);
      expect(isExit(exit)).toBe(true);
      expect(run.trackOf(ran)).toBe(run.trackOf(woken));
      expect(run.trackOf(ran)).toMatch(/^vhost/);
      expect(kick.a).toBe(rung.b);
    }
    // Kicks that come before the worker has woken up are one.
    expect(kicks.length).toBeLessThanOrEqual(log.kicks + log.refills);
    expect(kicks.length).toBeGreaterThan(0);
  });

  it('lead from each packet that is sent back to its kick, and from each handler back to its packet', () => {
    for (const packet of run.ofKind(Kind.PacketTx)) {
      const kinds = run.chain(packet).map(({ kind }) => kind);
      expect(kinds).toContain(Kind.VirtqKick);
      expect(kinds).toContain(Kind.Ioeventfd);
    }
    const handlers = run
      .ofKind(Kind.Handler)
      .filter((row) => run.chain(row).some(({ kind }) => kind === Kind.Irqfd));
    expect(handlers).toHaveLength(log.interrupts);
    const order = [
      Kind.IrqDeliver,
      Kind.IrqAccept,
      Kind.Msi,
      Kind.Irqfd,
      Kind.VirtqInterrupt,
      Kind.PacketRx,
      Kind.LinkTransit,
      Kind.PacketTx,
      Kind.VirtqKick,
      Kind.SchedRun,
      Kind.SchedWake,
      Kind.Ioeventfd,
    ];
    for (const handler of handlers) {
      const chain = run.chain(handler);
      const places = order.map((kind) => chain.findIndex((row) => row.kind === kind));
      expect(places).not.toContain(-1);
      // The worker also runs for the packet that comes back: of these rows the last ones are the first ones in time.
      const first = chain.findLastIndex(({ kind }) => kind === Kind.SchedRun);
      places[order.indexOf(Kind.SchedRun)] = first;
      places[order.indexOf(Kind.SchedWake)] = chain.findLastIndex(({ kind }) => kind === Kind.SchedWake);
      expect(places).toEqual([...places].sort((a, b) => a - b));
    }
  });
});

/**
 * What a public trace of a real host shows for one kick and the interrupt that answers it (trace-cmd, vCPU and vhost worker on the
 * same CPU; a vsock device, whose kick and irqfd are those of a network device): kinds alone, without what is the host's own
 * business (MSRs, RCU, the FPU, memory for the packet).
 *
 *   there                     here
 *   kvm_fast_mmio             ioeventfd
 *   sched_waking              sched.wake
 *   sched_switch              cpu.thread: what a CPU runs from now on
 *   kvm_msi_set_irq           irqfd, and msi at the interrupt controller
 *   kvm_apic_accept_irq       irq.accept
 *   kvm_entry                 entry
 *
 * What is not the same:
 *  - There kvm_fast_mmio stands behind the wake-up, for it is traced once the eventfd has been signalled. Here the ioeventfd is the
 *    cause of the wake-up, and a cause has the smaller row.
 *  - There the virtual APIC has the vector injected without an exit (kvm_apicv_accept_irq). Here it is injected at the entry.
 */
const realKick = [
  'kvm_exit EPT_MISCONFIG',
  'sched_waking vhost',
  'kvm_fast_mmio',
  'sched_switch qemu vhost',
  'kvm_msi_set_irq',
  'kvm_apic_accept_irq',
  'sched_switch vhost qemu',
  'kvm_entry',
];

describe('a kick and its interrupt on one CPU', () => {
  it('have the rows of a real host, in its order', async () => {
    // The device interrupts for what was sent, as in the trace: nothing comes back.
    const run = await nicRun({
      host: { cpus: 1 },
      vms: [nicsVm(['vhost'], { PACKETS, SENDS_ONLY: 1 })],
      links: [{ id: 'wire', peer: { kind: 'sink' } }],
    });
    expect(run.end.summary.vms[0]?.exitCode).toBe(0);
    const inside = betweenMarks(run).flatMap((row) => {
      const name = nameOf(run, row);
      return name === undefined ? [] : [{ row, name }];
    });
    const expected = realKick.filter((each) => each !== 'kvm_fast_mmio');
    expected.splice(1, 0, 'kvm_fast_mmio');
    const kicks = run.ofKind(Kind.Ioeventfd).filter(({ b }) => b === 1);
    expect(kicks).toHaveLength(PACKETS);
    for (const [index, kick] of kicks.entries()) {
      const [exit] = run.chain(kick);
      const from = inside.findIndex(({ row }) => row.row === exit.row);
      const sequence = inside.slice(from, from + expected.length);
      expect(sequence.map(({ name }) => name)).toEqual(expected);
      // The message is the answer to this kick: between the switches there is nothing of the vCPU's.
      const message = sequence.find(({ name }) => name === 'kvm_msi_set_irq')!.row;
      // But the first packet is found by what DRIVER_OK had the worker do, to which it had not come before.
      if (index > 0) expect(run.chain(message).map(({ row }) => row)).toContain(kick.row);
      const [there, back] = sequence.filter(({ name }) => name.startsWith('sched_switch'));
      const between = run.rows.filter(
        ({ start, track }) => start > there.row.start && start < back.row.start && track === exit.track,
      );
      expect(between.filter(isExit)).toEqual([]);
    }
  });
});

/** A row as the kernel names it; undefined of what the trace of the real host does not have, or has as its own business. */
function nameOf(run: NicRun, row: TraceEvent): string | undefined {
  if (isExit(row)) return `kvm_exit ${kindName(row)}`;
  const runs = (run.end.meta.tracks.find(({ id }) => id === row.a)?.name ?? '').startsWith('vhost');
  const names: Partial<Record<number, string>> = {
    [Kind.Ioeventfd]: 'kvm_fast_mmio',
    [Kind.SchedWake]: 'sched_waking vhost',
    [Kind.CpuThread]: runs ? 'sched_switch qemu vhost' : 'sched_switch vhost qemu',
    [Kind.Msi]: 'kvm_msi_set_irq',
    [Kind.IrqAccept]: 'kvm_apic_accept_irq',
    [Kind.Entry]: 'kvm_entry',
  };
  return names[row.kind];
}
