/** What a track's name says: whose it is, and which of its owner's parts. */
import type { Track, TrackType } from '../model';

/** The part that a track of a type is about as a whole; its name may end with it. */
const parts: Partial<Record<TrackType, string>> = {
  interrupts: 'interrupts',
  irqchip: 'interrupts',
  dma: 'DMA',
  link: 'packets',
  iommu: 'translations',
  thread: 'thread',
  cpu: 'thread',
};

/** The part that the track's lane need not repeat beside the track's name; undefined for tracks of several parts. */
export function impliedPart(track: Pick<Track, 'type'>): string | undefined {
  return parts[track.type];
}

/** `e1000` of the track `e1000 DMA`, `vCPU 0` of `vCPU 0 interrupts`; a thread's name stays whole. */
export function trackOwner(track: Pick<Track, 'type' | 'name'>): string {
  const part = parts[track.type];
  if (
    part === undefined ||
    track.type === 'thread' ||
    track.type === 'cpu' ||
    !track.name.endsWith(` ${part}`)
  )
    return track.name;
  return track.name.slice(0, -part.length - 1);
}
