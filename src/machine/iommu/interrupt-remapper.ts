/** The part of a remapping unit that translates interrupt messages, as the part that has the registers needs it. */
import type { RequesterId } from '../bus';
import type { MessageRemapping } from '../interrupts/message-remapping';
import type { InterruptCapabilities } from './capabilities';

/** Interrupt remapping, driven by the global command register and the invalidation queue. */
export interface InterruptRemapper extends MessageRemapping {
  /** IRE: requests are remapped; otherwise they go their way as they are. */
  enabled: boolean;
  /** CFI is 0: requests of the compatibility format are refused. */
  blockCompatibility: boolean;
  /** The table pointer is taken (SIRTP): the value of IRTA_REG. */
  setTable(irta: bigint): void;
  /** Drops all cached entries. */
  invalidateAll(): void;
  /** Drops cached entries whose index is `index` but for its `mask` lowest bits. */
  invalidateEntries(index: number, mask: number): void;
  /** As after power-on. */
  reset(): void;
}

/** Interrupt remapping of a unit, and what it can do. */
export interface InterruptPart extends InterruptCapabilities {
  remapper: InterruptRemapper;
}

/** An interrupt request that was refused, for a fault recording register. */
export interface RefusedInterrupt {
  requester: RequesterId;
  /** 20H to 29H. */
  reason: number;
  /** Index of the request in the interrupt-remapping table. */
  index: number;
}
