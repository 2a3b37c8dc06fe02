/** Row C5: user exits of a virtio driver phase by phase, against what the driver counted: registers have them, buffers do not. */
import { beforeAll, describe, expect, it } from 'vitest';
import { Kind } from '../../../../src/trace/vocabulary/events';
import { between, countedRun, mark, ofKind, trackOf, type CountedRun } from '../../../support/section-a';
import { USER_LEGS, exitsOf, userExits, type Exit } from '../../../support/section-b';

const NAME = 'c5-control-plane';
const PHASES = ['set up', 'data', 'configuration', 'data again'] as const;
const DATA = [1, 3];
const CONTROL = [0, 2];
/** As the scenario says. */
const [BUFFERS, BATCH] = [64, 16];

interface Phase {
  /** To device registers, kicks among them; to ports; to the local APIC, which is KVM's. */
  accesses: number;
  ports: number;
  apic: number;
  kicks: number;
  sent: number;
  received: number;
  interrupts: number;
  exits: Exit[];
}

/** What the driver has counted in each phase, and the exits of the trace there. */
async function phasesOf(change?: (text: string) => string): Promise<{ run: CountedRun; phases: Phase[] }> {
  const run = await countedRun(NAME, change);
  const words = run.words('c5_log');
  const exits = exitsOf(run);
  const phases = PHASES.map((_name, i): Phase => {
    const [memory, ports, apic, kicks, sent, received, interrupts] = words.slice(7 * i, 7 * i + 7);
    const accesses = memory - apic;
    const [from, to] = [mark(run, i + 1), mark(run, i + 2)];
    const inside = exits.filter(({ row }) => row.start > from.start && row.start < to.start);
    // The mark that ends the phase is an exit itself.
    return {
      accesses,
      ports,
      apic,
      kicks,
      sent,
      received,
      interrupts,
      exits: inside.filter((each) => !isMark(each)),
    };
  });
  return { run, phases };
}

const isMark = ({ reason }: Exit): boolean => reason === 'VMCALL';
const inUser = ({ exits }: Phase): number => exits.reduce((sum, exit) => sum + userExits(exit), 0);

describe('C5: two planes, with ioeventfds', () => {
  let run: CountedRun;
  let phases: Phase[];
  beforeAll(async () => ({ run, phases } = await phasesOf()));

  it('ends well, and holds what it expects', () => {
    expect(run.end.meta.message).toBeUndefined();
    expect(run.end.summary.vms[0]?.exitCode).toBe(0);
    expect(run.end.summary.expectations.filter(({ held }) => !held)).toEqual([]);
    for (const phase of DATA.map((i) => phases[i]))
      expect([phase.sent, phase.received]).toEqual([BUFFERS, BUFFERS]);
  });

  it('has one user exit for each configuration access, and for nothing else', () => {
    for (const { accesses, ports, apic, exits, kicks } of CONTROL.map((i) => phases[i])) {
      expect(kicks).toBe(0);
      expect(accesses).toBeGreaterThan(0);
      const toUser = exits.filter(({ reason }) => reason !== 'APIC_ACCESS');
      expect(toUser.length).toBe(accesses + ports);
      for (const { legs } of toUser) expect(legs.map(({ kind }) => kind)).toEqual(USER_LEGS);
      // The local APIC is asked for its ID, for the message of an MSI-X entry.
      expect(exits.length - toUser.length).toBe(apic);
    }
    expect(CONTROL.map((i) => inUser(phases[i]))).toEqual(
      CONTROL.map((i) => phases[i].accesses + phases[i].ports),
    );
  });

  it('has no user exit while buffers move', () => {
    expect(DATA.map((i) => inUser(phases[i]))).toEqual([0, 0]);
  });

  it('has an exit of the data plane for each notification alone, and one for each end of interrupt', () => {
    const nic = trackOf(run, 'virtio-net');
    for (const i of DATA) {
      const { kicks, accesses, apic, interrupts, ports, exits } = phases[i];
      // All that the driver accesses there is a doorbell; the kit's handler writes EOI.
      expect([accesses, ports, apic]).toEqual([kicks, 0, interrupts]);
      const signals = between(ofKind(run, Kind.Ioeventfd, nic), mark(run, i + 1), mark(run, i + 2));
      expect(signals.length).toBe(kicks);
      const signalling = new Set(signals.map(({ cause }) => cause));
      expect(exits.filter(({ row }) => signalling.has(row.row)).length).toBe(kicks);
      const reasons = new Set(
        exits.filter(({ row }) => !signalling.has(row.row)).map(({ reason }) => reason),
      );
      for (const each of ['EPT_MISCONFIG', 'EPT_VIOLATION', 'IO_INSTRUCTION'])
        expect(reasons.has(each)).toBe(false);
    }
  });

  it('has the buffers in memory: one notification for a batch', () => {
    const nic = trackOf(run, 'virtio-net');
    for (const i of DATA) {
      const used = between(ofKind(run, Kind.VirtqUsed, nic), mark(run, i + 1), mark(run, i + 2));
      expect(
        [0, 1].map((queue) => used.filter(({ a }) => a === queue).reduce((sum, { b }) => sum + b, 0)),
      ).toEqual([BUFFERS, BUFFERS]);
      // A batch is one; giving receive buffers back, and the first of them, are others.
      expect(phases[i].kicks).toBeGreaterThanOrEqual(BUFFERS / BATCH);
      expect(phases[i].kicks).toBeLessThan(BUFFERS);
    }
  });
});

describe('C5: the same', () => {
  it('without ioeventfds has a user exit for each kick, and still none for a buffer', async () => {
    const { phases } = await phasesOf((text) => text.replace('"ioeventfd": true', '"ioeventfd": false'));
    for (const phase of DATA.map((i) => phases[i])) {
      expect(phase.received).toBe(BUFFERS);
      expect(phase.kicks).toBeGreaterThan(0);
      expect(inUser(phase)).toBe(phase.kicks);
    }
  });

  it('with vhost leaves the control plane in QEMU', async () => {
    const { phases } = await phasesOf((text) => text.replace('"backend": "qemu"', '"backend": "vhost"'));
    expect(DATA.map((i) => inUser(phases[i]))).toEqual([0, 0]);
    for (const phase of CONTROL.map((i) => phases[i]))
      expect(inUser(phase)).toBe(phase.accesses + phase.ports);
  });
});
