/** Short names of events for places where few letters fit. */
import { ForeignKind, Kind, kindRow } from '../../src/trace/vocabulary/events';
import type { Track } from '../../src/trace/model';

const arrows: ReadonlyMap<number, string> = new Map([
  [Kind.MmioWrite, '←'],
  [Kind.PioOut, '←'],
  [Kind.CfgWrite, '←'],
  [Kind.MmioRead, '→'],
  [Kind.PioIn, '→'],
  [Kind.CfgRead, '→'],
]);

/** What to call a kind in full: `EPT_MISCONFIG exit`, else its name. */
export function kindTitle(kind: number): string {
  const { name, reason } = kindRow(kind);
  return reason === undefined ? name : `${reason} exit`;
}

/** The word to write into or beside an event of a lane. @param trackOf finds the track that an argument names */
export function eventLabel(
  kind: number,
  a: number,
  track: Track | undefined,
  trackOf: (id: number) => Track | undefined,
): string {
  const row = kindRow(kind);
  const short = row.label ?? row.actor ?? row.reason;
  if (short !== undefined) return short;
  if (row.a?.format === 'track') return trackOf(a)?.name ?? `track ${a}`;
  // Its name is its argument.
  if (kind === ForeignKind.HostEvent) return track?.reasons?.[String(a)] ?? row.name;
  if (row.a?.format === 'register') {
    const register = track?.registers?.[String(a)] ?? `0x${a.toString(16)}`;
    return `${register}${arrows.has(kind) ? ` ${arrows.get(kind) ?? ''}` : ''}`;
  }
  const word = row.name.slice(row.name.indexOf('.') + 1);
  if (row.a?.format === 'vector') return `${word} 0x${a.toString(16)}`;
  return word;
}
