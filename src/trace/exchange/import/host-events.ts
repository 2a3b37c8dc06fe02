/** Tracepoints of the host: interrupts of physical CPUs, the scheduler, IOMMUs. */
import { ForeignKind, Kind } from '../../vocabulary/events';
import { instant, type EventContext, type Tracepoint, type Tracepoints } from './event';
import { hostEvent } from './kvm-exits';
import type { Thread } from './scene';

/** A span on a CPU's track that ends with an event of its own; inner ones end first. */
function opens(kind: number, pattern: RegExp, read: (text: string) => number): Tracepoint {
  return {
    pattern,
    act: ({ recorder, scene, cpu, time, thread }, [, text = '']) => {
      recorder.cause = thread.running;
      const row = recorder.open(time, scene.cpuTrack(cpu), kind, read(text), 0);
      recorder.cause = 0;
      scene.spansOf(cpu).push(kind, row);
    },
  };
}

function closes(kind: number, pattern: RegExp): Tracepoint {
  return {
    pattern,
    act: ({ recorder, scene, cpu, time }) => {
      const row = scene.spansOf(cpu).pop(kind);
      if (row === undefined) return 'end of an interrupt handler that began before the file';
      recorder.close(row, time);
      return undefined;
    },
  };
}

const DECIMAL = (text: string): number => Number(text) % 2 ** 32;

/** Interrupts of the host's local APICs (Linux, include/asm/trace/irq_vectors.h). */
const VECTORS = [
  'local_timer', 'spurious_apic', 'error_apic', 'x86_platform_ipi', 'irq_work', 'reschedule', 'call_function',
  'call_function_single', 'threshold_apic', 'deferred_error_apic', 'thermal_apic',
]; // prettier-ignore
const vectors: Tracepoints = Object.fromEntries(
  VECTORS.flatMap((name) => [
    [`${name}_entry`, opens(ForeignKind.HostInterrupt, /^vector=(\d{1,3})/, DECIMAL)],
    [`${name}_exit`, closes(ForeignKind.HostInterrupt, /^vector=(\d{1,3})/)],
  ]),
);

/** A thread is to run: its track says so, and what it does from now on follows from that. */
function wakes(context: EventContext, comm: string, pid: number): string | undefined {
  const { scene, thread, vcpu } = context;
  const woken = scene.thread(pid, comm, -1);
  if (woken.vcpu === undefined && !scene.works(woken))
    return `${context.event} of a thread that works for no VM`;
  const track = woken.vcpu?.track ?? scene.threadTrack(woken);
  const own = woken.pending ? woken.woken : (vcpu?.cause ?? 0) || thread.raised || thread.woken;
  woken.pending = context.event === 'sched_waking';
  woken.woken = instant(context, track, Kind.SchedWake, 0, 0, own);
  return undefined;
}

const WAKE = /^(?:comm=(.{0,64}?) pid=(\d{1,10}) prio=|(.{0,64}?):(\d{1,10}) \[-?\d+\])/;
const SWITCH =
  /^(?:prev_comm=(.{0,64}?) prev_pid=(\d{1,10}) prev_prio=-?\d+ prev_state=(\S{1,16}) ==> next_comm=(.{0,64}?) next_pid=(\d{1,10})|(.{0,64}?):(\d{1,10}) \[-?\d+\] (\S{1,16}) ==> (.{0,64}?):(\d{1,10}) \[)/;

const wake: Tracepoint = {
  pattern: WAKE,
  act: (context, [, comm, pid, otherComm, otherPid]) =>
    wakes(context, comm ?? otherComm ?? '', Number(pid ?? otherPid)),
};

/** The thread that gives the CPU up. */
function leaves({ recorder, time }: EventContext, thread: Thread, state: string): void {
  if (thread.running !== 0) recorder.close(thread.running, time);
  thread.running = 0;
  // Preempted, or sent away to let another one run: it could go on.
  if (state.startsWith('R')) thread.vcpu?.preempted(time);
}

/** The thread that gets it. */
function comes(context: EventContext, thread: Thread): void {
  const { recorder, scene, time, cpu } = context;
  thread.pending = false;
  if (thread.vcpu) {
    thread.vcpu.resumed(time);
    instant(context, thread.vcpu.track, Kind.SchedSwitch, Math.max(0, cpu), thread.vcpu.track, thread.woken);
    return;
  }
  if (thread.pid <= 0 || !scene.works(thread)) return;
  recorder.cause = thread.woken;
  thread.running = recorder.open(time, scene.threadTrack(thread), Kind.SchedRun, 0, 0);
  recorder.cause = 0;
}

function iommuMap(context: EventContext, iova: number, to: number, size: number): void {
  const track = context.scene.domainTrack;
  const row = instant(context, track, Kind.IommuMap, iova, to, context.thread.woken);
  // The tracepoint does not tell the permissions: what VFIO and the DMA API map is mostly for both directions.
  instant(context, track, Kind.MapExtent, size, READ_WRITE, row);
}
const READ_WRITE = 3;

export const hostEvents: Tracepoints = {
  ...vectors,
  irq_handler_entry: opens(ForeignKind.HostIrq, /^irq=(\d{1,9})/, DECIMAL),
  irq_handler_exit: closes(ForeignKind.HostIrq, /^irq=(\d{1,9})/),
  softirq_entry: opens(ForeignKind.SoftIrq, /^vec=(\d{1,3})/, DECIMAL),
  softirq_exit: closes(ForeignKind.SoftIrq, /^vec=(\d{1,3})/),
  softirq_raise: { pattern: /^vec=\d{1,3}/, act: (context) => hostEvent(context) },
  sched_waking: wake,
  sched_wakeup: wake,
  sched_wakeup_new: wake,
  sched_switch: {
    pattern: SWITCH,
    act: (context, groups) => {
      const [, ...found] = groups;
      const [prevComm = '', prevPid, state = '', nextComm = '', nextPid] = found.slice(
        found[1] === undefined ? 5 : 0,
      );
      const { recorder, scene, cpu, time } = context;
      leaves(context, scene.thread(Number(prevPid), prevComm, -1), state);
      const next = scene.thread(Number(nextPid), nextComm, -1);
      const spans = scene.spansOf(cpu);
      if (spans.task !== 0) recorder.close(spans.task, time);
      // Thread 0 is the idle one.
      spans.task =
        next.pid > 0 ? recorder.open(time, scene.cpuTrack(cpu), ForeignKind.CpuTask, next.pid, 0) : 0;
      comes(context, next);
    },
  },
  map: {
    pattern:
      /^IOMMU: iova=(0x[0-9a-f]{1,16})(?: - 0x[0-9a-f]{1,16})? paddr=(0x[0-9a-f]{1,16}) size=(0x[0-9a-f]{1,16}|\d{1,19})/,
    act: (context, [, iova, to, size]) => {
      const { numbers } = context;
      iommuMap(context, numbers.hex(iova), numbers.hex(to), numbers.either(size));
    },
  },
  unmap: {
    pattern:
      /^IOMMU: iova=(0x[0-9a-f]{1,16})(?: - 0x[0-9a-f]{1,16})? size=(0x[0-9a-f]{1,16}|\d{1,19})(?: unmapped_size=(0x[0-9a-f]{1,16}|\d{1,19}))?/,
    act: (context, [, iova, size, unmapped]) => {
      const { numbers, scene, thread } = context;
      const [a, b] = [numbers.hex(iova), numbers.either(unmapped ?? size)];
      instant(context, scene.domainTrack, Kind.IommuUnmap, a, b, thread.woken);
    },
  },
  io_page_fault: {
    pattern: /^IOMMU:.{0,100}? iova=(0x[0-9a-f]{1,16}) flags=(0x[0-9a-f]{1,8})/,
    act: (context, [, iova, flags]) => {
      const { numbers, scene } = context;
      instant(context, scene.domainTrack, Kind.IommuFault, numbers.hex(iova), numbers.hex(flags), 0);
    },
  },
};

/** Events of these systems without a row above become `host.event`. */
export const RELATED =
  /^(?:kvm_|vcpu_|vhost_|virtio_|vfio_|iommu_|attach_device_|detach_device_|add_device_to_group|remove_device_from_group|qi_|map_|unmap_|bounce_map|bounce_unmap)/;
