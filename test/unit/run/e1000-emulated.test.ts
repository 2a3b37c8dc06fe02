/** Row B7 of what Trapline promises: 64 packets through an emulated e1000, and a trace that agrees with the guest. */
import { beforeAll, describe, expect, it } from 'vitest';
import { Kind, kinds } from '../../../src/trace/vocabulary/events';
import type { RunJob } from '../../../src/protocol/run';
import type { AccessLog } from '../../../src/guest/access-log';
import { accessLogOf } from '../../support/access-log';
import { jobOf, runJob, sample, type FinishedRun } from '../../support/runs';

const LAPIC_PAGE = 0xfee0_0000;
const IOAPIC_PAGE = 0xfec0_0000;
const PIC_PORTS = [0x20, 0x21, 0xa0, 0xa1];
const PAGE = 4096;

/** Exits of the trace's own rows, as (reason, first argument) pairs. */
function exitsOf(run: FinishedRun): { reason: string; a: number; place: number }[] {
  const exits = [];
  for (let row = 0; row < run.store.rows; row++) {
    const event = run.store.get(row);
    const kind = kinds.get(event.kind);
    if (kind?.group === 'exit')
      exits.push({ reason: kind.name.slice('exit.'.length), a: event.a, place: event.place });
  }
  return exits;
}

function count(run: FinishedRun, kind: number): number {
  let found = 0;
  for (let row = 0; row < run.store.rows; row++) if (run.store.get(row).kind === kind) found += 1;
  return found;
}

describe('emulated e1000 under KVM and QEMU', () => {
  let job: RunJob;
  let run: FinishedRun;
  let log: AccessLog;

  beforeAll(async () => {
    job = await jobOf(sample('b7-e1000-emulated'));
    run = runJob(job, (session) => {
      log = accessLogOf(job, session);
    });
  });

  it('sends 64 packets and gets 64 back, each payload checked by the guest', () => {
    expect(run.end.meta.message).toBeUndefined();
    expect(run.end.summary.vms[0]?.exitCode).toBe(0);
    expect(run.end.summary.packets).toEqual({ tx: 64, rx: 64, dropped: 0 });
    expect(run.end.summary.expectations.filter((each) => !each.held)).toEqual([]);
  });

  it('records one exit for each access that the guest counted, on the page or port that it counted', () => {
    const exits = exitsOf(run);
    const byPage = new Map<number, number>();
    const byPort = new Map<number, number>();
    for (const { reason, a } of exits) {
      if (reason === 'APIC_ACCESS') byPage.set(LAPIC_PAGE, (byPage.get(LAPIC_PAGE) ?? 0) + 1);
      if (reason.startsWith('EPT_')) {
        const page = Math.floor(a / PAGE) * PAGE;
        byPage.set(page, (byPage.get(page) ?? 0) + 1);
      }
      if (reason === 'IO_INSTRUCTION') byPort.set(a, (byPort.get(a) ?? 0) + 1);
    }
    const counted = (isPort: boolean): [number, number][] =>
      log.entries
        .filter((entry) => entry.isPort === isPort)
        .map(({ address, reads, writes }): [number, number] => [address, reads + writes])
        .sort(([x], [y]) => x - y);
    const found = (table: Map<number, number>): [number, number][] => [...table].sort(([x], [y]) => x - y);
    expect(found(byPage)).toEqual(counted(false));
    expect(found(byPort)).toEqual(counted(true));
    const reasons = (name: string): number => exits.filter(({ reason }) => reason === name).length;
    expect(reasons('HLT')).toBe(log.hlt);
    expect(reasons('CPUID')).toBe(log.cpuid);
    expect(reasons('VMCALL')).toBe(log.vmcalls);
    expect(log.mmioReads + log.mmioWrites).toBeGreaterThan(64);
  });

  it('takes exactly the accesses that KVM does not serve itself to QEMU', () => {
    const toQemu = log.entries
      .filter(({ address, isPort }) => !(isPort ? PIC_PORTS : [LAPIC_PAGE, IOAPIC_PAGE]).includes(address))
      .reduce((sum, { reads, writes }) => sum + reads + writes, 0);
    expect(run.end.summary.userExits).toBe(toQemu);
    expect(count(run, Kind.QemuHandle)).toBe(toQemu);
  });

  it('gives the summary the same figures as the rows', () => {
    const bySummary = Object.values(run.end.summary.exits).reduce((sum, n) => sum + n, 0);
    expect(exitsOf(run).length).toBe(bySummary);
    expect(run.end.summary.events).toBe(run.store.rows);
    expect(count(run, Kind.Handler)).toBe(run.end.summary.interrupts.handled);
  });

  it('knows the C line of every exit', () => {
    const places = new Map(run.store.meta.places.map((place) => [place.id, place]));
    const unknown = exitsOf(run).filter(({ place }) => !places.get(place)?.file);
    // The start-up code is assembly with line information of its own, so nothing is left over.
    expect(unknown).toEqual([]);
  });

  it('joins a packet and its interrupt into one causal chain', () => {
    const { store } = run;
    const chainUp = (row: number): number[] => {
      const chain = [];
      for (let at = row; at >= 0; at = store.get(at).cause) chain.push(store.get(at).kind);
      return chain.reverse();
    };
    let eoi = -1;
    for (let row = 0; row < store.rows; row++) if (store.get(row).kind === Kind.IrqEoi) eoi = row;
    const names = chainUp(eoi).map((kind) => kinds.get(kind)?.name);
    const story = [
      'exit.EPT_MISCONFIG',
      'mmio.write',
      'dma.read',
      'packet.tx',
      'link.transit',
      'dma.write',
      'packet.rx',
      'irq.raise',
      'ioapic.route',
      'irq.accept',
      'irq.inject',
      'irq.deliver',
      'handler',
      'exit.APIC_ACCESS',
      'irq.eoi',
    ];
    const positions = story.map((name) => names.indexOf(name));
    expect(positions).not.toContain(-1);
    expect(positions).toEqual([...positions].sort((x, y) => x - y));
  });

  it('is the same run each time', () => {
    const again = runJob(job);
    expect(again.end.summary.traceHash).toBe(run.end.summary.traceHash);
    expect(run.end.summary.traceHash).toMatch(/^[0-9a-f]{16}$/);
  });
});
