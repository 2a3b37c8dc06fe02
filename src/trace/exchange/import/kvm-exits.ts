/** Tracepoints about VM entries and exits, and about what KVM does for an exit. */
import { ForeignKind, Kind, kindRow } from '../../vocabulary/events';
import { exitNamed } from './exit-names';
import { instant, type EventContext, type Tracepoints } from './event';
import { lapicOffsets } from './known-registers';
import type { Vcpu } from './vcpu';

const HEX = '(?:0x)?([0-9a-f]{1,16})';
const field = (name: string): RegExp => new RegExp(` ${name} ${HEX}`);
const INFO = [field('info1'), field('info2'), field('intr_info'), field('error_code')] as const;
const PLUGIN_INFO = new RegExp(` info ${HEX} ${HEX}`);
const OUTSIDE = 'event of an exit that began before the file';

/** The four figures of an exit, as far as the line has them: qualification or EXITINFO1, EXITINFO2, and about an event. */
function infoOf(context: EventContext, rest: string): [number, number, number, number] {
  const { numbers } = context;
  const plugin = PLUGIN_INFO.exec(rest);
  if (plugin) return [numbers.hex(plugin[1]), numbers.hex(plugin[2]), 0, 0];
  const [info1, info2, event, error] = INFO.map((pattern) => numbers.hex(pattern.exec(rest)?.[1]));
  return [info1 ?? 0, info2 ?? 0, event ?? 0, error ?? 0];
}

type Info = readonly [info1: number, info2: number, event: number, error: number];

const PORT = 0x1_0000;
const VECTOR = 0xff;

/** What the figures of an exit say about its arguments, by the reason's name; other exits get them from the events that follow. */
const explained: Readonly<Record<string, (info: Info) => [a: number, b: number]>> = {
  EXCEPTION_NMI: ([, , event, error]) => [event & VECTOR, error],
  EXTERNAL_INTERRUPT: ([, , event]) => [event & VECTOR, 0],
  IO_INSTRUCTION: ([info1]) => [Math.floor(info1 / PORT) & 0xffff, 0],
  io: ([info1]) => [Math.floor(info1 / PORT) & 0xffff, 0],
  CR_ACCESS: ([info1]) => [info1 & 0xf, 0],
  DR_ACCESS: ([info1]) => [info1 & 7, 0],
  APIC_ACCESS: ([info1]) => [info1 & 0xfff, 0],
  APIC_WRITE: ([info1]) => [info1 & 0xfff, 0],
  EOI_INDUCED: ([info1]) => [info1 & VECTOR, 0],
  npf: ([, info2]) => [info2, 0],
  avic_incomplete_ipi: ([info1, info2]) => [info1, info2],
  avic_unaccelerated_access: ([info1]) => [info1 & 0xfff, 0],
};

/** Runs an action for the thread's vCPU, if it has one. */
function ofVcpu(
  context: EventContext,
  act: (vcpu: Vcpu) => string | undefined | void,
): string | undefined | void {
  return context.vcpu ? act(context.vcpu) : OUTSIDE;
}

/** A register access by its printed direction. */
function accessKinds(write: boolean, read: number, written: number): number {
  return write ? written : read;
}

export const kvmExits: Tracepoints = {
  kvm_entry: {
    pattern: /^vcpu (\d{1,9})(?:,? rip (0x[0-9a-f]{1,16}))?/,
    act: (context, [, id, rip]) => {
      const vcpu = context.scene.vcpuOf(context.thread, Number(id));
      if (vcpu.inGuest) vcpu.lost();
      vcpu.inKernel(context.time);
      vcpu.entered(context.time, rip);
      context.thread.raised = 0;
    },
  },
  kvm_exit: {
    pattern: /^(?:vcpu (\d{1,9}),? )?(?:reason|exit_code) (.{1,64}?)(?: rip (0x[0-9a-f]{1,16})(.*))?$/,
    act: (context, [, id, reason = '', rip, rest = '']) => {
      const named = exitNamed(reason, context.isa);
      if (!named) return `kvm_exit for a reason of no known name: ${reason}`;
      context.isa = named.isa ?? context.isa;
      const vcpu = context.scene.vcpuOf(context.thread, id === undefined ? undefined : Number(id));
      if (vcpu.exit !== 0) vcpu.lost();
      const info = infoOf(context, rest);
      const [a, b] = explained[kindRow(named.kind).reason ?? '']?.(info) ?? [0, 0];
      const qualification = context.isa === 'svm' ? 0 : info[0];
      vcpu.exited(context.time, named.kind, rip, a, b, qualification);
      context.thread.raised = 0;
      return undefined;
    },
  },
  kvm_userspace_exit: {
    pattern: /^reason \S+ \(-?\d+\)/,
    act: (context) => ofVcpu(context, (vcpu) => (vcpu.exit === 0 ? OUTSIDE : vcpu.toUser(context.time))),
  },
  kvm_vcpu_wakeup: {
    pattern: /^(wait|poll) time (\d{1,18}) ns/,
    act: (context, [, how, text]) =>
      ofVcpu(context, (vcpu) => {
        const { clock, time } = context;
        const nanoseconds = context.numbers.decimal(text);
        clock.learn(time - vcpu.last, nanoseconds);
        const ticks = clock.ofNanoseconds(nanoseconds);
        vcpu.wokeUp(time, ticks, how === 'wait');
        return vcpu.exit === 0 ? OUTSIDE : undefined;
      }),
  },
  kvm_fpu: {
    pattern: /^(load|unload)/,
    act: (context, [, what]) =>
      ofVcpu(context, (vcpu) => {
        if (what === 'load') vcpu.inKernel(context.time);
        hostEvent(context);
      }),
  },
  kvm_pv_tlb_flush: {
    pattern: /^vcpu \d+/,
    act: (context) =>
      ofVcpu(context, (vcpu) => {
        vcpu.inKernel(context.time);
        hostEvent(context);
      }),
  },
  kvm_mmio: {
    pattern: /^mmio (unsatisfied-read|read|write) len \d+ gpa (0x[0-9a-f]{1,16}) val (0x[0-9a-f]{1,16})/,
    act: (context, [, what, gpa, val]) =>
      ofVcpu(context, (vcpu) => {
        const { numbers, scene, time, thread } = context;
        const address = numbers.hex(gpa);
        const value = numbers.hex(val);
        vcpu.inKernel(time);
        if (what === 'read' && vcpu.readDone(address, value)) return explainAccess(vcpu, address, value);
        const track = scene.part(scene.vmOf(thread), 'mmio');
        if (what === 'unsatisfied-read') vcpu.readBegun(time, track, Kind.MmioRead, address);
        else
          vcpu.accessed(
            time,
            track,
            accessKinds(what === 'write', Kind.MmioRead, Kind.MmioWrite),
            address,
            value,
          );
        explainAccess(vcpu, address, value);
      }),
  },
  kvm_fast_mmio: {
    pattern: /^fast mmio at gpa (0x[0-9a-f]{1,16})/,
    act: (context, [, gpa]) =>
      ofVcpu(context, (vcpu) => {
        const address = context.numbers.hex(gpa);
        vcpu.event(context.time, vcpu.track, ForeignKind.FastMmio, address, 0);
        explainAccess(vcpu, address, 0);
      }),
  },
  kvm_pio: {
    pattern: /^pio_(read|write) at (0x[0-9a-f]{1,8}) size \d+ count \d+(?: val (0x[0-9a-f]{1,16}))?/,
    act: (context, [, what, at, val]) =>
      ofVcpu(context, (vcpu) => {
        const { numbers, scene, time, thread } = context;
        const port = numbers.hex(at);
        const value = numbers.hex(val);
        vcpu.inKernel(time);
        const track = scene.part(scene.vmOf(thread), 'ports');
        vcpu.accessed(time, track, accessKinds(what === 'write', Kind.PioIn, Kind.PioOut), port, value);
        if (PORT_EXITS.has(vcpu.reason)) vcpu.explain(port, value);
      }),
  },
  kvm_msr: {
    pattern: /^msr_(read|write) ([0-9a-f]{1,8}) = (0x[0-9a-f]{1,16})/,
    act: (context, [, what, number, data]) =>
      ofVcpu(context, (vcpu) => {
        const msr = context.numbers.hex(number);
        const value = context.numbers.hex(data);
        const kind = accessKinds(what === 'write', ForeignKind.MsrRead, ForeignKind.MsrWrite);
        vcpu.accessed(context.time, vcpu.track, kind, msr, value);
        if (MSR_EXITS.has(vcpu.reason)) vcpu.explain(msr, value);
      }),
  },
  kvm_cpuid: {
    pattern: /^func ([0-9a-f]{1,8})(?: idx ([0-9a-f]{1,8}))?/,
    act: (context, [, leaf, subleaf]) =>
      ofVcpu(context, (vcpu) => {
        const [a, b] = [context.numbers.hex(leaf), context.numbers.hex(subleaf)];
        vcpu.event(context.time, vcpu.track, ForeignKind.Cpuid, a, b);
        if (/^cpuid$/i.test(vcpu.reason)) vcpu.explain(a, b);
      }),
  },
  kvm_cr: {
    pattern: /^cr_(read|write) ([0-9a-f]) = (0x[0-9a-f]{1,16})/,
    act: (context, [, what, number, val]) =>
      ofVcpu(context, (vcpu) => {
        const [a, b] = [context.numbers.hex(number), context.numbers.hex(val)];
        const kind = accessKinds(what === 'write', ForeignKind.CrRead, ForeignKind.CrWrite);
        vcpu.event(context.time, vcpu.track, kind, a, b);
        if (vcpu.reason === 'CR_ACCESS') vcpu.explain(a, b);
      }),
  },
  kvm_apic: {
    pattern: /^apic_(read|write) (\w{1,32}) = (0x[0-9a-f]{1,16})/,
    act: (context, [, what, name = '', val]) =>
      ofVcpu(context, (vcpu) => {
        const offset = lapicOffsets[name] ?? (name.startsWith('0x') ? context.numbers.hex(name) : undefined);
        if (offset === undefined) return `kvm_apic of an unknown register: ${name}`;
        const value = context.numbers.hex(val);
        const kind = accessKinds(what === 'write', ForeignKind.ApicRead, ForeignKind.ApicWrite);
        vcpu.accessed(context.time, vcpu.interrupts, kind, offset, value);
        if (APIC_EXITS.has(vcpu.reason)) vcpu.explain(offset, value);
        return undefined;
      }),
  },
  kvm_hypercall: {
    pattern: /^nr (0x[0-9a-f]{1,16})(?: a0 (0x[0-9a-f]{1,16}))?/,
    act: hypercall,
  },
  kvm_xen_hypercall: {
    pattern: /nr (0x[0-9a-f]{1,16})(?: a0 (0x[0-9a-f]{1,16}))?/,
    act: hypercall,
  },
  kvm_hv_hypercall: {
    pattern: /^code (0x[0-9a-f]{1,8})(?:.{0,200}? in (0x[0-9a-f]{1,16}))?/,
    act: hypercall,
  },
  kvm_page_fault: {
    pattern:
      /^(?:vcpu \d+ )?(?:rip (0x[0-9a-f]{1,16}) )?address (?:0x)?([0-9a-f]{1,16}) error_code (?:0x)?([0-9a-f]{1,16})/,
    act: (context, [, rip, at, error]) =>
      ofVcpu(context, (vcpu) => {
        const [a, b] = [context.numbers.hex(at), context.numbers.hex(error)];
        vcpu.event(context.time, vcpu.track, ForeignKind.PageFault, a, b, rip);
        explainAccess(vcpu, a, 0);
      }),
  },
  kvm_emulate_insn: {
    pattern: /^[0-9a-f]{1,16}:([0-9a-f]{1,16}):\s*((?:[0-9a-f]{2} ?)*)/,
    act: (context, [, rip, text = '']) =>
      ofVcpu(context, (vcpu) => {
        const bytes = text.trim().split(' ');
        const first = parseInt(bytes.slice(0, FIRST_BYTES).join(''), 16) || 0;
        vcpu.event(context.time, vcpu.track, ForeignKind.Emulate, first, bytes.length, rip);
      }),
  },
  vcpu_match_mmio: {
    pattern: /^gva 0x[0-9a-f]{1,16} gpa (0x[0-9a-f]{1,16}) (Write|Read)/,
    act: (context, [, gpa, how]) =>
      ofVcpu(context, (vcpu) => {
        const a = context.numbers.hex(gpa);
        vcpu.event(context.time, vcpu.track, ForeignKind.MmioMatch, a, how === 'Write' ? 1 : 0);
      }),
  },
};

/** Of an instruction, as many as an argument holds. */
const FIRST_BYTES = 6;
const PORT_EXITS: ReadonlySet<string> = new Set(['IO_INSTRUCTION', 'io']);
const MSR_EXITS: ReadonlySet<string> = new Set([
  'MSR_READ',
  'MSR_WRITE',
  'MSR_READ_IMM',
  'MSR_WRITE_IMM',
  'msr',
]);
const APIC_EXITS: ReadonlySet<string> = new Set(['APIC_WRITE', 'APIC_ACCESS', 'avic_unaccelerated_access']);
const MEMORY_EXITS: ReadonlySet<string> = new Set(['EPT_MISCONFIG', 'EPT_VIOLATION', 'npf']);

function explainAccess(vcpu: Vcpu, address: number, value: number): void {
  if (MEMORY_EXITS.has(vcpu.reason)) vcpu.explain(address, value);
}

function hypercall(context: EventContext, [, number, first]: readonly (string | undefined)[]): string | void {
  return ofVcpu(context, (vcpu) => {
    const [a, b] = [context.numbers.hex(number), context.numbers.hex(first)];
    vcpu.event(context.time, vcpu.track, ForeignKind.Hypercall, a, b);
    if (vcpu.reason === 'VMCALL' || vcpu.reason === 'hypercall') vcpu.explain(a, b);
  });
}

/** An event without a kind of its own, on the track of whoever it is about. */
export function hostEvent(context: EventContext): void {
  const { scene, thread, vcpu, time, event } = context;
  const track = vcpu?.track ?? scene.threadTrack(thread);
  const name = scene.nameOf(track, event);
  if (vcpu) vcpu.event(time, track, ForeignKind.HostEvent, name, 0);
  else instant(context, track, ForeignKind.HostEvent, name, 0, thread.woken);
}
