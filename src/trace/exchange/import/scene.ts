/** Who is in a text trace: VMs, their vCPUs, threads and physical CPUs, and the tracks that stand for them. */
import type { Track } from '../../model';
import type { Recorder } from '../../record/recorder';
import { lapicRegisters, knownMmio, knownPorts } from './known-registers';
import type { Places } from './places';
import { Vcpu } from './vcpu';

/** A thread as far as the text tells of it. */
export interface Thread {
  pid: number;
  /** -1: unknown. */
  process: number;
  comm: string;
  /** Of the vCPU that it last entered or left. */
  vcpu?: Vcpu;
  /** The VM that it works for, once known. */
  vm?: Vm;
  /** Row of what last raised an interrupt on it, of its last wake-up, and of its span under way. */
  raised: number;
  woken: number;
  running: number;
  /** It has been woken and does not run yet. */
  pending: boolean;
  /** The line that it changed last has fallen. */
  falls: boolean;
  /** Its own track; absent as long as it has none. */
  track?: number;
}

/** Tracks of a VM that are made when something happens on them. */
export type VmPart = 'mmio' | 'ports' | 'lines' | 'pic' | 'ioapic' | 'msi';

const parts: Record<VmPart, Omit<Track, 'id' | 'group' | 'vm'>> = {
  mmio: { type: 'device', name: 'MMIO', registers: knownMmio },
  ports: { type: 'device', name: 'I/O ports', registers: knownPorts },
  lines: { type: 'irqchip', name: 'interrupt lines' },
  pic: { type: 'irqchip', name: 'PIC' },
  ioapic: { type: 'irqchip', name: 'IOAPIC' },
  msi: { type: 'irqchip', name: 'MSI' },
};

/** A virtual machine. */
export interface Vm {
  /** -1: events that may be of any of several VMs. */
  index: number;
  name: string;
  /** -1: unknown. */
  process: number;
  /** What the names of its vCPU threads have in common. */
  family: string;
  vcpus: Map<number, Vcpu>;
  /** Thread numbers of its vCPUs. */
  threads: Set<number>;
  tracks: Map<VmPart, number>;
  /** Rows of the last change of each PIC pin. */
  picPins: Map<number, number>;
}

/** Tracks and threads that are told apart; a trace of everything on a large host has more threads than anybody looks at. */
const MOST_TRACKS = 4096;
const MOST_THREADS = 1_000_000;
const MOST_VMS = 256;
const MOST_NAMES = 1000;
const MOST_VCPUS = 4096;
/** Handlers that interrupt each other. */
const MOST_NESTED = 16;

const WORKER = /^(?:vhost|kvm-|kworker|qemu|CPU \d+\/KVM|crosvm|firecracker|cloud-hyperv|IO |iou-)/;
const VHOST = /^vhost-(\d+)$/;
const VCPU_NAME = /^(?:CPU |fc_vcpu |vcpu)(\d+)/;

/** `CPU 0/KVM` and `CPU 1/KVM` are of one family. */
function familyOf(comm: string): string {
  return comm.replace(/\d+/g, '*');
}

/** The vCPU number in a thread's name: `CPU 1/KVM`. */
export function vcpuInName(comm: string): number | undefined {
  const found = VCPU_NAME.exec(comm);
  return found ? Number(found[1]) : undefined;
}

/** What a physical CPU is at, by rows of open spans. */
export class CpuSpans {
  /** The thread that it runs; 0: none, or unknown. */
  task = 0;
  private readonly open: { kind: number; row: number }[] = [];

  push(kind: number, row: number): void {
    if (this.open.length < MOST_NESTED) this.open.push({ kind, row });
  }

  /** The innermost span of a kind; undefined without one. Those inside it have lost their ends. */
  pop(kind: number): number | undefined {
    const at = this.open.findLastIndex((span) => span.kind === kind);
    return at < 0 ? undefined : this.open.splice(at)[0]?.row;
  }
}

/** Everybody in the trace. */
export class Scene {
  readonly vms: Vm[] = [];
  private readonly threads = new Map<string, Thread>();
  private readonly cpuTracks = new Map<number, number>();
  private readonly cpuSpans = new Map<number, CpuSpans>();
  /** Numbers of event names, and the names on each track. */
  private readonly names = new Map<string, number>();
  private readonly namesOn = new Map<number, Record<string, string>>();
  private unassigned: Vm | undefined;
  private domain: number | undefined;
  private tracks = 0;
  private others: number | undefined;
  private vcpuCount = 0;

  constructor(
    private readonly recorder: Recorder,
    private readonly places: Places,
  ) {}

  /** The thread of a line; one whose name changes stays the same. */
  thread(pid: number, comm: string, process: number): Thread {
    // Every CPU has an idle thread of that number.
    const key = pid > 0 ? String(pid) : `${pid}/${comm}`;
    let thread = this.threads.get(key);
    if (!thread) {
      thread = { pid, process, comm, raised: 0, woken: 0, running: 0, pending: false, falls: false };
      if (this.threads.size < MOST_THREADS) this.threads.set(key, thread);
    } else {
      if (comm !== '' && comm !== '<...>') thread.comm = comm;
      if (process >= 0) thread.process = process;
    }
    return thread;
  }

  /** Whether a thread does work for VMs, so that it is worth a track. */
  works(thread: Thread): boolean {
    if (thread.vcpu !== undefined || thread.track !== undefined || WORKER.test(thread.comm)) return true;
    return this.vms.some(({ family }) => family !== '' && family === familyOf(thread.comm));
  }

  /** The vCPU that a thread enters or leaves. @param id undefined where the line does not say */
  vcpuOf(thread: Thread, id: number | undefined): Vcpu {
    const { vcpu } = thread;
    if (vcpu && (id === undefined || vcpu.id === id)) return vcpu;
    const number = id ?? vcpuInName(thread.comm);
    const vm = this.vmOfVcpuThread(thread, number);
    let free = number ?? 0;
    if (number === undefined) while (vm.vcpus.get(free)?.bound) free += 1;
    vm.threads.add(thread.pid);
    thread.vm = vm;
    thread.vcpu = this.vcpu(vm, free);
    thread.vcpu.bound = true;
    return thread.vcpu;
  }

  /** A vCPU by its number, or by its APIC id, which KVM gives likewise. */
  vcpu(vm: Vm, id: number): Vcpu {
    let vcpu = vm.vcpus.get(id);
    if (!vcpu && this.vcpuCount >= MOST_VCPUS) [vcpu] = vm.vcpus.values();
    if (!vcpu) {
      this.vcpuCount += 1;
      const name = `vCPU ${id}`;
      const place = { group: vm.name, vm: vm.index } as const;
      const track = this.addTrack({ type: 'vcpu', name, ...place });
      const interrupts = this.addTrack({
        type: 'interrupts',
        name: `${name} interrupts`,
        registers: lapicRegisters,
        ...place,
      });
      vcpu = new Vcpu(this.recorder, this.places, id, vm.index, track, interrupts);
      vm.vcpus.set(id, vcpu);
    }
    return vcpu;
  }

  /** The VM that a thread works for: its own, that of its process or of its name; with several to choose from, none of them. */
  vmOf(thread: Thread): Vm {
    if (thread.vm) return thread.vm;
    const found = this.guess(thread);
    if (found) thread.vm = found;
    return found ?? this.anyVm();
  }

  /** A part of a VM. */
  part(vm: Vm, part: VmPart): number {
    let track = vm.tracks.get(part);
    if (track === undefined) {
      track = this.addTrack({ ...parts[part], group: vm.name, vm: vm.index });
      vm.tracks.set(part, track);
    }
    return track;
  }

  /** The track of a thread of the host. */
  threadTrack(thread: Thread): number {
    const { comm, pid } = thread;
    const name = comm.endsWith(String(pid)) ? comm : `${comm === '' ? 'thread' : comm} (${pid})`;
    return (thread.track ??= this.addTrack({ type: 'thread', name, group: 'host', vm: -1 }));
  }

  /** The track of a physical CPU. */
  cpuTrack(cpu: number): number {
    let track = this.cpuTracks.get(cpu);
    if (track === undefined) {
      const name = cpu < 0 ? 'a CPU' : `CPU ${cpu}`;
      track = this.addTrack({ type: 'cpu', name, group: 'host', vm: -1 });
      this.cpuTracks.set(cpu, track);
    }
    return track;
  }

  /** What a physical CPU is at. */
  spansOf(cpu: number): CpuSpans {
    let spans = this.cpuSpans.get(cpu);
    if (!spans) this.cpuSpans.set(cpu, (spans = new CpuSpans()));
    return spans;
  }

  /** Number by which a track prints the name of an event that has no kind of its own. */
  nameOf(track: number, event: string): number {
    let number = this.names.get(event);
    if (number === undefined) {
      if (this.names.size >= MOST_NAMES) event = 'another event';
      this.names.set(event, (number = this.names.size));
    }
    const names = this.namesOn.get(track) ?? {};
    names[String(number)] = event;
    this.namesOn.set(track, names);
    return number;
  }

  /** A track with the names of its events. */
  named(track: Track): Track {
    const reasons = this.namesOn.get(track.id);
    return reasons ? { ...track, reasons } : track;
  }

  /** What IOMMUs translate: the tracepoints do not say for which domain. */
  get domainTrack(): number {
    return (this.domain ??= this.addTrack({ type: 'domain', name: 'IOMMU domains', group: 'host', vm: -1 }));
  }

  /** All vCPUs. */
  get vcpus(): Vcpu[] {
    const vms = this.unassigned ? [...this.vms, this.unassigned] : this.vms;
    return vms.flatMap(({ vcpus }) => [...vcpus.values()]);
  }

  /** Beyond the limit everything else shares one track. */
  private addTrack(track: Omit<Track, 'id'>): number {
    if (this.tracks === MOST_TRACKS)
      return (this.others ??= this.recorder.addTrack({
        type: 'thread',
        name: 'all others',
        group: 'host',
        vm: -1,
      }));
    this.tracks += 1;
    return this.recorder.addTrack(track);
  }

  private addVm(process: number, family: string, name = `vm${this.vms.length}`, index = this.vms.length): Vm {
    const none = { vcpus: new Map(), threads: new Set<number>(), tracks: new Map(), picPins: new Map() };
    return { index, name, process, family, ...none };
  }

  private newVm(process: number, family: string): Vm {
    const vm = this.addVm(process, family);
    this.vms.push(vm);
    return vm;
  }

  private vmOfVcpuThread(thread: Thread, id: number | undefined): Vm {
    const { process, pid } = thread;
    const family = familyOf(thread.comm);
    // A line without a thread says nothing but the vCPU's number.
    if (pid < 0) return this.vms[0] ?? this.newVm(process, family);
    const known = thread.vm && thread.vm.index >= 0 ? thread.vm : undefined;
    if (known?.threads.has(pid)) return known;
    const fits = (vm: Vm): boolean =>
      vm.threads.size === 0
        ? vm.process < 0 || process < 0 || vm.process === process
        : process >= 0 && vm.process >= 0
          ? vm.process === process
          : vm.family === family && (id === undefined || !vm.vcpus.get(id)?.bound);
    const found = nearest(this.vms.filter(fits), pid);
    if (!found && this.vms.length >= MOST_VMS) return this.anyVm();
    const vm = found ?? this.newVm(process, family);
    vm.family = family;
    if (process >= 0) vm.process = process;
    return vm;
  }

  private guess(thread: Thread): Vm | undefined {
    const { vms } = this;
    if (vms.length === 0) return this.newVm(thread.process, '');
    if (vms.length === 1) return vms[0];
    const vhost = VHOST.exec(thread.comm);
    const process = vhost ? Number(vhost[1]) : thread.process;
    const ofProcess = process >= 0 ? vms.find((vm) => vm.process === process) : undefined;
    if (ofProcess) return ofProcess;
    // QEMU's threads are made one after the other, so their numbers are close.
    if (vhost) return nearest(vms, process);
    const family = familyOf(thread.comm);
    return nearest(
      vms.filter((vm) => vm.family === family),
      thread.pid,
    );
  }

  private anyVm(): Vm {
    return (this.unassigned ??= this.addVm(-1, '', 'one of the VMs', -1));
  }
}

function nearest(vms: readonly Vm[], pid: number): Vm | undefined {
  const distance = (vm: Vm): number => {
    let least = Infinity;
    for (const thread of vm.threads) least = Math.min(least, Math.abs(thread - pid));
    return least;
  };
  const [first, ...others] = vms;
  if (!first) return undefined;
  return others.reduce((best, vm) => (distance(vm) < distance(best) ? vm : best), first);
}
