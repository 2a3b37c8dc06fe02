/** Tracepoints about interrupts of guests, from the line or message that raises one to its end. */
import { ForeignKind, Kind } from '../../vocabulary/events';
import { causeOf, instant, type EventContext, type Tracepoints } from './event';
import { hostEvent } from './kvm-exits';
import type { Vcpu } from './vcpu';

/** Delivery modes in messages and in the ICR, by the names that KVM prints (Intel SDM vol. 3, 11.11.2). */
const modes: Readonly<Record<string, number>> = {
  Fixed: 0,
  LowPrio: 1,
  SMI: 2,
  Res3: 3,
  NMI: 4,
  INIT: 5,
  SIPI: 6,
  ExtINT: 7,
};
const Message = { Base: 0xfee0_0000, Logical: 4, Redirect: 8, DestinationShift: 12, Level: 0x8000 } as const;
const HIGH_DESTINATION = 2 ** 32;
const PAGE = 0x1000;
/** Parts of the host kernel that raise interrupts by an eventfd, without user space. */
const KERNEL_SIDE = /^(?:vhost|kworker|irq\/)/;
const PICS = 8;

/** The vCPU with an APIC id, which KVM makes the vCPU's number. */
function byApicId(context: EventContext, id: number): Vcpu {
  const { scene, thread } = context;
  return scene.vcpu(scene.vmOf(thread), id);
}

/** The 8259A pin that a vector may have come from: the base of a vector is a multiple of 8 (ICW2). */
function picCause(context: EventContext, vector: number): number {
  const { picPins } = context.scene.vmOf(context.thread);
  return picPins.get(vector % PICS) ?? picPins.get((vector % PICS) + PICS) ?? 0;
}

function accepted(context: EventContext, groups: readonly (string | undefined)[]): void {
  const vector = Number(groups[2]);
  const target = byApicId(context, context.numbers.hex(groups[1]));
  const row = instant(context, target.interrupts, Kind.IrqAccept, vector, 0, causeOf(context));
  target.accepted.set(vector, row);
}

function ended(context: EventContext, groups: readonly (string | undefined)[]): void {
  const vector = Number(groups[2]);
  const target = byApicId(context, context.numbers.hex(groups[1]));
  const began = target.injected.get(vector) ?? target.accepted.get(vector);
  target.injected.delete(vector);
  target.accepted.delete(vector);
  const row = instant(context, target.interrupts, Kind.IrqEoi, vector, 0, began ?? causeOf(context));
  context.thread.raised = row;
}

/** IPIs that carry no vector, or another meaning of it. */
const ipis: Readonly<
  Record<string, (vector: number, target: number) => [kind: number, a: number, b: number]>
> = {
  NMI: (_, target) => [Kind.IpiNmi, target, 0],
  INIT: (_, target) => [Kind.IpiInit, target, 0],
  SIPI: (vector, target) => [Kind.IpiStartUp, vector * PAGE, target],
};

const ACCEPT = /^apicid ([0-9a-f]{1,8}) vec (\d{1,3}) \((\w+)\|(\w+)\)/;
const EOI = /^apicid ([0-9a-f]{1,8}) vector (\d{1,3})/;

export const kvmInterrupts: Tracepoints = {
  kvm_set_irq: {
    pattern: /^gsi (\d{1,9}) level (-?\d{1,9})/,
    act: (context, [, gsi, level]) => {
      const { scene, thread } = context;
      // An access of this exit, or what woke the thread; not the line that it moved before.
      thread.raised = 0;
      const kind = Number(level) > 0 ? Kind.IrqRaise : Kind.IrqLower;
      const track = scene.part(scene.vmOf(thread), 'lines');
      thread.raised = instant(context, track, kind, Number(gsi), 0, causeOf(context));
      thread.falls = kind === Kind.IrqLower;
    },
  },
  kvm_msi_set_irq: {
    pattern: /^dst ([0-9a-f]{1,16}) vec (\w{1,3}) \((\w+)\|(\w+)\|(\w+)(\|rh)?\)/,
    act: (context, [, destination, vector, mode = '', logical, trigger, redirect]) => {
      const { scene, thread, numbers } = context;
      const target = numbers.hex(destination);
      const address =
        Math.floor(target / 0x100) * 0x100 * HIGH_DESTINATION +
        Message.Base +
        (target & 0xff) * 2 ** Message.DestinationShift +
        (logical === 'logical' ? Message.Logical : 0) +
        (redirect === undefined ? 0 : Message.Redirect);
      const data =
        (Number(vector) & 0xff) | ((modes[mode] ?? 0) << 8) | (trigger === 'level' ? Message.Level : 0);
      thread.raised = 0;
      thread.falls = false;
      const inKernel = context.vcpu === undefined && KERNEL_SIDE.test(thread.comm);
      const track = inKernel ? scene.threadTrack(thread) : scene.part(scene.vmOf(thread), 'msi');
      const kind = inKernel ? Kind.Irqfd : Kind.Msi;
      thread.raised = instant(context, track, kind, address, data, causeOf(context));
    },
  },
  kvm_pic_set_irq: {
    pattern: /^chip (\d) pin (\d) \((edge|level)(\|masked)?\)/,
    act: (context, [, chip, pin, trigger, masked]) => {
      const { scene, thread } = context;
      const vm = scene.vmOf(thread);
      const number = Number(chip) * PICS + Number(pin);
      const state = (trigger === 'level' ? 1 : 0) | (masked === undefined ? 0 : 2);
      const row = instant(
        context,
        scene.part(vm, 'pic'),
        ForeignKind.PicPin,
        number,
        state,
        causeOf(context),
      );
      if (masked !== undefined || thread.falls) return;
      vm.picPins.set(number, row);
    },
  },
  kvm_ioapic_set_irq: {
    pattern:
      /^pin (\d{1,4}) dst ([0-9a-f]{1,8}) vec=? ?(\d{1,3}) \(\w+\|\w+\|\w+(\|masked)?\)( \(coalesced\))?/,
    act: (context, [, pin, , vector, masked, coalesced]) => {
      const { scene, thread } = context;
      const silent = masked !== undefined || coalesced !== undefined || thread.falls;
      const kind = silent ? ForeignKind.IoapicPin : Kind.IoapicRoute;
      const track = scene.part(scene.vmOf(thread), 'ioapic');
      instant(context, track, kind, Number(pin), Number(vector), causeOf(context));
    },
  },
  kvm_apic_accept_irq: { pattern: ACCEPT, act: accepted },
  kvm_apicv_accept_irq: {
    pattern: ACCEPT,
    act: (context, [, id, text]) => {
      const vector = Number(text);
      const target = byApicId(context, context.numbers.hex(id));
      const cause = target.accepted.get(vector) ?? causeOf(context);
      const row = instant(context, target.interrupts, ForeignKind.ApicvPost, vector, 0, cause);
      target.accepted.set(vector, row);
    },
  },
  kvm_apic_ipi: {
    pattern: /^dst ([0-9a-f]{1,8}) vec (\d{1,3}) \((\w+)\|/,
    act: (context, [, destination, text, mode = '']) => {
      const { thread, numbers, vcpu, scene } = context;
      const [vector, target] = [Number(text), numbers.hex(destination)];
      const [kind, a, b] = ipis[mode]?.(vector, target) ?? [Kind.IpiSend, vector, target];
      const track = vcpu?.interrupts ?? scene.part(scene.vmOf(thread), 'msi');
      thread.raised = instant(context, track, kind, a, b, vcpu?.cause ?? thread.woken);
    },
  },
  kvm_inj_virq: {
    pattern: /^(?:(?:IRQ|Soft\/INTn) (0x[0-9a-f]{1,2})|irq (\d{1,3}))/,
    act: (context, [, current, old]) => {
      const { vcpu, numbers } = context;
      const vector = current === undefined ? Number(old) : numbers.hex(current);
      const target = vcpu ?? byApicId(context, 0);
      const cause = target.accepted.get(vector) ?? (picCause(context, vector) || target.cause);
      const row = instant(context, target.interrupts, Kind.IrqInject, vector, 0, cause);
      target.injected.set(vector, row);
      target.seen(context.time);
    },
  },
  kvm_inj_exception: {
    pattern: /^#(\w\w)/,
    act: (context, [, name = '']) => {
      const vector = exceptions.indexOf(name);
      if (vector < 0) return `kvm_inj_exception of an unknown name: #${name}`;
      const target = context.vcpu;
      if (!target) return 'kvm_inj_exception before any VM entry of its thread';
      target.event(context.time, target.interrupts, ForeignKind.ExceptionInject, vector, 0);
      return undefined;
    },
  },
  kvm_eoi: { pattern: EOI, act: ended },
  kvm_pv_eoi: { pattern: EOI, act: ended },
  kvm_ack_irq: {
    pattern: /^irqchip (PIC master|PIC slave|IOAPIC) pin (\d{1,4})/,
    act: (context, [, chip, text]) => {
      const { scene, thread } = context;
      const pin = Number(text) + (chip === 'PIC slave' ? PICS : 0);
      const track = scene.part(scene.vmOf(thread), chip === 'IOAPIC' ? 'ioapic' : 'pic');
      instant(context, track, ForeignKind.IrqAck, pin, 0, thread.raised || causeOf(context));
    },
  },
  kvm_pi_irte_update: {
    pattern:
      /^(?:VT-d )?PI is .{1,40}? for irq (\d{1,9}), vcpu (\d{1,9}), gsi: 0x[0-9a-f]{1,8}, gvec: (0x[0-9a-f]{1,8})/,
    act: (context, [, irq, id, vector]) => {
      const { scene, thread, numbers } = context;
      const target = scene.vcpu(scene.vmOf(thread), Number(id));
      const [a, b] = [numbers.hex(vector), Number(irq)];
      instant(context, target.interrupts, ForeignKind.IrteUpdate, a, b, causeOf(context));
    },
  },
  kvm_avic_doorbell: {
    pattern: /^vcpuid=(\d{1,9}), apicid=(\d{1,9})/,
    act: (context) => hostEvent(context),
  },
};

/** Mnemonics of the exceptions by vector (Intel SDM vol. 3, table 6-1); the empty ones have none here. */
const exceptions = [
  'DE', 'DB', '', 'BP', 'OF', 'BR', 'UD', 'NM', 'DF', '', 'TS', 'NP', 'SS', 'GP', 'PF', '', 'MF', 'AC', 'MC', 'XM',
]; // prettier-ignore
