/**
 * A trace for the Perfetto UI and trace_processor: a track for each VM, below it those of its vCPUs and devices, below these their
 * parts; spans as slices, the rest as instants; every cause as a flow of its own, for a flow with more than two ends would be a
 * chain; the arguments, the exact times in cycles and the source line as annotations.
 */
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { formatPlace, placeOf } from '../../query/arguments';
import type { TraceStore } from '../../query/store';
import { argumentsOf } from './arguments';
import {
  DebugAnnotation,
  EventType,
  InternedData,
  InternedString,
  NEVER_MERGED,
  ORDERED_BY_RANK,
  SequenceFlag,
  Trace,
  TracePacket,
  TrackDescriptor,
  TrackEvent,
} from './perfetto-fields';
import {
  Consequences,
  exportParts,
  nanoseconds,
  slicesOf,
  type ExportEvent,
  type ExportLane,
} from './slices';

/** All packets are of one writer. */
const SEQUENCE = 1;
/** Tracks of other writers in a file that this one is appended to have other numbers. */
const FIRST_UUID = 0x7472_6170_0000;
const PART_BYTES = 1 << 20;

/** Strings that are written once and named by numbers from 1 afterwards. */
class Interned {
  private readonly ids = new Map<string, number>();
  private fresh: [iid: number, text: string][] = [];

  constructor(readonly field: number) {}

  of(text: string): number {
    let id = this.ids.get(text);
    if (id === undefined) {
      this.ids.set(text, (id = this.ids.size + 1));
      this.fresh.push([id, text]);
    }
    return id;
  }

  /** Those that have not been written yet. */
  take(): [iid: number, text: string][] {
    const { fresh } = this;
    this.fresh = [];
    return fresh;
  }
}

/** Writes packets. */
class PerfettoWriter {
  private writer = new BinaryWriter();
  private packets = 0;
  private bytes = 0;
  private readonly categories = new Interned(InternedData.eventCategories);
  private readonly names = new Interned(InternedData.eventNames);
  private readonly annotations = new Interned(InternedData.debugAnnotationNames);
  private readonly uuids = new Map<string, number>();
  private readonly consequences: Consequences;

  constructor(private readonly store: TraceStore) {
    this.consequences = new Consequences(store);
  }

  begin(lane: ExportLane, event: ExportEvent): void {
    this.event(lane, event, EventType.sliceBegin);
  }

  instant(lane: ExportLane, event: ExportEvent): void {
    this.event(lane, event, EventType.instant);
  }

  end(lane: ExportLane, event: ExportEvent): void {
    const track = this.trackOf(lane);
    this.packet(nanoseconds(this.store, event.start + event.duration), (writer) => {
      writer.tag(TracePacket.trackEvent, WireType.LengthDelimited).fork();
      writer.tag(TrackEvent.type, WireType.Varint).uint32(EventType.sliceEnd);
      writer.tag(TrackEvent.trackUuid, WireType.Varint).uint64(track);
      writer.join();
    });
  }

  /** What has been written, once there is a good deal of it. */
  take(all: boolean): Uint8Array | undefined {
    if (!all && this.bytes < PART_BYTES) return undefined;
    const bytes = this.writer.finish();
    this.writer = new BinaryWriter();
    this.bytes = 0;
    return bytes;
  }

  private event(lane: ExportLane, event: ExportEvent, type: number): void {
    const { store, consequences } = this;
    const track = this.trackOf(lane);
    const name = this.names.of(event.about.name);
    const category = this.categories.of(event.about.group);
    const place = placeOf(store, event);
    const texts: [name: string, text: string][] = place
      ? [
          ['place', formatPlace(place)],
          ['RIP', place.rip],
        ]
      : [];
    const numbers: [name: string, field: number, value: number][] = [
      ['row', DebugAnnotation.uintValue, event.row],
      ['start in cycles', DebugAnnotation.uintValue, event.start],
    ];
    if (type === EventType.sliceBegin)
      numbers.push(['duration in cycles', DebugAnnotation.uintValue, event.duration]);
    for (const { name: argument, value, text, hex } of argumentsOf(store, event)) {
      const field = hex ? DebugAnnotation.pointerValue : DebugAnnotation.uintValue;
      if (text === undefined) numbers.push([argument, field, value]);
      else texts.push([argument, text]);
    }
    for (const [annotation] of [...numbers, ...texts]) this.annotations.of(annotation);
    const flows = [...consequences.of(event.row)];
    const cause = consequences.causeOf(event.row);
    this.packet(nanoseconds(store, event.start), (writer) => {
      writer.tag(TracePacket.trackEvent, WireType.LengthDelimited).fork();
      writer.tag(TrackEvent.categoryIids, WireType.Varint).uint64(category);
      for (const [annotation, field, value] of numbers) {
        this.annotation(writer, annotation);
        writer.tag(field, WireType.Varint).uint64(value).join();
      }
      for (const [annotation, text] of texts) {
        this.annotation(writer, annotation);
        writer.tag(DebugAnnotation.stringValue, WireType.LengthDelimited).string(text).join();
      }
      writer.tag(TrackEvent.type, WireType.Varint).uint32(type);
      writer.tag(TrackEvent.nameIid, WireType.Varint).uint64(name);
      writer.tag(TrackEvent.trackUuid, WireType.Varint).uint64(track);
      for (const row of flows) writer.tag(TrackEvent.flowIds, WireType.Bit64).fixed64(flowId(row));
      if (cause >= 0) writer.tag(TrackEvent.terminatingFlowIds, WireType.Bit64).fixed64(flowId(event.row));
      writer.join();
    });
  }

  private annotation(writer: BinaryWriter, name: string): void {
    writer.tag(TrackEvent.debugAnnotations, WireType.LengthDelimited).fork();
    writer.tag(DebugAnnotation.nameIid, WireType.Varint).uint64(this.annotations.of(name));
  }

  /** A packet of our sequence; strings that are new go before what uses them. */
  private packet(timestamp: number | undefined, write: (writer: BinaryWriter) => void): void {
    const { writer } = this;
    const first = this.packets === 0 ? SequenceFlag.incrementalStateCleared : 0;
    writer.tag(Trace.packet, WireType.LengthDelimited).fork();
    if (timestamp !== undefined) writer.tag(TracePacket.timestamp, WireType.Varint).uint64(timestamp);
    writer.tag(TracePacket.trustedPacketSequenceId, WireType.Varint).uint32(SEQUENCE);
    writer.tag(TracePacket.sequenceFlags, WireType.Varint).uint32(first | SequenceFlag.needsIncrementalState);
    this.writeInterned(writer);
    write(writer);
    writer.join();
    this.packets += 1;
    this.bytes += 128;
  }

  private writeInterned(writer: BinaryWriter): void {
    const fresh = [this.categories, this.names, this.annotations].map(
      (strings) => [strings.field, strings.take()] as const,
    );
    if (fresh.every(([, strings]) => strings.length === 0)) return;
    writer.tag(TracePacket.internedData, WireType.LengthDelimited).fork();
    for (const [field, strings] of fresh) {
      for (const [iid, text] of strings) {
        writer.tag(field, WireType.LengthDelimited).fork();
        writer.tag(InternedString.iid, WireType.Varint).uint64(iid);
        writer.tag(InternedString.name, WireType.LengthDelimited).string(text);
        writer.join();
      }
    }
    writer.join();
  }

  /** The track of a lane; it and those above it are described before their first event. */
  private trackOf({ track, part, depth }: ExportLane): number {
    const { title } = this.store.meta;
    const root = this.describe('', undefined, title === '' ? 'Trapline' : title, 0);
    const group = this.describe(`${track.group}/`, root, track.group, track.vm < 0 ? 0xffff : track.vm);
    const owner = this.describe(`${track.group}/${track.id}`, group, track.name, track.id);
    const rank = exportParts.indexOf(part as (typeof exportParts)[number]);
    const name = depth === 0 ? part : `${part} ${depth + 1}`;
    return this.describe(`${track.group}/${track.id}/${name}`, owner, name, rank);
  }

  private describe(key: string, parent: number | undefined, name: string, rank: number): number {
    const known = this.uuids.get(key);
    if (known !== undefined) return known;
    const uuid = FIRST_UUID + this.uuids.size;
    this.uuids.set(key, uuid);
    this.packet(undefined, (writer) => {
      writer.tag(TracePacket.trackDescriptor, WireType.LengthDelimited).fork();
      writer.tag(TrackDescriptor.uuid, WireType.Varint).uint64(uuid);
      writer.tag(TrackDescriptor.name, WireType.LengthDelimited).string(name);
      if (parent !== undefined) writer.tag(TrackDescriptor.parentUuid, WireType.Varint).uint64(parent);
      writer.tag(TrackDescriptor.childOrdering, WireType.Varint).int32(ORDERED_BY_RANK);
      writer.tag(TrackDescriptor.siblingOrderRank, WireType.Varint).int32(rank);
      writer.tag(TrackDescriptor.siblingMergeBehavior, WireType.Varint).int32(NEVER_MERGED);
      writer.join();
    });
    return uuid;
  }
}

/** One flow for each event that has a cause. */
function flowId(row: number): number {
  return row + 1;
}

/** The bytes of the file, part after part. */
export function* perfettoParts(store: TraceStore): Generator<Uint8Array> {
  const writer = new PerfettoWriter(store);
  for (const _ of slicesOf(store, writer)) {
    const part = writer.take(false);
    if (part) yield part;
  }
  const rest = writer.take(true);
  if (rest) yield rest;
}
