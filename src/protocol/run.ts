/** What a run is told and what it tells, whether it lives in a worker thread or in the caller's own. */
import type { FrameBatch } from '../trace/exchange/frames';
import type { TraceDelta, TraceMeta } from '../trace/model';
import type { Summary } from '../trace/query/summary';

/** Everything a run needs; plain data, so that it crosses threads. No file is opened by the run itself. */
export interface RunJob {
  /** Absolute path of the scenario file, for messages and the trace's name. */
  scenarioFile: string;
  scenarioText: string;
  /** Per VM of the scenario, in order. */
  guests: RunGuest[];
  /** Bytes of `dist/cpu-core.wasm`. */
  core: Uint8Array;
  /** By the path that a `pcap` peer of the scenario names: the bytes of that capture. */
  captures?: Record<string, Uint8Array>;
  /** Whether the run hands out the frames that pass its links. */
  handsOutFrames?: boolean;
  /** Folders of sources, absolute: of the statements in them the run finds out which were executed. */
  covers?: string[];
}

/** A guest's files. */
export interface RunGuest {
  /** The file's bytes: an ELF file, a Multiboot kernel of any format, or a ROM image. */
  elf: Uint8Array;
  elfFile: string;
  /** It is the image of a ROM, to be started at its reset vector. */
  isRom?: boolean;
  /** Where its sources are. */
  remap?: { from: string; to: string }[];
  /** What a Multiboot kernel is handed besides itself. */
  boot?: { cmdline: string; modules: { bytes: Uint8Array; cmdline: string }[] };
  /** Files that its disks begin with, by position in `devices`. */
  images?: { device: number; bytes: Uint8Array }[];
}

/** How far a run is. */
export interface RunProgress {
  /** Simulated cycles so far. */
  cycles: number;
  guestInstructions: number;
  events: number;
  /** VM exits so far. */
  exits: number;
  /** Exact counts so far, as in `TraceMeta.counts`. */
  counts: TraceMeta['counts'];
  /** Where events are missing so far, as in `TraceMeta.gaps`. */
  gaps: TraceMeta['gaps'];
}

/** The last word of a run. */
export interface RunEnd {
  /** Complete tables, facts, hash and final state of the trace. */
  meta: TraceMeta;
  /** With `wallSeconds` and `expectations`. */
  summary: Summary;
  /** Of runs whose job asks for it: the sources that guests have code of, by path. */
  coverage?: CoveredFile[];
}

/** Which statements of a source file were executed. */
export interface CoveredFile {
  /** Absolute path. */
  file: string;
  /** By line and column; those of one place that have become several stretches of code are one. */
  statements: CoveredStatement[];
}

/** A statement as the debug information has it. */
export interface CoveredStatement {
  /** 1-based. */
  line: number;
  /** 1-based; 0: not known. */
  column: number;
  /** A CPU of any VM has begun it. */
  executed: boolean;
}

/** Worker to host. */
export type RunMessage =
  /** First message: the trace's tables as far as known before the first instruction. */
  | { type: 'started'; meta: TraceMeta }
  | { type: 'delta'; delta: TraceDelta; progress: RunProgress }
  | { type: 'serial'; vm: number; text: string }
  /** Comes before the delta, or the end, of the same report. */
  | { type: 'frames'; frames: FrameBatch }
  | { type: 'ended'; end: RunEnd; delta: TraceDelta; progress: RunProgress }
  /** The run could not be built or Trapline itself failed; the guest is not to blame. */
  | { type: 'failed'; message: string };

/** Receiver of a run's news. Called in the caller's thread, in order. */
export interface RunListener {
  started(meta: TraceMeta): void;
  /** A promise says when the receiver is done with it: a run does not get further ahead of its reader than a few deltas. */
  delta(delta: TraceDelta, progress: RunProgress): void | Promise<void>;
  serial(vm: number, text: string): void;
  /**
   * Frames that have passed the links, where the job asks for them. They are no part of the trace. A promise holds the run back
   * as that of `delta` does.
   */
  frames?(frames: FrameBatch): void | Promise<void>;
}
