/** A board's environment that costs nothing and writes everything down. */
import type { IrqLine } from '../../../../src/machine/bus';
import { IOAPIC_VERSION } from '../../../../src/machine/interrupts/ioapic';
import { NO_OBSERVER } from '../../../../src/machine/iommu/observer';
import type { PhysicalMemory } from '../../../../src/machine/memory/physical-memory';
import { BoardIommu, type BoardIommuPlan } from '../../../../src/machine/platform/board-iommu';
import type {
  BoardEnvironment,
  BoardUnit,
  DeviceSocket,
  SocketOptions,
} from '../../../../src/machine/platform/environment';
import { PcBoard, type PcOptions } from '../../../../src/machine/platform/pc-board';
import type { Checkpoint, HardwareState, Migratable, RunState } from '../../../../src/machine/snapshot';
import { FakeBus, World } from '../fake-bus';

/** What this environment keeps with a region. */
export interface Tag {
  unit: BoardUnit;
  offset: number;
}

const RAM = 2 << 20;

/** RAM of a test. */
function makeMemory(): PhysicalMemory & { bytes: Uint8Array } {
  const bytes = new Uint8Array(RAM);
  return {
    bytes,
    size: RAM,
    contains: (address, length) => address >= 0 && address + length <= RAM,
    read: (address, length) => bytes.slice(address, address + length),
    write: (address, data) => bytes.set(data, address),
  };
}

/** A board named `pc`, if nothing else is said, in such an environment, with what became of it. */
export function makeBoard(
  options: Partial<PcOptions> & { cpus?: number; name?: string; iommu?: BoardIommuPlan } = {},
) {
  const { cpus = 2, name: boardName = 'pc', iommu: iommuPlan, ...changes } = options;
  const world = new World();
  const memory = makeMemory();
  const log: string[] = [];
  const kept = new Map<string, Migratable>();
  const tags: Tag[] = [];
  /** As a lane has them that is made with the socket, before there is a device. */
  const registersAtSocket = new Map<string, Record<string, string>>();
  const sockets = new Map<string, { bus: FakeBus; options: SocketOptions }>();
  const iommu =
    iommuPlan &&
    new BoardIommu(
      {
        name: boardName,
        scheduler: world.queue,
        memory,
        observer: NO_OBSERVER,
        switched: () => void log.push('translation switched'),
        interruptObserver: undefined,
        send: (...message) => void board.fabric.unitMessage(...message),
      },
      iommuPlan,
    );
  const env: BoardEnvironment<Tag> = {
    iommu,
    name: boardName,
    cyclesPerSecond: 3e9,
    memory,
    scheduler: world.queue,
    cpus: Array.from({ length: cpus }, (_, cpu) => ({
      interrupt: () => void log.push(`intr ${cpu}`),
      ownTimer: (accept: () => void) => accept(),
      nmi: () => void log.push(`nmi ${cpu}`),
      init: () => void log.push(`init ${cpu}`),
      startUp: (page: number) => void log.push(`sipi ${cpu} ${page}`),
    })),
    observer: {
      message: (_source, _vector, deliver) => deliver(),
      ipi: (_sender, _message, send) => send(),
      accepted: (cpu, vector) => void log.push(`accepted ${cpu} ${vector}`),
      ended: () => undefined,
    },
    events: {
      serial: (byte) => void log.push(`serial ${byte}`),
      exited: (code) => void log.push(`exited ${code}`),
      poweredOff: () => void log.push('powered off'),
      reset: (how) => void log.push(`reset ${how}`),
    },
    now: () => world.time,
    keep: (name, unit) => {
      if (kept.has(name)) throw new Error(`two units are called ${name}`);
      kept.set(name, unit);
    },
    tag: (unit, offset) => {
      const tag = { unit, offset };
      tags.push(tag);
      return tag;
    },
    socket: (unit, socketOptions): DeviceSocket => {
      registersAtSocket.set(unit.name, unit.registers());
      const bus = new FakeBus(world, `${boardName}/${unit.name}/bus`);
      const wire: IrqLine = {
        set: (asserted) => {
          log.push(`${unit.name} ${asserted ? 'raises' : 'lowers'} ${socketOptions.gsi}`);
          if (socketOptions.gsi !== undefined)
            board.fabric.setPin(socketOptions.gsi, `${boardName}/${unit.name}`, asserted);
        },
      };
      Object.assign(bus, { irq: levels(socketOptions.gate ?? wire) });
      bus.msi.send = (...message) => void board.fabric.msi(...message);
      bus.dma.refuse = () => (socketOptions.busMaster() ? undefined : 'master-abort');
      sockets.set(unit.name, { bus, options: socketOptions });
      return { bus, wire, plug: (device) => bus.plug(device) };
    },
    configAccess: (requester, isWrite, offset, value) =>
      void log.push(`config ${requester} ${isWrite ? 'write' : 'read'} ${offset} ${value}`),
    line: (gsi, source) => levels({ set: (asserted) => board.fabric.setPin(gsi, source, asserted) }),
  };
  const board = new PcBoard<Tag>(env, {
    apicBusHz: 1e9,
    cmdline: '',
    startSeconds: 0,
    testDevices: true,
    serialInput: [],
    x2apic: true,
    ioapicVersion: IOAPIC_VERSION.withEoi,
    cpuSignature: 0x000306a9,
    cpuFeatures: 0x201,
    ...changes,
  });
  return { iommu, world, memory, log, kept, tags, sockets, registersAtSocket, board };
}

/** A line that tells changes only. */
function levels(line: IrqLine): IrqLine {
  let level = false;
  return {
    set: (asserted) => {
      if (asserted === level) return;
      level = asserted;
      line.set(asserted);
    },
  };
}

/** States of all kept units. */
export function statesOf(
  kept: ReadonlyMap<string, Migratable>,
): Record<string, Checkpoint<HardwareState, RunState>> {
  return Object.fromEntries([...kept].map(([name, unit]) => [name, structuredClone(unit.save())]));
}

/** A state whose memories are strings, which are compared at once. */
export function comparable(state: unknown): unknown {
  if (ArrayBuffer.isView(state)) {
    return Buffer.from(state.buffer, state.byteOffset, state.byteLength).toString('base64');
  }
  if (Array.isArray(state)) return state.map(comparable);
  if (typeof state !== 'object' || state === null) return state;
  return Object.fromEntries(Object.entries(state).map(([key, value]) => [key, comparable(value)]));
}
