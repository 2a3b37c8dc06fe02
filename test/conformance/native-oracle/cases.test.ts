/** What the oracle asks: nothing whose answer the manuals leave open. */
import { Code } from 'iced-x86';
import { expect, it } from 'vitest';
import type { CpuVendor } from '../../../src/machine/x86/types';
import { casesOf } from './cases';

const of = (vendor: CpuVendor): { vendor: CpuVendor; has: () => boolean } => ({ vendor, has: () => true });

it('no double shift of 16 bits by more than 16, also where the operand in memory is addressed by RCX', () => {
  const byCl: ReadonlySet<number> = new Set([Code.Shld_rm16_r16_CL, Code.Shrd_rm16_r16_CL]);
  const host = { vendor: 'intel' as const, has: (code: number) => byCl.has(code) };
  for (const bits of [64, 32] as const) {
    const { cases } = casesOf(bits, host, 1, 300);
    expect(cases.length).toBe(600);
    // A LOCK prefix, which must not stand there, makes it #UD whatever the count.
    const shifts = cases.filter(({ code }) => !code.subarray(0, 3).includes(0xf0));
    expect(shifts.length).toBeGreaterThan(400);
    expect(shifts.filter(({ registers }) => (registers[1] & 31n) > 16n).length).toBe(0);
  }
});

it("16-bit near branches are in AMD's 64-bit code and not in Intel's", () => {
  const encodings = (vendor: CpuVendor): Set<string> =>
    new Set(casesOf(64, of(vendor), 1, 1).cases.map(({ encoding }) => Code[encoding]));
  const [amd, intel] = [encodings('amd'), encodings('intel')];
  for (const name of [
    'Je_rel8_16',
    'Jne_rel16',
    'Jmp_rel8_16',
    'Jmp_rm16',
    'Call_rel16',
    'Call_rm16',
    'Retnw',
  ]) {
    expect([name, amd.has(name), intel.has(name)]).toEqual([name, true, false]);
  }
});

it('leaves out what the processor does not have', () => {
  const all = casesOf(64, of('intel'), 1, 1);
  const none = casesOf(64, { vendor: 'intel', has: (code) => code !== Code.Add_rm8_r8 }, 1, 1);
  expect([none.encodings, none.absent, all.absent]).toEqual([all.encodings - 1, 1, 0]);
});
