/**
 * An NVMe controller by the NVM Express Base Specification 1.4, whose sections all comments in this folder name, with one
 * namespace; to drivers it is QEMU's. Whatever a guest programs, nothing here throws, and no register write begins work without end.
 *
 * It is a machine of small ones, joined by asynchronous DMA (`dma.ts`): nothing has an effect before the end of the
 * transaction, or of the time, that it takes.
 *
 *     doorbell → fetch.ts → executor.ts with prp.ts → completions.ts → interrupts.ts
 *                               └ admin-commands.ts, io-commands.ts → storage/block-image.ts
 *
 * Where the specification leaves a choice:
 *
 * | what                        | here                                                                                   |
 * |-----------------------------|----------------------------------------------------------------------------------------|
 * | arbitration (4.13)          | round robin; bursts as the feature says, of at most 8 commands                          |
 * | order                       | commands are independent: what is done first is what is ready first                     |
 * | commands under way          | 64, of which 32 of one queue; further ones stay in their queues                          |
 * | data                        | one transaction for each memory page, in order; one at a time for each command           |
 * | a fault of a data transfer  | Data Transfer Error; what was moved before stays                                         |
 * | a fault at a queue          | CSTS.CFS: no command can be told of it (9.5)                                             |
 * | no bus master               | nothing is begun; what was under way is done again once the function is one              |
 * | CC.EN cleared               | RDY follows when the last transaction has ended, so that no memory is written afterwards |
 * | a wrong doorbell            | ignored, with a note in the trace and an asynchronous event (5.2)                        |
 * | head doorbell               | wrong, too, where it takes entries that were not written                                 |
 * | identifiers (4.2)           | a command whose identifier is in use in its queue is refused                             |
 * | SGLs, fused operations      | refused (Invalid Field): Identify has neither                                            |
 * | interrupt coalescing        | kept, and not done: it is a recommendation (5.21.1.8)                                    |
 * | Save and Select             | not there: SV is refused, SEL is ignored                                                 |
 */
import type { AccessSize, BusDevice, DeviceBus, DmaResult, RegisterBlock } from '../../bus';
import type { Inspectable, StateNode, StatePath } from '../../inspect';
import type { PciFunction } from '../../pci/function';
import { MsixVectors } from '../../pci/msix';
import { branches, describedNodes, fieldsByName, wholeBranch, type Branch } from '../../registers';
import { requireVersion, type Checkpoint, type Migratable } from '../../snapshot';
import { Kind } from '../../../trace/vocabulary/events';
import type { BitField } from '../../../trace/vocabulary/kind-row';
import { BlockImage } from '../storage/block-image';
import { adminCommands } from './admin-commands';
import { AsyncEvents } from './async-events';
import { Completions } from './completions';
import { DOORBELLS } from './constants';
import { NvmeCore } from './core';
import { descriptions } from './descriptions';
import { Dma } from './dma';
import { Doorbells } from './doorbells';
import { ErrorLog } from './error-log';
import { Executor, WORK_DONE } from './executor';
import { Features } from './features';
import { Fetcher } from './fetch';
import { NvmeFunction } from './function';
import { Interrupts } from './interrupts';
import { ioCommands } from './io-commands';
import { ENABLED, Lifecycle } from './lifecycle';
import type { NvmeOptions } from './options';
import { QueueCommands } from './queue-commands';
import { queuesAt } from './queue-view';
import { Queues } from './queues';
import { registerTable, type Register } from './registers';
import type { NvmeHardware, NvmeRun } from './state';

/** BAR 0 is at least this large: the lowest 14 bits of its register are 0 (2.1.10). */
const SMALLEST_BAR = 0x4000;
const DOORBELL_PAIR_BYTES = 8;
/** Where QEMU's controller once had its MSI-X table: in a BAR of its own. */
const MSIX_BAR = 4;

/** The device. BAR 0 is the device itself as a register block; BAR 4 has the MSI-X table. */
export class Nvme implements BusDevice, RegisterBlock, Inspectable, Migratable<NvmeHardware, NvmeRun> {
  readonly pci: PciFunction;
  private readonly core: NvmeCore;
  private readonly dma: Dma;
  private readonly queues = new Queues();
  private readonly interrupts: Interrupts;
  private readonly completions: Completions;
  private readonly errors: ErrorLog;
  private readonly executor: Executor;
  private readonly features: Features;
  private readonly fetcher: Fetcher;
  private readonly events: AsyncEvents;
  private readonly lifecycle: Lifecycle;
  private readonly doorbells: Doorbells;
  private readonly table: ReadonlyMap<number, Register>;

  constructor(bus: DeviceBus, options: NvmeOptions) {
    const vectors = options.queues + 1;
    const msixBytes = 2 ** Math.ceil(Math.log2(vectors * 16 + 1));
    const msix = new MsixVectors(bus.msi, { vectors, bar: MSIX_BAR, table: 0, pending: msixBytes });
    const size = Math.max(SMALLEST_BAR, 2 ** Math.ceil(Math.log2(DOORBELLS + vectors * DOORBELL_PAIR_BYTES)));
    this.pci = new NvmeFunction(
      [
        { index: 0, kind: 'memory64', size, block: this, name: 'registers' },
        {
          index: MSIX_BAR,
          kind: 'memory32',
          size: Math.max(4096, msixBytes * 2),
          block: msix.block,
          name: 'MSI-X table',
        },
      ],
      () => this.resume(),
      () => this.busReset(),
    );
    msix.addTo(this.pci);
    const image = new BlockImage(options.size, options.image);
    this.core = new NvmeCore(bus, options, image, {
      requester: () => this.pci.requester,
      busMaster: () => this.pci.busMaster,
    });
    const { core, queues } = this;
    this.dma = new Dma(core);
    this.interrupts = new Interrupts(core, queues, msix);
    this.completions = new Completions(core, this.dma, queues, this.interrupts);
    this.errors = new ErrorLog(core);
    this.executor = new Executor(core, this.dma, queues, this.completions, this.errors);
    this.features = new Features(options.queues);
    this.events = new AsyncEvents(this.completions, this.features);
    this.lifecycle = new Lifecycle(core, this.dma, queues, () => this.resetParts());
    this.fetcher = new Fetcher(
      core,
      this.dma,
      queues,
      this.executor,
      () => this.features.burst,
      () => this.lifecycle.working,
    );
    const { fetcher, completions, events, lifecycle } = this;
    this.doorbells = new Doorbells(core, queues, fetcher, completions, events, () => lifecycle.ready);
    this.table = registerTable(core, lifecycle, this.interrupts);
    this.learnCommands();
  }

  /** A time of `DeviceBus.schedule` has come. */
  onEvent(kind: number, arg: number): void {
    if (kind === WORK_DONE) this.executor.workDone(arg);
    else if (kind === ENABLED) this.lifecycle.enabled();
    else this.lifecycle.shutDownEnded();
    this.goOn();
  }

  onDma(tag: number, result: DmaResult): void {
    this.dma.ended(tag, result);
    this.goOn();
  }

  /** Registers are words: a narrower access reads a part of one. */
  read(offset: number, size: AccessSize): number {
    const word = (this.table.get(offset & ~3)?.read() ?? 0) >>> 0;
    return Math.floor(word / 2 ** (8 * (offset & 3))) % 2 ** (8 * size);
  }

  write(offset: number, size: AccessSize, value: number): void {
    const register = this.table.get(offset);
    const whole = size === 4 && offset % 4 === 0;
    if (whole && register?.write) register.write(value);
    else if (whole && offset >= DOORBELLS) this.doorbells.write(offset, value);
    else this.core.aside(Kind.DeviceIgnored, offset, value);
    this.goOn();
  }

  registerName(offset: number): string | undefined {
    return this.table.get(offset)?.name ?? this.doorbells.nameAt(offset);
  }

  /** Names of its registers by offset, for a trace's track. */
  registerNames(): Record<string, string> {
    const doorbells = 2 * (this.core.options.queues + 1);
    const offsets = [...this.table.keys(), ...Array.from({ length: doorbells }, (_, i) => DOORBELLS + 4 * i)];
    return Object.fromEntries(offsets.map((offset) => [String(offset), this.registerName(offset) ?? '']));
  }

  registerFields(): Record<string, readonly BitField[]> {
    return fieldsByName(descriptions, Object.values(this.registerNames()));
  }

  inspect(path: StatePath): StateNode | undefined {
    const { core, queues } = this;
    const all: Branch[] = [
      wholeBranch('Registers', () => this.registerGroup()),
      { name: 'Queues', at: (below) => queuesAt(core, queues, below) },
    ];
    return branches('nvme', all, path, 'An NVMe controller with one namespace');
  }

  /** RST# of the bus, and a function-level reset: all but what the medium holds and what the logs count. */
  busReset(): void {
    this.lifecycle.reset();
  }

  /** A checkpoint: whole at any moment, also with commands and DMA in flight. */
  save(): Checkpoint<NvmeHardware, NvmeRun> {
    return { hardware: this.saveHardware(), run: this.saveRun() };
  }

  load({ hardware, run }: Checkpoint<NvmeHardware, NvmeRun>): void {
    this.loadParts(hardware, run);
  }

  /** The PCI function's configuration and the memory have to be there already. */
  adopt(hardware: NvmeHardware): void {
    this.loadParts(hardware, undefined);
    this.interrupts.update();
    this.resume();
  }

  private learnCommands(): void {
    const { core, queues, executor, fetcher, completions, interrupts, events, features, errors } = this;
    const cc = (): number => this.lifecycle.control;
    const queueCommands = new QueueCommands({
      core,
      queues,
      executor,
      fetcher,
      completions,
      interrupts,
      events,
      cc,
    });
    executor.learn({
      admin: adminCommands({ core, queues, features, events, errors, queueCommands }),
      io: ioCommands(core, features),
    });
  }

  /** What every end and every access may have made possible. */
  private goOn(): void {
    this.lifecycle.settle();
    this.fetcher.run();
  }

  /** The function has become a bus master, or the device has moved. */
  private resume(): void {
    this.dma.resume();
    this.goOn();
  }

  /** A controller reset (7.3.2). */
  private resetParts(): void {
    this.fetcher.reset();
    this.executor.reset();
    this.completions.reset();
    this.queues.clear();
    this.features.reset();
    this.events.reset();
    this.interrupts.mask = 0;
    this.interrupts.update();
  }

  /** Doorbells cannot be read: their values are head and tail of the queues. */
  private registerGroup(): StateNode {
    const values = [...this.table.values()].map(({ name, read }): [string, number] => [name, read() >>> 0]);
    return { name: 'Registers', children: describedNodes(descriptions, 32, Object.fromEntries(values)) };
  }

  private saveHardware(): NvmeHardware {
    const { core } = this;
    return {
      version: 1,
      lifecycle: this.lifecycle.saveHardware(),
      failed: core.failed,
      pageSize: core.pageSize,
      interruptMask: this.interrupts.mask,
      queues: this.queues.save(),
      fetch: this.fetcher.saveHardware(),
      commands: this.executor.saveHardware(),
      dma: this.dma.saveHardware(),
      features: this.features.save(),
      events: this.events.save(),
      errors: this.errors.save(),
      counters: { ...core.counters },
      image: core.image.save().hardware,
    };
  }

  private saveRun(): NvmeRun {
    return {
      lifecycle: this.lifecycle.saveRun(),
      fetch: this.fetcher.saveRun(),
      commands: this.executor.saveRun(),
      completions: this.completions.save(),
      dma: this.dma.saveRun(),
    };
  }

  private loadParts(hardware: NvmeHardware, run: NvmeRun | undefined): void {
    requireVersion('an NVMe controller', hardware.version, 1);
    const { core } = this;
    core.image.adopt(hardware.image);
    core.failed = hardware.failed;
    core.pageSize = hardware.pageSize;
    Object.assign(core.counters, hardware.counters);
    this.interrupts.mask = hardware.interruptMask;
    this.queues.load(hardware.queues);
    this.completions.load(run?.completions);
    this.features.load(hardware.features);
    this.events.load(hardware.events);
    this.errors.load(hardware.errors);
    this.lifecycle.load(hardware.lifecycle, run?.lifecycle);
    this.fetcher.load(hardware.fetch, run?.fetch);
    this.executor.load(hardware.commands, run?.commands);
    this.dma.load(hardware.dma, run?.dma);
  }
}
