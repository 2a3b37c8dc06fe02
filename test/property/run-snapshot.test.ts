/** A run is one run, however it is cut: stopped anywhere, saved and restored anywhere, its trace hash is the same. */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import type { RunJob } from '../../src/protocol/run';
import type { RunSnapshot } from '../../src/run/snapshot';
import { randomSource } from '../conformance/native-oracle/generate';
import { freely, inStrides, throughText, type Journey, type Outcome, type Stride } from '../support/journeys';
import { nicJob, nicsVm, trafficVm } from '../support/nic-runs';
import { randomGuest } from '../support/random-guest';
import { jobOf, sample } from '../support/runs';

const seeds = fc.integer({ min: 1, max: 0x7fffffff });
const runs = (usual: number): fc.Parameters<[number]> => ({
  seed: 20261122,
  numRuns: Number(process.env.TRAPLINE_SNAPSHOT_RUNS ?? usual),
});

const transports = [
  (snapshot: RunSnapshot) => snapshot,
  (snapshot: RunSnapshot) => structuredClone(snapshot),
  throughText,
];

/** Strides of up to `longest` cycles, and now and then a stretch of single instructions. */
function strides(random: () => number, longest: number): () => Stride {
  let single = 0;
  return () => {
    if (single === 0 && random() % 50 === 0) single = 1 + (random() % 100);
    if (single > 0) {
      single--;
      return { instructions: 1 };
    }
    return random() % 4 === 0 ? { instructions: 1 + (random() % 500) } : { cycles: 1 + (random() % longest) };
  };
}

/** Saves at every stop, on top of the snapshot before or by itself, and moves to a fresh session at some of them. */
function moving(random: () => number): (journey: Journey) => void {
  let latest: RunSnapshot | undefined;
  return (journey) => {
    if (random() % 3 === 0) journey.takeDelta();
    latest = journey.session.snapshot(random() % 2 === 0 ? latest : undefined);
    if (random() % 4 !== 0) return;
    journey.move(latest, transports[random() % transports.length] ?? structuredClone);
    latest = undefined;
  };
}

/** About a dozen long strides from beginning to end, and short ones between. */
function fewStrides(random: () => number, { summary }: Outcome): () => Stride {
  const longest = Math.ceil(summary.cycles / 4);
  return () =>
    random() % 3 === 0 ? { instructions: 1 + (random() % 50) } : { cycles: 1 + (random() % longest) };
}

const samples = [
  'b7-e1000-emulated',
  'b8-nvme',
  'b8-edu',
  'c1-virtio-blk',
  'c4-suppression-event-idx',
  'c6-vhost',
  'e0-msix-masked-vhost',
  'c6-vhost-polling',
  'd1-passthrough',
  'e0-msix-masked-assigned',
  'd2-danger',
  'd2-danger-iommu',
  'd3-dma-remapping',
  'd4-iotlb',
  'd4-unmap-strict',
  'd4-unmap-deferred',
  'd5-on-demand',
  'd6-faults',
  'd7-no-vm',
  'd7-confined',
  'd7-2d',
  'd7-shadowed',
  'd8-interrupt-remapping',
  'd9-sriov-trespass',
  'hello',
  'timer',
  'uart',
  'mmio-read-loop',
  'hog-interrupts-off',
  'e4-apicv',
  'e5-posted',
  'e3-eli',
  'e3-eli-moving-idt',
  'e6-posted-iommu',
  'e7-avic',
  'e7-avic-blocked',
  'triple-fault',
].map((name) => [name, () => jobOf(sample(name))] as const);

/** Frames under way in a device of virtio, whose queues are the work of a worker of the kernel or of QEMU's main loop. */
const transfers = (
  [
    ['vhost', { PACKETS: 12, WINDOW: 6 }, 2],
    ['vhost', { PACKETS: 12, USE_PACKED: 1, KICK_ALWAYS: 1 }, 1],
    ['qemu', { PACKETS: 12, WINDOW: 6, USE_EVENT_IDX: 0 }, 2],
  ] as const
).map(([backend, defines, cpus]) => {
  const scenario = {
    host: { cpus },
    vms: [trafficVm(backend, defines)],
    links: [{ id: 'wire', peer: { kind: 'echo' } }],
  };
  return [`traffic over ${backend}, ${JSON.stringify(defines)}`, () => nicJob(scenario)] as const;
});
const pins = [
  [
    'two NICs over vhost that interrupt by pins and are reset',
    () =>
      nicJob({
        vms: [nicsVm(['vhost', 'vhost'], { PACKETS: 12, RESETS: 2, BY_MSIX: 0 })],
        links: [{ id: 'wire', peers: [{ kind: 'generate', count: 60, intervalNs: 4000 }] }],
      }),
  ],
] as const;

describe.each([...samples, ...transfers, ...pins])('%s', (_name, make) => {
  let job: RunJob;
  let reference: Outcome;
  beforeAll(async () => {
    job = await make();
    reference = freely(job);
    expect(reference.receivedHash).toBe(reference.traceHash);
  });

  it('is the same in slices of any length', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const random = randomSource(seed);
        expect(inStrides(job, strides(random, 10 ** (2 + (random() % 6))))).toEqual(reference);
      }),
      runs(1),
    );
  });

  it('goes on in fresh sessions as if nothing had been', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const random = randomSource(seed);
        expect(inStrides(job, fewStrides(random, reference), moving(random))).toEqual(reference);
      }),
      runs(1),
    );
  });
});

describe('random guests of two CPUs', () => {
  /** The run nobody interrupts, which ends as the guest means it to. */
  const referenceOf = (job: RunJob): Outcome => {
    const reference = freely(job);
    expect(reference.message).toBeUndefined();
    expect(reference.summary.vms[0]?.exitCode).toBe(0);
    expect(reference.receivedHash).toBe(reference.traceHash);
    return reference;
  };

  it('are the same one instruction at a time', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const job = randomGuest(seed);
        expect(inStrides(job, () => ({ instructions: 1 }))).toEqual(referenceOf(job));
      }),
      runs(3),
    );
  });

  it('are the same in slices of any length', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const job = randomGuest(seed);
        const random = randomSource(seed);
        expect(inStrides(job, strides(random, 10 ** (1 + (random() % 5))))).toEqual(referenceOf(job));
      }),
      runs(5),
    );
  });

  it('go on in fresh sessions as if nothing had been', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const job = randomGuest(seed);
        const reference = referenceOf(job);
        const random = randomSource(seed);
        expect(inStrides(job, fewStrides(random, reference), moving(random))).toEqual(reference);
      }),
      runs(5),
    );
  });
});
