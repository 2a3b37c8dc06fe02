/** The controller's state in its two kinds (see `Migratable`). Its PCI function's belongs to the root complex's. */
import type { HardwareState, RunState } from '../../snapshot';
import type { BlockImageHardware } from '../storage/block-image';
import type { AsyncEventsHardware } from './async-events';
import type { CommandHardware } from './command';
import type { CompletionsRun } from './completions';
import type { Counters } from './core';
import type { DmaHardware, DmaRun } from './dma';
import type { ExecutorRun } from './executor';
import type { FeaturesHardware } from './features';
import type { FetchHardware, FetchRun } from './fetch';
import type { LifecycleHardware, LifecycleRun } from './lifecycle';
import type { QueuesHardware } from './queues';

/** What the hardware has: registers, queues, commands under way, and what was written to the medium. */
export interface NvmeHardware extends HardwareState {
  version: 1;
  lifecycle: LifecycleHardware;
  failed: boolean;
  pageSize: number;
  interruptMask: number;
  queues: QueuesHardware;
  fetch: FetchHardware;
  commands: CommandHardware[];
  dma: DmaHardware;
  features: FeaturesHardware;
  events: AsyncEventsHardware;
  errors: Uint8Array[];
  counters: Counters;
  image: BlockImageHardware;
}

/** What the run knows of it. */
export interface NvmeRun extends RunState {
  lifecycle: LifecycleRun;
  fetch: FetchRun;
  commands: ExecutorRun;
  completions: CompletionsRun;
  dma: DmaRun;
}
