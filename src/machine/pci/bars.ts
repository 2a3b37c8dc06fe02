/** Base address registers (PCI Local Bus Specification 3.0, 6.2.5). */
import type { RegisterBlock } from '../bus';
import { Config } from './config';
import type { ConfigSpace } from './config-space';

/** A base address register. A 64-bit one takes this index and the next. */
export interface BarSpec {
  /** 0..5. */
  index: number;
  kind: 'memory32' | 'memory64' | 'io';
  /** Bytes; a power of two, at least 16 for memory and 4 for I/O. */
  size: number;
  prefetchable?: boolean;
  block: RegisterBlock;
  /** For the trace and messages: `registers`, `flash`. */
  name: string;
}

/** What a BAR asks for, without what answers there. */
export type BarKind = Omit<BarSpec, 'block'>;

const SMALLEST = { memory32: 16, memory64: 16, io: 4 } as const;
/** Sizes beyond can't be asked for by a register of this kind. */
const LARGEST = { memory32: 2 ** 31, memory64: 2 ** 51, io: 2 ** 16 } as const;
/** Bits below these are the register's type. */
const TYPE_BITS = { memory32: 15, memory64: 15, io: 3 } as const;

/** In the trace a function's I/O BARs are told from its memory BARs by this much, and these from each other by their index. */
const TRACE_OFFSET = { io: 0x10_0000, memory: 0x100_0000 } as const;

/** What is added in the trace to offsets in a BAR. */
export function barTraceOffset({ kind, index }: Pick<BarSpec, 'kind' | 'index'>): number {
  return kind === 'io' ? TRACE_OFFSET.io : index * TRACE_OFFSET.memory;
}

/** Offset of the register in configuration space. */
export function barOffset(bar: Pick<BarSpec, 'index'>): number {
  return Config.Bar0 + bar.index * 4;
}

/** Bytes that the register itself takes. */
function barBytes(bar: Pick<BarSpec, 'kind'>): number {
  return bar.kind === 'memory64' ? 8 : 4;
}

/** Lays the register out: its type, and address bits that can be written from the size upward. */
export function layOutBar(config: ConfigSpace, bar: BarSpec): void {
  const at = barOffset(bar);
  config.define(at, [barType(bar)]);
  config.allow(at, barMask(bar));
}

/** The lowest byte of a register whose address is zero: what it asks for. */
export function barType({ kind, prefetchable }: Pick<BarSpec, 'kind' | 'prefetchable'>): number {
  return kind === 'io' ? 1 : (kind === 'memory64' ? 4 : 0) | (prefetchable ? 8 : 0);
}

/** Bits that software can change, byte by byte: those of addresses from the size upward. */
export function barMask(bar: Pick<BarSpec, 'kind' | 'size'>): number[] {
  // Numbers lose bits above 2^53, so the mask is made byte by byte from the power of two.
  const firstBit = Math.log2(bar.size);
  return Array.from({ length: barBytes(bar) }, (_, i) => {
    const bitsBelow = Math.min(8, Math.max(0, firstBit - i * 8));
    return (0xff << bitsBelow) & 0xff;
  });
}

/**
 * Present base as programmed, whether or not it decodes; above 2^53 it is not exact, and nothing can stand there.
 * @param at where the register is, if not in the header
 */
export function barBase(config: Pick<ConfigSpace, 'read'>, bar: BarKind, at = barOffset(bar)): number {
  const low = (config.read(at, 4) & ~TYPE_BITS[bar.kind]) >>> 0;
  return bar.kind === 'memory64' ? low + config.read(at + 4, 4) * 2 ** 32 : low;
}

/** @throws RangeError when the register does not fit, or overlaps another */
export function checkBar(bar: BarKind, all: readonly BarKind[]): void {
  const taken = (spec: BarKind): number[] =>
    spec.kind === 'memory64' ? [spec.index, spec.index + 1] : [spec.index];
  const clash = all.some((other) => other !== bar && taken(other).some((slot) => taken(bar).includes(slot)));
  const fits = bar.index >= 0 && Math.max(...taken(bar)) <= 5;
  const power =
    bar.size >= SMALLEST[bar.kind] && bar.size <= LARGEST[bar.kind] && Number.isInteger(Math.log2(bar.size));
  if (!fits || clash || !power) {
    throw new RangeError(
      `BAR ${bar.index} '${bar.name}' of ${bar.size} bytes: index, size or neighbour do not fit`,
    );
  }
}
