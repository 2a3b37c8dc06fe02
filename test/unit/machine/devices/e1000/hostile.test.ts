/** Whatever a guest programs and whatever its DMA meets: nothing throws, nothing goes on without end, and a checkpoint goes on alike. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Reg } from '../../../../../src/machine/devices/e1000/constants';
import { frameTo, MAC, Nic } from './nic';

type Size = 1 | 2 | 4;

/** What a guest, the network and the memory may do to the device. */
type Step =
  | { do: 'write'; offset: number; size: Size; value: number }
  | { do: 'read'; offset: number; size: Size }
  | { do: 'frame'; length: number; to: number }
  | { do: 'ask'; length: number }
  | { do: 'master'; on: boolean }
  | { do: 'wire'; wait: number }
  | { do: 'wait'; cycles: number };

const known = Object.values(Reg) as number[];
const offset = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...known) },
  { weight: 2, arbitrary: fc.constantFrom(Reg.TDT, Reg.RDT, Reg.TCTL, Reg.RCTL, Reg.TXDCTL, Reg.RXDCTL) },
  { weight: 1, arbitrary: fc.nat(0x1ffff) },
);
const size = fc.constantFrom<Size>(4, 4, 4, 4, 1, 2);
const value = fc.oneof(
  fc.nat(0xff),
  fc.constantFrom(0, 0xffffffff, 0x1000, 0x2000, 0x40000, 128, 2, 0x8002, 0x01080404, 0x01000000),
  fc.integer({ min: 0, max: 0xffffffff }),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('write' as const), offset, size, value }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('read' as const), offset, size }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('frame' as const), length: fc.nat(3000), to: fc.nat(2) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('ask' as const), length: fc.nat(60_000) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('master' as const), on: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('wire' as const), wait: fc.nat(2000) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), cycles: fc.nat(100_000) }) },
);
const steps = fc.array(step, { minLength: 1, maxLength: 60 });
const timing = fc.constantFrom(
  { transmitNanoseconds: 0, receiveNanoseconds: 0 },
  { transmitNanoseconds: 300, receiveNanoseconds: 200 },
);
const latency = fc.constantFrom(0, 1, 50, 3000);
/** Every so many bytes of memory there is a page that cannot be reached. */
const holes = fc.constantFrom(0, 3, 64);

/** Contents of the memory: descriptors with low addresses, so that most buffers are there. */
function fillMemory(nic: Nic, seed: number): void {
  const { memory } = nic.bus;
  let state = seed >>> 0;
  for (let at = 0; at < 0x5000; at += 16) {
    for (let i = 0; i < 16; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      memory[at + i] = i >= 3 && i < 8 ? 0 : state >>> 24;
    }
  }
}

function makeNic(options: { latency: number; times: object; hole: number }): Nic {
  const nic = new Nic({ latency: options.latency, timing: options.times as never });
  const { hole } = options;
  nic.bus.dma.refuse = (address) => {
    if (!nic.device.pci.busMaster) return 'master-abort';
    return hole > 0 && Math.floor(address / 4096) % hole === 1 ? 'blocked' : undefined;
  };
  return nic;
}

/** Does one step and gives what could be seen of it. */
function perform(nic: Nic, each: Step): unknown {
  const sent = nic.wire.frames.length;
  let seen: unknown;
  if (each.do === 'write') nic.device.write(each.offset, each.size, each.value % 2 ** (8 * each.size));
  else if (each.do === 'read') {
    const read = nic.device.read(each.offset, each.size);
    expect(read).toBeGreaterThanOrEqual(0);
    expect(read).toBeLessThan(2 ** (8 * each.size));
    seen = read;
  } else if (each.do === 'frame') {
    const to = [MAC, [255, 255, 255, 255, 255, 255], [1, 2, 3, 4, 5, 6]][each.to];
    nic.device.receive(frameTo(to, Math.max(14, each.length)));
  } else if (each.do === 'ask') seen = nic.device.canReceive(each.length);
  else if (each.do === 'master') nic.setBusMaster(each.on);
  else if (each.do === 'wire') nic.wire.wait = each.wait;
  else nic.world.advanceTo(nic.world.time + each.cycles);
  return [seen, nic.bus.line, nic.wire.frames.length - sent, nic.wire.rooms, nic.world.queue.nextTime()];
}

describe('e1000 under any programming', () => {
  it('never throws, comes to rest, and goes on identically after save and load', () => {
    fc.assert(
      fc.property(
        steps,
        steps,
        fc.record({ latency, times: timing, hole: holes }),
        fc.boolean(),
        fc.nat(),
        (before, after, options, started, seed) => {
          const nic = makeNic(options);
          if (started) nic.start();
          fillMemory(nic, seed);
          for (const each of before) perform(nic, each);
          const state = structuredClone(nic.device.save());
          const copy = makeNic(options);
          copy.bus.memory.set(nic.bus.memory);
          copy.bus.line = nic.bus.line;
          copy.wire.wait = nic.wire.wait;
          copy.wire.rooms = nic.wire.rooms;
          copy.bus.dma.pending = structuredClone(nic.bus.dma.pending);
          for (const note of nic.world.notes) copy.world.notes.push(note);
          copy.device.pci.load(structuredClone(nic.device.pci.save()));
          copy.world.load(structuredClone(nic.world.save()));
          copy.device.load(state);
          expect(copy.device.save()).toEqual(nic.device.save());
          for (const each of after) expect(perform(copy, each)).toEqual(perform(nic, each));
          for (const each of [nic, copy]) {
            each.wire.wait = 0;
            each.world.drain();
          }
          expect(copy.device.save()).toEqual(nic.device.save());
          expect(copy.world.queue.save()).toEqual(nic.world.queue.save());
          expect(copy.world.notes).toEqual(nic.world.notes);
          expect(Buffer.from(copy.bus.memory).equals(Buffer.from(nic.bus.memory))).toBe(true);
        },
      ),
      { numRuns: 200, seed: 7001 },
    );
  });
});
