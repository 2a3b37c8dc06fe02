/** A made-up trace of an e1000 driver that sends packets: the shapes that a real one has, as many as wanted. */
import { Kind, exitKind } from '../../../src/trace/vocabulary/events';
import { Recorder } from '../../../src/trace/record/recorder';
import type { TraceMeta, TraceDelta } from '../../../src/trace/model';

const HZ = 3_000_000_000;
const EPT_MISCONFIG = 49;
const EXTERNAL_INTERRUPT = 1;
const HLT = 12;
const TDT = 0x3818;
const ICR = 0xc0;

/** Even pseudo-random numbers in [0, 1) from a seed. */
function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const LINES: [rip: number, symbol: string, line: number][] = [
  [0x1000, 'e1000_transmit', 142],
  [0x1040, 'e1000_interrupt', 201],
  [0x1080, 'main', 310],
];

export class Synthetic {
  readonly recorder: Recorder;
  time = 0;
  private readonly next = random(7);
  private readonly cpu: number;
  private readonly irq: number;
  private readonly nic: number;
  private readonly dma: number;
  private readonly iommu: number;
  private readonly wire: number;
  private packet = 0;

  constructor(maxEvents = 30_000_000) {
    this.recorder = new Recorder({
      maxEvents,
      resolvePlace: (_vm, rip) => {
        const found = LINES.find(([address]) => address === Number(rip));
        return found ? { symbol: found[1], file: '/home/ada/drivers/e1000.c', line: found[2] } : {};
      },
    });
    const registers = { [String(TDT)]: 'TDT', [String(ICR)]: 'ICR' };
    this.cpu = this.recorder.addTrack({ type: 'vcpu', name: 'vCPU 0', group: 'vm0', vm: 0 });
    this.irq = this.recorder.addTrack({ type: 'irqchip', name: 'IOAPIC', group: 'vm0', vm: 0 });
    this.nic = this.recorder.addTrack({ type: 'device', name: 'e1000', group: 'vm0', vm: 0, registers });
    this.dma = this.recorder.addTrack({ type: 'dma', name: 'e1000 DMA', group: 'vm0', vm: 0 });
    this.iommu = this.recorder.addTrack({ type: 'iommu', name: 'IOMMU', group: 'host', vm: -1 });
    this.mapGuest();
    this.recorder.addTrack({ type: 'thread', name: 'QEMU I/O thread', group: 'host', vm: -1 });
    this.wire = this.recorder.addTrack({ type: 'link', name: 'wire', group: 'network', vm: -1 });
  }

  /** All of the guest's memory is mapped before it starts; a buffer of its own comes and goes. */
  private mapGuest(): void {
    const pen = this.recorder;
    const domain = pen.addTrack({ type: 'domain', name: 'IOMMU domain', group: 'vm0', vm: 0 });
    for (const [kind, iova, to, bytes] of [
      [Kind.MemorySlot, 0, 0x4000_0000, 0x200_0000],
      [Kind.IommuMap, 0, 0x4000_0000, 0x200_0000],
      [Kind.IommuMap, 0x8000_0000, 0x4010_0000, 0x4000],
    ] as const) {
      pen.cause = pen.instant(0, domain, kind, iova, to);
      pen.instant(0, domain, Kind.MapExtent, bytes, 3);
      pen.cause = 0;
    }
    pen.instant(60_000, domain, Kind.IommuUnmap, 0x8000_1000, 0x1000);
  }

  private some(least: number, most: number): number {
    return Math.round(least + this.next() * (most - least));
  }

  private guest(cycles: number): void {
    this.recorder.span(this.time, cycles, this.cpu, Kind.GuestKernel, 0, 0);
    this.time += cycles;
  }

  /** An exit that goes through to QEMU; returns the references of exit and register access. */
  private trapped(register: number, value: number, write: boolean): number {
    const pen = this.recorder;
    const start = this.time;
    const legs: [number, number][] = [
      [Kind.KvmHandle, this.some(1500, 2500)],
      [Kind.UserExit, this.some(2000, 3000)],
      [Kind.QemuHandle, this.some(9000, 22000)],
      [Kind.UserEnter, this.some(1500, 2500)],
      [Kind.Entry, this.some(900, 1400)],
    ];
    const total = legs.reduce((sum, [, cycles]) => sum + cycles, 0);
    const exit = pen.span(start, total, this.cpu, exitKind(EPT_MISCONFIG), 0xfeb0_0000 + register, value);
    pen.cause = exit;
    let access = 0;
    for (const [kind, cycles] of legs) {
      if (kind === Kind.QemuHandle) {
        access = pen.instant(
          this.time + 3000,
          this.nic,
          write ? Kind.MmioWrite : Kind.MmioRead,
          register,
          value,
        );
      }
      pen.span(this.time, cycles, this.cpu, kind, 0, 0);
      this.time += cycles;
    }
    return access;
  }

  private place(index: number): void {
    this.recorder.place = this.recorder.internPlace(0, LINES[index]?.[0] ?? 0, 0);
  }

  /** One packet from the driver's store to its interrupt handler: about 25 events. */
  send(): void {
    const pen = this.recorder;
    this.packet++;
    pen.cause = 0;
    this.place(2);
    this.guest(this.some(8000, 40000));
    this.place(0);
    const access = this.trapped(TDT, this.packet % 64, true);
    pen.cause = access;
    let at = this.time - 9000;
    const fetch = pen.span(at, 800, this.dma, Kind.DmaRead, 0x8000 + (this.packet % 64) * 16, 16);
    pen.cause = fetch;
    if (this.packet % 8 === 0) pen.span(at + 20, 400, this.iommu, Kind.IommuWalk, 4, 4);
    else pen.instant(at + 20, this.iommu, Kind.IommuHit, 0x8000, 0);
    if (this.packet % 97 === 0) pen.instant(at + 500, this.iommu, Kind.IommuFault, 0xdead_0000, 5);
    at += 900;
    const read = pen.span(at, 1600, this.dma, Kind.DmaRead, 0x2_0000, 1514);
    pen.cause = read;
    pen.instant(at + 30, this.iommu, Kind.IommuHit, 0x2_0000, 0);
    const sent = pen.instant(at + 1700, this.nic, Kind.PacketTx, 1514, this.packet);
    pen.cause = sent;
    pen.span(at + 1700, 36000, this.wire, Kind.LinkTransit, 1514, this.packet);
    this.guest(this.some(12000, 30000));
    pen.cause = sent;
    pen.span(this.time - 4000, 700, this.dma, Kind.DmaWrite, 0x8000, 16);
    const raise = pen.instant(this.time - 3000, this.nic, Kind.IrqRaise, 11, 0);
    pen.cause = raise;
    const route = pen.instant(this.time - 2500, this.irq, Kind.IoapicRoute, 11, 0x2b);
    pen.cause = route;
    const start = this.time;
    const kick = pen.span(start, 4200, this.cpu, exitKind(EXTERNAL_INTERRUPT), 0xf2, 0);
    pen.span(start, 3000, this.cpu, Kind.KvmHandle, 0, 0);
    pen.cause = route;
    pen.instant(start + 1500, this.cpu, Kind.IrqAccept, 0x2b, 0);
    const inject = pen.instant(start + 3200, this.cpu, Kind.IrqInject, 0x2b, 0);
    pen.cause = kick;
    pen.span(start + 3000, 1200, this.cpu, Kind.Entry, 0, 0);
    this.time += 4200;
    pen.cause = inject;
    this.place(1);
    const deliver = pen.instant(this.time + 60, this.cpu, Kind.IrqDeliver, 0x2b, 0);
    pen.cause = deliver;
    const handler = pen.open(this.time + 100, this.cpu, Kind.Handler, 0x2b, 0);
    pen.cause = handler;
    this.guest(1500);
    pen.cause = handler;
    this.trapped(ICR, 0x83, false);
    pen.cause = handler;
    this.guest(2400);
    pen.instant(this.time - 800, this.cpu, Kind.IrqEoi, 0x2b, 0);
    pen.close(handler, this.time - 100);
    pen.cause = 0;
    if (this.packet % 5 === 0) {
      this.place(2);
      const halt = this.some(40000, 160000);
      pen.span(this.time, 1800 + halt, this.cpu, exitKind(HLT), 0, 0);
      pen.span(this.time, 1800, this.cpu, Kind.KvmHandle, 0, 0);
      pen.span(this.time + 1800, halt, this.cpu, Kind.Halted, 0, 0);
      this.time += 1800 + halt;
    }
  }

  delta(): TraceDelta {
    return this.recorder.takeDelta();
  }

  /** Hands all that was recorded to a store: a recorder gives whole blocks first, and what is left after them. */
  handTo(store: { append(delta: TraceDelta): void }): void {
    let delta: TraceDelta;
    do store.append((delta = this.delta()));
    while (delta.chunks.length > 0);
  }

  meta(state: TraceMeta['state'], message?: string): TraceMeta {
    return {
      version: 1,
      title: 'e1000-send',
      state,
      ...(message !== undefined && { message }),
      frequencyHz: HZ,
      scenarioText: '{}',
      scenarioName: 'e1000-send.trapline.json',
      costs: {},
      guests: [],
      facts: { cycles: this.time, vms: [{ name: 'vm0', guestInstructions: Math.round(this.time / 3) }] },
      ...this.recorder.tables(),
    };
  }
}
