import { describe, expect, it } from 'vitest';
import { chainOf, consequencesOf, operationOf } from '../../../src/trace/query/chain';
import { describe as describeEvent } from '../../../src/trace/query/describe';
import { formatCount, formatPart, formatShort, formatTime } from '../../../src/trace/vocabulary/format';
import { Kind } from '../../../src/trace/vocabulary/events';
import { lanesOf } from '../../../src/trace/query/lanes';
import type { Track, TrackType } from '../../../src/trace/model';
import { summarise } from '../../../src/trace/query/summary';
import { Recorder } from '../../../src/trace/record/recorder';
import { TraceStore, emptyMeta } from '../../../src/trace/query/store';
import { sampleStore } from './sample';

const plain = (text: string): string => text.replaceAll('\u2009', ' ');

describe('format', () => {
  it.each([
    [0, '0 ns'],
    [1, '1 ns'],
    [999, '999 ns'],
    [1000, '1 µs'],
    [12_400, '12.4 µs'],
    [999_950, '1 ms'],
    [999_949, '999.9 µs'],
    [1_204_000, '1.204 ms'],
    [1_204_444, '1.204 ms'],
    [60e9, '60 s'],
    [4321e9, '4321 s'],
  ])('%d ns as %s', (nanoseconds, text) => {
    expect(plain(formatTime(nanoseconds, 1e9))).toBe(text);
  });
  it('rounds up into the next unit, never to five digits', () => {
    for (let i = 0; i < 2000; i++) {
      const digits = formatTime(i * i * 77.77 + 0.1 * i, 1e9).replace(/\D/g, '');
      expect(digits.length).toBeLessThanOrEqual(5);
    }
  });
  it('puts a part into the unit of the whole', () => {
    expect(plain(formatPart(9800, 12_400, 1e9))).toBe('9.8 of 12.4 µs');
    expect(plain(formatPart(90, 12_400, 1e9))).toBe('0.09 of 12.4 µs');
  });
  it('groups and shortens counts', () => {
    expect(plain(formatCount(1_234_567))).toBe('1 234 567');
    expect(plain(formatShort(9_999))).toBe('9 999');
    expect(plain(formatShort(12_400))).toBe('12.4 k');
    expect(plain(formatShort(40_000_000))).toBe('40 M');
  });
});

describe('headings', () => {
  it('are VMs first, whoever has a track before, and though threads of theirs stand under the host', () => {
    const track = (id: number, type: TrackType, group: string, vm: number): Track => ({
      id,
      type,
      name: `${type} ${id}`,
      group,
      vm,
    });
    const tracks = [
      track(4, 'link', 'network', -1),
      track(0, 'iommu', 'host', -1),
      track(1, 'thread', 'host', 0),
      track(2, 'vcpu', 'vm0', 0),
      track(3, 'link', 'network', -1),
    ];
    const lanes = lanesOf({ tracks, counts: [], state: 'running' });
    expect([...new Set(lanes.map(({ group }) => group))]).toEqual(['vm0', 'host', 'network']);
  });
});

describe('the entry of a table', () => {
  it('is told field by field, from the bits of its value', () => {
    const recorder = new Recorder();
    const track = recorder.addTrack({ type: 'iommu', name: 'IOMMU', group: 'host', vm: -1 });
    // Bits 0 (R), 1 (W) and 7 (PS) of a second-stage entry, and a page of 2 MiB beyond 4 GiB (VT-d, 9.8).
    const page = 0x1_2340_0000;
    recorder.instant(5, track, Kind.IommuSs2, 0x7010, page + 0b1000_0011);
    recorder.instant(6, track, Kind.IommuContextDomain, 0x5018, 0x1702);
    const store = new TraceStore(emptyMeta('walk', 1e9));
    recorder.finish(10);
    store.append(recorder.takeDelta());
    const facts = (row: number): Record<string, string> =>
      Object.fromEntries(describeEvent(store, row).facts.map(({ name, value }) => [name, value]));
    expect(facts(0)).toMatchObject({
      at: '0x7010',
      'read (R)': 'yes',
      'write (W)': 'yes',
      'execute (X)': 'no',
      'page (PS)': 'yes',
      address: '0x123400000',
    });
    // The row between holds the high half of the value before.
    expect(facts(2)).toMatchObject({ 'address width (AW)': '4-level', 'domain (DID)': '0x17' });
  });

  it('of 128 bits is told dword by dword', () => {
    const recorder = new Recorder();
    const track = recorder.addTrack({ type: 'iommu', name: 'IOMMU', group: 'host', vm: -1 });
    // P, RH, delivery mode NMI, vector 51H; destination 7 (VT-d, 9.10). P, URG, IM, vector 61H; a descriptor at 5_4321_0FC0H (9.11).
    const NMI = 4 << 5;
    recorder.instant(5, track, Kind.IrteRemapped, (0x51 << 16) | NMI | 0b1001, 7);
    recorder.instant(6, track, Kind.IrtePosted, (0x61 << 16) | (0b11 << 14) | 1, 0x43210fc0);
    // SID 0318H, SQ 2, SVT 1.
    recorder.instant(7, track, Kind.IrteSource, (1 << 18) | (2 << 16) | 0x0318, 5);
    const store = new TraceStore(emptyMeta('entries', 1e9));
    recorder.finish(10);
    store.append(recorder.takeDelta());
    const facts = [0, 1, 2].map((row): Record<string, string> =>
      Object.fromEntries(describeEvent(store, row).facts.map(({ name, value }) => [name, value])),
    );
    expect(facts[0]).toMatchObject({
      'present (P)': 'yes',
      'one of the destination (RH)': 'yes',
      'destination mode (DM)': 'physical',
      'delivery mode (DLM)': 'NMI',
      vector: '0x51',
      'x2APIC destination': '0x7',
    });
    expect(facts[1]).toMatchObject({
      'urgent (URG)': 'yes',
      vector: '0x61',
      'descriptor, bits 31 to 6': '0x43210fc0',
    });
    expect(facts[2]).toMatchObject({
      'source (SID)': '0x318',
      'source bits that count (SQ)': 'all but function bits 2 and 1',
      'source verification (SVT)': 'requester',
      'descriptor, bits 63 to 32': '0x5',
    });
  });
});

describe('describe', () => {
  it('says of an exit where it left, for what, and who took the time', () => {
    const { store, rows } = sampleStore();
    const details = describeEvent(store, rows['exit'] ?? -1);
    expect(plain(details.sentence)).toBe(
      'vCPU 0 left the guest at e1000.c:142 to write TDT; QEMU took 9.8 of 12.4 µs.',
    );
    expect(details).toMatchObject({
      file: '/src/e1000.c',
      line: 142,
      symbol: 'e1000_transmit',
      duration: 12_400,
      cause: -1,
    });
    expect(details.legs.map((leg) => [leg.name, leg.cycles])).toEqual([
      ['kvm.handle', 1000],
      ['user.exit', 600],
      ['qemu.handle', 9800],
      ['user.enter', 500],
      ['entry', 500],
    ]);
    expect(details.facts.map(({ name, value }) => `${name}: ${plain(value)}`)).toEqual([
      'start: 10 µs (10 000 cycles)',
      'duration: 12.4 µs (12 400 cycles)',
      'GPA: 0xfebc3818',
      'value: 0x3',
      'track: vCPU 0 (vm0)',
      'function: e1000_transmit()',
      'line: e1000.c:142',
      'RIP: 0x100042',
    ]);
  });
  it('prints registers by name and says what a row caused', () => {
    const { store, rows } = sampleStore();
    const write = describeEvent(store, rows['write'] ?? -1);
    expect(write.text).toBe('TDT ← 0x3');
    expect(write.sentence).toBe('The guest wrote 0x3 to e1000 register TDT at e1000.c:142.');
    expect(write.cause).toBe(rows['exit']);
    expect(write.consequences).toBe(1);
    expect(plain(describeEvent(store, rows['dma'] ?? -1).sentence)).toBe(
      'e1000 read 64 B from memory at 0x200000 in 300 ns.',
    );
  });
});

describe('chain', () => {
  it('leads from the store to the handler and back', () => {
    const { store, rows } = sampleStore(3);
    const { links, root, truncated } = chainOf(store, rows['tx'] ?? -1);
    expect(truncated).toBe(false);
    expect(root).toBe(rows['exit']);
    const of = (name: string): number | undefined => links.find((link) => link.row === rows[name])?.depth;
    expect(['exit', 'write', 'dma', 'tx', 'raise', 'inject', 'handler'].map(of)).toEqual([
      -3, -2, -1, 0, 1, 2, 3,
    ]);
    expect(links.map((link) => link.row)).toEqual(links.map((link) => link.row).sort((x, y) => x - y));
    expect(operationOf(store, rows['handler'] ?? -1)).toBe(rows['exit']);
    // Five legs and the register write.
    expect(consequencesOf(store, rows['exit'] ?? -1)).toHaveLength(6);
  });
  it('says when it had to be cut', () => {
    const { store, rows } = sampleStore();
    expect(chainOf(store, rows['exit'] ?? -1, { limit: 3 })).toMatchObject({ truncated: true, links: { length: 3 } });
    expect(chainOf(store, rows['handler'] ?? -1, { limit: 3 })).toMatchObject({ truncated: true, root: rows['exit'] });
  });
});

describe('lanes and summary', () => {
  it('lays out lanes by heading, VMs first', () => {
    const { store } = sampleStore();
    expect(
      lanesOf(store.meta).map((lane) => `${lane.group}: ${lane.label}${lane.empty ? ' (empty)' : ''}`),
    ).toEqual([
      'vm0: vCPU 0 mode',
      'vm0: vCPU 0 exits',
      'vm0: interrupts',
      'vm0: e1000 registers',
      'vm0: e1000 DMA',
      'vm0: e1000 interrupts',
      'network: wire',
    ]);
    expect(lanesOf({ ...store.meta, state: 'running' }).map((lane) => lane.label)).toContain(
      'QEMU I/O thread',
    );
    expect(lanesOf(store.meta, (track, group) => store.countOf(track, group))).toEqual(lanesOf(store.meta));
  });
  it('keeps all lanes of a device together, what does DMA next to the vCPU, and plumbing last', () => {
    const track = (id: number, type: TrackType, name: string): Track => ({
      id,
      type,
      name,
      group: 'vm0',
      vm: 0,
    });
    const tracks = [
      track(0, 'irqchip', 'IOAPIC'),
      track(1, 'irqchip', 'LAPIC'),
      track(2, 'vcpu', 'vCPU 0'),
      track(3, 'interrupts', 'vCPU 0 interrupts'),
      track(4, 'device', 'e1000'),
      track(5, 'device', 'PCI config'),
      track(6, 'device', 'UART'),
      track(7, 'dma', 'e1000 DMA'),
    ];
    const counts = [
      [0, Kind.IoapicRoute],
      [1, Kind.MmioWrite],
      [2, Kind.GuestKernel],
      [3, Kind.IrqInject],
      [2, Kind.Mark],
      [4, Kind.PacketTx],
      [4, Kind.MmioWrite],
      [4, Kind.IrqRaise],
      [5, Kind.CfgRead],
      [6, Kind.PioOut],
      [6, Kind.Serial],
      [7, Kind.DmaRead],
    ].map(([id = 0, kind = 0]): [number, number, number] => [id, kind, 1]);
    expect(lanesOf({ tracks, counts, state: 'finished' }).map(({ label }) => label)).toEqual([
      'vCPU 0 mode',
      'vCPU 0 interrupts',
      'vCPU 0 guest',
      'e1000 registers',
      'e1000 DMA',
      'e1000 interrupts',
      'e1000 packets',
      'IOAPIC',
      'LAPIC registers',
      'UART registers',
      'UART guest',
      'PCI config registers',
    ]);
  });
  it('counts what happened', () => {
    const { store } = sampleStore(4);
    const summary = summarise(store.meta, store.rows);
    expect(summary).toMatchObject({
      exits: { EPT_MISCONFIG: 4 },
      userExits: 4,
      cycles: 160_000,
      guestInstructions: 4936,
      interrupts: { raised: 4, injected: 4, posted: 0, handled: 4 },
      packets: { tx: 4, rx: 4, dropped: 0 },
    });
    expect(summary.vms[0]).toMatchObject({ name: 'vm0', exits: { EPT_MISCONFIG: 4 }, packets: { tx: 0 } });
  });
});
