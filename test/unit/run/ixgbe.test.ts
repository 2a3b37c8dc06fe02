/** The driver of the 82599 in the samples, on the bare machine and in a VM: counts of the trace against those of the guest itself. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { TraceEvent } from '../../../src/trace/query/store';
import { Kind } from '../../../src/trace/vocabulary/events';
import { betweenMarks, nicRun, type NicRun } from '../../support/nic-runs';

const PACKETS = 64;
const FRAME = 256;
/** Cycles of a nanosecond, and the unit of EITR in nanoseconds (datasheet, 8.2.3.5.12). */
const GHZ = 2.9;
const EITR_NANOSECONDS = 2000;

function scenario(vmm: string, defines: Record<string, number> = {}): object {
  return {
    vmm,
    host: { cpus: 2, frequencyGHz: GHZ, memoryMiB: 256 },
    vms: [
      {
        name: 'vm0',
        memoryMiB: 32,
        guest: {
          sources: ['../../../media/workspace/drivers/ixgbe.c'],
          defines: { PACKETS, FRAME, ...defines },
        },
        devices: [{ model: 'ixgbe', link: 'wire' }],
      },
    ],
    links: [{ id: 'wire', gbps: 10, latencyNs: 500, peer: { kind: 'echo' } }],
  };
}

/** The guest's counts, by the order of its structure. */
function logOf(run: NicRun) {
  const [reads, writes, sent, received, interrupts, kicks, refills, vector, gptc, gprc] =
    run.words('ixgbe_log');
  return { reads, writes, sent, received, interrupts, kicks, refills, vector, gptc, gprc };
}

/** Messages of the device. Under KVM its model hands each to KVM, which has a row of its own for it. */
function messagesOf(run: NicRun, vmm: string): TraceEvent[] {
  const messages = run.ofKind(Kind.Msi);
  return vmm === 'none' ? messages : messages.filter((row) => run.trackOf(row).includes('ixgbe'));
}

describe.each(['none', 'kvm'])('the 82599 under %s', (vmm) => {
  let run: NicRun;
  let log: ReturnType<typeof logOf>;

  beforeAll(async () => {
    run = await nicRun(scenario(vmm));
    log = logOf(run);
  });

  it('ends well: each packet came back, and the statistics agree', () => {
    expect(run.end.meta.message).toBeUndefined();
    expect(run.end.summary.vms[0]?.exitCode).toBe(0);
    expect(run.end.summary.packets).toEqual({ tx: PACKETS, rx: PACKETS, dropped: 0 });
    expect([log.sent, log.received, log.gptc, log.gprc]).toEqual([PACKETS, PACKETS, PACKETS, PACKETS]);
  });

  it('shows each access of a register that the guest made between its marks', () => {
    const rows = betweenMarks(run);
    const of = (kind: number): number =>
      rows.filter((row) => row.kind === kind && run.trackOf(row).includes('ixgbe')).length;
    expect([of(Kind.MmioRead), of(Kind.MmioWrite)]).toEqual([log.reads, log.writes]);
  });

  it('moves a tail for each doorbell, and the head once past each descriptor', () => {
    const rows = betweenMarks(run);
    const of = (kind: number): number => rows.filter((row) => row.kind === kind).length;
    expect(of(Kind.TransmitTail)).toBe(log.kicks);
    expect(of(Kind.ReceiveTail)).toBe(log.refills);
    expect(of(Kind.TransmitHead)).toBe(PACKETS);
  });

  it('tells of received packets by the one message that the driver asked for, and each reaches its handler', () => {
    expect(messagesOf(run, vmm)).toHaveLength(log.interrupts);
    const handled = run.ofKind(Kind.Handler).filter(({ a }) => a === log.vector);
    expect(handled).toHaveLength(log.interrupts);
    expect(run.ofKind(Kind.IrqRaise).filter((row) => run.trackOf(row).includes('ixgbe'))).toEqual([]);
  });

  it('reads each packet once and stores each once, with its descriptor behind it', () => {
    const writes = run.ofKind(Kind.DmaWrite).filter((row) => run.trackOf(row).includes('ixgbe'));
    const reads = run.ofKind(Kind.DmaRead).filter((row) => run.trackOf(row).includes('ixgbe'));
    expect(reads.filter(({ b }) => b === FRAME)).toHaveLength(PACKETS);
    expect(writes.filter(({ b }) => b === FRAME)).toHaveLength(PACKETS);
    // Descriptors go back in bursts: 16 bytes for each of them, in each direction.
    const descriptors = writes.filter(({ b }) => b !== FRAME).reduce((sum, { b }) => sum + b, 0);
    expect(descriptors).toBe(2 * PACKETS * 16);
  });
});

describe('the throttle of the 82599', () => {
  it('keeps messages apart by its interval, and loses no packet', async () => {
    const interval = 10;
    const run = await nicRun(scenario('none', { THROTTLE: interval }));
    const log = logOf(run);
    expect(log.received).toBe(PACKETS);
    const times = messagesOf(run, 'none').map(({ start }) => start);
    expect(times).toHaveLength(log.interrupts);
    const least = interval * EITR_NANOSECONDS * GHZ;
    for (let i = 1; i < times.length; i++) expect(times[i] - times[i - 1]).toBeGreaterThanOrEqual(least);
  });
});
