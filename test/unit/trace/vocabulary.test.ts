import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { describe as describeEvent } from '../../../src/trace/query/describe';
import { lanesOf } from '../../../src/trace/query/lanes';
import { exitId } from '../../../src/trace/vocabulary/exit-table';
import {
  KIND_LIMIT,
  Kind,
  byKind,
  exitKind,
  exitTables,
  isExit,
  kindRow,
  kinds,
  kindsByName,
} from '../../../src/trace/vocabulary/events';
import { modeColour, modeNames, modeRoles } from '../../../src/trace/vocabulary/modes';
import { svmExits } from '../../../src/trace/vocabulary/svm-exit-codes';
import { VmxExit, vmxExits } from '../../../src/trace/vocabulary/vmx-exit-reasons';
import { eventLabel } from '../../../webview/lanes/labels';
import { Recorder } from '../../../src/trace/record/recorder';
import { TraceStore, emptyMeta } from '../../../src/trace/query/store';

const root = join(import.meta.dirname, '../../..');

describe('kinds', () => {
  it('have ids and names of their own, within the column', () => {
    expect(kindsByName.size).toBe(kinds.size);
    for (const [id, row] of kinds) {
      expect(id).toBe(row.id);
      expect(id).toBeGreaterThan(0);
      expect(id).toBeLessThan(KIND_LIMIT);
      expect(row.sentence).toMatch(/^[A-Z0-9].*\.$/);
    }
    expect(Object.values(Kind).filter((id) => !kinds.has(id))).toEqual([]);
  });

  it('are printed in the colour of their mode', () => {
    const rows = [...kinds.values()].filter(({ name, mode }) => mode !== undefined && name !== 'sched.ready');
    for (const { mode, role } of rows) expect(role).toBe(modeColour(mode ?? 'idle'));
    expect(new Set(rows.map(({ mode }) => mode)).size).toBe(modeRoles.length);
  });

  it('tell a story of what the event has, and of nothing else', () => {
    for (const { story, purpose, a, b, shape, name } of kinds.values()) {
      const words = [...`${story ?? ''} ${purpose ?? ''}`.matchAll(/\{(\w+)\}/g)].map(([, word]) => word);
      const known = ['track', 'at', a && 'a', b && 'b', shape === 'span' && 'took'];
      expect(
        words.filter((word) => !known.includes(word)),
        name,
      ).toEqual([]);
    }
  });

  it('are known by number in a table of the whole column', () => {
    const table = byKind(({ group }) => group.length);
    for (const id of [0, 1, 200, 304, 511, 512, 2048, 4095, 4096, 65_535])
      expect(table[id]).toBe(kindRow(id).group.length);
  });
});

describe('exits', () => {
  it('of each table have a range of their own', () => {
    const ranges = exitTables.map(({ base, size }) => [base, base + size] as const).sort(([x], [y]) => x - y);
    ranges.forEach(([from], i) => expect(from).toBeGreaterThanOrEqual(ranges[i - 1]?.[1] ?? 0));
    for (const { base, size } of exitTables) expect(base % size).toBe(0);
    for (const id of Object.values(Kind)) expect(isExit(id)).toBe(false);
  });

  it('keep the numbers that the processors give them', () => {
    // SDM vol. 3, appendix C: 48 is an EPT violation; APM vol. 2, appendix C: 400H is a nested page fault, -1 invalid state.
    expect(kindRow(exitKind(48)).name).toBe('exit.EPT_VIOLATION');
    expect(kindRow(exitId(svmExits, 0x400)).name).toBe('exit.npf');
    expect(kindRow(exitId(svmExits, -1)).reason).toBe('invalid_guest_state');
    expect(vmxExits.rows.map(({ name, number }) => [name, number])).toEqual(Object.entries(VmxExit));
  });

  it('without a name are exits all the same, and other unknown kinds are not', () => {
    expect(kindRow(exitKind(200))).toMatchObject({ name: 'exit.200', group: 'exit', reason: '200' });
    expect(kindRow(60_000)).toMatchObject({ name: 'kind.60000', group: 'record' });
  });
});

describe('modes', () => {
  it('are called after who does the work, and generally where that is nobody or more than one', () => {
    expect(modeNames([Kind.KvmHandle, Kind.Entry, Kind.QemuHandle])).toMatchObject({
      'vmm-kernel': 'KVM',
      'vmm-user': 'QEMU',
      'guest-kernel': 'guest kernel',
    });
    expect(modeNames([Kind.GuestKernel])).toMatchObject({
      'vmm-kernel': 'VMM kernel',
      'vmm-user': 'VMM user space',
    });
  });

  it('and exits are read from the table: no view names a VMM', () => {
    const folders = ['webview', 'src/trace/query', 'src/protocol'];
    const files = folders.flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.ts'))
        .map((name) => join(root, folder, name)),
    );
    expect(files.length).toBeGreaterThan(40);
    const naming = files.filter((file) => /kvm|qemu|\bxen|disco\b/i.test(readFileSync(file, 'utf8')));
    expect(naming).toEqual([]);
  });
});

describe('physical CPUs and threads', () => {
  const recorder = new Recorder();
  const cpu = recorder.addTrack({ type: 'cpu', name: 'pCPU 0', group: 'host', vm: -1 });
  const thread = recorder.addTrack({
    type: 'thread',
    name: 'CPU 0/KVM',
    group: 'host',
    vm: -1,
    locks: { '1': 'BQL' },
  });
  const holder = recorder.addTrack({ type: 'thread', name: 'QEMU main loop', group: 'host', vm: -1 });
  recorder.span(0, 100, cpu, Kind.CpuThread, thread, 0);
  recorder.instant(0, cpu, Kind.SchedSwitch, 0, thread);
  recorder.span(100, 40, cpu, Kind.Idle, 0, 0);
  recorder.span(100, 30, thread, Kind.LockWait, 1, holder);
  recorder.span(130, 10, thread, Kind.SchedReady, 0, 0);
  recorder.finish(140);
  const store = new TraceStore(emptyMeta('t', 1e9));
  store.append(recorder.takeDelta());
  const tell = (row: number): string => describeEvent(store, row).sentence.replaceAll('\u2009', ' ');

  it('have one lane each under the host', () => {
    const lanes = lanesOf({ ...store.meta, counts: recorder.counts(), state: 'finished' });
    expect(lanes.map(({ group, label, groups }) => [group, label, groups])).toEqual([
      ['host', 'pCPU 0', ['thread', 'mode']],
      ['host', 'CPU 0/KVM', ['thread']],
    ]);
  });

  it('are told by the names of threads and locks', () => {
    expect([0, 1, 3, 4].map(tell)).toEqual([
      'pCPU 0 ran CPU 0/KVM for 100 ns.',
      'CPU 0 switched to CPU 0/KVM.',
      'CPU 0/KVM waited 30 ns for BQL, which QEMU main loop held.',
      'CPU 0/KVM was ready to run and waited 10 ns for a CPU.',
    ]);
    const trackOf = (id: number) => store.meta.tracks[id];
    expect(eventLabel(Kind.CpuThread, thread, trackOf(cpu), trackOf)).toBe('CPU 0/KVM');
  });
});
