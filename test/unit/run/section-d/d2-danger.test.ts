/** Row D2: without an IOMMU a driver has its device read and overwrite what is not of its VM. */
import { beforeAll, describe, expect, it } from 'vitest';
import { Kind } from '../../../../src/trace/vocabulary/events';
import { countedRun, mark, ofKind, trackOf, type CountedRun } from '../../../support/section-a';

const MIB = 2 ** 20;
/** Of the scenario and its driver. */
const MEMORY = 32 * MIB;
const ROUNDS = 4;
const BYTES = 64;
const STRIDE = 4096;
const OVERWRITE = 2;

describe('D2: the danger', () => {
  let run: CountedRun;

  beforeAll(async () => {
    run = await countedRun('d2-danger');
  });

  it('shows each write that lands outside the VM, by where it came from', () => {
    const [writes, read, overwritten] = run.words('attack_log');
    expect({ writes, read, overwritten }).toEqual({ writes: ROUNDS, read: BYTES, overwritten: ROUNDS });
    const rows = ofKind(run, Kind.HostOverwritten, trackOf(run, 'edu0'));
    expect(rows.map(({ a, b }) => [a, b])).toEqual(
      Array.from({ length: ROUNDS }, (_, round) => [MEMORY + round * STRIDE, BYTES]),
    );
    expect(run.end.summary.host.overwritten).toBe(ROUNDS);
    for (const { cause, start } of rows) {
      const write = run.rows[cause];
      expect(write.kind).toBe(Kind.DmaWrite);
      expect(write.start + write.duration).toBe(start);
      expect(run.rows[write.cause].kind).toBe(Kind.MmioWrite);
    }
    expect(rows.every(({ start }) => start > mark(run, OVERWRITE).start)).toBe(true);
  });

  it('reads what the VMM has there', () => {
    expect(run.serial).toContain("the VMM's data");
  });

  it('tells of the part beyond the end where a write crosses it', async () => {
    const before = BYTES / 2;
    const crossing = await countedRun('d2-danger', (text) =>
      text.replace('"0x2000000"', `"0x${(MEMORY - before).toString(16)}"`),
    );
    const [first, ...others] = ofKind(crossing, Kind.HostOverwritten);
    expect([first.a, first.b]).toEqual([MEMORY, BYTES - before]);
    expect(others.map(({ b }) => b)).toEqual(Array.from({ length: ROUNDS - 1 }, () => BYTES));
  });

  it('is not there where QEMU moves the bytes, nor on a bare machine', async () => {
    const emulated = (text: string): string => text.replace('{ "assign": "edu0" }', '{ "model": "edu" }');
    const bare = (text: string): string => emulated(text).replace(/"host": [^\n]*/, '"vmm": "none",');
    for (const change of [emulated, bare]) {
      const harmless = await countedRun('d2-danger', (text) =>
        change(text).replace('"host.overwritten": 4', '"host.overwritten": 0'),
      );
      expect(harmless.words('attack_log')).toEqual([ROUNDS, 0, 0]);
      expect(ofKind(harmless, Kind.HostOverwritten)).toEqual([]);
      expect(harmless.end.summary.expectations.filter(({ held }) => !held)).toEqual([]);
    }
  });
});
