/** What a remapping unit keeps, by whose it is: the hardware's or the run's. */
import type { HardwareState, RunState } from '../snapshot';
import type { Cycles } from '../time/event-queue';
import type { CachesState } from './caches';
import type { FaultLogState } from './fault-log';
import type { GlobalState } from './global-registers';
import type { CommandsHardware, CommandsRun } from './invalidation-commands';
import type { QueueHardware, QueueRun } from './invalidation-queue';
import type { ProtectedMemoryState } from './protected-memory';

/** What the hardware has of a `RemappingUnit`; its interrupt remapping has a state of its own. */
export interface RemappingHardware extends HardwareState {
  version: 2;
  global: GlobalState;
  caches: CachesState;
  faults: FaultLogState;
  queue: QueueHardware;
  commands: CommandsHardware;
  protectedMemory: ProtectedMemoryState;
}

/** What the run has of it. */
export interface RemappingRun extends RunState {
  queue: QueueRun;
  commands: CommandsRun;
  /** `InFlightRequests`. */
  inFlight: Cycles;
}
