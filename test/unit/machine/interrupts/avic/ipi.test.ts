/** AVIC's tables in memory, and IPIs by them (AMD64 vol. 2, 15.29.4 to 15.29.6). */
import { describe, expect, it } from 'vitest';
import { IpiFailure, sendAvicIpi, type IncompleteIpi } from '../../../../../src/machine/interrupts/avic/ipi';
import {
  encodeLogical,
  encodePhysical,
  requestVector,
  writeDword,
} from '../../../../../src/machine/interrupts/avic/tables';
import { DeliveryMode, Shorthand, type IpiMessage } from '../../../../../src/machine/interrupts/message';
import { DataSlot } from '../../../../../src/machine/memory/data-slot';
import { HostMemory } from '../../../../../src/machine/memory/host-memory';
import { logicalAt, physicalAt, vectorsAt } from '../../../../support/amd/avic-reader';

/** Above 4 GiB, so that both halves of an address count. */
const BASE = 0x12_3456_7000;
const LOGICAL = BASE + 0x1000;
const page = (id: number): number => BASE + (2 + id) * 0x1000;
const HOLE = 0x7f_0000_0000;
const VECTOR = 0x41;
const IRR = 0x200;
const MAX = 5;

/** Four vCPUs: 0 to 2 run on the physical CPUs 10 to 12, 3 does not run; 4 has no page; 5 is not valid. */
function setUp(): HostMemory {
  const memory = new HostMemory();
  memory.map(BASE, new DataSlot(6 * 0x1000));
  const entry = (id: number, running: boolean, backingPage: number): void => {
    const [low, high] = encodePhysical({ valid: true, running, hostApicId: 10 + id, backingPage });
    writeDword(memory, BASE + 8 * id, low);
    writeDword(memory, BASE + 8 * id + 4, high);
  };
  for (const id of [0, 1, 2, 3]) entry(id, id < 3, page(id));
  entry(4, true, HOLE);
  for (const id of [0, 1, 2, 3]) writeDword(memory, LOGICAL + 4 * id, encodeLogical(id));
  // Cluster 2, of which bits 0 and 1 are somebody's.
  writeDword(memory, LOGICAL + 4 * 8, encodeLogical(1));
  writeDword(memory, LOGICAL + 4 * 9, encodeLogical(2));
  return memory;
}

interface Sent {
  failed: IncompleteIpi | undefined;
  doorbells: number[];
  /** APIC IDs whose pages have the vector. */
  have: number[];
}

function send(ipi: Partial<IpiMessage>, flat = true, sender = 0): Sent {
  const memory = setUp();
  const doorbells: number[] = [];
  const failed = sendAvicIpi(
    memory,
    { physical: BASE, logical: LOGICAL, maxIndex: MAX },
    { apicId: sender, backingPage: page(sender), flat },
    {
      mode: DeliveryMode.Fixed,
      vector: VECTOR,
      level: false,
      logical: false,
      destination: 0,
      shorthand: Shorthand.None,
      ...ipi,
    },
    {
      logicalRead: () => undefined,
      physicalRead: () => undefined,
      requested: () => undefined,
      doorbell: (cpu) => doorbells.push(cpu),
    },
  );
  const have = [0, 1, 2, 3].filter((id) => vectorsAt(memory, page(id), IRR).includes(VECTOR));
  return { failed, doorbells, have };
}

describe('entries in memory', () => {
  it('of the physical table have their fields where the manual says', () => {
    const memory = setUp();
    const reserved = 0;
    expect(physicalAt(memory, BASE, 1)).toEqual({ valid: 1, running: 1, page: page(1), cpu: 11, reserved });
    expect(physicalAt(memory, BASE, 3)).toEqual({ valid: 1, running: 0, page: page(3), cpu: 13, reserved });
    expect(physicalAt(memory, BASE, 5).valid).toBe(0);
  });

  it('of the logical table have the APIC ID of the guest', () => {
    const memory = setUp();
    expect([0, 3, 4, 8, 9].map((index) => logicalAt(memory, LOGICAL, index))).toEqual([
      0,
      3,
      undefined,
      1,
      2,
    ]);
  });

  it('a request sets one bit of the IRR and leaves the others', () => {
    const memory = setUp();
    const vectors = [0x10, 0x3f, 0x40, 0x9f, 0xff];
    for (const vector of vectors) expect(requestVector(memory, page(2), vector)).toBe(true);
    expect(vectorsAt(memory, page(2), IRR)).toEqual(vectors);
    expect(requestVector(memory, HOLE, VECTOR)).toBe(false);
  });
});

describe('an IPI', () => {
  it('to one that runs: its page, and the doorbell of the CPU that its entry names', () => {
    expect(send({ destination: 2 })).toEqual({ failed: undefined, doorbells: [12], have: [2] });
  });

  it('to oneself needs no table', () => {
    expect(send({ shorthand: Shorthand.Self })).toEqual({ failed: undefined, doorbells: [], have: [0] });
  });

  it('to several by the flat model, and by a cluster', () => {
    const both = { failed: undefined, doorbells: [11, 12], have: [1, 2] };
    expect(send({ logical: true, destination: 0b0110 })).toEqual(both);
    expect(send({ logical: true, destination: 0x23 }, false)).toEqual(both);
  });

  it.each([
    ['but oneself', { shorthand: Shorthand.AllExcludingSelf }, [11, 12], [1, 2, 3]],
    ['with oneself', { shorthand: Shorthand.AllIncludingSelf }, [10, 11, 12], [0, 1, 2, 3]],
    ['by the destination', { destination: 0xff }, [10, 11, 12], [0, 1, 2, 3]],
  ])('to all %s: what is not valid is nobody’s, what does not run is left', (_, ipi, doorbells, have) => {
    expect(send(ipi)).toEqual({ failed: { failure: IpiFailure.NotRunning, index: 3 }, doorbells, have });
  });

  // The numbers are those of the manual's table of exit information.
  it.each<[string, Partial<IpiMessage>, number, number, number[], boolean?]>([
    ['no fixed interrupt', { mode: DeliveryMode.Nmi, destination: 1 }, 0, 0, []],
    ['a level', { level: true, destination: 1 }, 0, 0, []],
    ['a target that does not run', { destination: 3 }, 1, 3, [3]],
    ['a target that is not valid', { destination: 5 }, 2, 5, []],
    ['a target beyond the table', { destination: 0x80 }, 2, 0x80, []],
    ['a bit that is nobody’s', { logical: true, destination: 0b10010 }, 2, 4, [1]],
    ['a cluster that there is not', { logical: true, destination: 0xf1 }, 2, 0, [], false],
    ['a backing page in no memory', { destination: 4 }, 3, 4, []],
    ['a reserved vector', { vector: 15, destination: 1 }, 4, 0, []],
  ])('leaves: %s', (_, ipi, failure, index, have, flat = true) => {
    const sent = send(ipi, flat);
    expect(sent.failed).toEqual({ failure, index });
    expect(sent.have).toEqual(have);
  });

  it('tells of the first thing that went wrong, and does all the rest', () => {
    expect(send({ logical: true, destination: 0b11010 })).toEqual({
      failed: { failure: IpiFailure.NotRunning, index: 3 },
      doorbells: [11],
      have: [1, 3],
    });
  });

  it('by tables in no memory reaches nobody', () => {
    const memory = new HostMemory();
    const failed = sendAvicIpi(
      memory,
      { physical: HOLE, logical: HOLE, maxIndex: MAX },
      { apicId: 0, backingPage: HOLE, flat: true },
      { mode: 0, vector: VECTOR, level: false, logical: true, destination: 1, shorthand: Shorthand.None },
      {
        logicalRead: () => undefined,
        physicalRead: () => undefined,
        requested: () => expect.unreachable(),
        doorbell: () => expect.unreachable(),
      },
    );
    expect(failed).toEqual({ failure: IpiFailure.InvalidTarget, index: 0 });
  });
});
