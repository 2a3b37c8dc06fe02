/** The machine at a moment, and who wrote what: against what the run's own trace says. */
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { Kind } from '../../../src/trace/vocabulary/events';
import type { TraceStore } from '../../../src/trace/query/store';
import { jobOf, root, runJob, sample } from '../../support/runs';
import { keepTrace, scratchFolder, TestVerbs } from './context';

const folder = scratchFolder();
const trace = 'b7.trapline.arrow';
// The scenario is found in the sample workspace, by its name.
const verbs = new TestVerbs([folder, join(root, 'media/workspace')]);
let store: TraceStore;

beforeAll(async () => {
  ({ store } = runJob(await jobOf(sample('b7-e1000-emulated'))));
  keepTrace(folder, trace, store);
});

/** Rows of a kind, in the order of the trace. */
function rowsOf(kind: number): number[] {
  return Array.from({ length: store.rows }, (_, row) => row).filter((row) => store.kindOf(row) === kind);
}

interface State {
  us: number;
  before: number;
  rip: string;
  place?: string;
  note?: string;
  registers?: string[];
  values?: { name: string; value: string }[];
  stack?: string[];
  device?: { name: string; value: string }[];
}

const stateAt = (input: object): Promise<State> => verbs.answer<State>('machine_state', { trace, ...input });

describe('machine_state', () => {
  it('stands at the instruction of an event, with what it is about to write', async () => {
    const writes = rowsOf(Kind.MmioWrite).filter(
      (row) => store.trackAt(store.trackOf(row))?.name === 'e1000',
    );
    expect(writes.length).toBeGreaterThan(100);
    for (const row of [writes[3], writes[60], writes.at(-1)]) {
      const exit = store.causeOf(row ?? -1);
      const event = store.get(exit);
      const place = store.placeAt(event.place);
      const state = await stateAt({
        row: exit,
        show: ['registers', 'stack'],
        expressions: ['$rip', '1 + 2'],
      });
      expect(state.rip).toBe(place?.rip);
      expect(state.place).toBe(`${place?.file?.split('/').at(-1)}:${place?.line}`);
      expect(state.us).toBeCloseTo((event.start / store.frequencyHz) * 1e6, 3);
      expect(state.registers).toContain(
        `rip 0x${BigInt(place?.rip ?? 0)
          .toString(16)
          .padStart(16, '0')}`,
      );
      expect(state.values?.[1]).toMatchObject({ value: '3' });
      expect(state.stack?.at(-1)).toMatch(/_start/);
      expect(state.note).toBeUndefined();
    }
  });

  it("has a device's registers as they are just before and after a write", async () => {
    const [row = -1] = rowsOf(Kind.MmioWrite).filter((each) => {
      const { registers = {} } = store.trackAt(store.trackOf(each)) ?? {};
      return registers[String(store.aOf(each))] === 'TDT' && store.bOf(each) > 0;
    });
    const device = 'vm0/E1000/Registers/Transmit';
    const tailAt = async (at: number): Promise<bigint> => {
      const { device: found = [] } = await stateAt({ row: at, show: [], device });
      return BigInt(/^0x[0-9a-f]+/.exec(found.find(({ name }) => name === 'TDT')?.value ?? '')?.[0] ?? -1);
    };
    expect(await tailAt(store.causeOf(row))).not.toBe(BigInt(store.bOf(row)));
    const next = rowsOf(Kind.MmioWrite).find((each) => each > row) ?? -1;
    expect(await tailAt(store.causeOf(next))).toBe(BigInt(store.bOf(row)));
  });

  it('goes to a time, and says what is not there', async () => {
    const state = await stateAt({ us: 400, device: 'vm0' });
    expect(state.us).toBeGreaterThanOrEqual(400);
    expect(state.device?.map(({ name }) => name)).toContain('e1000');
    const refuse = (input: object): Promise<string> => verbs.refusal('machine_state', { trace, ...input });
    expect(await refuse({})).toContain('"row" or "us"');
    expect(await refuse({ row: 5, vcpu: 7 })).toContain('no vCPU 7');
    expect(await refuse({ row: 5, frame: 50 })).toContain('no frame 50');
    expect(await refuse({ row: 5, device: 'vm0/e1001' })).toMatch(/vm0 has no e1001. It has: .*e1000/);
    expect(await refuse({ row: 5, device: 'vm0/e1000/x/y/z' })).toContain('vm0/e1000 has no x');
    expect(await stateAt({ row: 5, expressions: ['no_such_name', '1 +'] })).toMatchObject({
      values: [
        { value: expect.stringMatching(/^<.*no_such_name/) as string },
        { value: expect.stringMatching(/^</) as string },
      ],
    });
  });
});

describe('last_writer', () => {
  interface Writer {
    found: boolean;
    sentence: string;
    us?: number;
    place?: string;
    vcpu?: string;
  }
  const writer = (input: object): Promise<Writer> => verbs.answer<Writer>('last_writer', { trace, ...input });

  it('is the device, of memory that its DMA has written', async () => {
    const writes = rowsOf(Kind.DmaWrite);
    expect(writes.length).toBeGreaterThan(60);
    for (const row of [writes[5] ?? -1, writes[70] ?? -1]) {
      const { a: address, b: length, start, duration } = store.get(row);
      // The first event that begins once it is over.
      const after = rowsOf(Kind.MmioRead).find((each) => store.startOf(each) > start + duration) ?? -1;
      const found = await writer({
        row: after,
        address: `0x${address.toString(16)}`,
        length: Math.min(length, 8),
      });
      expect(found).toMatchObject({ found: true });
      expect(found.sentence).toMatch(/^e1000 wrote .* by DMA/);
      expect(found.vcpu).toBeUndefined();
      expect((found.us ?? 0) * 1e-6 * store.frequencyHz).toBeLessThanOrEqual(store.startOf(after) + 1);
      expect((found.us ?? 0) * 1e-6 * store.frequencyHz).toBeGreaterThanOrEqual(start - 1);
    }
  });

  it('is a vCPU at its line, of what the driver has written', async () => {
    const [doorbell = -1] = rowsOf(Kind.Doorbell).filter((row) => store.bOf(row) > 0);
    // The descriptor that the NIC reads for it was written by the driver.
    const read = rowsOf(Kind.DmaRead).find((row) => row > doorbell) ?? -1;
    const found = await writer({ row: read, address: `0x${store.aOf(read).toString(16)}`, length: 8 });
    expect(found).toMatchObject({ found: true, vcpu: 'vm0 vCPU 0' });
    expect(found.place).toMatch(/^e1000\.c:\d+$/);
  });

  it('is nobody, of memory that nothing has written', async () => {
    expect(await writer({ row: 100, address: '0x1f00000' })).toMatchObject({ found: false });
    expect(await verbs.refusal('last_writer', { trace, row: 100, address: '0xfffffffffffff' })).toMatch(/\w/);
    expect(await verbs.refusal('last_writer', { trace, row: 100, expression: '1 + 1' })).toContain(
      'does not lie in memory',
    );
  });
});

it('says so when a guest is another than that of the trace', async () => {
  store.setMeta({ ...store.meta, guests: store.meta.guests.map((guest) => ({ ...guest, sha256: '0' })) });
  keepTrace(folder, 'other.trapline.arrow', store);
  const state = await verbs.answer<State>('machine_state', {
    trace: 'other.trapline.arrow',
    row: 100,
    show: [],
  });
  expect(state.note).toContain('changed since');
});
