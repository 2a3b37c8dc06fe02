/** Runs of guests that drive virtio network devices, with the logs of the guests themselves. */
import { join } from 'node:path';
import { GuestImage } from '../../src/guest/image';
import type { RunJob } from '../../src/protocol/run';
import type { TraceEvent } from '../../src/trace/query/store';
import { Kind, kinds } from '../../src/trace/vocabulary/events';
import { jobOf, root, runJob, type FinishedRun } from './runs';

/** A finished run with all of its rows, and what the guests have in their logs. */
export interface NicRun extends FinishedRun {
  rows: TraceEvent[];
  /** Words of 32 bits of a structure of a VM's guest. */
  words(symbol: string, vm?: number): number[];
  ofKind(kind: number): TraceEvent[];
  /** Rows that led to a row, nearest first. */
  chain(row: TraceEvent): TraceEvent[];
  /** Name of a row's track. */
  trackOf(row: TraceEvent): string;
}

const TRAFFIC = [
  '../../../media/workspace/drivers/traffic.c',
  '../../../media/workspace/drivers/traffic-virtio.c',
];

/** A VM that runs traffic.c over virtio. */
export function trafficVm(
  backend: 'vhost' | 'qemu',
  defines: Record<string, string | number>,
  extra: object = {},
) {
  return {
    guest: { sources: TRAFFIC, defines },
    devices: [{ model: 'virtio-net', backend, link: 'wire' }],
    ...extra,
  };
}

/** One that runs the fixture of several NICs. */
export function nicsVm(backends: string[], defines: Record<string, string | number>, extra: object = {}) {
  return {
    guest: { sources: ['virtio-nics.c'], defines: { ...defines, NICS: backends.length } },
    devices: backends.map((backend) => ({ model: 'virtio-net', backend, link: 'wire' })),
    ...extra,
  };
}

export function nicJob(scenario: object): Promise<RunJob> {
  const text = JSON.stringify({ stop: { when: 'guests-exit', afterMs: 100 }, ...scenario });
  return jobOf(join(root, 'test/fixtures/guests/nics.trapline.json'), text);
}

export async function nicRun(scenario: object): Promise<NicRun> {
  const job = await nicJob(scenario);
  const images = job.guests.map(({ elf, elfFile }) => GuestImage.parse(elf, elfFile));
  const logs = new Map<string, number[]>();
  const run = runJob(job, (session) => {
    images.forEach((image, vm) => {
      for (const symbol of ['nic_log', 'traffic_log', 'nics_log', 'ixgbe_log']) {
        const place = image.symbol(symbol);
        if (!place) continue;
        const bytes = session.memory(vm).read(Number(place.address), Number(place.size));
        const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
        logs.set(
          `${vm}.${symbol}`,
          Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(4 * i, true)),
        );
      }
    });
  });
  const rows = Array.from({ length: run.store.rows }, (_, row) => run.store.get(row));
  const byRow = new Map(rows.map((row) => [row.row, row]));
  const tracks = new Map(run.store.meta.tracks.map(({ id, name }) => [id, name]));
  return {
    ...run,
    rows,
    words: (symbol, vm = 0) => {
      const words = logs.get(`${vm}.${symbol}`);
      if (!words) throw new Error(`the guest of VM ${vm} has no ${symbol}`);
      return words;
    },
    ofKind: (kind) => rows.filter((row) => row.kind === kind),
    chain: (row) => {
      const out: TraceEvent[] = [];
      for (let at = byRow.get(row.cause); at; at = byRow.get(at.cause)) out.push(at);
      return out;
    },
    trackOf: ({ track }) => tracks.get(track) ?? '',
  };
}

/** Name of a kind, an exit's by its reason. */
export function kindName(row: TraceEvent): string {
  const kind = kinds.get(row.kind);
  return kind?.reason ?? kind?.name ?? '';
}

/** Rows between the marks of a guest. */
export function betweenMarks(run: NicRun): TraceEvent[] {
  const [begin, end] = [1, 2].map((id) => run.ofKind(Kind.Mark).find(({ a }) => a === id)!);
  return run.rows.filter(({ start }) => start > begin.start && start < end.start);
}
