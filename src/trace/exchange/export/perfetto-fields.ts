/**
 * Field numbers of Perfetto's trace format, as its published definitions have them (protos/perfetto/trace: trace.proto,
 * trace_packet.proto, track_event/*.proto, interned_data/interned_data.proto).
 */
export const Trace = { packet: 1 } as const;

export const TracePacket = {
  timestamp: 8,
  trustedPacketSequenceId: 10,
  trackEvent: 11,
  internedData: 12,
  sequenceFlags: 13,
  trackDescriptor: 60,
} as const;

/** `TracePacket.SequenceFlags`. */
export const SequenceFlag = { incrementalStateCleared: 1, needsIncrementalState: 2 } as const;

export const TrackDescriptor = {
  uuid: 1,
  name: 2,
  parentUuid: 5,
  childOrdering: 11,
  siblingOrderRank: 12,
  description: 14,
  siblingMergeBehavior: 15,
} as const;
/** `TrackDescriptor.ChildTracksOrdering.EXPLICIT`: by rank. */
export const ORDERED_BY_RANK = 3;
/** `TrackDescriptor.SiblingMergeBehavior`: tracks of the same name stay apart. */
export const NEVER_MERGED = 2;

export const TrackEvent = {
  categoryIids: 3,
  debugAnnotations: 4,
  type: 9,
  nameIid: 10,
  trackUuid: 11,
  flowIds: 47,
  terminatingFlowIds: 48,
} as const;
/** `TrackEvent.Type`. */
export const EventType = { sliceBegin: 1, sliceEnd: 2, instant: 3 } as const;

export const DebugAnnotation = {
  nameIid: 1,
  uintValue: 3,
  stringValue: 6,
  pointerValue: 7,
} as const;

export const InternedData = { eventCategories: 1, eventNames: 2, debugAnnotationNames: 3 } as const;
/** `EventCategory`, `EventName` and `DebugAnnotationName` alike. */
export const InternedString = { iid: 1, name: 2 } as const;
