/** Builds an Ethernet segment, with the peers on it, from a description: a cable for two stations, a switch for more. */
import { Cable } from './cable';
import type { Link, LinkEnd } from './link';
import { plugIn, type SegmentEnvironment } from './peers/plug-in';
import type { PeerSpec } from './peers/spec';
import { Switch } from './switch';

/** A segment. */
export interface SegmentSpec {
  id: string;
  gbps: number;
  /** Of each wire: with a switch, to it and from it. */
  latencyNs: number;
  peers: readonly PeerSpec[];
}

/** A segment that stands, its peers plugged in. */
export interface Segment {
  /** Where the NICs are plugged in, in the order of the scenario. */
  readonly nics: readonly LinkEnd[];
  readonly link: Link;
  /** Lets the peers that send of their own accord begin; call it once. */
  start(): void;
}

/** @param nics how many NICs there are on it */
export function buildSegment(spec: SegmentSpec, nics: number, environment: SegmentEnvironment): Segment {
  const { scheduler } = environment;
  const link = makeLink(spec, nics + spec.peers.length, environment);
  scheduler.register(link);
  environment.keep(link.eventTargetId, link);
  const starters = spec.peers.map((peer, index) =>
    plugIn(peer, `${link.eventTargetId}/peer${index}`, link.ends[nics + index], environment),
  );
  return {
    link,
    nics: link.ends.slice(0, nics),
    start: () => {
      for (const starter of starters) starter?.start();
    },
  };
}

function makeLink(
  { id, gbps, latencyNs }: SegmentSpec,
  stations: number,
  environment: SegmentEnvironment,
): Link {
  const { scheduler, trace, frequencyHz, tap } = environment;
  const common = { name: `link/${id}`, cyclesPerNanosecond: frequencyHz / 1e9, scheduler, trace, tap };
  const wire = { gigabitsPerSecond: gbps, latencyNanoseconds: latencyNs };
  if (stations <= 2) return new Cable({ ...common, ...wire });
  return new Switch({ ...common, ports: Array.from({ length: stations }, () => wire) });
}
