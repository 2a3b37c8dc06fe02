/** Figures of IOMMUs: how often their cache knew an address, what walks cost, and what was refused, by device. */
import type { TraceStatistics } from '../../../protocol/details';
import { Kind } from '../../vocabulary/events';
import { trackOwner } from '../../vocabulary/track-name';
import type { Figures } from '../index/figures';
import { quoted } from '../query';
import type { TraceStore } from '../store';

/** Units and devices in the order of their tracks; the most frequent faults first. */
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

/** Who asked for translations: a device with all of its tracks; undefined: nobody knows. */
interface Asker {
  name: string;
  /** -1: of the host. */
  vm: number;
}

function askerOf(store: TraceStore, unit: number, device: number): Asker | undefined {
  const track = device === unit ? undefined : store.trackAt(device);
  return track && { name: trackOwner(track), vm: track.vm };
}

/** What finds the events of a unit that were for a device: those of its events, and what hangs on such a one. */
function queryOf(store: TraceStore, kinds: string, unit: number, asker: Asker | undefined): string {
  const own = `track:${quoted(nameOf(store, unit))}`;
  if (asker === undefined) return `${kinds} ${own} -cause:(-${own}) -cause:(${own} cause:(-${own}))`;
  const asked = `track:${quoted(asker.name)}${asker.vm < 0 ? '' : ` vm:${asker.vm}`}`;
  return `${kinds} ${own} (cause:(${asked}) or cause:(${own} cause:(${asked})))`;
}

/** The figures of one unit and one device together, in the order in which they come. */
function byAsker<T extends { track: number; device: number }, F>(
  store: TraceStore,
  all: Iterable<T>,
  also: (figures: T) => number,
  first: (figures: T, asker: Asker | undefined) => F,
  add: (sum: F, figures: T) => void,
): F[] {
  const sums = new Map<string, F>();
  for (const figures of all) {
    const asker = askerOf(store, figures.track, figures.device);
    const key = `${figures.track} ${also(figures)} ${asker?.vm ?? ''} ${asker?.name ?? ''}`;
    let sum = sums.get(key);
    if (sum === undefined) sums.set(key, (sum = first(figures, asker)));
    add(sum, figures);
  }
  return [...sums.values()];
}

function translations(store: TraceStore, { translations: found }: Figures): TraceStatistics['translations'] {
  return byAsker(
    store,
    [...found.values()].sort((x, y) => x.track - y.track || x.device - y.device),
    () => 0,
    ({ track }, asker) => ({
      unit: nameOf(store, track),
      device: asker?.name ?? '',
      hits: 0,
      walks: 0,
      references: 0,
      cycles: 0,
      query: queryOf(store, 'kind:iommu.hit,iommu.walk', track, asker),
    }),
    (sum, { hits, walks, references, cycles }) => {
      sum.hits += hits;
      sum.walks += walks;
      sum.references += references;
      sum.cycles += cycles;
    },
  );
}

function faults(store: TraceStore, { faults: found }: Figures): TraceStatistics['faults'] {
  return byAsker(
    store,
    [...found.values()].sort((x, y) => x.track - y.track || x.device - y.device || x.reason - y.reason),
    ({ reason }) => reason,
    ({ track, reason }, asker) => ({
      unit: nameOf(store, track),
      device: asker?.name ?? '',
      reason: store.trackAt(track)?.reasons?.[String(reason)] ?? String(reason),
      count: 0,
      query: `${queryOf(store, 'kind:iommu.fault', track, asker)} b:${reason}`,
    }),
    (sum, { count }) => {
      sum.count += count;
    },
  ).sort((x, y) => y.count - x.count);
}
