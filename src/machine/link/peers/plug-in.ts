/** Makes peers of their descriptions and plugs them in. */
import type { DeviceTrace } from '../../bus';
import type { Migratable } from '../../snapshot';
import type { Cycles, EventTarget, Scheduler } from '../../time/event-queue';
import { streamSeed } from '../../time/random';
import type { LinkEnd } from '../link';
import type { GapDistribution, Pace } from './distributions';
import { EchoPeer } from './echo';
import { GeneratorPeer } from './generator';
import { HostPeer } from './host';
import { ScriptPeer } from './script';
import { SinkPeer } from './sink';
import type { GapSpec, PaceSpec, PeerSpec } from './spec';
import { WindowPeer } from './window';

/** What a segment needs of the run around it. */
export interface SegmentEnvironment {
  /** Cycles per second of the clock that the scheduler counts. */
  frequencyHz: number;
  /** Of everything that a peer draws by lot. */
  seed: number;
  scheduler: Scheduler & { register(target: EventTarget): void };
  /** Of the segment's own track. */
  trace: DeviceTrace;
  /** As `LinkEnvironment.tap`. */
  tap?: ((frame: Uint8Array) => void) | undefined;
  /** Makes a unit part of every snapshot, by a name that is unique in the run. */
  keep(name: string, unit: Migratable): void;
}

/** A peer that begins by itself. */
interface Starter {
  start(): void;
}

/** How long things take in cycles of a host. */
class Clock {
  constructor(private readonly frequencyHz: number) {}

  cycles(nanoseconds: number): Cycles {
    return Math.round((nanoseconds * this.frequencyHz) / 1e9);
  }

  pace(spec: PaceSpec): Pace {
    if ('intervalNs' in spec) return { interval: this.cycles(spec.intervalNs) };
    return { cyclesPerByte: (8 * this.frequencyHz) / (spec.rateMbps * 1e6) };
  }

  gaps(spec: GapSpec): GapDistribution {
    if (spec.kind !== 'bursts') return { kind: spec.kind, pace: this.pace(spec) };
    const { kind, packets, gapNs, pauseNs } = spec;
    return { kind, packets, gap: this.cycles(gapNs), pause: this.cycles(pauseNs) };
  }
}

/**
 * Puts one peer at an end. Returns it when it has to be started.
 * @param name unique in the run; a peer's random numbers depend on it and on the run's seed, and on no other peer
 */
export function plugIn(
  spec: PeerSpec,
  name: string,
  end: LinkEnd,
  environment: SegmentEnvironment,
): Starter | undefined {
  const { scheduler, frequencyHz, trace } = environment;
  const clock = new Clock(frequencyHz);
  const seed = streamSeed(environment.seed, name);
  /** Makes a peer with events part of the run. */
  const keep = <P extends EventTarget & Migratable>(peer: P): P => {
    scheduler.register(peer);
    environment.keep(name, peer);
    return peer;
  };
  switch (spec.kind) {
    case 'sink':
      environment.keep(name, new SinkPeer(end));
      return undefined;
    case 'echo': {
      const { swap, mac } = spec;
      const turnaround = clock.cycles(spec.turnaroundNs);
      keep(new EchoPeer(name, end, scheduler, { turnaround, swap, mac: mac ? bytesOf(mac) : undefined }));
      return undefined;
    }
    case 'host': {
      const options = {
        mac: bytesOf(spec.mac),
        ip: ipv4Of(spec.ip),
        turnaround: clock.cycles(spec.turnaroundNs),
      };
      keep(new HostPeer(name, end, scheduler, options));
      return undefined;
    }
    case 'generate': {
      const { count, sizes } = spec;
      const addresses = { mac: bytesOf(spec.mac), destination: bytesOf(spec.to) };
      const options = { count, sizes, gaps: clock.gaps(spec.gaps), seed, ...addresses };
      return keep(new GeneratorPeer(name, end, scheduler, options));
    }
    case 'window': {
      const { count, length, window } = spec;
      const times = { timeout: clock.cycles(spec.timeoutNs), delay: clock.cycles(spec.startNs) };
      const addresses = { mac: bytesOf(spec.mac), destination: bytesOf(spec.to) };
      const cyclesPerNanosecond = frequencyHz / 1e9;
      const options = { count, length, window, ...times, seed, ...addresses, cyclesPerNanosecond };
      return keep(new WindowPeer(name, end, scheduler, trace, options));
    }
    case 'frames': {
      const frames = spec.frames.map(({ atNs, hex }) => ({ at: clock.cycles(atNs), frame: bytesOf(hex) }));
      return keep(new ScriptPeer(name, end, scheduler, frames));
    }
    case 'capture': {
      const frames = spec.frames.map(({ atNs, frame }) => ({ at: clock.cycles(atNs), frame }));
      return keep(new ScriptPeer(name, end, scheduler, frames));
    }
  }
}

/** Pairs of hexadecimal digits with anything between them. */
function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text.match(/[0-9A-Fa-f]{2}/g) ?? [], (pair) => parseInt(pair, 16));
}

/** `10.0.2.2` as a number. */
function ipv4Of(text: string): number {
  return text.split('.').reduce((address, part) => address * 256 + Number(part), 0);
}
