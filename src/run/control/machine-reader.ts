/** Reads a session's machine at the moment at which it stands, without a trace of it. */
import { PAGE_SIZE } from '../../machine/memory/dirty-log';
import type { StateNode, StatePath } from '../../machine/inspect';
import type { Cpu } from '../../machine/x86/types';
import type { GuestCpuView } from '../../vmm/guest';
import type { RunSession } from '../session';
import type {
  ControlReader,
  ControlledCpu,
  MemorySpace,
  Moment,
  RegisterFile,
  RegisterName,
} from './control';

/** Longest piece of memory that is read at once, in bytes: nobody looks at more, and what is asked for may be nonsense. */
const LONGEST_READ = 64 * 1024 * 1024;

/** All vCPUs of a session's run. */
export function cpusOf({ machine }: RunSession): ControlledCpu[] {
  const places = machine.guests.flatMap(({ index: vm, name: vmName, cpus }) =>
    cpus.map((_, number) => ({ vm, vmName, number })),
  );
  return places.map((place, index) => ({ index, ...place }));
}

export class MachineReader implements ControlReader {
  readonly cpus: readonly ControlledCpu[];

  constructor(private readonly session: RunSession) {
    this.cpus = cpusOf(session);
  }

  get frequencyHz(): number {
    return this.session.machine.host.frequencyHz;
  }

  get moment(): Moment {
    const { session } = this;
    return { instructions: session.instructions, cycles: session.elapsed, rows: session.recorder.rows };
  }

  /** @throws RangeError for a vCPU that there is not */
  viewOf(cpu: number): GuestCpuView {
    const place = this.cpus[cpu];
    const view = place && this.session.machine.guests[place.vm]?.cpus[place.number];
    if (!view) throw new RangeError(`there is no vCPU ${cpu}; this run has ${this.cpus.length}`);
    return view;
  }

  registers(cpu: number): RegisterFile {
    const { cpu: core, activity } = this.viewOf(cpu);
    return {
      general: Array.from({ length: 16 }, (_, register) => core.getReg(register)),
      rip: ripOf(core),
      rflags: core.rflags(),
      segments: core.segments().map(({ selector, base, limit }) => ({ selector, base, limit })),
      cr0: core.readControl(0),
      cr2: core.readControl(2),
      cr3: core.readControl(3),
      cr4: core.readControl(4),
      cr8: BigInt(core.callouts.cr8Read()),
      efer: core.efer,
      cpl: core.cpl(),
      mode: core.mode(),
      activity,
    };
  }

  register(cpu: number, register: RegisterName): bigint {
    const { cpu: core } = this.viewOf(cpu);
    if (register === 'rip') return ripOf(core);
    if (register === 'rflags') return core.rflags();
    return core.getReg(register.general);
  }

  readMemory(space: MemorySpace, address: bigint, length: number): Uint8Array {
    const wanted = Math.max(0, Math.min(Math.trunc(length), LONGEST_READ));
    // Variables, as conditions read them, lie within one page.
    if (Number(BigInt.asUintN(12, address)) + wanted <= PAGE_SIZE)
      return this.readPart(space, address, wanted) ?? new Uint8Array();
    const out = new Uint8Array(wanted);
    let done = 0;
    while (done < wanted) {
      const at = address + BigInt(done);
      const part = Math.min(PAGE_SIZE - Number(BigInt.asUintN(12, at)), wanted - done);
      const bytes = this.readPart(space, at, part);
      if (!bytes) break;
      out.set(bytes, done);
      done += bytes.length;
      if (bytes.length < part) break;
    }
    return done === wanted ? out : out.slice(0, done);
  }

  translate(cpu: number, address: bigint): number | undefined {
    return this.viewOf(cpu).cpu.physicalOf(BigInt.asUintN(64, address));
  }

  inspect(path: StatePath): StateNode | undefined {
    return this.session.machine.host.inspect(path);
  }

  /** Within one page. */
  private readPart(space: MemorySpace, address: bigint, length: number): Uint8Array | undefined {
    const { guests, host } = this.session.machine;
    if (space.kind === 'virtual')
      return this.viewOf(space.cpu).cpu.peekVirtual(BigInt.asUintN(64, address), length);
    if (address < 0n || address > BigInt(Number.MAX_SAFE_INTEGER)) return undefined;
    const at = Number(address);
    switch (space.kind) {
      case 'physical': {
        const memory = guests[space.vm]?.memory;
        if (!memory) throw new RangeError(`there is no VM ${space.vm}; this run has ${guests.length}`);
        return memory.contains(at, length) ? memory.read(at, length) : undefined;
      }
      case 'host':
        return host.memory.read(at, length);
      case 'iova':
        return this.readIova(space.track, at, length);
    }
  }

  private readIova(track: number, address: number, length: number): Uint8Array | undefined {
    const { host } = this.session.machine;
    const physical = host.translateIova(track, address);
    return physical === undefined ? undefined : host.memory.read(physical, length);
  }
}

function ripOf({ ripLow, ripHigh }: Cpu): bigint {
  return (BigInt(ripHigh >>> 0) << 32n) | BigInt(ripLow >>> 0);
}
