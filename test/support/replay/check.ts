/**
 * Whether a trace tells what its guests saw. What it is held against is the guests' own logs alone; what DMA carried, of
 * which a trace has only address and length, is taken down at the guest's memory, in its order but without its time.
 */
import { RunSession } from '../../../src/run/session';
import type { PhysicalMemory } from '../../../src/machine/memory/physical-memory';
import { Kind } from '../../../src/trace/vocabulary/events';
import { TraceStore, emptyMeta } from '../../../src/trace/query/store';
import { ReplayedEdu } from './edu';
import { Logged, type Entry, type GuestLog, type ReplayGuest } from './guest';
import { DMA, ReplayedMemory } from './memory';
import { ReplayedNic } from './nic';
import { Rows, type Effect } from './rows';
import type { ReplayRun, ReplayVm } from './scenario';

/** What DMA carried to or from one guest's memory, in order. */
interface Carried {
  kind: number;
  address: number;
  bytes: Uint8Array;
}

/** What was compared: for the sake of tests that would compare nothing. */
export interface Compared {
  wrong: string[];
  loads: number;
  registers: number;
  dma: number;
  handlers: number;
  requested: number;
}

/** Runs a scenario to its end and holds its trace against what its guests saw. */
export function checkRun(guest: ReplayGuest, { job, vms }: ReplayRun): Compared {
  const session = new RunSession(job);
  const carried = vms.map((_, vm) => listenTo(session.memory(vm)));
  while (session.step());
  const { end, delta } = session.end();
  const store = new TraceStore(emptyMeta('replay', 1));
  store.append(delta);
  store.setMeta(end.meta);
  const result: Compared = { wrong: [], loads: 0, registers: 0, dma: 0, handlers: 0, requested: 0 };
  const rows = new Rows(store);
  vms.forEach((vm, index) => {
    const code = end.summary.vms[index]?.exitCode;
    if (code !== 0) result.wrong.push(`${vm.name} ended with ${code}: ${end.meta.message}`);
    const log = guest.logOf(session.memory(index));
    const checker = new GuestChecker(guest, vm, rows, log, carried[index], result);
    checker.check();
  });
  return result;
}

let listening = true;

/** Does something to a guest's memory that nobody takes down. */
export function unheard(work: () => void): void {
  listening = false;
  try {
    work();
  } finally {
    listening = true;
  }
}

/** Takes down what devices read and write; from now on, so that what loaders and firmware write is not among it. */
function listenTo(memory: PhysicalMemory): Carried[] {
  const carried: Carried[] = [];
  const read = memory.read.bind(memory);
  const write = memory.write.bind(memory);
  memory.read = (address, length) => {
    const bytes = read(address, length);
    carried.push({ kind: Kind.DmaRead, address, bytes });
    return bytes;
  };
  memory.write = (address, bytes) => {
    if (listening) carried.push({ kind: Kind.DmaWrite, address, bytes: bytes.slice() });
    write(address, bytes);
  };
  return carried;
}

const wordOf = (value: number): Uint8Array => {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
};

/** One guest's part of a trace. */
class GuestChecker {
  constructor(
    private readonly guest: ReplayGuest,
    private readonly vm: ReplayVm,
    private readonly rows: Rows,
    private readonly log: GuestLog,
    private readonly carried: readonly Carried[],
    private readonly result: Compared,
  ) {}

  check(): void {
    const { vm, rows, guest } = this;
    this.checkMemory();
    const nics = vm.coalesced.map((_, i) => ({ unit: i, name: i === 0 ? 'e1000' : `e1000.${i}` }));
    for (const { unit, name } of nics) {
      const effects = rows.of(vm.name, name, ['device', 'dma']);
      this.checkAccesses(name, effects, unit, 'nic');
      const nic = new ReplayedNic(rows, { tx: guest.ring('tx', unit), rx: guest.ring('rx', unit) });
      nic.replay(effects);
      this.tell(nic.wrong, name);
    }
    for (let unit = 0; unit < vm.edus; unit++) {
      const name = unit === 0 ? 'edu' : `edu.${unit}`;
      const effects = rows.of(vm.name, name, ['device', 'dma']);
      this.checkAccesses(name, effects, unit, 'edu');
      const edu = new ReplayedEdu(rows, vm.emulated);
      edu.replay(effects);
      this.tell(edu.wrong, name);
    }
    this.checkHandlers();
    this.checkRequests();
  }

  /** Loads and DMA find what stores and DMA before them have left. */
  private checkMemory(): void {
    const { log, guest } = this;
    const loads = this.entries(Logged.Load);
    const memory = new ReplayedMemory([
      ...guest.watched,
      ...loads.map(({ where }) => ({ from: where, bytes: 4 })),
    ]);
    const dma = this.dmaInOrder();
    const stores = log.entries
      .filter(({ kind }) => kind === Logged.Store)
      .map(({ before, after, cpu, where, value }) => ({
        from: before,
        to: after,
        by: cpu,
        address: where,
        bytes: wordOf(value),
      }));
    const writes = dma
      .filter(({ kind }) => kind === Kind.DmaWrite)
      .map(({ time, address, bytes }) => ({ from: time, to: time, by: DMA, address, bytes }));
    for (const { address, bytes, ...when } of [...stores, ...writes].sort((x, y) => x.from - y.from))
      memory.change(address, bytes, when);
    for (const { where, value, before, after, cpu } of loads) {
      const look = { from: before, to: after, by: cpu };
      this.tell([memory.contradiction(where, wordOf(value), look)], `CPU ${cpu}, from ${before} to ${after}`);
    }
    for (const { kind, time, address, bytes } of dma) {
      if (kind !== Kind.DmaRead) continue;
      const look = { from: time, to: time, by: DMA };
      this.tell([memory.contradiction(address, bytes, look)], `DMA at ${time}`);
    }
    this.result.loads += loads.length;
    this.result.dma += dma.length;
  }

  /** The rows of DMA with what they carried: rows and bytes have one order, that of the rows' ends. */
  private dmaInOrder(): (Carried & { time: number })[] {
    // What was under way when the run ended has a row and no effect.
    const effects = this.rows
      .of(this.vm.name, undefined, ['dma'])
      .filter(({ time }) => time <= this.rows.end);
    const left = [...this.carried];
    return effects.flatMap(({ time, row }) => {
      // Of those that end at one time the order is not told.
      const at = left.findIndex(
        ({ kind, address, bytes }) => kind === row.kind && address === row.a && bytes.length === row.b,
      );
      const tied = effects.filter((each) => each.time === time).length;
      if (at < 0 || at >= tied) {
        this.tell([`row ${row.row} tells of DMA that did not come then`], 'DMA');
        return [];
      }
      return left.splice(at, 1).map((each) => ({ ...each, time }));
    });
  }

  /** Each access has its row within its times and with its value, and each row its access. */
  private checkAccesses(name: string, effects: readonly Effect[], unit: number, which: 'nic' | 'edu'): void {
    const kinds = which === 'nic' ? [Logged.NicRead, Logged.NicWrite] : [Logged.EduRead, Logged.EduWrite];
    const coalesced = which === 'nic' && (this.vm.coalesced[unit] ?? false);
    const mine = this.log.entries.filter((each) => each.unit === unit);
    const adds = which === 'nic' ? mine.filter(({ kind }) => kind === Logged.NicAdd) : [];
    const reads = [
      ...mine.filter(({ kind }) => kind === kinds[0]),
      ...adds.map((each) => ({ ...each, where: each.where & 0xffff })),
    ];
    const writes = [
      ...mine.filter(({ kind }) => kind === kinds[1]),
      ...adds.map((each) => ({
        ...each,
        where: each.where & 0xffff,
        value: (each.value + (each.where >>> 16)) >>> 0,
      })),
    ];
    this.match(name, ofKind(effects, Kind.MmioRead), reads, false);
    this.match(name, ofKind(effects, Kind.MmioWrite), writes, coalesced);
    this.result.registers += reads.length + writes.length;
  }

  /** @param late writes that KVM gathers take effect at any time after, and the last of them never */
  private match(name: string, effects: readonly Effect[], entries: readonly Entry[], late: boolean): void {
    const left = new Set(effects);
    for (const { where, value, before, after, cpu } of [...entries].sort((x, y) => x.after - y.after)) {
      const found = effects.find(
        (each) =>
          left.has(each) &&
          each.row.a === where &&
          each.row.b === value &&
          each.time >= before &&
          (late || each.time <= after),
      );
      if (found) left.delete(found);
      else if (!late)
        this.tell(
          [`no row of ${where.toString(16)} with ${value.toString(16)} from ${before} to ${after}`],
          `${name}, CPU ${cpu}`,
        );
    }
    for (const { row, time } of left)
      this.tell([`row ${row.row} at ${time} is of an access that no guest made`], name);
  }

  /** Each handler begins after its row of delivery, and before the next one's. */
  private checkHandlers(): void {
    const delivered = this.rows
      .interruptsOf(this.vm.name)
      .filter(({ row }) => row.kind === Kind.IrqDeliver && this.log.vectors.includes(row.a));
    const handlers = this.entries(Logged.Handler);
    if (delivered.length !== handlers.length)
      this.tell([`${delivered.length} deliveries, ${handlers.length} handlers`], 'interrupts');
    handlers.forEach(({ before }, i) => {
      const at = delivered[i]?.time ?? Infinity;
      const next = delivered[i + 1]?.time ?? Infinity;
      if (at > before || next <= before)
        this.tell([`handler ${i} at ${before} was delivered at ${at}`], 'interrupts');
    });
    this.result.handlers += handlers.length;
  }

  /** A vector is in the IRR from the row in which the LAPIC takes it to that in which the CPU does. */
  private checkRequests(): void {
    const effects = this.rows.interruptsOf(this.vm.name);
    const looks = this.entries(Logged.Requested);
    for (const { where: vector, value, before, after } of looks) {
      const changes = effects.filter(
        ({ row }) => row.a === vector && (row.kind === Kind.IrqAccept || row.kind === Kind.IrqDeliver),
      );
      const levels = changes.map(({ time, row }) => ({ time, level: row.kind === Kind.IrqAccept }));
      const last = levels.filter(({ time }) => time <= before).at(-1)?.level ?? false;
      const within = levels.filter(({ time }) => time >= before && time <= after).map(({ level }) => level);
      const found = ((value >>> (vector % 32)) & 1) !== 0;
      if (![last, ...within].includes(found))
        this.tell(
          [`vector ${vector} is ${found ? '' : 'not '}in the IRR from ${before} to ${after}`],
          'interrupts',
        );
    }
    this.result.requested += looks.length;
  }

  private entries(kind: number): Entry[] {
    return this.log.entries.filter((each) => each.kind === kind);
  }

  private tell(wrong: readonly (string | undefined)[], where: string): void {
    for (const each of wrong)
      if (each !== undefined) this.result.wrong.push(`${this.vm.name}, ${where}: ${each}`);
  }
}

function ofKind(effects: readonly Effect[], kind: number): Effect[] {
  return effects.filter(({ row }) => row.kind === kind);
}
