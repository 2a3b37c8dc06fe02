/** Of which kinds of events the counted figures of a summary are the numbers: `packets.rx` is how many `packet.rx` there are. */
import { ForeignKind, Kind, kindRow, kinds } from '../vocabulary/events';

/** By path in a summary; VM exits go by their reasons. */
const COUNTED = {
  userExits: [Kind.UserExit],
  'interrupts.raised': [Kind.IrqRaise],
  'interrupts.injected': [Kind.IrqInject],
  'interrupts.posted': [Kind.IrqPost, Kind.AvicPost, ForeignKind.ApicvPost],
  'interrupts.handled': [Kind.Handler],
  'iommu.translations': [Kind.IommuHit, Kind.IommuWalk],
  'iommu.iotlbHits': [Kind.IommuHit],
  'iommu.iotlbMisses': [Kind.IommuWalk],
  'iommu.faults': [Kind.IommuFault],
  'packets.tx': [Kind.PacketTx],
  'packets.rx': [Kind.PacketRx],
  'packets.dropped': [Kind.PacketDrop],
  'host.overwritten': [Kind.HostOverwritten],
  'host.vfRefusals': [Kind.VfRefused],
} as const satisfies Record<string, readonly number[]>;

/** Figures that are sums of an argument of their events. */
const SUMMED = { 'iommu.walkReferences': [Kind.IommuWalk] } as const satisfies Record<
  string,
  readonly number[]
>;

export type CountedFigure = keyof typeof COUNTED;
export type SummedFigure = keyof typeof SUMMED;

/** The kinds that a figure counts. */
export function kindsCounted(figure: CountedFigure): readonly number[] {
  return COUNTED[figure];
}

/** The kinds whose arguments a figure sums up. */
export function kindsSummed(figure: SummedFigure): readonly number[] {
  return SUMMED[figure];
}

/** Which events a figure comes from, by its path without a VM; undefined: from none in particular. */
export function eventsOfFigure(
  path: string,
): { readonly kinds: readonly number[]; readonly sum?: 'a' | 'b' } | undefined {
  if (Object.hasOwn(COUNTED, path)) return { kinds: COUNTED[path as CountedFigure] };
  if (Object.hasOwn(SUMMED, path)) {
    const summed = SUMMED[path as SummedFigure];
    return { kinds: summed, sum: kindRow(summed[0]).sum ?? 'a' };
  }
  if (!path.startsWith('exits.')) return undefined;
  const wanted = path.slice('exits.'.length);
  return { kinds: [...kinds.values()].flatMap(({ id, reason }) => (reason === wanted ? [id] : [])) };
}
