/**
 * A trace tells what its guests saw: its rows of registers and DMA, replayed in the order of time, give what each guest read,
 * at the time it read it. So no one can see a consequence before its row: not in memory, not in a register, not at the LAPIC.
 */
import fc from 'fast-check';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { WriteBack, type WriteBackOwner } from '../../src/machine/devices/intel-nic/writeback';
import type { DmaMemory } from '../../src/machine/memory/dma-memory';
import { PhysicalSocket } from '../../src/vmm/physical/physical-socket';
import { CopiedDma } from '../../src/vmm/threads/copied-dma';
import { checkRun, unheard, type Compared } from '../support/replay/check';
import { ReplayGuest } from '../support/replay/guest';
import { replayRun } from '../support/replay/scenario';

let guest: ReplayGuest;
beforeAll(async () => {
  guest = await ReplayGuest.build();
});
afterEach(() => {
  vi.restoreAllMocks();
});

const compared = (seed: number, vmm?: 'none' | 'kvm'): Compared =>
  checkRun(guest, replayRun(guest, seed, vmm));

describe('rows in the order of time give what guests read', () => {
  it.each([
    ['none', 6],
    ['kvm', 10],
  ] as const)('under %s', (vmm, numRuns) => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 0x7fffffff }), (seed) => {
        expect(compared(seed, vmm).wrong).toEqual([]);
      }),
      { seed: 20261129, numRuns },
    );
  });

  it.each([
    ['the thread of a guest that had ended kept its physical CPU', 7],
    ['a write behind a pin ended when the pin came to the IOAPIC', 37],
  ])('where %s', (_, seed) => {
    expect(compared(seed).wrong).toEqual([]);
  });

  it('compares something of everything', () => {
    const { wrong: _, ...counts } = compared(2);
    expect(Object.entries(counts).filter(([, count]) => count === 0)).toEqual([]);
  });
});

/** The memory of a socket, written without anybody who listens. */
function writeUnheard(socket: CopiedDma | PhysicalSocket, address: number, bytes: Uint8Array): void {
  const { memory } = (socket as unknown as { place: { memory: DmaMemory } }).place;
  unheard(() => void memory.write(0, address, bytes));
}

/** Effects before their time, each as a simulator might have them. */
const tooEarly: Record<string, { vmm: 'none' | 'kvm'; install: () => void }> = {
  'the bytes of QEMU are in memory when the copy begins': {
    vmm: 'kvm',
    install: () => {
      const begin = CopiedDma.prototype.begin;
      vi.spyOn(CopiedDma.prototype, 'begin').mockImplementation(function (this: CopiedDma, step, time) {
        if (step.bytes) writeUnheard(this, step.a, step.bytes);
        return begin.call(this, step, time);
      });
    },
  },
  'the bytes of a device are in memory when the transaction begins': {
    vmm: 'none',
    install: () => {
      const write = PhysicalSocket.prototype.write;
      vi.spyOn(PhysicalSocket.prototype, 'write').mockImplementation(function (
        this: PhysicalSocket,
        requester,
        address,
        bytes,
        tag,
      ) {
        writeUnheard(this, address, bytes);
        write.call(this, requester, address, bytes, tag);
      });
    },
  },
  'the cause of a received packet comes before its descriptor is written': {
    vmm: 'none',
    install: () => {
      const flush = WriteBack.prototype.flush;
      vi.spyOn(WriteBack.prototype, 'flush').mockImplementation(function (this: WriteBack, signals) {
        const { owner } = this as unknown as { owner: WriteBackOwner };
        if (signals !== 0) owner.nothingToWrite(signals);
        flush.call(this, 0);
      });
    },
  },
};

describe('an effect before its time is found', () => {
  it.each(Object.keys(tooEarly))('%s', (name) => {
    const { vmm, install } = tooEarly[name];
    install();
    const found = [1, 2, 3, 4, 5, 6].some((seed) => compared(seed, vmm).wrong.length > 0);
    expect(found).toBe(true);
  });
});
