/** One honest sentence about one event, in the words a reader would use. */
import type { EventDetails } from '../../protocol/details';
import { formatArg, formatArgs, formatPlace, placeOf } from './arguments';
import { consequencesOf } from './chain';
import { EXIT_KIND_BASE, Kind, kindRow } from '../vocabulary/events';
import { formatCount, formatHex, formatPart, formatTime } from '../vocabulary/format';
import type { TraceEvent, TraceStore } from './store';
import { trackOwner } from '../vocabulary/track-name';

type Legs = EventDetails['legs'];

/** Consequences looked at to find the register that an exit was about. */
const REGISTER_REACH = 16;

/** What the guest wanted, by exit reason, when no register access says it. `text` is the printed first argument. */
const purposes: Record<string, (text: string, event: TraceEvent) => string> = {
  EXCEPTION_NMI: (text) => `because of exception ${text}`,
  EXTERNAL_INTERRUPT: (text) => `because the host CPU got interrupt ${text}`,
  NMI_WINDOW: () => 'because it can take NMIs again',
  INTERRUPT_WINDOW: () => 'because it can take interrupts again',
  CPUID: (text) => `to run CPUID leaf ${text}`,
  HLT: () => 'to halt until an interrupt comes',
  IO_INSTRUCTION: (text) => `to access I/O port ${text}`,
  MSR_READ: (text) => `to read MSR ${text}`,
  MSR_WRITE: (text, { b }) => `to write ${formatHex(b)} to MSR ${text}`,
  EPT_MISCONFIG: (text) => `to access device memory at ${text}`,
  EPT_VIOLATION: (text) => `to access unmapped memory at ${text}`,
  APIC_ACCESS: (text) => `to access the local APIC at offset ${text}`,
  VMCALL: (text) => `to make hypercall ${text}`,
  TRIPLE_FAULT: () => 'for good: a triple fault',
};

const REGISTER_VERBS: Record<number, string> = {
  [Kind.MmioRead]: 'read',
  [Kind.PioIn]: 'read',
  [Kind.CfgRead]: 'read configuration space at',
  [Kind.MmioWrite]: 'write',
  [Kind.PioOut]: 'write',
  [Kind.CfgWrite]: 'write configuration space at',
};

function argText(store: TraceStore, event: TraceEvent): string {
  const { a } = kindRow(event.kind);
  return a === undefined ? '' : formatArg(a, event.a, store.meta.tracks[event.track]);
}

/** ` at e1000.c:142`, or nothing. */
function where(store: TraceStore, event: TraceEvent): string {
  const place = formatPlace(placeOf(store, event));
  return place === '' ? '' : ` at ${place}`;
}

function purposeOf(store: TraceStore, event: TraceEvent, reason: string): string {
  for (const row of consequencesOf(store, event.row, REGISTER_REACH)) {
    const access = store.get(row);
    const verb = REGISTER_VERBS[access.kind];
    if (verb !== undefined) return `to ${verb} ${argText(store, access)}`;
  }
  return purposes[reason]?.(argText(store, event), event) ?? `(${reason})`;
}

function exitSentence(store: TraceStore, event: TraceEvent, track: string, legs: Legs): string {
  const { frequencyHz } = store.meta;
  const reason = kindRow(event.kind).name.slice('exit.'.length);
  const left = `${track} left the guest${where(store, event)} ${purposeOf(store, event, reason)}`;
  if (event.open) return `${left}; it has not come back yet.`;
  const spent = (kind: number): number =>
    legs.reduce((sum, leg) => (leg.kind === kind ? sum + leg.cycles : sum), 0);
  const shares: [string, number][] = [
    ['it slept', spent(Kind.Halted)],
    ['QEMU took', spent(Kind.QemuHandle)],
    ['KVM took', spent(Kind.KvmHandle)],
  ];
  const share = shares.find(([, cycles]) => cycles > 0);
  return share === undefined
    ? `${left}; it took ${formatTime(event.duration, frequencyHz)}.`
    : `${left}; ${share[0]} ${formatPart(share[1], event.duration, frequencyHz)}.`;
}

type Sentence = (context: {
  store: TraceStore;
  event: TraceEvent;
  track: string;
  a: string;
  b: string;
  at: string;
  took: string;
}) => string;

/** Sentences by kind; others say their name, arguments and track. */
const sentences: Record<number, Sentence> = {
  [Kind.GuestKernel]: ({ track, took }) => `${track} ran guest kernel code for ${took}.`,
  [Kind.GuestUser]: ({ track, took }) => `${track} ran guest user code for ${took}.`,
  [Kind.Halted]: ({ track, took }) => `${track} slept in HLT for ${took}.`,
  [Kind.WaitSipi]: ({ track, took }) => `${track} waited ${took} for its start-up IPI.`,
  [Kind.KvmHandle]: ({ track, took }) => `KVM handled the exit of ${track} in the host kernel for ${took}.`,
  [Kind.UserExit]: ({ track, took }) => `Returning from KVM to QEMU cost ${track} ${took}.`,
  [Kind.QemuHandle]: ({ track, took }) => `QEMU worked for ${track} in user space for ${took}.`,
  [Kind.UserEnter]: ({ track, took }) => `Going back from QEMU to KVM cost ${track} ${took}.`,
  [Kind.Entry]: ({ track, took }) => `The VM entry of ${track} took ${took}.`,
  [Kind.IrqRaise]: ({ track, a }) => `${track} raised its interrupt (pin ${a}).`,
  [Kind.IrqLower]: ({ track, a }) => `${track} lowered its interrupt line (pin ${a}).`,
  [Kind.IoapicRoute]: ({ track, a, b }) => `${track} turned pin ${a} into vector ${b}.`,
  [Kind.IrqAccept]: ({ a }) => `The local APIC took vector ${a} into its IRR.`,
  [Kind.IrqInject]: ({ a }) => `The VMM injected vector ${a} at VM entry.`,
  [Kind.IrqDeliver]: ({ a, at }) => `The guest was interrupted${at} by vector ${a}.`,
  [Kind.Handler]: ({ a, took }) => `The guest's handler of vector ${a} ran for ${took}.`,
  [Kind.IrqEoi]: ({ a }) => `The guest signalled end of interrupt for vector ${a}.`,
  [Kind.IpiInit]: ({ a, at }) => `The guest sent INIT to ${a}${at}.`,
  [Kind.IpiStartUp]: ({ a, b, at }) => `The guest told ${b}${at} to start up at page ${a}.`,
  [Kind.IpiNmi]: ({ a, at }) => `The guest sent an NMI to ${a}${at}.`,
  [Kind.NmiInject]: () => 'The VMM injected an NMI at VM entry.',
  [Kind.MmioRead]: ({ track, a, b, at }) => `The guest read ${b} from ${track} register ${a}${at}.`,
  [Kind.MmioWrite]: ({ track, a, b, at }) => `The guest wrote ${b} to ${track} register ${a}${at}.`,
  [Kind.PioIn]: ({ track, a, b, at }) => `The guest read ${b} from ${track} port ${a}${at}.`,
  [Kind.PioOut]: ({ track, a, b, at }) => `The guest wrote ${b} to ${track} port ${a}${at}.`,
  [Kind.DmaRead]: ({ track, a, b, took }) => `${track} read ${b} from memory at ${a} in ${took}.`,
  [Kind.DmaWrite]: ({ track, a, b, took }) => `${track} wrote ${b} to memory at ${a} in ${took}.`,
  [Kind.IommuWalk]: ({ a, b, took }) =>
    `The IOMMU walked ${b} levels with ${a} memory references in ${took}.`,
  [Kind.IommuFault]: ({ a, b }) => `The IOMMU refused the access to ${a} (reason ${b}).`,
  [Kind.PacketTx]: ({ track, a, b }) => `Packet ${b} of ${a} left ${track}.`,
  [Kind.PacketRx]: ({ track, a, b }) => `Packet ${b} of ${a} arrived in guest memory by ${track}.`,
  [Kind.PacketDrop]: ({ track, a, b }) => `${track} lost a packet of ${a} (reason ${b}).`,
  [Kind.LinkTransit]: ({ track, a, b, took }) => `Packet ${b} of ${a} was on ${track} for ${took}.`,
  [Kind.SchedRun]: ({ track, took }) => `${track} ran for ${took}.`,
};

/** The sentence of an event. `legs` as `describe` gives them. */
export function sentenceOf(store: TraceStore, event: TraceEvent, legs: Legs): string {
  const found = store.meta.tracks[event.track];
  const track = found === undefined ? 'An unknown track' : trackOwner(found);
  if (event.kind >= EXIT_KIND_BASE) return exitSentence(store, event, track, legs);
  const kind = kindRow(event.kind);
  const sentence = sentences[event.kind];
  if (sentence === undefined) {
    const args = formatArgs(store, event);
    return `${track}: ${kind.name}${args === '' ? '' : ` (${args})`}${where(store, event)}.`;
  }
  const took = formatTime(event.duration, store.meta.frequencyHz);
  return sentence({
    store,
    event,
    track,
    a: argText(store, event),
    b:
      kind.b === undefined
        ? formatCount(event.b)
        : formatArg(kind.b, event.b, store.meta.tracks[event.track]),
    at: where(store, event),
    took: event.open ? `${took} so far` : took,
  });
}
