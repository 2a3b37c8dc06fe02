/** From one event to a query for events like it. */
import { kindRow, type ArgSpec } from '../vocabulary/events';
import { formatHex } from '../vocabulary/format';
import { quoted } from './query';
import type { TraceStore } from './store';

/**
 * A query that matches an event and those of its kind at the same unit: the same exit reason, register, vector or device.
 * @throws RangeError when there is no such row
 */
export function likeQuery(store: TraceStore, row: number): string {
  const event = store.get(row);
  const kind = kindRow(event.kind);
  const track = store.meta.tracks[event.track];
  const terms = [kind.reason === undefined ? `kind:${kind.name}` : `exit:${kind.reason}`];
  const of = (spec: ArgSpec | undefined, value: number): void => {
    if (spec?.format === 'register')
      terms.push(`reg:${quoted(track?.registers?.[String(value)] ?? formatHex(value))}`);
    if (spec?.format === 'vector') terms.push(`vector:${formatHex(value)}`);
  };
  of(kind.a, event.a);
  of(kind.b, event.b);
  if (track !== undefined && kind.reason === undefined) terms.push(`track:${quoted(track.name)}`);
  const vms = new Set(store.meta.tracks.map(({ vm }) => vm).filter((vm) => vm >= 0));
  if (track !== undefined && track.vm >= 0 && vms.size > 1) terms.push(`vm:${track.vm}`);
  return terms.join(' ');
}
