/** Which lanes a trace has: the default layout of the explorer. */
import type { Lane } from '../../protocol/viewport';
import { kindRow, type KindGroup } from '../vocabulary/events';
import type { Track, TraceMeta, TrackType } from '../model';
import { impliedPart, trackOwner } from '../vocabulary/track-name';

interface LaneSpec {
  part: string;
  groups: KindGroup[];
  kind: Lane['kind'];
}

const spans = (part: string, ...groups: KindGroup[]): LaneSpec => ({ part, groups, kind: 'spans' });
const instants = (part: string, ...groups: KindGroup[]): LaneSpec => ({ part, groups, kind: 'instants' });

/** A thread's waits belong to what its vCPU does. */
const mode: LaneSpec = { part: 'mode', groups: ['mode', 'leg', 'thread'], kind: 'mode' };
const exits = spans('exits', 'exit');
const interrupts = spans('interrupts', 'interrupt');
const registers = instants('registers', 'register', 'ring');
const virtqueues = instants('virtqueues', 'virtio');
const dma = spans('DMA', 'dma');
const translations = spans('translations', 'iommu');
const mappings = instants('mappings', 'iommu');
const packets = spans('packets', 'packet');
const threads = spans('thread', 'thread');
const processor = spans('thread', 'thread', 'mode');
const vmm = spans('VMM', 'vmm');
const marks = instants('guest', 'guest');

/** Every group of events once, so that no event is without a lane; in the order of a device's lanes. */
const everyPart: readonly LaneSpec[] = [
  mode,
  exits,
  registers,
  virtqueues,
  dma,
  translations,
  interrupts,
  packets,
  threads,
  vmm,
  marks,
];

/** What a track of a type is about: in front of the other parts, and shown although empty while the run goes on. */
const leading: Record<TrackType, readonly LaneSpec[]> = {
  vcpu: [mode, exits],
  interrupts: [interrupts],
  irqchip: [interrupts],
  device: [registers],
  dma: [dma],
  link: [packets],
  iommu: [translations],
  domain: [mappings],
  thread: [threads],
  cpu: [processor],
};

/** Order under a heading: the vCPUs, the devices, what their accesses pass through, then what every PC has. */
const importance: Record<TrackType, number> = {
  cpu: 0,
  vcpu: 0,
  interrupts: 0,
  device: 1,
  dma: 1,
  iommu: 2,
  domain: 2,
  link: 2,
  thread: 2,
  irqchip: 3,
};

/** Devices that every PC has, last: drivers with DMA are about others. */
const plumbing: readonly string[] = ['UART', 'PCI config', 'debug exit'];

/** Number of events of a track and group. */
export type CountOf = (track: number, group: KindGroup) => number;

/** By the exact counts of a trace's tables. */
function countsByGroup(counts: TraceMeta['counts']): CountOf {
  const table = new Map<string, number>();
  for (const [track, kind, count] of counts) {
    const key = `${track}/${kindRow(kind).group}`;
    table.set(key, (table.get(key) ?? 0) + count);
  }
  return (track, group) => table.get(`${track}/${group}`) ?? 0;
}

/** The tracks of one thing under a heading: `e1000` and `e1000 DMA`. */
interface Owner {
  name: string;
  group: string;
  tracks: Track[];
}

function ownersOf(group: string, tracks: readonly Track[]): Owner[] {
  const owners = new Map<string, Owner>();
  for (const track of tracks) {
    if (track.group !== group) continue;
    const name = trackOwner(track);
    const owner = owners.get(name);
    if (owner) owner.tracks.push(track);
    else owners.set(name, { name, group, tracks: [track] });
  }
  const rank = ({ name, tracks: own }: Owner): number =>
    plumbing.includes(name)
      ? plumbing.length + plumbing.indexOf(name) + 1
      : Math.min(...own.map(({ type }) => importance[type]));
  return [...owners.values()].sort((x, y) => rank(x) - rank(y));
}

function lanesOfOwner(owner: Owner, countOf: CountOf): (Lane & { always: boolean })[] {
  const { name, group, tracks } = owner;
  const always = new Set(tracks.flatMap((track) => leading[track.type]));
  // A device's registers and DMA stand before its interrupts, a vCPU's interrupts before the rest.
  const type = tracks[0]?.type ?? 'device';
  const order = [...leading[type], ...(type === 'vcpu' ? [interrupts] : []), ...everyPart];
  const taken = new Set<KindGroup>();
  return [...new Set(order)].flatMap((spec) => {
    // A group is in the first lane that shows it, and in no other.
    const groups = spec.groups.filter((group) => !taken.has(group));
    groups.forEach((group) => taken.add(group));
    if (groups.length === 0) return [];
    const counted = tracks.filter((track) => groups.some((kinds) => countOf(track.id, kinds) > 0));
    const meant = tracks.filter((track) => leading[track.type].includes(spec));
    const holders = tracks.filter((track) => counted.includes(track) || meant.includes(track));
    const [first] = holders;
    if (!first) return [];
    const implied = holders.length === 1 && impliedPart(first) === spec.part;
    const lane = {
      id: `${group}/${name}/${spec.part}`,
      label: implied ? first.name : `${name} ${spec.part}`,
      track: name,
      part: spec.part,
      group,
      trackIds: holders.map(({ id }) => id),
      groups,
      kind: spec.kind,
      empty: counted.length === 0,
      always: always.has(spec),
    };
    return [lane];
  });
}

/**
 * The default lanes, in order: VMs in the order of their tracks, the host after them, then links; all lanes of one device
 * stand together. While a run goes on, a lane that every track of its type has is there although empty (and flagged); of a
 * finished one only lanes with events are, unless nothing at all was recorded. A running trace passes
 * `(track, group) => store.countOf(track, group)`.
 */
export function lanesOf(
  meta: Pick<TraceMeta, 'tracks' | 'counts' | 'state'>,
  countOf: CountOf = countsByGroup(meta.counts),
): Lane[] {
  const headings = [...new Set(meta.tracks.map((track) => track.group))];
  // Threads of a VM stand under the host, which is no VM for that.
  const ofVms = headings.filter((group) =>
    meta.tracks.some((track) => track.group === group && track.type === 'vcpu'),
  );
  const others = headings.filter((group) => !ofVms.includes(group));
  const isNetwork = (group: string): boolean =>
    meta.tracks.every((track) => track.group !== group || track.type === 'link');
  const order = [...ofVms, ...others.filter((group) => !isNetwork(group)), ...others.filter(isNetwork)];
  const all = order
    .flatMap((group) => ownersOf(group, meta.tracks))
    .flatMap((owner) => lanesOfOwner(owner, countOf));
  const showEmpty = meta.state === 'running' || all.every((lane) => lane.empty);
  return all
    .filter((lane) => !lane.empty || (showEmpty && lane.always))
    .map(({ always: _, ...lane }) => lane);
}
