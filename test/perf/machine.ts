/**
 * The same guest on the bare machine: a vCPU, an address map, a PCI bus and the e1000, without a hypervisor, as QEMU's
 * translator has none. Recorded or not.
 */
import { AddressMap } from '../../src/machine/address-map';
import type { DeviceBus } from '../../src/machine/bus';
import { createMachineCore } from '../../src/machine/x86';
import { StopReason, type Cpu, type CpuCallouts, type MachineCoreOptions } from '../../src/machine/x86/types';
import { E1000 } from '../../src/machine/devices/e1000/e1000';
import { BarMapper } from '../../src/machine/pci/bar-mapper';
import { CONFIG_PORTS, PciRoot } from '../../src/machine/pci/root';
import { ROW_BYTES } from '../../src/trace/block';
import { Kind } from '../../src/trace/vocabulary/events';
import { HashCollector } from '../../src/trace/record/hash';
import { Recorder } from '../../src/trace/record/recorder';
import { DEBUG_CONSOLE, END_MARK, EXIT_PORT, START_MARK, type Guest } from './guest';

const RAM_BYTES = 64 * 2 ** 20;
/** Cycles between two looks at the recording: a run takes what there is every 50 ms. */
const SLICE = 400_000;
const STACK = 0x8_0000;
const MAC = Uint8Array.of(0x52, 0x54, 0x00, 0x12, 0x34, 0x56);
const COSTS: MachineCoreOptions['costs'] = {
  base: 1,
  memory: 1,
  branch: 1,
  multiply: 1,
  divide: 1,
  serialising: 1,
  control: 1,
  pause: 1,
};

/** What a run on the bare machine showed. */
export interface MachineRun {
  /** Between the marks. */
  seconds: number;
  /** Recorded; all of them, those before the start mark too. */
  events: number;
  /** Of an event's columns. */
  bytesPerEvent: number;
  traceHash: string;
}

/** Ends a run: whoever writes the exit port. */
interface Progress {
  started: number;
  ended: number;
  over: boolean;
}

/** Nothing is on the wire and no time passes in the device: the guest only asks for its status. */
function silentBus(now: () => number): DeviceBus {
  return {
    now,
    schedule: () => 0,
    cancel: () => undefined,
    dma: { read: () => undefined, write: () => undefined },
    irq: { set: () => undefined },
    msi: { send: () => undefined },
    trace: { cause: 0, instant: () => undefined, span: () => undefined },
    cyclesPerNanosecond: 2,
  };
}

/** Puts together the address maps behind the vCPU's call-outs. */
function wire(cpu: Cpu, recorder: Recorder | undefined, progress: Progress): CpuCallouts {
  const memory = new AddressMap<number>('MMIO');
  const ports = new AddressMap<number>('I/O ports');
  const track = recorder?.addTrack({ type: 'device', name: 'e1000', group: 'bench', vm: 0 }) ?? 0;
  const mapper = new BarMapper<number>(memory, ports, () => track);
  const bus = new PciRoot({
    barChanged: (slot, bar, base, enabled) => mapper.barChanged(slot, bar, base, enabled),
    interruptChanged: () => undefined,
  });
  bus.add(
    undefined,
    new E1000(
      silentBus(() => cpu.now()),
      { mac: MAC },
    ).pci,
  );
  ports.add(CONFIG_PORTS.base, CONFIG_PORTS.size, bus.ports, track);
  const note = (kind: number, address: number, value: number): void => {
    if (!recorder) return;
    recorder.place = recorder.internPlace(0, cpu.ripLow, cpu.ripHigh);
    const region = memory.find(address);
    recorder.instant(cpu.now(), track, kind, address - (region?.base ?? 0), value);
  };
  return {
    mmioRead: (address, size) => {
      const value = memory.read(address, size);
      cpu.resultHigh = memory.resultHigh;
      note(Kind.MmioRead, address, value);
      return value;
    },
    mmioWrite: (address, size, low, high) => {
      memory.write(address, size, low, high);
      note(Kind.MmioWrite, address, low);
    },
    portIn: (port, size) => ports.read(port, size),
    portOut: (port, size, value) => {
      if (port === DEBUG_CONSOLE && value === START_MARK) progress.started = performance.now();
      else if (port === DEBUG_CONSOLE && value === END_MARK) progress.ended = performance.now();
      else if (port === EXIT_PORT) {
        progress.over = true;
        cpu.requestAttention();
      } else ports.write(port, size, value);
    },
    msrRead: () => undefined,
    msrWrite: () => false,
    cpuid: () => ({ eax: 0, ebx: 0, ecx: 0, edx: 0 }),
    hlt: () => undefined,
    vmcall: () => false,
    cr8Read: () => 0,
    cr8Write: () => undefined,
    interruptDelivered: () => undefined,
    interruptReturned: () => undefined,
  };
}

/** Runs the guest to its end. @param recorded keeps an event of each access to a device register, hashed as in a run */
export function runMachine(module: WebAssembly.Module, guest: Guest, recorded: boolean): MachineRun {
  const machine = createMachineCore({ ramBytes: RAM_BYTES, cpus: 1, module, costs: COSTS });
  const [cpu] = machine.cpus;
  if (!cpu) throw new Error('the machine has no CPU');
  const recorder = recorded ? new Recorder({ receiverHashes: true, maxEvents: 2 ** 31 }) : undefined;
  const collector = new HashCollector();
  const progress: Progress = { started: NaN, ended: NaN, over: false };
  cpu.callouts = wire(cpu, recorder, progress);
  machine.memory.write(guest.address, guest.bytes);
  cpu.startLongMode(BigInt(guest.entry), BigInt(STACK), guest.cr3);
  while (!progress.over) {
    const stop = cpu.run(cpu.now() + SLICE);
    if (stop !== StopReason.Deadline && stop !== StopReason.Attention)
      throw new Error(`the guest stopped with reason ${stop}: ${cpu.faultReport()?.message}`);
    if (recorder) collector.add(recorder.takeDelta());
  }
  if (recorder) {
    recorder.finish(cpu.now());
    collector.add(recorder.takeDelta());
    // What is recorded has its price until it is handed over and hashed.
    progress.ended = performance.now();
  }
  if (!(progress.ended > progress.started)) throw new Error('the guest left without its marks');
  return {
    seconds: (progress.ended - progress.started) / 1000,
    events: recorder?.rows ?? 0,
    bytesPerEvent: ROW_BYTES,
    traceHash: collector.traceHash(recorder?.rows ?? 0),
  };
}
