/** The arguments of an event for other tools: by the names and in the formats that its kind gives them. */
import { formatArg } from '../../query/arguments';
import type { TraceStore } from '../../query/store';
import type { ArgFormat, ArgSpec } from '../../vocabulary/events';
import type { ExportEvent } from './slices';

/** One of them. */
export interface ExportArgument {
  name: string;
  value: number;
  /** As Trapline prints it, where that says more than the number. */
  text: string | undefined;
  /** It is read more easily as a hexadecimal number. */
  hex: boolean;
}

/** What is printed as a word. */
const words: ReadonlySet<ArgFormat> = new Set(['register', 'msr', 'reason', 'lock', 'track']);
const decimals: ReadonlySet<ArgFormat> = new Set(['decimal', 'bytes', 'pin']);

function argumentOf(
  store: TraceStore,
  event: ExportEvent,
  spec: ArgSpec | undefined,
  value: number,
): ExportArgument[] {
  if (!spec || spec.format === 'none') return [];
  const printed = words.has(spec.format) ? formatArg(store.meta.tracks, spec, value, event.track) : undefined;
  const plain = printed === `0x${value.toString(16)}` || printed === String(value);
  return [{ name: spec.name, value, text: plain ? undefined : printed, hex: !decimals.has(spec.format) }];
}

/** Both, as far as the kind has them. */
export function argumentsOf(store: TraceStore, event: ExportEvent): ExportArgument[] {
  const { a, b } = event.about;
  return [...argumentOf(store, event, a, event.a), ...argumentOf(store, event, b, event.b)];
}
