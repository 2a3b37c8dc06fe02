/** What the exit qualification of an I/O instruction says, in words (SDM vol. 3, table 28-5). */
import { kindRow } from '../vocabulary/events';
import { formatHex } from '../vocabulary/format';
import type { TraceEvent, TraceStore } from './store';

const SIZES: Readonly<Record<number, string>> = { 0: '1 byte', 1: '2 bytes', 3: '4 bytes' };
const Bit = { In: 8, String: 16, Rep: 32, Immediate: 64 } as const;
const SIZE_MASK = 7;
const PORT_UNIT = 0x1_0000;

/** `OUT, 1 byte, port 0x80 (immediate)`; undefined of an event that has no such qualification. */
export function portAccessOf(store: TraceStore, event: TraceEvent): string | undefined {
  const { kind, a, cause } = event;
  if (kindRow(kind).a?.format !== 'qualification' || cause < 0) return undefined;
  if (kindRow(store.kindOf(cause)).qualification !== 'io') return undefined;
  const has = (bit: number): boolean => (a & bit) !== 0;
  const name = `${has(Bit.Rep) ? 'REP ' : ''}${has(Bit.In) ? 'IN' : 'OUT'}${has(Bit.String) ? 'S' : ''}`;
  const size = SIZES[a & SIZE_MASK] ?? 'a size that is reserved';
  const port = formatHex(Math.floor(a / PORT_UNIT));
  return `${name}, ${size}, port ${port} (${has(Bit.Immediate) ? 'immediate' : 'DX'})`;
}
