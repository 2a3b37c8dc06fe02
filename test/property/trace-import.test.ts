/** Text traces from anywhere: whatever stands in them, every line is counted once, and what comes out is a trace. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { unknownCount } from '../../src/trace/exchange/foreign-source';
import { ImportError, TraceImporter } from '../../src/trace/exchange/import/importer';
import { LineSplitter, LONGEST_LINE } from '../../src/trace/exchange/import/lines';
import { parseLine, parseLost, isHeader } from '../../src/trace/exchange/import/trace-line';
import { exportFormats } from '../../src/trace/exchange/export/formats';
import { decodeTrace, encodeTrace, verify } from '../../src/trace/file/file';
import type { TraceStore } from '../../src/trace/query/store';

const number = fc.oneof(fc.nat(5), fc.nat(), fc.maxSafeNat());
const hex = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((value) => value.toString(16));
const word = fc.oneof(
  fc.constantFrom(
    'HLT',
    'npf',
    'EPT_MISCONFIG',
    'read',
    'write',
    'Fixed',
    'edge',
    'level',
    'R',
    'S',
    'Write',
  ),
  fc.string({ maxLength: 12 }),
);

/** Texts of tracepoints, in which the fuzz fills in numbers and words. */
const texts = [
  'kvm_entry: vcpu N, rip 0xH',
  'kvm_entry: vcpu N rip 0xH',
  'kvm_exit: vcpu N reason W rip 0xH info1 0xH info2 0xH intr_info 0xH error_code 0xH',
  'kvm_exit: reason W rip 0xH info H H',
  'kvm_exit: vcpu 0 reason HLT rip 0xH',
  'kvm_userspace_exit: reason KVM_EXIT_MMIO (6)',
  'kvm_vcpu_wakeup: wait time N ns, polling valid',
  'kvm_fpu: load',
  'kvm_mmio: mmio unsatisfied-read len 4 gpa 0xH val 0x0',
  'kvm_mmio: mmio W len N gpa 0xH val 0xH',
  'kvm_pio: pio_W at 0xH size N count N val 0xH',
  'kvm_msr: msr_W H = 0xH',
  'kvm_cpuid: func H idx H rax H rbx H rcx H rdx H, cpuid entry found',
  'kvm_apic: apic_W APIC_EOI = 0xH',
  'kvm_emulate_insn: 0:H:0f 01 (prot64)',
  'kvm_set_irq: gsi N level N source 0',
  'kvm_msi_set_irq: dst H vec N (W|logical|W)',
  'kvm_apic_accept_irq: apicid N vec N (W|W)',
  'kvm_apic_ipi: dst H vec N (W|physical|assert|edge|dst)',
  'kvm_inj_virq: IRQ 0xH',
  'kvm_inj_virq: irq N',
  'kvm_eoi: apicid N vector N',
  'kvm_ack_irq: irqchip IOAPIC pin N',
  'kvm_pic_set_irq: chip N pin N (W)',
  'kvm_unheard_of: N',
  'irq_handler_entry: irq=N name=W',
  'irq_handler_exit: irq=N ret=handled',
  'softirq_entry: vec=N [action=W]',
  'sched_switch: prev_comm=W prev_pid=N prev_prio=120 prev_state=W ==> next_comm=W next_pid=N next_prio=120',
  'sched_switch: W:N [120] W ==> vhost-7:N [120]',
  'sched_waking: comm=vhost-7 pid=N prio=120 target_cpu=000',
  'map: IOMMU: iova=0xH - 0xH paddr=0xH size=N',
  'unmap: IOMMU: iova=0xH - 0xH size=N unmapped_size=N',
];

const text = fc
  .tuple(
    fc.constantFrom(...texts),
    fc.array(number, { minLength: 8, maxLength: 8 }),
    fc.array(hex, { minLength: 8, maxLength: 8 }),
    fc.array(word, { minLength: 4, maxLength: 4 }),
  )
  .map(([template, numbers, hexes, words]) => {
    const [n, h, w] = [[...numbers], [...hexes], [...words]];
    return template.replace(/\b(?:0x)?([NHW])\b/g, (all, what: string) => {
      const value = what === 'N' ? String(n.pop() ?? 0) : what === 'H' ? (h.pop() ?? '0') : (w.pop() ?? '');
      return all.startsWith('0x') ? `0x${value}` : value;
    });
  });
const time = fc.tuple(fc.nat(20), fc.nat(999_999)).map(([s, us]) => `${s}.${String(us).padStart(6, '0')}`);
const thread = fc.tuple(
  fc.constantFrom('qemu', 'CPU 0/KVM', 'CPU 1/KVM', 'vhost-7', 'a b-c [x]', '<idle>'),
  fc.nat(12),
);

const line = fc.oneof(
  {
    weight: 10,
    arbitrary: fc
      .tuple(thread, fc.nat(4), time, text)
      .map(([[comm, pid], cpu, at, event]) => ` ${comm}-${pid} [00${cpu}] ${at}: ${event}`),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(thread, fc.nat(4), time, text)
      .map(([[comm, pid], cpu, at, event]) => `${comm} ${pid} [00${cpu}] ${at}: kvm:${event}`),
  },
  { weight: 2, arbitrary: fc.tuple(time, text).map(([at, event]) => `${at}: ${event}`) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('CPU:1 [LOST 5 EVENTS]', 'CPU:2 [EVENTS DROPPED]', '# comment', '', 'cpus=4'),
  },
  { weight: 1, arbitrary: fc.string({ maxLength: 80 }).map((junk) => junk.replace(/[\n\r]/g, ' ')) },
);

function take(bytes: Uint8Array, pieces: readonly number[]): TraceStore | undefined {
  const importer = new TraceImporter({ file: 'fuzz', maxEvents: 10_000 });
  try {
    let at = 0;
    for (const size of pieces) {
      importer.push(bytes.subarray(at, at + size));
      at += size;
    }
    importer.push(bytes.subarray(at));
    return importer.finish();
  } catch (error) {
    expect(error).toBeInstanceOf(ImportError);
    return undefined;
  }
}

function checked(store: TraceStore, lines: number): void {
  const { source } = store.meta;
  if (!source) throw new Error('an imported trace says where it is from');
  expect(source.lines).toBe(lines);
  expect(source.events + source.headers + source.lostNotes + unknownCount(source)).toBe(lines);
  expect(verify(store).differences).toEqual([]);
  // Whatever reads a trace file accepts it: causes come first, times are times, tables are whole.
  expect(decodeTrace(encodeTrace(store)).meta).toEqual(store.meta);
  for (const { parts } of Object.values(exportFormats))
    for (const part of parts(store)) expect(part.length).toBeGreaterThan(0);
}

describe('importing', () => {
  it('counts each line once, and makes a trace that verifies and can be exported', () => {
    fc.assert(
      fc.property(
        fc.array(line, { minLength: 1, maxLength: 60 }),
        fc.array(fc.nat(300), { maxLength: 8 }),
        (lines, pieces) => {
          const bytes = new TextEncoder().encode(`${lines.join('\n')}\n`);
          const store = take(bytes, pieces);
          if (store) checked(store, lines.length);
        },
      ),
      { numRuns: 120 },
    );
  });

  it('refuses bytes of any kind, or takes them, without more', () => {
    const good = ' qemu-7 [001] 1.000001: kvm_entry: vcpu 0, rip 0x10\n';
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat(50), (junk, at) => {
        const bytes = new Uint8Array([...new TextEncoder().encode(good.repeat(3)), ...junk]);
        bytes[at] = (bytes[at] ?? 0) ^ 0x40;
        const store = take(bytes, []);
        const text = new TextDecoder().decode(bytes);
        if (store) checked(store, text.split('\n').length - (text.endsWith('\n') ? 1 : 0));
      }),
      { numRuns: 120 },
    );
  });

  it('looks at lines of any form for a bounded time', () => {
    // What makes backtracking long: many separators, brackets and numbers without an end.
    const piece = fc.constantFrom(
      ' ',
      '-',
      ':',
      '[0',
      ']',
      '1',
      '.',
      ' [120] R ==> ',
      'prev_comm=',
      ' prev_pid=1',
      'EVENTS',
      'a',
      '(',
      '\t',
    );
    fc.assert(
      fc.property(fc.array(piece, { minLength: 1, maxLength: 4 }), fc.nat(3), (pieces, head) => {
        const long =
          ['', ' a-1 [0] 1.000001: sched_switch: ', 'a 1 [0] 1.000001: kvm:kvm_exit: ', '1.000001: map: '][
            head
          ] + pieces.join('').repeat(1500);
        const cut = long.slice(0, LONGEST_LINE);
        parseLine(cut, 'ftrace');
        parseLost(cut);
        isHeader(cut);
        take(new TextEncoder().encode(`${long}\n`), []);
      }),
      { numRuns: 80 },
    );
  });

  it('splits lines as a whole text would be split', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: fc.constantFrom('a', 'ä', '\n', '\r\n', ' '), maxLength: 200 }), {
          maxLength: 20,
        }),
        fc.nat(40),
        (parts, size) => {
          const whole = parts.join('');
          const found: string[] = [];
          const splitter = new LineSplitter((each) => found.push(each));
          const bytes = new TextEncoder().encode(whole);
          for (let at = 0; at < bytes.length; at += size + 1)
            splitter.push(bytes.subarray(at, at + size + 1));
          splitter.finish();
          const lines = whole.split('\n').map((each) => each.replace(/\r$/, ''));
          if (lines.at(-1) === '' && !whole.endsWith('\r')) lines.pop();
          expect(found).toEqual(lines);
        },
      ),
      { numRuns: 200 },
    );
  });
});
