/** State of devices as a trace's rows tell it. Times in cycles. */
import type { BitField } from '../trace/vocabulary/kind-row';

/** The last access of a register by some time. */
export interface RegisterAccess {
  name: string;
  value: number;
  row: number;
  time: number;
  /** It was written, not read. */
  written: boolean;
  /** What its bits mean, where that is described. */
  fields?: readonly BitField[];
}

/** What is known of the registers of a device. */
export interface TrackRegisters {
  track: number;
  name: string;
  /** Heading that the track stands under: a VM, `host`. */
  group: string;
  /** By offset. */
  registers: RegisterAccess[];
}

/** A write of a register. */
export interface RegisterChange {
  row: number;
  time: number;
  value: number;
  /** What was written before; absent: nothing. */
  before?: number;
  /** Where it was written: `e1000.c:142`, empty when unknown. */
  place: string;
}

/** The writes of a register: of many, the latest. */
export interface RegisterHistory {
  changes: RegisterChange[];
  /** Writes in all. */
  total: number;
}
