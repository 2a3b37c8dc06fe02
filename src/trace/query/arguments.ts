/** How an event's arguments are printed: by the format its kind names, with the register names of its track. */
import { Kind, kindRow, type ArgFormat, type ArgSpec, type BitField } from '../vocabulary/events';
import { THIN_SPACE, baseName, formatCount, formatHex } from '../vocabulary/format';
import type { Place, Track } from '../model';
import type { TraceEvent, TraceStore } from './store';

/** MSRs that guests here touch, by the SDM's names (vol. 4). */
const msrNames: Record<number, string> = {
  0x1b: 'IA32_APIC_BASE',
  0x6e0: 'IA32_TSC_DEADLINE',
  0x808: 'x2APIC TPR',
  0x80b: 'x2APIC EOI',
  0x80f: 'x2APIC SIVR',
  0x830: 'x2APIC ICR',
  0x832: 'x2APIC LVT timer',
  0xc0000080: 'IA32_EFER',
};

type Printer = (value: number, track: Track | undefined, tracks: readonly Track[]) => string;

const printers: Record<ArgFormat, Printer> = {
  none: () => '',
  hex: formatHex,
  decimal: formatCount,
  register: (value, track) => track?.registers?.[String(value)] ?? formatHex(value),
  port: formatHex,
  vector: formatHex,
  bytes: (value) => `${formatCount(value)}${THIN_SPACE}B`,
  address: formatHex,
  msr: (value) =>
    msrNames[value] === undefined ? formatHex(value) : `${msrNames[value]} (${formatHex(value)})`,
  pin: String,
  reason: (value, track) => track?.reasons?.[String(value)] ?? String(value),
  lock: (value, track) => track?.locks?.[String(value)] ?? String(value),
  track: (value, _, tracks) => tracks[value]?.name ?? `track ${value}`,
  qualification: (value) => (value === 0 ? '' : formatHex(value)),
};

/** One argument of an event of a track, printed. @param tracks all of the trace */
export function formatArg(tracks: readonly Track[], spec: ArgSpec, value: number, track: number): string {
  return printers[spec.format](value, tracks[track], tracks);
}

/** Bits of a number of up to 53 bits. */
function bitsOf(value: number, low: number, high: number): number {
  return Math.floor(value / 2 ** low) % 2 ** (high - low + 1);
}

/** One field of an argument, printed. */
export function formatField({ low, high, format, names }: BitField, value: number): string {
  const bits = bitsOf(value, low, high);
  if (format === 'flag') return bits === 1 ? 'yes' : 'no';
  if (format === 'pointer') return formatHex(bits * 2 ** low);
  return names?.[bits] ?? formatHex(bits);
}

const READS: ReadonlySet<number> = new Set([Kind.MmioRead, Kind.PioIn, Kind.CfgRead]);
const WRITES: ReadonlySet<number> = new Set([Kind.MmioWrite, Kind.PioOut, Kind.CfgWrite, Kind.Doorbell]);

/** Both arguments in a few words: `TDT ← 0x3`, `ICR → 0x4`, `vector 0x2b`. */
export function formatArgs(store: TraceStore, event: TraceEvent): string {
  const { a, b, group } = kindRow(event.kind);
  const { tracks } = store.meta;
  const first = a === undefined ? '' : formatArg(tracks, a, event.a, event.track);
  const second = b === undefined ? '' : formatArg(tracks, b, event.b, event.track);
  if (WRITES.has(event.kind)) return `${first} ← ${second}`;
  if (READS.has(event.kind)) return `${first} → ${second}`;
  // A register's name says what it is; everything else carries its argument's name.
  const words = [a?.format === 'register' || a === undefined || first === '' ? first : `${a.name} ${first}`];
  if (b !== undefined && !(group === 'exit' && event.b === 0)) words.push(`${b.name} ${second}`);
  return words.filter((word) => word !== '').join(', ');
}

/** The place of an event, undefined when it has none. */
export function placeOf(store: TraceStore, event: TraceEvent): Place | undefined {
  return event.place === 0 ? undefined : store.meta.places[event.place - 1];
}

/** `e1000.c:142`, else `symbol`, else the address; empty without a place. */
export function formatPlace(place: Place | undefined): string {
  if (place === undefined) return '';
  if (place.file === undefined) return place.symbol ?? place.rip;
  return place.line === undefined ? baseName(place.file) : `${baseName(place.file)}:${place.line}`;
}
