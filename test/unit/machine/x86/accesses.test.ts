/** What a call-out is told of its place: which access of its instruction it is, and how many iterations are to come. */
import { expect, it } from 'vitest';
import { StopReason } from '../../../../src/machine/x86/types';
import { DEVICE, bench, callouts } from './harness';
import { le } from './system-bench';

type Place = [what: string, index: number, iterations: number];

const RBX = [0xbb, ...le(DEVICE)];
const RSI = [0xbe, ...le(DEVICE + 0x100)];
const RDI = [0xbf, ...le(DEVICE)];
const rep = (count: number, ...code: number[]): number[] => [0xb9, ...le(count), 0xf3, ...code];

/** The places of all accesses; with `abandon` each is given up once, and must then be asked for at the same place. */
function places(code: number[], fastPaths: boolean, abandon: boolean): Place[] {
  const list: Place[] = [];
  let refused = '';
  const b = bench([...code, 0xf4], {}, fastPaths);
  // Accesses of the running iteration that were already answered, as a VMM keeps them.
  let done = 0;
  let key = '';
  const ask = (what: string): number => {
    const { accessIndex, iterations } = b.cpu;
    const now = `${b.cpu.instructions()} ${iterations}`;
    if (now !== key) [key, done] = [now, 0];
    if (accessIndex < done) return 1;
    if (abandon && refused !== `${now} ${accessIndex}`) {
      refused = `${now} ${accessIndex}`;
      b.cpu.abandonInstruction();
      return 0;
    }
    list.push([what, accessIndex, iterations]);
    done = accessIndex + 1;
    return 1;
  };
  b.cpu.callouts = callouts({
    mmioRead: () => ask('read'),
    mmioWrite: () => void ask('write'),
    portIn: () => ask('in'),
    portOut: () => void ask('out'),
    msrRead: () => ask('rdmsr'),
  });
  let stop = b.cpu.run(100_000);
  while (stop === StopReason.Abandoned) stop = b.cpu.run(100_000);
  expect(stop).toBe(StopReason.Halted);
  return list;
}

const cases: [string, number[], Place[]][] = [
  [
    'mov',
    [0x8b, 0x03, 0x89, 0x03],
    [
      ['read', 0, 0],
      ['write', 0, 0],
    ],
  ],
  [
    'add [rbx],eax',
    [0x01, 0x03],
    [
      ['read', 0, 0],
      ['write', 1, 0],
    ],
  ],
  [
    'xchg [rbx],eax',
    [0x87, 0x03],
    [
      ['read', 0, 0],
      ['write', 1, 0],
    ],
  ],
  [
    'lock or [rbx],eax',
    [0xf0, 0x09, 0x03],
    [
      ['read', 0, 0],
      ['write', 1, 0],
    ],
  ],
  // Sixteen bytes are two accesses of eight each way.
  [
    'cmpxchg16b [rbx]',
    [0x48, 0x0f, 0xc7, 0x0b],
    [
      ['read', 0, 0],
      ['read', 1, 0],
      ['write', 2, 0],
      ['write', 3, 0],
    ],
  ],
  [
    'in al,0x80; out 0x80,al',
    [0xe4, 0x80, 0xe6, 0x80],
    [
      ['in', 0, 0],
      ['out', 0, 0],
    ],
  ],
  ['rdmsr', [0xb9, ...le(0x1b), 0x0f, 0x32], [['rdmsr', 0, 0]]],
  [
    'movsd',
    [0xa5],
    [
      ['read', 0, 0],
      ['write', 1, 0],
    ],
  ],
  [
    'rep movsd',
    rep(2, 0xa5),
    [
      ['read', 0, 2],
      ['write', 1, 2],
      ['read', 0, 1],
      ['write', 1, 1],
    ],
  ],
  [
    'rep stosd',
    rep(3, 0xab),
    [
      ['write', 0, 3],
      ['write', 0, 2],
      ['write', 0, 1],
    ],
  ],
  [
    'rep insb',
    rep(2, 0x6c),
    [
      ['in', 0, 2],
      ['write', 1, 2],
      ['in', 0, 1],
      ['write', 1, 1],
    ],
  ],
  [
    'rep outsb',
    rep(2, 0x6e),
    [
      ['read', 0, 2],
      ['out', 1, 2],
      ['read', 0, 1],
      ['out', 1, 1],
    ],
  ],
  [
    'rep stosd, then mov',
    [...rep(1, 0xab), 0x8b, 0x03],
    [
      ['write', 0, 1],
      ['read', 0, 0],
    ],
  ],
];

it.each(cases)('%s', (_, code, expected) => {
  for (const fastPaths of [true, false])
    for (const abandon of [false, true])
      expect(places([...RBX, ...RSI, ...RDI, ...code], fastPaths, abandon)).toEqual(expected);
});
