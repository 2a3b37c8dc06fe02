/** Which lanes a trace has: the default layout of the explorer. */
import type { Lane } from '../protocol/viewport';
import { kindRow, type KindGroup } from './events';
import type { TraceMeta, TrackType } from './model';
import { impliedPart, trackOwner } from './track-name';

interface LaneSpec {
  part: string;
  groups: KindGroup[];
  kind: Lane['kind'];
  /** Shown although empty. */
  always?: true;
}

const spans = (part: string, ...groups: KindGroup[]): LaneSpec => ({ part, groups, kind: 'spans' });
const instants = (part: string, ...groups: KindGroup[]): LaneSpec => ({ part, groups, kind: 'instants' });
const always = (spec: LaneSpec): LaneSpec => ({ ...spec, always: true });

const mode: LaneSpec = { part: 'mode', groups: ['mode', 'leg'], kind: 'mode' };
const exits = spans('exits', 'exit');
const interrupts = spans('interrupts', 'interrupt');
const registers = instants('registers', 'register', 'ring');
const virtqueues = instants('virtqueues', 'virtio');
const dma = spans('DMA', 'dma');
const translations = spans('translations', 'iommu');
const packets = spans('packets', 'packet');
const threads = spans('thread', 'thread');
const vmm = spans('VMM', 'vmm');
const marks = instants('guest', 'guest');

/** Every type of track lists every group once, so that no event is without a lane. */
const layout: Record<TrackType, LaneSpec[]> = {
  vcpu: [
    always(mode),
    always(exits),
    interrupts,
    registers,
    marks,
    virtqueues,
    dma,
    translations,
    packets,
    threads,
    vmm,
  ],
  interrupts: [
    always(interrupts),
    mode,
    exits,
    registers,
    marks,
    virtqueues,
    dma,
    translations,
    packets,
    threads,
    vmm,
  ],
  irqchip: [
    always(interrupts),
    registers,
    mode,
    exits,
    marks,
    virtqueues,
    dma,
    translations,
    packets,
    threads,
    vmm,
  ],
  device: [
    always(registers),
    virtqueues,
    dma,
    interrupts,
    packets,
    translations,
    mode,
    exits,
    marks,
    threads,
    vmm,
  ],
  dma: [
    always(dma),
    translations,
    registers,
    virtqueues,
    interrupts,
    packets,
    mode,
    exits,
    marks,
    threads,
    vmm,
  ],
  link: [
    always(packets),
    registers,
    virtqueues,
    dma,
    interrupts,
    translations,
    mode,
    exits,
    marks,
    threads,
    vmm,
  ],
  iommu: [
    always(translations),
    registers,
    interrupts,
    dma,
    virtqueues,
    packets,
    mode,
    exits,
    marks,
    threads,
    vmm,
  ],
  thread: [
    always(threads),
    mode,
    exits,
    interrupts,
    registers,
    virtqueues,
    dma,
    translations,
    packets,
    marks,
    vmm,
  ],
};

/** Number of events of a track and group. */
export type CountOf = (track: number, group: KindGroup) => number;

/** By the exact counts of a trace's tables. */
export function countsByGroup(counts: TraceMeta['counts']): CountOf {
  const table = new Map<string, number>();
  for (const [track, kind, count] of counts) {
    const key = `${track}/${kindRow(kind).group}`;
    table.set(key, (table.get(key) ?? 0) + count);
  }
  return (track, group) => table.get(`${track}/${group}`) ?? 0;
}

/**
 * The default lanes, in order: VMs in the order of their tracks, the host and links after them. A lane that every track
 * of its type has is there although empty (and flagged); others only when they have events. A running trace passes
 * `(track, group) => store.countOf(track, group)`.
 */
export function lanesOf(
  meta: Pick<TraceMeta, 'tracks' | 'counts'>,
  countOf: CountOf = countsByGroup(meta.counts),
): Lane[] {
  const headings = [...new Set(meta.tracks.map((track) => track.group))];
  const firstHost = headings.filter((group) =>
    meta.tracks.some((track) => track.group === group && track.vm >= 0),
  );
  const order = [...firstHost, ...headings.filter((group) => !firstHost.includes(group))];
  const lanes: Lane[] = [];
  for (const group of order) {
    for (const track of meta.tracks) {
      if (track.group !== group) continue;
      for (const spec of layout[track.type]) {
        const empty = spec.groups.every((kinds) => countOf(track.id, kinds) === 0);
        if (empty && spec.always === undefined) continue;
        const owner = trackOwner(track);
        const implied = impliedPart(track) === spec.part;
        lanes.push({
          id: `${group}/${track.name}/${spec.part}`,
          label: implied ? track.name : `${owner} ${spec.part}`,
          track: owner,
          part: spec.part,
          group,
          trackIds: [track.id],
          groups: spec.groups,
          kind: spec.kind,
          empty,
        });
      }
    }
  }
  return lanes;
}
