/** The run's motions as GDB asks for them, and what it is told when they end (GDB manual, appendix E.3). */
import { Reg } from '../../machine/x86/types';
import type { Moment, PointHit, RegisterFile, RunControl, Stop, StopPoint } from '../../run/control/control';
import type { GdbPoint, GdbPoints } from './points';

/** Signals by which stops are told (GDB's own numbering, `gdb/signals.def`). */
const SIGINT = 2;
const SIGTRAP = 5;

/** A stop as it is told. */
export interface GdbStop {
  readonly signal: number;
  /** Of the run. */
  readonly cpu: number;
  /** Pairs of a stop reply: `watch:1000;`. */
  readonly reason: string;
  /** Said to the user besides. */
  readonly note?: string;
}

/** Numbers of points that only a motion has. */
const OWN = { back: -1 } as const;
/** An instruction may find one interrupt after another before it; beyond that a step ends where it is. */
const MOST_INTERRUPTS = 64;
/** RFLAGS.IF. */
const INTERRUPTS_ENABLED = 0x200n;

type WatchPoint = Extract<GdbPoint, { kind: 'watch' }>;

export class GdbMotion {
  /** Whether a step goes into the handler of an interrupt that comes before its instruction. */
  stepsIntoInterrupts = false;

  constructor(
    private readonly control: RunControl,
    private readonly points: GdbPoints,
  ) {}

  forward(): GdbStop {
    return this.told(this.control.forward());
  }

  step(cpu: number): GdbStop {
    return this.told(this.stepOver(cpu));
  }

  /** Steps while the vCPU stays in a range of addresses; `low` is in it, `high` is not. */
  stepWithin(cpu: number, low: bigint, high: bigint): GdbStop {
    for (;;) {
      const stop = this.stepOver(cpu);
      const { rip } = this.control.registers(cpu);
      if (stop.reason !== 'goal' || stop.cpu !== cpu || rip < low || rip >= high) return this.told(stop);
    }
  }

  /** GDB comes from behind an access, perhaps the one just made, to before it. */
  backward(): GdbStop {
    const { control } = this;
    const stop = control.backward(undefined, { withPresent: true });
    const hit = stop.hits.find((each) => this.watchOf(each));
    if (!hit || stop.hits.some((each) => this.points.of(each)?.kind === 'break')) return this.told(stop);
    control.stepBack(hit.cpu);
    return this.toldOfWatch(hit);
  }

  stepBack(cpu: number): GdbStop {
    const { control } = this;
    const start = control.moment;
    const stop = control.stepBack(cpu);
    const hit = this.watches ? this.accessBetween(control.moment, start) : undefined;
    return hit ? this.toldOfWatch(hit) : this.told(stop);
  }

  /** What a stop is told as. */
  told(stop: Stop): GdbStop {
    const { cpu } = stop;
    switch (stop.reason) {
      case 'interrupted':
        return { signal: SIGINT, cpu, reason: '' };
      case 'beginning':
        return { signal: SIGTRAP, cpu, reason: 'replaylog:begin;' };
      case 'ended': {
        const note = stop.message === undefined ? 'The run is over.' : `The run is over: ${stop.message}`;
        return { signal: SIGTRAP, cpu, reason: 'replaylog:end;', note };
      }
      case 'goal':
        return { signal: SIGTRAP, cpu, reason: '' };
      case 'point':
        return this.toldOfHits(stop);
    }
  }

  private toldOfHits({ hits, cpu }: Stop): GdbStop {
    const watched = hits.find((each) => this.watchOf(each));
    if (watched) return this.toldOfWatch(watched);
    const named = hits.map((each) => ({ hit: each, point: this.points.of(each) }));
    const code = named.find(({ point }) => point?.kind === 'break');
    if (code?.point?.kind === 'break')
      return {
        signal: SIGTRAP,
        cpu: code.hit.cpu,
        reason: code.point.isHardware ? 'hwbreak:;' : 'swbreak:;',
      };
    const events = named.flatMap(({ hit, point }) =>
      point?.kind === 'event' ? [`Row ${hit.row ?? -1} is an event of “${point.query}”.`] : [],
    );
    return { signal: SIGTRAP, cpu, reason: '', ...(events.length > 0 && { note: events.join('\n') }) };
  }

  private watchOf(hit: PointHit): WatchPoint | undefined {
    const point = this.points.of(hit);
    return point?.kind === 'watch' ? point : undefined;
  }

  private get watches(): boolean {
    return this.points.hasWatches;
  }

  /** GDB looks for its watchpoint by an address within it. */
  private toldOfWatch(hit: PointHit): GdbStop {
    const { cpu, access } = hit;
    const watch = this.watchOf(hit);
    if (!watch || !access) return { signal: SIGTRAP, cpu, reason: '' };
    const first = BigInt(Math.max(access.address, watch.physical) - watch.physical);
    const address = BigInt.asUintN(64, watch.address + first);
    const verb = access.write ? 'wrote' : 'read';
    const where = `${access.length} ${access.length === 1 ? 'byte' : 'bytes'} at guest-physical 0x${access.address.toString(16)}`;
    return {
      signal: SIGTRAP,
      cpu,
      reason: `${watch.reply}:${address.toString(16)};`,
      ...(access.isDevice && { note: `The device ${access.who} ${verb} ${where}.` }),
    };
  }

  /** The last access to what is watched from one moment to another; the run stands at the first of them afterwards. */
  private accessBetween(from: Moment, to: Moment): PointHit | undefined {
    const { control } = this;
    let last: PointHit | undefined;
    this.points.onlyWatches(() => {
      for (;;) {
        const stop = control.forward({ kind: 'moment', moment: to });
        last = stop.hits.find((each) => this.watchOf(each)) ?? last;
        if (stop.reason !== 'point' || stop.moment.cycles >= to.cycles) break;
      }
    });
    control.seek({ kind: 'moment', moment: from });
    return last;
  }

  /** One instruction. Where an interrupt is taken before it, its handler runs first, unless the setting lets it in. */
  private stepOver(cpu: number): Stop {
    const { control } = this;
    const before = control.registers(cpu);
    let stop = control.stepInstruction(cpu);
    for (let count = 0; count < MOST_INTERRUPTS && !this.stepsIntoInterrupts; count++) {
      if (stop.reason !== 'goal' || !this.hasInterrupted(cpu, before)) return stop;
      stop = this.backFromHandler(cpu, before);
      if (!stop.hits.some(({ id }) => id === OWN.back) || stop.hits.length > 1) return stop;
      stop = control.stepInstruction(cpu);
    }
    return stop;
  }

  /** Whether the vCPU stands at a handler that returns to where it was before: by what it has pushed (SDM vol. 3, 6.14.2). */
  private hasInterrupted(cpu: number, before: RegisterFile): boolean {
    if (!(before.rflags & INTERRUPTS_ENABLED)) return false;
    const { general, mode, rflags } = this.control.registers(cpu);
    if (mode === 'real' || rflags & INTERRUPTS_ENABLED) return false;
    const size = mode === 'long' ? 8 : 4;
    const bytes = this.control.readMemory({ kind: 'virtual', cpu }, general[Reg.RSP] ?? 0n, 4 * size);
    if (bytes.length < 4 * size) return false;
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const word = (index: number): bigint =>
      size === 8 ? view.getBigUint64(8 * index, true) : BigInt(view.getUint32(4 * index, true));
    if (word(0) !== before.rip) return false;
    // Long mode always pushes the stack pointer.
    return mode !== 'long' || word(3) === before.general[Reg.RSP];
  }

  private backFromHandler(cpu: number, before: RegisterFile): Stop {
    const { control } = this;
    const vm = control.cpus[cpu]?.vm ?? 0;
    const rsp = before.general[Reg.RSP];
    const back: StopPoint = {
      id: OWN.back,
      kind: 'code',
      vm,
      cpu,
      address: before.rip,
      when: () => control.registers(cpu).general[Reg.RSP] === rsp,
    };
    return this.points.withMore([back], () => control.forward());
  }
}
