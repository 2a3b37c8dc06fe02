/** A small trace as a run would record it: one vCPU sends through an e1000, an interrupt comes back. */
import { Kind, exitKind } from '../../../src/trace/vocabulary/events';
import type { TraceMeta } from '../../../src/trace/model';
import { Recorder, type RecorderOptions } from '../../../src/trace/record/recorder';
import { TraceStore, emptyMeta } from '../../../src/trace/query/store';
import { VmxExit } from '../../../src/trace/vocabulary/vmx-exit-reasons';

export const FREQUENCY = 1_000_000_000;
export const TDT = 0x3818;

export function tracks(recorder: Recorder): {
  cpu: number;
  irq: number;
  nic: number;
  thread: number;
  link: number;
} {
  return {
    cpu: recorder.addTrack({ type: 'vcpu', name: 'vCPU 0', group: 'vm0', vm: 0 }),
    irq: recorder.addTrack({ type: 'interrupts', name: 'interrupts', group: 'vm0', vm: 0 }),
    nic: recorder.addTrack({
      type: 'device',
      name: 'e1000',
      group: 'vm0',
      vm: 0,
      registers: { [TDT]: 'TDT', '192': 'ICR' },
    }),
    thread: recorder.addTrack({ type: 'thread', name: 'QEMU I/O thread', group: 'host', vm: -1 }),
    link: recorder.addTrack({ type: 'link', name: 'wire', group: 'network', vm: -1 }),
  };
}

/** Cycles of the one exit: 12 400 in all, 9 800 of them in QEMU. */
export const EXIT = { start: 10_000, kvm: 1000, out: 600, qemu: 9800, back: 500, entry: 500 };

/** Records one transmit: guest, exit with its legs, register write, DMA, packet, interrupt, handler. Returns the rows. */
export function recordTransmit(
  recorder: Recorder,
  t: ReturnType<typeof tracks>,
  at = 0,
  packet = 1,
): Record<string, number> {
  const base = at + EXIT.start;
  recorder.cause = 0;
  recorder.place = recorder.internPlace(0, 0x10_0042, 0);
  const guest = recorder.open(at, t.cpu, Kind.GuestKernel, 0, 0);
  recorder.close(guest, base);
  const exit = recorder.open(base, t.cpu, exitKind(VmxExit.EPT_MISCONFIG), 0xfebc_3818, 3);
  recorder.cause = exit;
  let now = base;
  const leg = (kind: number, cycles: number): number => {
    const row = recorder.open(now, t.cpu, kind, 0, 0);
    now += cycles;
    recorder.close(row, now);
    return row;
  };
  leg(Kind.KvmHandle, EXIT.kvm);
  leg(Kind.UserExit, EXIT.out);
  const qemu = recorder.open(now, t.cpu, Kind.QemuHandle, 0, 0);
  const write = recorder.instant(now + 100, t.nic, Kind.MmioWrite, TDT, 3);
  recorder.cause = write;
  const dma = recorder.span(now + 200, 300, t.nic, Kind.DmaRead, 0x20_0000, 64);
  recorder.cause = dma;
  const tx = recorder.instant(now + 600, t.link, Kind.PacketTx, 64, packet);
  now += EXIT.qemu;
  recorder.close(qemu, now);
  recorder.cause = exit;
  leg(Kind.UserEnter, EXIT.back);
  leg(Kind.Entry, EXIT.entry);
  recorder.close(exit, now);
  recorder.cause = tx;
  const raise = recorder.instant(now + 100, t.nic, Kind.IrqRaise, 11, 0);
  recorder.cause = raise;
  const inject = recorder.instant(now + 300, t.irq, Kind.IrqInject, 0x2b, 0);
  recorder.cause = inject;
  const handler = recorder.span(now + 400, 700, t.irq, Kind.Handler, 0x2b, 0);
  recorder.instant(now + 5000, t.link, Kind.PacketRx, 64, packet);
  recorder.cause = 0;
  return { guest, exit, qemu, write, dma, tx, raise, inject, handler };
}

export function metaOf(recorder: Recorder, extra: Partial<TraceMeta> = {}): TraceMeta {
  return { ...emptyMeta('sample', FREQUENCY), state: 'finished', ...recorder.tables(), ...extra };
}

/** A finished store of `transmits` transmits, 40 000 cycles apart, and the rows of the first. */
export function sampleStore(
  transmits = 1,
  options: RecorderOptions = {},
): { store: TraceStore; rows: Record<string, number> } {
  const recorder = new Recorder({
    resolvePlace: () => ({ symbol: 'e1000_transmit', file: '/src/e1000.c', line: 142 }),
    ...options,
  });
  const t = tracks(recorder);
  let rows: Record<string, number> = {};
  for (let i = 0; i < transmits; i++) {
    const found = recordTransmit(recorder, t, i * 40_000, i + 1);
    if (i === 0) rows = Object.fromEntries(Object.entries(found).map(([name, ref]) => [name, ref - 1]));
  }
  recorder.finish(transmits * 40_000);
  const store = new TraceStore(emptyMeta('sample', FREQUENCY));
  store.append(recorder.takeDelta());
  store.setMeta(
    metaOf(recorder, {
      traceHash: recorder.traceHash(),
      facts: {
        cycles: transmits * 40_000,
        vms: [{ name: 'vm0', guestInstructions: 1234 * transmits, exitCode: 0 }],
      },
    }),
  );
  return { store, rows };
}
