/** One honest sentence about one event, in the words a reader would use. */
import type { EventDetails } from '../../protocol/details';
import { formatArg, formatArgs, formatPlace, placeOf } from './arguments';
import { consequencesOf } from './chain';
import { Kind, kindRow, type ModeRole } from '../vocabulary/events';
import { formatPart, formatTime } from '../vocabulary/format';
import type { TraceEvent, TraceStore } from './store';
import { trackOwner } from '../vocabulary/track-name';

type Legs = EventDetails['legs'];

/** Consequences looked at to find the register that an exit was about. */
const REGISTER_REACH = 16;

const REGISTER_VERBS: Record<number, string> = {
  [Kind.MmioRead]: 'read',
  [Kind.PioIn]: 'read',
  [Kind.CfgRead]: 'read configuration space at',
  [Kind.MmioWrite]: 'write',
  [Kind.PioOut]: 'write',
  [Kind.CfgWrite]: 'write configuration space at',
};

function argText(store: TraceStore, event: TraceEvent, name: 'a' | 'b' = 'a'): string {
  const spec = kindRow(event.kind)[name];
  return spec === undefined ? '' : formatArg(store.meta.tracks, spec, event[name], event.track);
}

/** ` at e1000.c:142`, or nothing. */
function where(store: TraceStore, event: TraceEvent): string {
  const place = formatPlace(placeOf(store, event));
  return place === '' ? '' : ` at ${place}`;
}

/** Words for `{track}`, `{a}` and the others in a template of the vocabulary. */
type Words = Record<'track' | 'a' | 'b' | 'at' | 'took', string>;

function filled(template: string, words: Words): string {
  return template.replace(/\{(\w+)\}/g, (_, name: string) => words[name as keyof Words] ?? '');
}

function wordsOf(store: TraceStore, event: TraceEvent): Words {
  const found = store.meta.tracks[event.track];
  const took = formatTime(event.duration, store.meta.frequencyHz);
  return {
    track: found === undefined ? 'An unknown track' : trackOwner(found),
    a: argText(store, event, 'a'),
    b: argText(store, event, 'b'),
    at: where(store, event),
    took: event.open ? `${took} so far` : took,
  };
}

function purposeOf(store: TraceStore, event: TraceEvent, words: Words): string {
  for (const row of consequencesOf(store, event.row, REGISTER_REACH)) {
    const access = store.get(row);
    const verb = REGISTER_VERBS[access.kind];
    if (verb !== undefined) return `to ${verb} ${argText(store, access)}`;
  }
  const { purpose, reason } = kindRow(event.kind);
  return purpose === undefined ? `(${reason ?? ''})` : filled(purpose, words);
}

/** Where the time of an exit may have gone, what explains most first. */
const shareOrder: readonly ModeRole[] = ['asleep', 'vmm-user', 'vmm-kernel'];

/** Who took how many cycles of an exit, by the first mode of the order that has legs with a name to tell. */
function shareOf(legs: Legs): { who: string; cycles: number } | undefined {
  for (const mode of shareOrder) {
    const those = legs.filter((leg) => kindRow(leg.kind).mode === mode && leg.cycles > 0);
    const named = those.filter((leg) => mode === 'asleep' || kindRow(leg.kind).actor !== undefined);
    const [first] = named;
    if (first === undefined) continue;
    const who = mode === 'asleep' ? 'it slept' : `${kindRow(first.kind).actor ?? ''} took`;
    return { who, cycles: named.reduce((sum, leg) => sum + leg.cycles, 0) };
  }
  return undefined;
}

function exitSentence(store: TraceStore, event: TraceEvent, legs: Legs): string {
  const { frequencyHz } = store.meta;
  const words = wordsOf(store, event);
  const left = `${words.track} left the guest${words.at} ${purposeOf(store, event, words)}`;
  if (event.open) return `${left}; it has not come back yet.`;
  const share = shareOf(legs);
  return share === undefined
    ? `${left}; it took ${formatTime(event.duration, frequencyHz)}.`
    : `${left}; ${share.who} ${formatPart(share.cycles, event.duration, frequencyHz)}.`;
}

/** What an exit was for: `to write TDT`; undefined where the event is none, or nothing is known of it but its reason. */
export function exitPurpose(store: TraceStore, event: TraceEvent): string | undefined {
  if (kindRow(event.kind).group !== 'exit') return undefined;
  const purpose = purposeOf(store, event, wordsOf(store, event));
  return purpose.startsWith('(') ? undefined : purpose;
}

/** The sentence of an event. `legs` as `describe` gives them. */
export function sentenceOf(store: TraceStore, event: TraceEvent, legs: Legs): string {
  const { group, name, story } = kindRow(event.kind);
  if (group === 'exit') return exitSentence(store, event, legs);
  const words = wordsOf(store, event);
  if (story !== undefined) return filled(story, words);
  const args = formatArgs(store, event);
  return `${words.track}: ${name}${args === '' ? '' : ` (${args})`}${words.at}.`;
}
