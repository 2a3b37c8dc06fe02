/** Which instructions leave a guest of KVM, and how often QEMU is entered for each, by what the guest says it has executed. */
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { GuestImage } from '../../../src/guest/image';
import type { RunJob } from '../../../src/protocol/run';
import type { TraceEvent } from '../../../src/trace/query/store';
import { Kind, kinds } from '../../../src/trace/vocabulary/events';
import { Island } from '../../../src/vmm/threads/island';
import { jobOf, root, runJob, type FinishedRun } from '../../support/runs';

const folder = join(root, 'test/fixtures/guests');
const scenario = (cpu: object): string =>
  JSON.stringify({
    vms: [
      {
        guest: { sources: ['exits.c'] },
        devices: [{ model: 'e1000', backend: 'qemu', coalescedMmio: true }],
        ...cpu,
      },
    ],
    stop: { when: 'guests-exit', afterMs: 200 },
  });

/** What the guest does in a phase, as many times as it says; how often it leaves, and how often QEMU is entered. */
interface Phase {
  name: string;
  reasons: string[];
  /** As an AMD processor names them, where that has not one name for each of `reasons`. */
  amd?: string[];
  exits: (done: number) => number;
  users: (done: number) => number;
}

const none = (): number => 0;
const each = (done: number): number => done;
const twice = (done: number): number => 2 * done;
const once = (): number => 1;
const ept = ['EPT_MISCONFIG'];
const io = ['IO_INSTRUCTION'];

/** Names of SVM's exits (AMD64 vol. 2, appendix C, as the kernel prints them) for VMX reasons; a hypercall's is the guest's mark. */
const svmNames: Readonly<Record<string, string>> = {
  MSR_READ: 'msr',
  MSR_WRITE: 'msr',
  WBINVD: 'wbinvd',
  INVD: 'invd',
  RDPMC: 'rdpmc',
  EPT_MISCONFIG: 'npf',
  IO_INSTRUCTION: 'io',
};
const MARKS: ReadonlySet<string> = new Set(['exit.VMCALL', 'exit.hypercall']);

/** User exits of REP INS, one after the other, as `pio_in_emulated` of Linux cuts them. */
function batches(count: number, size: number, offset: number): number {
  let found = 0;
  for (let left = count, at = offset; left > 0; found++) {
    const values = Math.min(4096 - (at % 4096), 1024 / size, left);
    left -= values;
    at += values * size;
  }
  return found;
}

/** By the number in the guest's source. */
const phases: Phase[] = [
  { name: 'bits of CR0 and CR4 that are the guest’s own, CR3', reasons: [], exits: none, users: none },
  {
    name: 'other bits of CR0 and CR4',
    reasons: ['CR_ACCESS'],
    amd: ['write_cr0', 'write_cr4'],
    exits: each,
    users: none,
  },
  { name: 'MSRs that are passed through', reasons: [], exits: none, users: none },
  { name: 'other MSRs of the vCPU', reasons: ['MSR_READ', 'MSR_WRITE'], exits: each, users: none },
  // The first access after another exit, and that other exit.
  {
    name: 'debug registers',
    reasons: ['DR_ACCESS', 'CPUID'],
    amd: ['write_dr0', 'cpuid'],
    exits: twice,
    users: none,
  },
  { name: 'WBINVD and INVD', reasons: ['WBINVD', 'INVD'], exits: each, users: none },
  { name: 'RDPMC', reasons: ['RDPMC'], exits: each, users: none },
  { name: 'invalid opcodes', reasons: ['EXCEPTION_NMI'], amd: ['UD excp'], exits: each, users: none },
  { name: 'single steps', reasons: ['EXCEPTION_NMI'], amd: ['DB excp'], exits: each, users: none },
  { name: 'a read-modify-write of a register', reasons: ept, exits: each, users: twice },
  { name: 'one whose write is coalesced', reasons: ept, exits: each, users: each },
  {
    name: 'REP INSB',
    reasons: io,
    exits: (done) => batches(done, 1, 0),
    users: (done) => batches(done, 1, 0),
  },
  {
    name: 'REP INSL across a page',
    reasons: io,
    exits: (done) => batches(done, 4, 4080),
    users: (done) => batches(done, 4, 4080),
  },
  { name: 'REP INSB from a port of KVM', reasons: io, exits: once, users: none },
  { name: 'REP OUTSB', reasons: io, exits: each, users: each },
  { name: 'REP OUTSB to a port of KVM', reasons: io, exits: once, users: none },
  { name: 'REP MOVS to a device', reasons: ept, exits: each, users: each },
  { name: 'REP MOVS from a device', reasons: ept, exits: once, users: each },
  // The emulator gives way when the low ten bits of the count are 0.
  { name: 'REP LODS of many', reasons: ept, exits: (done) => Math.ceil(done / 1024), users: each },
  { name: 'a read across a page', reasons: ept, exits: each, users: twice },
  { name: 'a write across a page', reasons: ept, exits: each, users: twice },
];

/** The run, and how often the guest says it has done what, by phase. */
function counted(job: RunJob): { run: FinishedRun; done: number[] } {
  const guest = job.guests[0];
  const symbol = GuestImage.parse(guest.elf, guest.elfFile).symbol('done');
  const done: number[] = [];
  const run = runJob(job, (session) => {
    if (!symbol) throw new Error('the guest has no log');
    const bytes = session.memory(0).read(Number(symbol.address), Number(symbol.size));
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let at = 0; at < bytes.length; at += 8) done.push(Number(view.getBigUint64(at, true)));
  });
  return { run, done };
}

describe.each(['intel', 'amd'])('under KVM, a guest of a vCPU by %s', (vendor) => {
  let job: RunJob;
  let run: FinishedRun;
  let done: number[];
  let rows: TraceEvent[];

  beforeAll(async () => {
    job = await jobOf(join(folder, 'exits.trapline.json'), scenario({ cpu: { vendor } }));
    ({ run, done } = counted(job));
    rows = Array.from({ length: run.store.rows }, (_, row) => run.store.get(row));
  });

  it('finds all as it should be', () => {
    expect(run.serial).toBe('');
    expect(run.end.meta.message).toBeUndefined();
    expect(run.end.summary.vms[0]?.exitCode).toBe(0);
    expect(done).toHaveLength(phases.length);
  });

  it.each(phases.map((phase, id) => [phase.name, id] as const))('leaves for %s as KVM says', (_, id) => {
    const [from, to] = rows.filter(({ kind, a }) => kind === Kind.Mark && a === id);
    const inside = rows.filter(({ start }) => start > from.start && start < to.start);
    const exits = inside
      .map(({ kind }) => kinds.get(kind)!)
      .filter(({ group, name }) => group === 'exit' && !MARKS.has(name))
      .map(({ name }) => name.slice('exit.'.length));
    const phase = phases[id];
    expect(done[id]).toBeGreaterThan(0);
    expect(exits.length).toBe(phase.exits(done[id]));
    const names =
      vendor === 'amd' ? (phase.amd ?? phase.reasons.map((name) => svmNames[name])) : phase.reasons;
    expect([...new Set(exits)].sort()).toEqual([...new Set(names)].sort());
    expect(inside.filter(({ kind }) => kind === Kind.UserExit).length).toBe(phase.users(done[id]));
  });

  it('leaves the same trace when everything waits for its time', () => {
    const mustWait = vi.spyOn(Island.prototype, 'mustWait').mockReturnValue(true);
    const waiting = runJob(job);
    mustWait.mockRestore();
    expect(waiting.end.summary.exits).toEqual(run.end.summary.exits);
    expect(waiting.end.summary.traceHash).toBe(run.end.summary.traceHash);
  });
});
