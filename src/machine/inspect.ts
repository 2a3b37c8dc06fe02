/**
 * The inside of a machine for a reader: registers with their fields, tables, rings, as a tree of plain data that is read
 * without side effects. Whoever has something to show implements `Inspectable`; nobody above knows a device by name.
 */
import type { BitField } from '../trace/vocabulary/kind-row';

/** Names from the root down: `['vm0', 'e1000', 'Transmit', 'TDT']`. */
export type StatePath = readonly string[];

/** One thing with a value, a group of things, or both. */
export interface StateNode {
  /** Unique among its neighbours; by the manual where it has a name there (`TDT`, `IRR`). */
  readonly name: string;
  /** One sentence of what it is, with its section of the manual where it has one. */
  readonly description?: string;
  /** Absent: a group. */
  readonly value?: StateValue;
  /** Where it lies in memory, if it does. */
  readonly memory?: {
    readonly space: 'physical' | 'host';
    readonly address: number;
    readonly length: number;
  };
  /** The things within it, unless there are none; `more` marks a node whose children have to be asked for by its path. */
  readonly children?: readonly StateNode[];
  readonly more?: boolean;
}

/** A value and how it is written. */
export type StateValue =
  | {
      readonly kind: 'register';
      readonly value: bigint;
      /** Width in bits. */
      readonly bits: number;
      /** What its bits mean. */
      readonly fields?: readonly BitField[];
    }
  | { readonly kind: 'number'; readonly value: bigint; readonly unit?: string }
  | { readonly kind: 'address'; readonly value: bigint }
  | { readonly kind: 'text'; readonly value: string }
  | { readonly kind: 'flag'; readonly value: boolean };

/** A unit of a machine that shows itself. */
export interface Inspectable {
  /**
   * What is at a path below this unit; [] is the unit itself. Children one level deep suffice: a node with `more` is asked for
   * by its path. Reading it changes nothing: no register that clears when read is cleared, no row is recorded.
   * @returns undefined where there is nothing of that name
   */
  inspect(path: StatePath): StateNode | undefined;
}
