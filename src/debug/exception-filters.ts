/** Kinds of events that are offered as exception breakpoints, each a query over the trace's vocabulary. */
import { Kind, kindRow } from '../trace/vocabulary/events';

export interface ExceptionFilter {
  readonly filter: string;
  readonly label: string;
  readonly description: string;
  /** Terms that an event has to match; those of the condition are added to them. */
  readonly query: string;
  readonly default: boolean;
}

function ofKind(filter: string, label: string, kind: number, isDefault = false): ExceptionFilter {
  const { name, sentence } = kindRow(kind);
  return { filter, label, description: sentence, query: `kind:${name}`, default: isDefault };
}

/** In the order in which they are shown. */
export const exceptionFilters: readonly ExceptionFilter[] = [
  ofKind('fault', 'Guest faults', Kind.GuestFault, true),
  ofKind('misuse', 'Driver mistakes', Kind.DeviceMisused),
  ofKind('iommu', 'IOMMU faults', Kind.IommuFault),
  {
    filter: 'exit',
    label: 'VM exits',
    description: 'A vCPU leaves the guest. Narrow it down: EPT_MISCONFIG is written exit:EPT_MISCONFIG.',
    query: 'group:exit',
    default: false,
  },
  ofKind('inject', 'Interrupts injected', Kind.IrqInject),
  {
    filter: 'dma',
    label: 'DMA',
    description: 'A device reads or writes memory. Narrow it down by addr, track or dur.',
    query: 'kind:dma.read,dma.write',
    default: false,
  },
  ofKind('kick', 'Virtqueue kicks', Kind.VirtqKick),
];

/** What a client is told of the condition of a filter. */
export const CONDITION_DESCRIPTION =
  'Terms of the find box that must hold too: exit:EPT_MISCONFIG reg:TDT file:e1000.c';

/** The query of a filter and its condition; undefined for a filter that there is not. */
export function queryOfFilter(filter: string, condition = ''): string | undefined {
  const found = exceptionFilters.find((each) => each.filter === filter);
  return found && `${found.query} ${condition}`.trim();
}
