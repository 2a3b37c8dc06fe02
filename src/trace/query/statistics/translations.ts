/** Figures of IOMMUs: how often their cache knew an address, what walks cost, and what was refused, by device. */
import type { TraceStatistics } from '../../../protocol/details';
import { Kind } from '../../vocabulary/events';
import type { Figures } from '../index/figures';
import { quoted } from '../query';
import type { TraceStore } from '../store';

/** Units in the order of their tracks, the device with most translations first; the most frequent faults first. */
export function translationFigures(
  store: TraceStore,
  figures: Figures,
): Pick<TraceStatistics, 'translations' | 'walks' | 'faults'> {
  const walks = figures.durations.get(Kind.IommuWalk)?.distribution();
  return {
    translations: translations(store, figures),
    ...(walks && { walks }),
    faults: faults(store, figures),
  };
}

const nameOf = (store: TraceStore, track: number): string => store.trackAt(track)?.name ?? '';

/** What finds the events of a unit that were for a device. */
function queryOf(store: TraceStore, kinds: string, track: number, device: number): string {
  const events = `${kinds} track:${quoted(nameOf(store, track))}`;
  if (device === track) return events;
  const { name = '', vm = -1 } = store.trackAt(device) ?? {};
  const asked = `track:${quoted(name)}${vm < 0 ? '' : ` vm:${vm}`}`;
  return `${events} (cause:(${asked}) or cause:(group:iommu cause:(${asked})))`;
}

function translations(store: TraceStore, { translations: found }: Figures): TraceStatistics['translations'] {
  return [...found.values()]
    .sort((x, y) => x.track - y.track || y.hits + y.walks - x.hits - x.walks || x.device - y.device)
    .map(({ track, device, hits, walks, references, cycles }) => ({
      unit: nameOf(store, track),
      device: device === track ? '' : nameOf(store, device),
      hits,
      walks,
      references,
      cycles,
      query: queryOf(store, 'kind:iommu.hit,iommu.walk', track, device),
    }));
}

function faults(store: TraceStore, { faults: found }: Figures): TraceStatistics['faults'] {
  return [...found.values()]
    .sort((x, y) => y.count - x.count || x.track - y.track || x.device - y.device || x.reason - y.reason)
    .map(({ track, device, reason, count }) => ({
      unit: nameOf(store, track),
      device: device === track ? '' : nameOf(store, device),
      reason: store.trackAt(track)?.reasons?.[String(reason)] ?? String(reason),
      count,
      query: `${queryOf(store, 'kind:iommu.fault', track, device)} b:${reason}`,
    }));
}
