/** Peers as a description has them: times in nanoseconds, Ethernet addresses as `02:54:4c:00:00:01`. */
import type { SizeDistribution } from './distributions';

/** A time between frames, or megabits of frames a second, without check sequences. */
export type PaceSpec = { intervalNs: number } | { rateMbps: number };

/** See `GapDistribution`. */
export type GapSpec =
  | ({ kind: 'fixed' | 'exponential' } & PaceSpec)
  | { kind: 'bursts'; packets: number; gapNs: number; pauseNs: number };

/** A peer. */
export type PeerSpec =
  | { kind: 'echo'; turnaroundNs: number; swap: boolean; mac?: string | undefined }
  | { kind: 'sink' }
  | { kind: 'generate'; count: number; sizes: SizeDistribution; gaps: GapSpec; mac: string; to: string }
  | {
      kind: 'window';
      count: number;
      length: number;
      window: number;
      timeoutNs: number;
      startNs: number;
      mac: string;
      to: string;
    }
  | { kind: 'host'; ip: string; mac: string; turnaroundNs: number }
  | { kind: 'frames'; frames: readonly { atNs: number; hex: string }[] }
  | { kind: 'capture'; frames: readonly { atNs: number; frame: Uint8Array }[] };
