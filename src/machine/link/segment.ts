/** Builds an Ethernet segment, with the peers on it, from a description: a cable for two stations, a switch for more. */
import type { DeviceTrace } from '../bus';
import type { Migratable } from '../snapshot';
import type { Cycles, EventTarget, Scheduler } from '../time/event-queue';
import { Cable } from './cable';
import type { Link, LinkEnd } from './link';
import { EchoPeer, GeneratorPeer, ScriptPeer, SinkPeer } from './peers';
import { Switch } from './switch';

/** A peer; times are in nanoseconds, addresses as `02:54:4c:00:00:01`. */
export type PeerSpec =
  | { kind: 'echo'; turnaroundNs: number; swap: boolean; mac?: string | undefined }
  | { kind: 'sink' }
  | { kind: 'generate'; count: number; length: number; intervalNs: number; mac: string }
  | { kind: 'frames'; frames: readonly { atNs: number; hex: string }[] };

/** A segment. */
export interface SegmentSpec {
  id: string;
  gbps: number;
  /** Of each wire: with a switch, to it and from it. */
  latencyNs: number;
  peers: readonly PeerSpec[];
}

/** What a segment needs of the run around it. */
export interface SegmentEnvironment {
  /** Cycles per second of the clock that the scheduler counts. */
  frequencyHz: number;
  /** Of everything that a peer draws by lot. */
  seed: number;
  scheduler: Scheduler & { register(target: EventTarget): void };
  /** Of the segment's own track. */
  trace: DeviceTrace;
  /** Makes a unit part of every snapshot, by a name that is unique in the run. */
  keep(name: string, unit: Migratable): void;
}

/** A segment that stands, its peers plugged in. */
export interface Segment {
  /** Where the NICs are plugged in, in the order of the scenario. */
  readonly nics: readonly LinkEnd[];
  readonly link: Link;
  /** Lets the peers that send of their own accord begin; call it once. */
  start(): void;
}

/** A peer that begins by itself. */
interface Starter {
  start(): void;
}

/** @param nics how many NICs there are on it */
export function buildSegment(spec: SegmentSpec, nics: number, environment: SegmentEnvironment): Segment {
  const { scheduler } = environment;
  const link = makeLink(spec, nics + spec.peers.length, environment);
  scheduler.register(link);
  environment.keep(link.eventTargetId, link);
  const starters = spec.peers.map((peer, index) =>
    plugIn(peer, `${link.eventTargetId}/peer${index}`, link.ends[nics + index], index, environment),
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
  const { scheduler, trace, frequencyHz } = environment;
  const common = { name: `link/${id}`, cyclesPerNanosecond: frequencyHz / 1e9, scheduler, trace };
  const wire = { gigabitsPerSecond: gbps, latencyNanoseconds: latencyNs };
  if (stations <= 2) return new Cable({ ...common, ...wire });
  return new Switch({ ...common, ports: Array.from({ length: stations }, () => wire) });
}

/** Puts one peer at an end. Returns it when it has to be started. */
function plugIn(
  spec: PeerSpec,
  name: string,
  end: LinkEnd,
  index: number,
  environment: SegmentEnvironment,
): Starter | undefined {
  const { scheduler, frequencyHz, seed } = environment;
  const cycles = (nanoseconds: number): Cycles => Math.round((nanoseconds * frequencyHz) / 1e9);
  switch (spec.kind) {
    case 'sink':
      environment.keep(name, new SinkPeer(end));
      return undefined;
    case 'echo': {
      const { swap, mac } = spec;
      const turnaround = cycles(spec.turnaroundNs);
      const echo = new EchoPeer(name, end, scheduler, {
        turnaround,
        swap,
        mac: mac ? bytesOf(mac) : undefined,
      });
      scheduler.register(echo);
      environment.keep(name, echo);
      return undefined;
    }
    case 'generate': {
      const { count, length, mac } = spec;
      const interval = cycles(spec.intervalNs);
      const options = { count, length, interval, delay: interval, seed: seed + index, mac: bytesOf(mac) };
      const generator = new GeneratorPeer(name, end, scheduler, options);
      scheduler.register(generator);
      environment.keep(name, generator);
      return generator;
    }
    case 'frames': {
      const frames = spec.frames.map(({ atNs, hex }) => ({ at: cycles(atNs), frame: bytesOf(hex) }));
      const script = new ScriptPeer(name, end, scheduler, frames);
      scheduler.register(script);
      environment.keep(name, script);
      return script;
    }
  }
}

/** Pairs of hexadecimal digits with anything between them. */
function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text.match(/[0-9A-Fa-f]{2}/g) ?? [], (pair) => parseInt(pair, 16));
}
