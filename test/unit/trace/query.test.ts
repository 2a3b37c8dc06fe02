import { describe, expect, it } from 'vitest';
import { eventTable, find } from '../../../src/trace/query/find';
import { QueryError, parseLiveQuery, parseQuery, type QueryNode } from '../../../src/trace/query/query';
import { perLine, statistics } from '../../../src/trace/query/statistics';
import { TraceStore, emptyMeta } from '../../../src/trace/query/store';
import { Recorder } from '../../../src/trace/record/recorder';
import { Kind, exitKind } from '../../../src/trace/vocabulary/events';
import { VmxExit } from '../../../src/trace/vocabulary/vmx-exit-reasons';
import { EXIT, FREQUENCY, TDT, sampleStore, tracks } from './sample';

/** Offsets of two more registers of the e1000. */
const ICR = 0xc0;
const STATUS = 0x8;

const PER_TRANSMIT = 14;

describe('query', () => {
  const { store, rows } = sampleStore(3);
  const count = (query: string): number => find(store, query, -1, 1).matches;

  it.each([
    ['', 3 * PER_TRANSMIT],
    ['reason:EPT_MISCONFIG', 3],
    ['reason:ept_misconfig dur>5us', 3],
    ['dur>12.4us', 0],
    ['dur>=12400 exit', 3],
    ['dur:12400', 3],
    ['kind:mmio.write', 3],
    ['kind:mmio', 3],
    ['kind:mmio.w*', 3],
    ['mmio', 3],
    ['reg:TDT', 3],
    ['reg:0x3818', 3],
    ['reg:ICR', 0],
    ['exit:EPT_MISCONFIG reg:TDT', 3],
    ['exit:EPT_MISCONFIG reg:0x3818', 3],
    ['group:exit reg:TDT dur>5us', 3],
    ['group:exit reg:ICR', 0],
    ['group:exit -reg:TDT', 0],
    ['group:exit -reg:ICR', 3],
    ['group:exit,register reg:TDT', 6],
    ['kind:mmio.write a:0x3818 b:3', 3],
    ['a:0x3818', 3],
    ['file:e1000.c line:142', 3 * PER_TRANSMIT],
    ['file:1000.c', 0],
    ['line>142', 0],
    ['track:e1000', 9],
    ['track:"vCPU 0" -kind:guest', 18],
    ['packet:2', 2],
    ['vector:0x2b', 6],
    ['vm:0 kind:packet.tx', 0],
    ['vm:network', 6],
    ['time>=40000 time<80us', PER_TRANSMIT],
    ['row:0,1,2', 3],
    ['kind:packet.tx,packet.rx', 6],
    ['-kind:packet.tx,packet.rx', 3 * PER_TRANSMIT - 6],
    ['fn:e1000_transmit kind:exit', 3],
    ['group:leg', 15],
    ['exit:* fn:e1000_*', 3],
    ['exit:*', 3],
    ['exit:HLT', 0],
    ['kind:packet.tx or kind:packet.rx', 6],
    ['(kind:packet.tx or kind:packet.rx) packet:2', 2],
    ['-(group:leg or group:mode) track:"vCPU *"', 3],
    ['time:40us..79.999us', PER_TRANSMIT],
    ['dur:9.8us', 3],
    ['dur:9us..9.9us', 3],
    ['dur:12400..', 3],
    ['line:100..150 group:exit', 3],
    ['vcpu:0 group:exit', 3],
    ['vcpu:1', 0],
    ['cause:*', 3 * (PER_TRANSMIT - 2)],
    ['cause:(exit:*)', 18],
    ['cause:(kind:mmio.write reg:TDT)', 3],
    ['from:(kind:mmio.write)', 21],
    ['from:(kind:mmio.write) -kind:mmio.write', 18],
    ['in:e1000_transmit kind:packet.rx', 3],
    ['in:other', 0],
    ['within:(exit:*)', 15],
    ['within:(kind:qemu.handle)', 0],
    ['row:0..2', 3],
    ['exit:HLT,EPT_MISCONFIG', 3],
  ])('%s finds %d', (query, expected) => {
    expect(count(query)).toBe(expected);
  });

  it('follows causes', () => {
    expect(find(store, `cause:${rows['exit']} -group:leg`, -1, 1)).toMatchObject({
      row: rows['write'],
      matches: 1,
    });
  });

  it('finds an exit by the register that it was about, and by no other', () => {
    const recorder = new Recorder();
    const t = tracks(recorder);
    const exit = (at: number, register: number): number => {
      const row = recorder.open(at, t.cpu, exitKind(VmxExit.EPT_MISCONFIG), 0, 0);
      recorder.cause = row;
      recorder.cause = recorder.instant(at + 10, t.nic, Kind.MmioWrite, register, 0);
      // What the device does of itself in turn, and what the guest does once it is back.
      const inner = recorder.instant(at + 20, t.nic, Kind.MmioWrite, ICR, 0);
      recorder.close(row, at + 100);
      recorder.cause = row;
      recorder.instant(at + 200, t.nic, Kind.MmioRead, STATUS, 0);
      recorder.cause = 0;
      expect(inner).toBeGreaterThan(0);
      return row - 1;
    };
    const first = exit(0, TDT);
    const second = exit(1000, ICR);
    recorder.finish(2000);
    const own = new TraceStore(emptyMeta('exits', FREQUENCY));
    own.append(recorder.takeDelta());
    expect(find(own, 'group:exit reg:TDT', -1, 1)).toMatchObject({ row: first, matches: 1 });
    expect(find(own, 'group:exit reg:ICR', -1, 1)).toMatchObject({ row: second, matches: 1 });
    expect(find(own, `group:exit reg:${STATUS}`, -1, 1).matches).toBe(0);
  });

  it('steps forwards and backwards, and ends', () => {
    const first = find(store, 'exit:EPT_MISCONFIG', -1, 1).row;
    expect(first).toBe(rows['exit']);
    const second = find(store, 'reason:EPT_MISCONFIG', first, 1).row;
    expect(second).toBe(first + PER_TRANSMIT);
    expect(find(store, 'reason:EPT_MISCONFIG', second, -1).row).toBe(first);
    expect(find(store, 'reason:EPT_MISCONFIG', first, -1).row).toBe(-1);
    expect(find(store, 'reason:EPT_MISCONFIG', store.rows, 1).row).toBe(-1);
  });

  it('pages the events of a window', () => {
    const page = eventTable(store, { from: 40_000, to: 80_000, filter: 'group:leg', offset: 1, limit: 2 });
    expect(page.total).toBe(5);
    expect(page.rows.map((row) => row.name)).toEqual(['user.exit', 'qemu.handle']);
  });

  it.each([
    ['colour:red', 0, /no field “colour”; fields are exit, kind/],
    ['exit -colour:red', 6, /position 7 of/],
    ['dur>fast', 0, /“fast” is no value for dur; it takes cycles, a number with s, ms, us or ns/],
    ['a:5us', 0, /is no value for a; it takes a number such as 12 or 0x10/],
    ['kind:', 0, /value is missing after “kind:”/],
    ['kind:a,,b', 0, /value is missing/],
    ['track>5', 0, /track is compared with : only/],
    ['track:"vCPU 0', 6, /quotation mark is not closed/],
    ['-', 0, /missing after the minus/],
    ['kind:mmio.w', 0, /no kind of event “mmio.w”; there is mmio.write/],
    ['exit:HALT', 0, /no exit reason “HALT”/],
    ['exit:', 0, /exit:\* finds all/],
    ['e1000_transmit', 0, /fn:e1000_transmit/],
    ['(exit or', 8, /term is missing/],
    ['(exit', 0, /not closed/],
    ['exit)', 4, /no \( before/],
    ['dur!=5', 3, /Write -dur:value/],
    ['from:(dur>fast)', 6, /“fast” is no value/],
  ])('%s is refused at %d', (query, position, message) => {
    let error: unknown;
    try {
      parseQuery(query);
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(QueryError);
    expect(error).toMatchObject({ position, message: expect.stringMatching(message) });
  });
});

describe('statistics', () => {
  const { store } = sampleStore(3);
  const all = statistics(store, 0, store.endTime);

  it('divides the time of the vCPUs by mode', () => {
    expect(all.modes.map(({ mode, name, cycles }) => [mode, name, cycles])).toEqual([
      ['guest-kernel', 'guest kernel', 3 * EXIT.start],
      ['guest-user', 'guest user', 0],
      ['vmm-kernel', 'KVM', 3 * (EXIT.kvm + EXIT.entry)],
      ['transition', 'transitions', 3 * (EXIT.out + EXIT.back)],
      ['vmm-user', 'QEMU', 3 * EXIT.qemu],
      ['asleep', 'asleep', 0],
      ['idle', 'not scheduled', 0],
    ]);
  });

  it('clips times to the window exactly', () => {
    const window = statistics(store, 5000, EXIT.start + 300);
    expect(window.modes.map(({ cycles }) => cycles)).toEqual([5000, 0, 300, 0, 0, 0, 0]);
  });

  it('has distributions of exits, and figures of interrupts, registers, packets and lines', () => {
    const { total: _, ...exit } = all.exits[0] ?? {};
    expect(exit).toEqual({
      reason: 'EPT_MISCONFIG',
      kind: 305,
      query: 'exit:EPT_MISCONFIG',
      count: 3,
      min: 12_400,
      p50: 12_400,
      p90: 12_400,
      p99: 12_400,
      max: 12_400,
    });
    expect(all.interrupts.map(({ name, count }) => [name, count])).toEqual([
      ['irq.raise', 3],
      ['irq.inject', 3],
      ['handler', 3],
    ]);
    expect(all.registers).toEqual([
      { track: 'e1000', register: 'TDT', reads: 0, writes: 3, query: 'group:register track:e1000 a:14360' },
    ]);
    // Sent 2 200 cycles into QEMU's part of the exit, echoed 5 000 cycles after the exit.
    const latency =
      EXIT.kvm + EXIT.out + EXIT.qemu + EXIT.back + EXIT.entry + 5000 - (EXIT.kvm + EXIT.out + 600);
    expect(all.packets).toMatchObject({
      tx: 3,
      rx: 3,
      dropped: 0,
      bytesTx: 192,
      latency: { count: 3, p50: latency, max: latency },
    });
    expect(perLine(store)).toEqual([
      {
        file: '/src/e1000.c',
        line: 142,
        exits: 3,
        cycles: 37_200,
        query: 'group:exit file:e1000.c line:142',
        byReason: [{ reason: 'EPT_MISCONFIG', exits: 3, cycles: 37_200 }],
      },
    ]);
  });

  it('gives with each figure a query that finds as many events', () => {
    const found = (query: string): number =>
      eventTable(store, { from: 0, to: store.endTime, filter: query, offset: 0, limit: 0 }).total;
    for (const { query, count } of [...all.exits, ...all.interrupts]) expect(found(query)).toBe(count);
    for (const { query, reads, writes } of all.registers) expect(found(query)).toBe(reads + writes);
    for (const { query, exits } of all.lines) expect(found(query)).toBe(exits);
  });
});

describe('numbers and arguments by name', () => {
  const term = (text: string): object => parseQuery(text);

  it('are read as they are written', () => {
    const cycles = (value: number): object => ({ value, seconds: false });
    expect(term('addr:0x1000..0x1fff')).toMatchObject({
      numbers: [{ from: cycles(0x1000), to: cycles(0x1fff) }],
    });
    expect(term('dur:5us..')).toMatchObject({ numbers: [{ from: { value: 5e-6, seconds: true } }] });
    expect(term('virtq.kick queue:1')).toMatchObject({
      is: 'all',
      of: [{ field: 'word' }, { field: 'argument', name: 'queue' }],
    });
    // What the vocabulary calls "cycles at most".
    expect(term('cyclesatmost>5')).toMatchObject({ field: 'argument', operator: '>' });
  });

  it.each(['addr>1..2', 'addr:5..1', 'addr:..', 'nosuchargument:1', 'queue:x'])('%s is refused', (query) => {
    expect(() => parseQuery(query)).toThrow(QueryError);
  });

  it('find a lock by its name and by its number', () => {
    const recorder = new Recorder();
    const thread = recorder.addTrack({
      type: 'thread',
      name: 'worker',
      group: 'host',
      vm: -1,
      locks: { '3': 'big lock' },
    });
    recorder.span(10, 5, thread, Kind.LockWait, 3, thread);
    recorder.span(20, 5, thread, Kind.LockWait, 4, thread);
    recorder.finish(30);
    const own = new TraceStore(emptyMeta('locks', FREQUENCY));
    own.append(recorder.takeDelta());
    for (const query of ['lock:"big lock"', 'lock:big*', 'lock:3', 'lock.wait lock:3..3'])
      expect(find(own, query, -1, 1)).toEqual({ row: 0, index: 0, matches: 1, complete: true });
    expect(find(own, 'holder:worker', -1, 1).matches).toBe(2);
  });
});

describe('the structure of a query', () => {
  const shape = (text: string): unknown => {
    const told = (node: QueryNode): unknown => {
      if (node.is === 'term') return node.texts.join();
      if (node.is === 'all' || node.is === 'any') return [node.is, ...node.of.map(told)];
      return [node.is, told(node.of)];
    };
    return told(parseQuery(text));
  };

  it.each([
    ['exit mmio or serial', ['any', ['all', 'exit', 'mmio'], 'serial']],
    ['exit (mmio or serial)', ['all', 'exit', ['any', 'mmio', 'serial']]],
    ['exit | mmio|serial', ['any', 'exit', 'mmio', 'serial']],
    ['exit and mmio', ['all', 'exit', 'mmio']],
    ['-(exit or mmio)', ['not', ['any', 'exit', 'mmio']]],
    ['not exit mmio', ['all', ['not', 'exit'], 'mmio']],
    ['not not exit', ['not', ['not', 'exit']]],
    ['cause:(exit or mmio)', ['cause', ['any', 'exit', 'mmio']]],
    ['from:12', ['from', '12']],
    ['in:main', ['from', 'main']],
    ['-within:(exit:HLT)', ['not', ['within', 'HLT']]],
    ['"or"', 'or'],
  ])('%s', (text, expected) => {
    if (text === '"or"') expect(() => parseQuery('"or"')).not.toThrow(TypeError);
    else expect(shape(text)).toEqual(expected);
  });

  it('refuses for a stop what looks at other times', () => {
    expect(() => parseLiveQuery('exit:HLT (mmio or within:(handler))')).toThrow(
      expect.objectContaining({ position: 18 }) as Error,
    );
    expect(parseLiveQuery('cause:(exit:HLT)')).toMatchObject({ is: 'cause' });
  });
});
