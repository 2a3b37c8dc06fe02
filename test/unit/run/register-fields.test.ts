/** The details of an access to a register tell what its bits mean, by the same table as the view of the machine's inside. */
import { beforeAll, describe, expect, it } from 'vitest';
import { RunSession } from '../../../src/run/session';
import { describe as detailsOf } from '../../../src/trace/query/describe';
import { registerWrites } from '../../../src/trace/query/history';
import { jobOf, runJob, sample, type FinishedRun } from '../../support/runs';
import { valueAt } from '../../support/state-tree';

/** Facts of the first write of a register. */
function facts({ store }: FinishedRun, ...path: string[]): Record<string, string> {
  const [first] = registerWrites(store, path);
  return Object.fromEntries(detailsOf(store, first.row).facts.map(({ name, value }) => [name, value]));
}

describe('of a VM with an NVMe controller', () => {
  let run: FinishedRun;
  let session: RunSession;
  /** Between two commands, in the midst of the run. */
  let now: number;
  beforeAll(async () => {
    const job = await jobOf(sample('b8-nvme'));
    run = runJob(job);
    session = new RunSession(job);
    const rung = registerWrites(run.store, ['vm0', 'nvme', 'SQ1TDBL']);
    const middle = Math.floor(rung.length / 2);
    now = Math.floor((rung[middle - 1].time + rung[middle].time) / 2);
    session.runTo(now);
  }, 60_000);

  it('tells the fields of CC as they were written', () => {
    const writes = registerWrites(run.store, ['vm0', 'nvme', 'CC']);
    const enabling = writes.find(({ value }) => (value & 1) !== 0);
    if (!enabling) throw new Error('the controller was never enabled');
    const shown = detailsOf(run.store, enabling.row).facts;
    const iosqes = shown.find(({ name }) => name.endsWith('(IOSQES)'));
    expect(Number(iosqes?.value)).toBe((enabling.value >> 16) & 15);
    expect(shown.find(({ name }) => name.endsWith('(EN)'))?.value).toBe('yes');
    // What comes after that is the shutdown, at the end of the run.
    expect(writes.filter(({ time }) => time < now).at(-1)?.value).toBe(enabling.value);
    expect(valueAt(session.machine.host, 'vm0', 'nvme', 'Registers', 'CC')).toBe(BigInt(enabling.value));
  });

  it('has the queues where the doorbells have put them', () => {
    for (const [queue, doorbell, end] of [
      ['SQ 1', 'SQ1TDBL', 'tail'],
      ['CQ 1', 'CQ1HDBL', 'head'],
    ]) {
      const rung = registerWrites(run.store, ['vm0', 'nvme', doorbell]).filter(({ time }) => time < now);
      expect(rung.length).toBeGreaterThan(1);
      const { value } = session.machine.host.inspect(['vm0', 'nvme', 'Queues', queue]) ?? {};
      const text = value?.kind === 'text' ? value.value : '';
      expect(Number(new RegExp(`${end} (\\d+)`).exec(text)?.[1])).toBe(rung.at(-1)?.value);
    }
  });

  it('tells those of the line control of the console', () => {
    expect(facts(run, 'vm0', 'UART', 'LCR')).toHaveProperty('divisor latch access (DLAB)');
  });
});

it('of the IOMMUs of a host and of a guest tells the fields of commands', async () => {
  const run = runJob(await jobOf(sample('d7-2d')));
  for (const path of [
    ['island0', 'iommu', 'GCMD'],
    ['vm0', 'iommu', 'GCMD'],
  ])
    expect(facts(run, ...path)).toHaveProperty('translation (TE)');
}, 60_000);

it.each([
  ['c1-virtio-pci', 'DEVICE_STATUS'],
  ['c1-virtio-mmio', 'STATUS'],
])(
  'of the virtio device of %s tells the steps of its status, in the trace as in the view',
  async (name, register) => {
    const job = await jobOf(sample(name));
    const run = runJob(job);
    const track = run.store.meta.tracks.find(({ registers = {} }) =>
      Object.values(registers).includes(register),
    );
    if (!track) throw new Error(`no device has ${register}`);
    const writes = registerWrites(run.store, ['vm0', track.name, register]);
    const done = writes.find(({ value }) => (value & 4) !== 0);
    if (!done) throw new Error('the driver was never ready');
    const shown = detailsOf(run.store, done.row).facts;
    expect(shown.find(({ name: fact }) => fact === 'DRIVER_OK')?.value).toBe('yes');
    expect(shown.find(({ name: fact }) => fact === 'FAILED')?.value).toBe('no');
    const session = new RunSession(job);
    session.runTo(done.time + 1_000_000);
    expect(valueAt(session.machine.host, 'vm0', track.name, 'Registers', 'Device', register)).toBe(
      BigInt(writes.filter(({ time }) => time <= session.elapsed).at(-1)?.value ?? 0),
    );
  },
  60_000,
);

it("of AMD's IOMMU shows what its driver has set up: tables, entries that lead to backing pages, and the rings", async () => {
  const job = await jobOf(sample('e7-avic'));
  const { store } = runJob(job);
  const { host } = ((): { host: RunSession['machine']['host'] } => {
    const session = new RunSession(job);
    session.runTo(Math.floor(store.endTime / 2));
    return session.machine;
  })();
  const unit = ['island0', 'amd-iommu-unit'];
  const register = (name: string): bigint => valueAt(host, ...unit, 'Registers', ...name.split('/'));
  const writes = registerWrites(store, ['host', 'IOMMU', 'CONTROL']);
  expect(register('General/CONTROL')).toBe(BigInt((writes.at(-1)?.value ?? 0) >>> 0));
  const table = host.inspect([...unit, 'Device table']);
  expect(table?.children?.length).toBeGreaterThan(0);
  const found = (table?.children ?? []).flatMap(({ name }) =>
    (host.inspect([...unit, 'Device table', name, 'Interrupt remapping table'])?.children ?? []).map(
      ({ value }) => (value?.kind === 'text' ? value.value : ''),
    ),
  );
  expect(found.some((text) => /^vector 0x[0-9a-f]{2} to the backing page at 0x/.test(text))).toBe(true);
  // All commands have been done.
  const at = (name: string): unknown => host.inspect([...unit, 'Command buffer', name])?.value;
  expect(at('head')).toEqual(at('tail'));
}, 60_000);
