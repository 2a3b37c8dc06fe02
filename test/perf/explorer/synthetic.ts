/**
 * A trace of any length that no machine has run, made block by block and always the same: eight VMs with one vCPU, one NIC and
 * its DMA each, four IOMMUs, four links and eight host threads, 64 lanes in all. A VM works in bursts and sleeps between them;
 * what it does are exits with their legs, writes to registers, DMA through an IOMMU, packets and interrupts.
 */
import { BLOCK_ROWS, emptyChunk } from '../../../src/trace/block';
import type { Place, TraceChunk, TraceMeta, Track, TrackType } from '../../../src/trace/model';
import { emptyMeta } from '../../../src/trace/query/store';
import { exitKind, Kind } from '../../../src/trace/vocabulary/events';
import { VmxExit } from '../../../src/trace/vocabulary/vmx-exit-reasons';

const VMS = 8;
const IOMMUS = 4;
const LINKS = 4;
const FREQUENCY = 1_000_000_000;
const PLACES = 400;
/** Parts of a VM, each a track: in the order of their ids. */
const PARTS: readonly (readonly [type: TrackType, name: string])[] = [
  ['vcpu', 'vCPU 0'],
  ['interrupts', 'interrupts'],
  ['device', 'nic'],
  ['dma', 'nic DMA'],
];
const EPT_MISCONFIG = exitKind(VmxExit.EPT_MISCONFIG);
/** Exits that the VMM's kernel part handles alone. */
const QUICK = [VmxExit.MSR_WRITE, VmxExit.EXTERNAL_INTERRUPT, VmxExit.CPUID].map(exitKind);
const HLT = exitKind(VmxExit.HLT);

/** Park and Miller's generator. */
class Chance {
  constructor(private state: number) {}
  /** From 0 to below 1. */
  next(): number {
    this.state = (this.state * 48271) % 0x7fffffff;
    return this.state / 0x7fffffff;
  }
  /** A whole number from `low` to below `high`, small ones more often. */
  cycles(low: number, high: number): number {
    const share = this.next();
    return Math.floor(low + (high - low) * share * share);
  }
}

const track = (id: number, type: TrackType, name: string, group: string, vm: number): Track => ({
  id,
  type,
  name,
  group,
  vm,
});

function tracksOf(): Track[] {
  const tracks: Track[] = [];
  const add = (type: TrackType, name: string, group: string, vm: number): void =>
    void tracks.push(track(tracks.length, type, name, group, vm));
  for (let vm = 0; vm < VMS; vm++) for (const [type, name] of PARTS) add(type, name, `vm${vm}`, vm);
  for (let i = 0; i < IOMMUS; i++) add('iommu', `IOMMU ${i}`, 'host', -1);
  for (let i = 0; i < LINKS; i++) add('link', `link ${i}`, 'network', -1);
  for (let vm = 0; vm < VMS; vm++) add('thread', `vhost ${vm}`, 'host', -1);
  return tracks;
}

function placesOf(): Place[] {
  return Array.from({ length: PLACES }, (_, i) => ({
    id: i + 1,
    vm: i % VMS,
    rip: `0x${(0x10_0000 + 16 * i).toString(16)}`,
    symbol: `function_${i >> 3}`,
    file: `/src/driver_${i >> 6}.c`,
    line: 1 + (i & 63),
  }));
}

/** One VM: how far it is, and until when it works. */
interface Vm {
  id: number;
  now: number;
  restsAt: number;
}

/** Writes the rows, one after the other, into blocks. */
class Writer {
  readonly full: TraceChunk[] = [];
  block = emptyChunk(0, BLOCK_ROWS);
  rows = 0;

  row(
    start: number,
    duration: number,
    onTrack: number,
    kind: number,
    a = 0,
    b = 0,
    cause = 0,
    rip = 0,
  ): number {
    const { block } = this;
    const i = this.rows - block.firstRow;
    block.start[i] = start;
    block.duration[i] = duration;
    block.track[i] = onTrack;
    block.kind[i] = kind;
    block.rip[i] = rip;
    block.a[i] = a;
    block.b[i] = b;
    block.cause[i] = cause;
    this.rows++;
    if (i + 1 === BLOCK_ROWS) {
      this.full.push(block);
      this.block = emptyChunk(this.rows, BLOCK_ROWS);
    }
    return this.rows;
  }
}

/** What the VMs do, one step at a time: always the VM whose time is least. */
class Machine {
  private readonly chance = new Chance(20261130);
  private readonly vms: Vm[] = Array.from({ length: VMS }, (_, id) => ({
    id,
    now: 1000 * id,
    restsAt: 400_000 * (id + 1),
  }));
  private packets = 0;

  constructor(private readonly out: Writer) {}

  step(): void {
    const vm = this.vms.reduce((first, other) => (other.now < first.now ? other : first));
    const share = this.chance.next();
    if (vm.now > vm.restsAt) this.sleep(vm);
    else if (share < 0.45) this.access(vm);
    else if (share < 0.85) this.quick(vm);
    else this.interrupt(vm);
  }

  /** The guest runs, and leaves at the time that is returned. */
  private guest(vm: Vm, most: number): number {
    const cycles = this.chance.cycles(200, most);
    const kind = this.chance.next() < 0.8 ? Kind.GuestKernel : Kind.GuestUser;
    this.out.row(vm.now, cycles, PARTS.length * vm.id, kind);
    return vm.now + cycles;
  }

  private place(): number {
    const share = this.chance.next();
    return 1 + Math.floor(PLACES * share * share * share);
  }

  /** A register of the NIC is written, through QEMU: DMA and a packet follow now and then. */
  private access(vm: Vm): void {
    const { out, chance } = this;
    const cpu = PARTS.length * vm.id;
    const at = this.guest(vm, 9000);
    const legs = [1000, 600, 2000 + chance.cycles(0, 9000), 500, 500];
    const total = legs.reduce((sum, leg) => sum + leg, 0);
    const register = 0x3800 + 8 * Math.floor(6 * chance.next());
    const exit = out.row(at, total, cpu, EPT_MISCONFIG, 0xfebc_0000 + register, 3, 0, this.place());
    let now = at;
    [Kind.KvmHandle, Kind.UserExit, Kind.QemuHandle, Kind.UserEnter, Kind.Entry].forEach((kind, i) => {
      out.row(now, legs[i], cpu, kind, 0, 0, exit);
      if (kind === Kind.QemuHandle) this.device(vm, now, exit, register);
      now += legs[i];
    });
    vm.now = now;
  }

  private device(vm: Vm, now: number, exit: number, register: number): void {
    const { out, chance } = this;
    const nic = PARTS.length * vm.id + 2;
    const write = out.row(
      now + 100,
      0,
      nic,
      chance.next() < 0.7 ? Kind.MmioWrite : Kind.MmioRead,
      register,
      1,
      exit,
    );
    if (chance.next() < 0.5) return;
    const iommu = PARTS.length * VMS + (vm.id % IOMMUS);
    const ring = out.row(now + 150, 0, nic, Kind.RingTail, 7, 0, write);
    const dma = out.row(now + 200, chance.cycles(100, 4000), nic + 1, Kind.DmaRead, 0x20_0000, 64, ring);
    out.row(now + 210, 20, iommu, chance.next() < 0.9 ? Kind.IommuHit : Kind.IommuWalk, 0x1000, 4, dma);
    if (chance.next() < 0.001) out.row(now + 240, 0, iommu, Kind.IommuFault, 0x1000, 0, dma);
    if (chance.next() < 0.5) return;
    const packet = ++this.packets;
    const link = PARTS.length * VMS + IOMMUS + (vm.id % LINKS);
    const sent = out.row(
      now + 600,
      0,
      link,
      Kind.PacketTx,
      64 + Math.floor(chance.next() * 1400),
      packet,
      dma,
    );
    out.row(now + 600, 12_000 + chance.cycles(0, 3000), link, Kind.LinkTransit, 0, packet, sent);
    out.row(
      now + 700,
      chance.cycles(500, 5000),
      PARTS.length * VMS + IOMMUS + LINKS + vm.id,
      Kind.SchedRun,
      0,
      0,
      sent,
    );
  }

  private quick(vm: Vm): void {
    const { out, chance } = this;
    const cpu = PARTS.length * vm.id;
    const at = this.guest(vm, 6000);
    const kernel = 300 + chance.cycles(0, 1500);
    const kind = QUICK[Math.floor(QUICK.length * chance.next())];
    const exit = out.row(at, kernel + 400, cpu, kind, 0, 0, 0, this.place());
    out.row(at, kernel, cpu, Kind.KvmHandle, 0, 0, exit);
    out.row(at + kernel, 400, cpu, Kind.Entry, 0, 0, exit);
    vm.now = at + kernel + 400;
  }

  private interrupt(vm: Vm): void {
    const { out, chance } = this;
    const irq = PARTS.length * vm.id + 1;
    const link = PARTS.length * VMS + IOMMUS + (vm.id % LINKS);
    const at = this.guest(vm, 3000);
    const packet = out.row(
      at,
      0,
      link,
      Kind.PacketRx,
      64,
      Math.max(1, this.packets - Math.floor(4 * chance.next())),
    );
    const raise = out.row(at + 50, 0, irq + 1, Kind.IrqRaise, 11, 0, packet);
    const inject = out.row(at + 90, 0, irq, Kind.IrqInject, 0x2b, 0, raise);
    const handler = out.row(at + 150, 700 + chance.cycles(0, 2500), irq, Kind.Handler, 0x2b, 0, inject);
    out.row(at + 300, 0, irq, Kind.IrqEoi, 0x2b, 0, handler);
    vm.now = at;
  }

  private sleep(vm: Vm): void {
    const { out, chance } = this;
    const cpu = PARTS.length * vm.id;
    const long = chance.cycles(50_000, 40_000_000);
    const exit = out.row(vm.now, long + 900, cpu, HLT, 0, 0, 0, this.place());
    out.row(vm.now, 500, cpu, Kind.KvmHandle, 0, 0, exit);
    out.row(vm.now + 500, long, cpu, Kind.Halted, 0, 0, exit);
    out.row(vm.now + 500 + long, 400, cpu, Kind.Entry, 0, 0, exit);
    vm.now += long + 900;
    vm.restsAt = vm.now + chance.cycles(100_000, 20_000_000);
  }
}

/** The blocks of a trace of so many rows, in order; each is made when it is asked for. */
export function* syntheticBlocks(rows: number): Generator<TraceChunk> {
  const out = new Writer();
  const machine = new Machine(out);
  let left = rows;
  while (left > 0) {
    while (out.full.length === 0 && out.rows - out.block.firstRow < left) machine.step();
    const block = out.full.shift() ?? out.block;
    if (left >= BLOCK_ROWS) yield block;
    else yield cut(block, left);
    left -= BLOCK_ROWS;
  }
}

/** The first rows of a block. */
function cut(block: TraceChunk, rows: number): TraceChunk {
  const short = emptyChunk(block.firstRow, rows);
  for (const name of ['start', 'duration', 'track', 'kind', 'rip', 'a', 'b', 'cause'] as const)
    short[name].set(block[name].subarray(0, rows));
  return short;
}

/** The tables of such a trace: as of a run that is over, without counts. */
export function syntheticMeta(rows: number): TraceMeta {
  return {
    ...emptyMeta(`${rows} synthetic events`, FREQUENCY),
    state: 'finished',
    tracks: tracksOf(),
    places: placesOf(),
  };
}
