/** Guests from sources that are no sample: how they end, and what is said about it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { has, run } from '../guest/build';
import { vectorSetOf } from '../../../src/machine/x86/decode/instruction-sets';
import { jobOf, runJob, type FinishedRun } from '../../support/runs';

const folder = mkdtempSync(join(tmpdir(), 'trapline-sources-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function finished(name: string, text: string): Promise<FinishedRun> {
  writeFileSync(join(folder, name), text);
  const scenario = JSON.stringify({ vms: [{ guest: { sources: [name] } }] });
  return runJob(await jobOf(join(folder, 'a.trapline.json'), scenario));
}

const COMPUTES = 'volatile double x = 1.5;\nint main(void)\n{\n  x = x * 2;\n  return 0;\n}\n';
/** The sentence, with the place of the statement. */
const ADVICE =
  /compiled for SSE, which this machine does not have \(first met: \w+ at RIP 0x[0-9a-f]+ at \S+\.c:4 in main\): compile it with -mgeneral-regs-only/;

const codeOf = ({ end }: FinishedRun): number | undefined => end.summary.vms[0]?.exitCode;
const linesOf = ({ serial }: FinishedRun): string[] => serial.replaceAll('\r', '').trim().split('\n');

describe.skipIf(!has('gcc'))('a guest in C (needs gcc)', () => {
  it('that returns a negative number has that as its exit code', async () => {
    expect(codeOf(await finished('minus.c', 'int main(void) { return -1; }\n'))).toBe(-1);
    expect(codeOf(await finished('least.c', 'int main(void) { return -2147483647 - 1; }\n'))).toBe(
      -(2 ** 31),
    );
  });

  it('runs constructors before main', async () => {
    const text = `int order;
__attribute__((constructor)) static void last(void) { order = order * 10 + 3; }
__attribute__((constructor(300))) static void second(void) { order = order * 10 + 2; }
__attribute__((constructor(200))) static void first(void) { order = order * 10 + 1; }
int main(void) { return order; }
`;
    expect(codeOf(await finished('constructors.c', text))).toBe(123);
  });

  it('that prints what tl_printf does not know is told so', async () => {
    const text =
      '#include "trapline.h"\nint main(void) { const char *f = "a %y"; tl_printf(f, 1); return 0; }\n';
    const run = await finished('conversion.c', text);
    expect(codeOf(run)).toBe(1);
    expect(linesOf(run).at(-1)).toMatch(/check failed: tl_printf has no conversion %y$/);
  });
});

describe.skipIf(!has('gcc'))('a guest compiled for SSE (needs gcc)', () => {
  const flags = ['-g', '-O1', '-ffreestanding', '-fno-pic'];

  it('that handles #UD and ends with an error is told where, and the flag that helps', async () => {
    writeFileSync(join(folder, 'sse.c'), COMPUTES);
    run('gcc', ['-c', ...flags, '-o', join(folder, 'sse.o'), join(folder, 'sse.c')]);
    const scenario = JSON.stringify({ vms: [{ guest: { sources: ['sse.o'] } }] });
    const { meta } = runJob(await jobOf(join(folder, 'a.trapline.json'), scenario)).end;
    expect(meta.message).toMatch(ADVICE);
  });

  it('that does not handle it is told in the message of its crash', async () => {
    writeFileSync(join(folder, 'bare.c'), COMPUTES);
    const link = ['-no-pie', '-static', '-nostdlib', '-Wl,--build-id=none', '-Wl,-Ttext-segment=0x200000'];
    run('gcc', [...flags, ...link, '-Wl,-e,main', '-o', join(folder, 'bare.elf'), join(folder, 'bare.c')]);
    const scenario = JSON.stringify({ vms: [{ guest: { elf: 'bare.elf' } }] });
    const { meta } = runJob(await jobOf(join(folder, 'a.trapline.json'), scenario)).end;
    expect(meta.state).toBe('crashed');
    expect(meta.message).toMatch(/triple fault: #UD/);
    expect(meta.message).toMatch(ADVICE);
  });

  it('names the extension of an instruction by the decoder’s tables', () => {
    const names = ['movsd', 'mulss', 'pxor', 'vaddps', 'emms', 'fld', 'ud2', 'xsave', 'mov'];
    expect(names.map(vectorSetOf)).toEqual([
      'SSE',
      'SSE',
      'SSE',
      'AVX',
      'MMX',
      'x87',
      undefined,
      undefined,
      undefined,
    ]);
  });
});

describe.skipIf(!has('g++'))('a guest in C++ (needs g++)', () => {
  it('has objects with constructors, virtual functions, templates and new', async () => {
    const text = `#include "trapline.h"
class Device {
public:
    explicit Device(unsigned id) : id(id) { tl_printf("device %u\\n", id); }
    virtual ~Device() {}
    virtual unsigned status() const = 0;
protected:
    const unsigned id;
};
struct Uart final : Device {
    using Device::Device;
    unsigned status() const override { return tl_inb(0x3fd) + id; }
};
template <typename T> static T twice(T value) { return value + value; }
static Uart global(1);
int main()
{
    static Uart local(2);
    const Device *heap = new Uart(3);
    const unsigned status = heap->status() + twice(global.status());
    delete heap;
    return status;
}
`;
    const run = await finished('objects.cpp', text);
    expect(linesOf(run)).toEqual(['device 1', 'device 2', 'device 3']);
    // The line status of an idle UART is 60H (PC16550D, 8.4): holding register and transmitter empty.
    expect(codeOf(run)).toBe(0x60 + 3 + 2 * (0x60 + 1));
  });
});
