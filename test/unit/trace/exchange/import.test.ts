/** Text traces of trace-cmd, ftrace and perf: every form of line, what becomes of it, and what is said of the rest. */
import { describe, expect, it } from 'vitest';
import { foreignSentence, unknownCount } from '../../../../src/trace/exchange/foreign-source';
import { ImportError, TraceImporter } from '../../../../src/trace/exchange/import/importer';
import { decodeTrace, encodeTrace, verify } from '../../../../src/trace/file/file';
import type { TraceEvent, TraceStore } from '../../../../src/trace/query/store';
import { chainOf } from '../../../../src/trace/query/chain';
import { describe as describeEvent, legsOf } from '../../../../src/trace/query/describe';
import { bookkeeping, kindRow } from '../../../../src/trace/vocabulary/events';

interface Given {
  frequencyHz?: number;
  /** Bytes of a piece. */
  piece?: number;
}

function imported(lines: readonly string[], { piece = 1 << 20, ...options }: Given = {}): TraceStore {
  const importer = new TraceImporter({ file: 'host.txt', ...options });
  const bytes = new TextEncoder().encode(`${lines.join('\n')}\n`);
  for (let at = 0; at < bytes.length; at += piece) importer.push(bytes.subarray(at, at + piece));
  return importer.finish();
}

function events(store: TraceStore, name?: string): TraceEvent[] {
  return Array.from({ length: store.rows }, (_, row) => store.get(row)).filter(
    ({ kind }) => !bookkeeping.has(kind) && (name === undefined || kindRow(kind).name === name),
  );
}

const only = (store: TraceStore, name: string): TraceEvent => {
  const found = events(store, name);
  expect(found.length, name).toBe(1);
  return found[0]!;
};

/** Names of an event's causes, the first cause first, and itself. */
function causes(store: TraceStore, event: TraceEvent): string[] {
  const names: string[] = [];
  for (let row = event.row; row >= 0; row = store.causeOf(row))
    names.unshift(kindRow(store.kindOf(row)).name);
  return names;
}

/** Who, on which CPU, when: as each tool prints it. */
const forms = {
  'trace-cmd report, µs': (time: string, event: string) => ` CPU 0/KVM-1201  [003] 70.${time}: ${event}`,
  'trace-cmd report, ns': (time: string, event: string) => ` CPU 0/KVM-1201  [003] 70.${time}000: ${event}`,
  'trace-cmd report, cycles': (time: string, event: string) =>
    ` CPU 0/KVM-1201  [003]9000000${time}000: ${event}`,
  'trace-cmd report, latency flags': (time: string, event: string) =>
    ` CPU 0/KVM-1201  [003] d..1.   70.${time}: ${event}`,
  ftrace: (time: string, event: string) => `       CPU 0/KVM-1201    [003] d..2.    70.${time}: ${event}`,
  'ftrace with processes': (time: string, event: string) =>
    `       CPU 0/KVM-1201    (   1190) [003] d..2.    70.${time}: ${event}`,
  'perf script': (time: string, event: string) => `CPU 0/KVM  1201 [003]    70.${time}:       kvm:${event}`,
  'perf script with processes and periods': (time: string, event: string) =>
    `CPU 0/KVM  1190/1201  [003]    70.${time}:          1      kvm:${event}`,
  'time alone': (time: string, event: string) => `    70.${time}: ${event}`,
} as const;

const TAIL = 'info1 0x0000000000000781 info2 0x0000000000000000 intr_info 0x00000000 error_code 0x00000000';

describe('the three tools and their clocks', () => {
  it.each(Object.entries(forms))('%s', (form, line) => {
    const store = imported(
      [
        line('000100', 'kvm_entry: vcpu 0, rip 0xffffffff81000010'),
        line('000130', `kvm_exit: vcpu 0 reason APIC_WRITE rip 0xffffffff81000042 ${TAIL}`),
        line('000137', 'kvm_entry: vcpu 0, rip 0xffffffff81000042'),
      ],
      form.includes('cycles') ? { frequencyHz: 1e9 } : {},
    );
    const exit = only(store, 'exit.APIC_WRITE');
    // All forms tell of nanoseconds here; the first event is time 0.
    expect([exit.start, exit.duration, exit.a]).toEqual([30_000, 7_000, 0x781]);
    expect(store.placeAt(exit.place)?.rip).toBe('0xffffffff81000042');
    expect(events(store, 'guest').map(({ start, duration }) => [start, duration])).toEqual([
      [0, 30_000],
      [37_000, 0],
    ]);
    const { source, frequencyHz, title, state } = store.meta;
    expect({ title, state, frequencyHz }).toEqual({ title: 'host.txt', state: 'finished', frequencyHz: 1e9 });
    expect(source).toMatchObject({ lines: 3, events: 3, headers: 0, unknown: [] });
    expect(verify(store).differences).toEqual([]);
  });

  it('takes files in pieces of any size', () => {
    const lines = Object.values(forms).map((line, i) =>
      line(`00010${i}`, 'kvm_entry: vcpu 0, rip 0xffffffff81000010'),
    );
    const whole = imported(lines).meta;
    for (const piece of [1, 2, 7, 64]) expect(imported(lines, { piece }).meta).toEqual(whole);
  });

  it('takes an old trace over from its file', () => {
    const store = imported([forms.ftrace('000001', 'kvm_entry: vcpu 2')]);
    const copy = decodeTrace(encodeTrace(store));
    expect(copy.meta).toEqual(store.meta);
    expect(copy.meta.source?.form).toBe('ftrace');
  });
});

describe('names of exits through the years', () => {
  const named = (reason: string, rest = ` rip 0x10 ${TAIL}`): string =>
    kindRow(
      events(imported([forms.ftrace('000001', `kvm_exit: vcpu 0 reason ${reason}${rest}`)]))[0]?.kind ?? 0,
    ).name;
  it.each([
    ['EPT_MISCONFIG', 'exit.EPT_MISCONFIG'],
    ['PENDING_INTERRUPT', 'exit.INTERRUPT_WINDOW'],
    ['apic_access', 'exit.APIC_ACCESS'],
    ['INVALID_STATE FAILED_VMENTRY', 'exit.INVALID_STATE'],
    ['UNKNOWN (74)', 'exit.BUS_LOCK'],
    ['npf', 'exit.npf'],
    ['PF excp', 'exit.PF excp'],
    ['EXIT_EXCP_PF', 'exit.PF excp'],
    ['EXIT_HLT', 'exit.hlt'],
    ['EXIT_IOIO', 'exit.io'],
    ['EXIT_INTR', 'exit.interrupt'],
    ['EXIT_VMMCALL', 'exit.hypercall'],
    ['EXIT_IDTR_WRITE', 'exit.write_idtr'],
    ['avic_incomplete_ipi', 'exit.avic_incomplete_ipi'],
  ])('%s', (reason, name) => expect(named(reason)).toBe(name));

  it("of trace-cmd's plugin, which leaves out the vCPU", () => {
    const store = imported([
      ' qemu-kvm-20  [000] 1.000001: kvm_entry:             vcpu 3 rip 0x100',
      ' qemu-kvm-20  [000] 1.000002: kvm_exit:              reason IO_INSTRUCTION rip 0x102 info 3f80008 0',
      ' qemu-kvm-20  [000] 1.000004: kvm_entry:             vcpu 3 rip 0x103',
    ]);
    const exit = only(store, 'exit.IO_INSTRUCTION');
    expect(store.trackAt(exit.track)?.name).toBe('vCPU 3');
    expect(exit.a).toBe(0x3f8);
    expect(describeEvent(store, legsOf(store, exit)[0]!.row).facts).toContainEqual({
      name: 'instruction',
      value: 'IN, 1 byte, port 0x3f8 (DX)',
    });
  });

  it('tells a number by the processor that the others are of', () => {
    const store = imported([
      forms.ftrace('000001', 'kvm_exit: vcpu 0 reason hlt rip 0x10'),
      forms.ftrace('000002', 'kvm_entry: vcpu 0, rip 0x10'),
      forms.ftrace('000003', 'kvm_exit: vcpu 0 reason 0x78 rip 0x10'),
    ]);
    expect(events(store, 'exit.hlt').length).toBe(2);
  });

  it('does not make one up', () => {
    const store = imported([
      forms.ftrace('000001', 'kvm_entry: vcpu 0, rip 0x10'),
      forms.ftrace('000002', 'kvm_exit: vcpu 0 reason COFFEE_BREAK rip 0x10'),
    ]);
    expect(store.meta.source?.unknown).toMatchObject([
      { reason: 'kvm_exit for a reason of no known name: COFFEE_BREAK', count: 1, line: 2 },
    ]);
  });
});

describe('where the time of an exit goes', () => {
  const vcpu = forms['trace-cmd report, µs'];
  const legs = (store: TraceStore, name: string): [string, number][] =>
    legsOf(store, only(store, name)).map((leg) => [leg.name, leg.cycles / 1000]);

  it('to QEMU and back', () => {
    const store = imported([
      vcpu('000010', `kvm_exit: vcpu 0 reason EPT_MISCONFIG rip 0x10 ${TAIL}`),
      vcpu('000012', 'kvm_mmio: mmio unsatisfied-read len 4 gpa 0x810800c0 val 0x0'),
      vcpu('000013', 'kvm_fpu: unload'),
      vcpu('000014', 'kvm_userspace_exit: reason KVM_EXIT_MMIO (6)'),
      vcpu('000030', 'kvm_fpu: load'),
      vcpu('000031', 'kvm_mmio: mmio read len 4 gpa 0x810800c0 val 0x80'),
      vcpu('000033', 'kvm_entry: vcpu 0, rip 0x14'),
    ]);
    expect(legs(store, 'exit.EPT_MISCONFIG')).toEqual([
      ['kvm.handle', 4],
      ['user.exit', 0],
      ['qemu.handle', 16],
      ['kvm.handle', 3],
    ]);
    // The value that came back is that of the read, and explains the exit.
    const read = only(store, 'mmio.read');
    expect([read.a, read.b]).toEqual([0x8108_00c0, 0x80]);
    const exit = only(store, 'exit.EPT_MISCONFIG');
    expect([exit.a, exit.b]).toEqual([0x8108_00c0, 0x80]);
    expect(store.meta.source?.unknown).toEqual([]);
  });

  it('to sleep, for as long as the kernel says', () => {
    const store = imported([
      vcpu('000100', `kvm_exit: vcpu 0 reason HLT rip 0x10 ${TAIL}`),
      vcpu('000400', 'kvm_vcpu_wakeup: wait time 290000 ns, polling valid'),
      vcpu('000404', 'kvm_entry: vcpu 0, rip 0x11'),
    ]);
    expect(legs(store, 'exit.HLT')).toEqual([
      ['kvm.handle', 10],
      ['halted', 290],
      ['kvm.handle', 4],
    ]);
  });

  it('to sleep altogether where nothing says more', () => {
    const store = imported([
      vcpu('000100', `kvm_exit: vcpu 0 reason HLT rip 0x10 ${TAIL}`),
      vcpu('000404', 'kvm_entry: vcpu 0, rip 0x11'),
    ]);
    expect(legs(store, 'exit.HLT')).toEqual([['halted', 304]]);
  });

  it('to another thread', () => {
    const store = imported([
      vcpu('000100', `kvm_exit: vcpu 0 reason EPT_MISCONFIG rip 0x10 ${TAIL}`),
      vcpu('000102', 'sched_switch: CPU 0/KVM:1201 [120] R ==> vhost-1190:1205 [120]'),
      ' vhost-1190-1205 [003] 70.000120: sched_switch: prev_comm=vhost-1190 prev_pid=1205 prev_prio=120 prev_state=S ==> next_comm=CPU 0/KVM next_pid=1201 next_prio=120',
      vcpu('000123', 'kvm_entry: vcpu 0, rip 0x11'),
    ]);
    expect(legs(store, 'exit.EPT_MISCONFIG')).toEqual([
      ['kvm.handle', 2],
      ['sched.ready', 18],
      ['kvm.handle', 3],
    ]);
    const run = only(store, 'sched.run');
    expect([store.trackAt(run.track)?.name, run.duration]).toEqual(['vhost-1190 (1205)', 18_000]);
    expect(events(store, 'cpu.task').map(({ a, duration }) => [a, duration])).toEqual([
      [1205, 18_000],
      [1201, 3_000],
    ]);
  });

  it('ends with the last event before a loss', () => {
    const store = imported([
      vcpu('000100', 'kvm_entry: vcpu 0, rip 0x10'),
      vcpu('000110', `kvm_exit: vcpu 0 reason HLT rip 0x10 ${TAIL}`),
      vcpu('000120', 'kvm_hv_timer_state: vcpu_id 0 hv_timer 0'),
      'CPU:3 [204600 EVENTS DROPPED]',
      vcpu('000900', `kvm_exit: vcpu 0 reason CPUID rip 0x20 ${TAIL}`),
      vcpu('000903', 'kvm_entry: vcpu 0, rip 0x22'),
    ]);
    expect(only(store, 'exit.HLT').duration).toBe(10_000);
    expect(only(store, 'exit.CPUID').duration).toBe(3_000);
    expect(store.meta.gaps).toEqual([
      { from: 20_000, to: 800_000, why: 'dropped', cpu: 3, dropped: 204_600 },
    ]);
    expect(store.meta.source).toMatchObject({ lines: 6, events: 5, lostNotes: 1 });
  });
});

describe('lost events', () => {
  const at = (time: string) => forms.ftrace(time, 'kvm_entry: vcpu 0, rip 0x10');
  it.each([
    ['CPU:3 [LOST 12 EVENTS]', 12],
    ['CPU:3 [LOST EVENTS]', undefined],
    ['CPU:3 [12 EVENTS DROPPED]', 12],
    ['CPU:3 [EVENTS DROPPED]', undefined],
    ['  perf  77 [003]    70.000001: PERF_RECORD_LOST lost 12', 12],
  ])('%s', (note, dropped) => {
    const { gaps } = imported([at('000001'), note, at('000005')]).meta;
    expect(gaps).toEqual([
      { from: 0, to: 4000, why: 'dropped', cpu: 3, ...(dropped !== undefined && { dropped }) },
    ]);
  });

  it('at the end of the file leave a region there', () => {
    const { gaps } = imported([
      at('000001'),
      at('000005'),
      'CPU:3 [LOST 2 EVENTS]',
      'CPU:3 [LOST 3 EVENTS]',
    ]).meta;
    expect(gaps).toEqual([{ from: 4000, to: 4000, why: 'dropped', cpu: 3, dropped: 5 }]);
  });
});

describe('an interrupt from its source to its end', () => {
  const main = (time: string, event: string) => ` qemu-system-x86-90 [008] 5.${time}: ${event}`;
  const cpu = (time: string, event: string) => ` qemu-system-x86-93 [005] 5.${time}: ${event}`;
  const vhost = (time: string, event: string) => ` vhost-90-97 [005] 5.${time}: ${event}`;
  const exit = (time: string, reason: string) =>
    cpu(time, `kvm_exit: vcpu 0 reason ${reason} rip 0x10 ${TAIL}`);

  it('of a line, by injection', () => {
    const store = imported([
      cpu('000001', 'kvm_entry: vcpu 0, rip 0x10'),
      main('000002', 'kvm_set_irq: gsi 11 level 1 source 0'),
      main('000003', 'kvm_pic_set_irq: chip 1 pin 3 (edge|masked)'),
      main('000004', 'kvm_apic_accept_irq: apicid 0 vec 43 (Fixed|level)'),
      main('000005', 'kvm_ioapic_set_irq: pin 11 dst 1 vec 43 (Fixed|logical|level)'),
      exit('000006', 'EXTERNAL_INTERRUPT'),
      cpu('000007', 'kvm_inj_virq: IRQ 0x2b'),
      cpu('000008', 'kvm_entry: vcpu 0, rip 0x10'),
      exit('000020', 'EOI_INDUCED'),
      cpu('000021', 'kvm_eoi: apicid 0 vector 43'),
      cpu('000022', 'kvm_ack_irq: irqchip IOAPIC pin 11'),
      cpu('000023', 'kvm_entry: vcpu 0, rip 0x10'),
    ]);
    expect(causes(store, only(store, 'irq.ack'))).toEqual([
      'irq.raise',
      'irq.accept',
      'irq.inject',
      'irq.eoi',
      'irq.ack',
    ]);
    expect(causes(store, only(store, 'ioapic.route'))).toEqual(['irq.raise', 'ioapic.route']);
    const raised = only(store, 'irq.raise');
    expect(chainOf(store, raised.row).links.length).toBe(7);
    expect(store.meta.source?.unknown).toEqual([]);
  });

  it('of a line, as old kernels print it, by the 8259A', () => {
    const store = imported([
      ' kworker/5:2-eve 77 [005] 8.000001:         kvm:kvm_set_irq: gsi 4 level 1 source 0',
      ' kworker/5:2-eve 77 [005] 8.000002:  kvm:kvm_ioapic_set_irq: pin 4 dst 0 vec 0 (Fixed|physical|edge|masked)',
      ' kworker/5:2-eve 77 [005] 8.000003:     kvm:kvm_pic_set_irq: chip 0 pin 4 (edge)',
      ' my_vmm 66 [003] 8.000009:        kvm:kvm_inj_virq: irq 52',
    ]);
    expect(causes(store, only(store, 'irq.inject'))).toEqual(['irq.raise', 'pic.pin', 'irq.inject']);
    expect(events(store, 'ioapic.pin').length).toBe(1);
  });

  it('of a message that vhost sends, woken by the kick of an exit', () => {
    const store = imported([
      cpu('000001', 'kvm_entry: vcpu 0, rip 0x10'),
      exit('000002', 'EPT_MISCONFIG'),
      cpu('000003', 'sched_waking: comm=vhost-90 pid=97 prio=120 target_cpu=005'),
      cpu('000004', 'sched_wakeup: vhost-90:97 [120] CPU:005'),
      cpu('000005', 'kvm_fast_mmio: fast mmio at gpa 0x800007004'),
      cpu('000006', 'kvm_entry: vcpu 0, rip 0x12'),
      vhost('000008', 'kvm_msi_set_irq: dst 1 vec 42 (Fixed|logical|edge)'),
      vhost('000009', 'kvm_apic_accept_irq: apicid 0 vec 42 (Fixed|edge)'),
      vhost('000010', 'kvm_apicv_accept_irq: apicid 0 vec 42 (Fixed|edge)'),
    ]);
    const posted = only(store, 'irq.apicv');
    expect(causes(store, posted)).toEqual([
      'exit.EPT_MISCONFIG',
      'sched.wake',
      'sched.wake',
      'irqfd',
      'irq.accept',
      'irq.apicv',
    ]);
    // SDM vol. 3, 11.11: destination 1, logical mode; fixed delivery, edge.
    const message = only(store, 'irqfd');
    expect([message.a, message.b]).toEqual([0xfee0_1004, 42]);
    expect(only(store, 'exit.EPT_MISCONFIG').a).toBe(0x8_0000_7004);
  });

  it('of an IPI', () => {
    const store = imported([
      cpu('000001', 'kvm_entry: vcpu 0, rip 0x10'),
      exit('000002', 'APIC_WRITE'),
      cpu('000003', 'kvm_apic_ipi: dst 1 vec 253 (Fixed|physical|assert|edge|dst)'),
      cpu('000004', 'kvm_apic_accept_irq: apicid 1 vec 253 (Fixed|edge)'),
      cpu('000005', 'kvm_apic: apic_write APIC_ICR = 0x1000000fd'),
    ]);
    const accept = only(store, 'irq.accept');
    expect(causes(store, accept)).toEqual(['exit.APIC_WRITE', 'ipi.send', 'irq.accept']);
    expect(store.trackAt(accept.track)?.name).toBe('vCPU 1 interrupts');
    expect(describeEvent(store, only(store, 'apic.write').row).text).toContain('APIC_ICR');
  });
});

describe('VMs', () => {
  const entry = (comm: string, pid: number, vcpu: number, time: number) =>
    ` ${comm}-${pid} [001] 9.00000${time}: kvm_entry: vcpu ${vcpu}, rip 0x10`;
  const groups = (store: TraceStore): string[] =>
    store.meta.tracks.filter(({ type }) => type === 'vcpu').map(({ group, name }) => `${group} ${name}`);

  it('are told apart by names and numbers of threads', () => {
    const store = imported([
      entry('qemu-system-x86', 100, 0, 1),
      entry('CPU 1/KVM', 500, 1, 2),
      entry('qemu-system-x86', 300, 0, 3),
      // As near to the second as it can be, which has no vCPU 1 yet; so has the first.
      entry('qemu-system-x86', 301, 1, 4),
      entry('qemu-system-x86', 101, 1, 5),
      entry('CPU 0/KVM', 499, 0, 6),
    ]);
    expect(groups(store)).toEqual([
      'vm0 vCPU 0',
      'vm1 vCPU 1',
      'vm2 vCPU 0',
      'vm2 vCPU 1',
      'vm0 vCPU 1',
      'vm1 vCPU 0',
    ]);
  });

  it('are told apart by processes where the file has them', () => {
    const of = (pid: number, process: number, vcpu: number, time: number) =>
      `CPU ${vcpu}/KVM ${process}/${pid} [001] 9.00000${time}: kvm:kvm_entry: vcpu ${vcpu}, rip 0x10`;
    const store = imported([of(11, 10, 0, 1), of(12, 10, 1, 2), of(13, 20, 0, 3), of(14, 20, 1, 4)]);
    expect(groups(store)).toEqual(['vm0 vCPU 0', 'vm0 vCPU 1', 'vm1 vCPU 0', 'vm1 vCPU 1']);
  });

  it('of an event that may be of any are not guessed', () => {
    const store = imported([
      entry('CPU 0/KVM', 100, 0, 1),
      entry('crosvm_vcpu0', 500, 0, 2),
      ' kworker/3:1-77 [001] 9.000003: kvm_set_irq: gsi 4 level 1 source 0',
    ]);
    expect(store.trackAt(only(store, 'irq.raise').track)).toMatchObject({ group: 'one of the VMs', vm: -1 });
  });
});

describe('the host', () => {
  it('has its interrupts on the tracks of its CPUs', () => {
    const store = imported([
      ' <idle>-0 [002] d.h1. 3.000001: irq_handler_entry: irq=26 name=vfio-msix[0](0000:03:00.0)',
      ' <idle>-0 [002] d.h1. 3.000003: irq_handler_exit: irq=26 ret=handled',
      ' <idle>-0 [002] ..s1. 3.000004: softirq_entry: vec=3 [action=NET_RX]',
      ' <idle>-0 [002] d.h1. 3.000005: local_timer_entry: vector=236',
      ' <idle>-0 [002] d.h1. 3.000007: local_timer_exit: vector=236',
      ' <idle>-0 [002] ..s1. 3.000009: softirq_exit: vec=3 [action=NET_RX]',
      ' <idle>-0 [002] d.h1. 3.000011: irq_handler_exit: irq=27 ret=handled',
    ]);
    expect(only(store, 'host.irq').duration).toBe(2000);
    expect(only(store, 'host.softirq').duration).toBe(5000);
    expect(only(store, 'host.interrupt').duration).toBe(2000);
    expect(store.meta.source?.unknown).toMatchObject([{ count: 1, line: 7 }]);
  });

  it('has the mappings of its IOMMUs, in old words and new', () => {
    const store = imported([
      ' qemu-kvm-45 [008] ....... 4.000001: map: IOMMU: iova=0x0000000000001000 - 0x0000000000003000 paddr=0x00000001a6800000 size=8192',
      ' qemu-kvm-45 [008] ....... 4.000002: map: IOMMU: iova=0x00000000fee00000 paddr=0x00000000000c0000 size=0x1000',
      ' qemu-kvm-45 [008] ....... 4.000003: unmap: IOMMU: iova=0x0000000000001000 - 0x0000000000003000 size=8192 unmapped_size=8192',
      ' irq/30-AMD-Vi-7 [001] ....... 4.000004: io_page_fault: IOMMU:e1000e 0000:00:02.0 iova=0x00000000dead0000 flags=0x0002',
    ]);
    expect(events(store, 'iommu.map').map(({ a, b }) => [a, b])).toEqual([
      [0x1000, 0x1_a680_0000],
      [0xfee0_0000, 0xc_0000],
    ]);
    expect(events(store, 'map.extent').map(({ a }) => a)).toEqual([8192, 4096]);
    expect([only(store, 'iommu.unmap').a, only(store, 'iommu.unmap').b]).toEqual([0x1000, 8192]);
    expect(only(store, 'iommu.fault').a).toBe(0xdead_0000);
  });
});

describe('a clock of cycles', () => {
  const line = (time: number, event: string) => ` qemu-7 [001]${9e14 + time}: ${event}`;
  const waits = [
    line(0, `kvm_exit: vcpu 0 reason HLT rip 0x10 ${TAIL}`),
    line(1000, 'kvm_hv_timer_state: vcpu_id 0 hv_timer 0'),
    // 2.5 GHz, and a little on both sides of the wait.
    line(1000 + 2_500_000 + 300, 'kvm_vcpu_wakeup: wait time 1000000 ns, polling valid'),
    line(2_510_000, 'kvm_entry: vcpu 0, rip 0x11'),
  ];
  it('is as fast as the longest wait says', () => {
    const { meta } = imported(waits);
    expect(meta.source?.frequency).toBe('estimated');
    expect(meta.frequencyHz / 2.5e9).toBeCloseTo(1, 3);
    expect(only(imported(waits), 'exit.HLT').duration).toBe(2_510_000);
  });
  it('is as fast as it is said to be', () => {
    const { meta } = imported(waits, { frequencyHz: 2.4e9 });
    expect([meta.frequencyHz, meta.source?.frequency]).toEqual([2.4e9, 'given']);
  });
  it('is told to be unknown otherwise', () => {
    const { meta } = imported([waits[0]!, waits[3]!]);
    expect(meta.source?.frequency).toBe('assumed');
    expect(foreignSentence(meta.source!, meta.frequencyHz)).toContain('nothing says how fast');
  });
});

describe('lines that are no events', () => {
  it('are counted with their reasons and where the first is', () => {
    const store = imported([
      '# tracer: nop',
      '#',
      'cpus=4',
      '',
      forms.ftrace('000001', 'kvm_entry: vcpu 0, rip 0x10'),
      forms.ftrace('000002', 'rcu_utilization: Start context switch'),
      forms.ftrace('000003', 'rcu_utilization: End context switch'),
      forms.ftrace('000004', 'kvm_mmio: something quite new'),
      '        ffffffff81234567 vmx_vcpu_run+0x12 ([kernel.kallsyms])',
      ' other-1 [000] 123456789012: kvm_entry: vcpu 0, rip 0x10',
      ' other-1 [000] 69.999999: kvm_entry: vcpu 0, rip 0x10',
      `${forms.ftrace('000005', 'kvm_entry: vcpu 0, rip 0x10')}${' '.repeat(5000)}`,
    ]);
    const { source } = store.meta;
    expect(source).toMatchObject({ lines: 12, events: 1, headers: 4, lostNotes: 0 });
    expect(source?.unknown.map(({ reason, count, line }) => [reason, count, line])).toEqual([
      ['rcu_utilization, which Trapline has no kind for', 2, 6],
      ['kvm_mmio with a text of another form', 1, 8],
      ['no line of an event', 1, 9],
      ['time of another clock than that of the first event', 1, 10],
      ['time before that of the first event', 1, 11],
      ['longer than 4096 characters', 1, 12],
    ]);
    expect(unknownCount(source!)).toBe(7);
    expect(foreignSentence(source!, 1e9)).toContain('7 were not understood');
  });

  it('say what the file is when none is one', () => {
    expect(() => imported(['hello', 'world'])).toThrow(/Line 1 is: “hello”/);
    expect(() => imported(['\x17\x08Dtracing6\0'])).toThrow(/trace-cmd report/);
    expect(() => imported(['PERFILE2'], { piece: 3 })).toThrow(/perf script/);
    expect(() => imported(['ARROW1'])).toThrow(/Arrow/);
    expect(() => imported(['a\0b'])).toThrow(ImportError);
    expect(() => imported([])).toThrow(ImportError);
  });

  it('and values that do not fit a row are told', () => {
    const store = imported([
      forms.ftrace('000001', `kvm_exit: vcpu 0 reason MSR_WRITE rip 0x10 ${TAIL}`),
      forms.ftrace('000002', 'kvm_msr: msr_write c0000102 = 0xffff888012345678'),
    ]);
    expect(only(store, 'msr.write').b).toBe(0x1234_5678);
    expect(store.meta.source?.clipped).toBe(1);
  });
});
