/** What the driver of a physical function answers to each message of a virtual one, and which registers it changes for it. */
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { Hlreg0, Vmolr, VLVF_VALID } from '../../../../src/machine/devices/ixgbe/bits';
import {
  MAILBOX_WORDS,
  Reg,
  REGISTER_BYTES,
  VLAN_FILTERS,
} from '../../../../src/machine/devices/ixgbe/offsets';
import { Message, MessageFlag, Refusal } from '../../../../src/trace/vocabulary/mailbox-messages';
import { AccessPlan, carryOut, type Registers } from '../../../../src/vmm/pf-driver/access-plan';
import { addressOfFunction, setUpPools, wordsOf } from '../../../../src/vmm/pf-driver/pools';
import { answer, forget, newState, Version, type PfState } from '../../../../src/vmm/pf-driver/requests';

const VFS = 40;
/** One whose bits are in the second words of arrays. */
const VF = 35;
const PHYSICAL = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
const INFO = 1 << 16;

/** Registers that keep what is written. */
class Kept implements Registers {
  readonly values = new Map<number, number>();
  read(offset: number): number {
    return this.values.get(offset) ?? 0;
  }
  write(offset: number, value: number): void {
    this.values.set(offset, value >>> 0);
  }
}

let device: Kept;
let pf: PfState;

/** Does what a message asks for; the answer's words, and why it was refused. */
function ask(...words: number[]): { words: readonly number[]; refusal: number } | undefined {
  const plan = new AccessPlan(device);
  const reply = answer(pf, VF, [...words, ...Array<number>(MAILBOX_WORDS - words.length).fill(0)], plan);
  carryOut(plan.bytes(), device);
  return reply;
}

const bit = (base: number, index: number): boolean =>
  (device.read(base + 4 * (index >> 5)) & (1 << (index & 31))) !== 0;
const granted = (type: number): number => (type | MessageFlag.done | MessageFlag.clearToSend) >>> 0;
const denied = (type: number): number => (type | MessageFlag.refused | MessageFlag.clearToSend) >>> 0;

beforeEach(() => {
  device = new Kept();
  pf = newState(VFS);
  const [low, high] = wordsOf(PHYSICAL);
  device.write(Reg.RAL, low);
  device.write(Reg.RAH, high);
  setUpPools(device, VFS, PHYSICAL);
});

describe('a reset by message', () => {
  it('is answered with the address, and lets the function send and receive', () => {
    const [low, high] = wordsOf(addressOfFunction(PHYSICAL, VF));
    expect([bit(Reg.VFRE, VF), bit(Reg.VFTE, VF)]).toEqual([false, false]);
    expect(ask(Message.reset)).toEqual({
      words: [(Message.reset | MessageFlag.done) >>> 0, low, high, 0],
      refusal: 0,
    });
    expect([bit(Reg.VFRE, VF), bit(Reg.VFTE, VF)]).toEqual([true, true]);
  });

  it('has to come before anything else', () => {
    const head = Message.negotiate;
    expect(ask(head, Version.v11)).toEqual({
      words: [head | MessageFlag.refused],
      refusal: Refusal.notReset,
    });
    ask(Message.reset);
    expect(ask(head, Version.v11)?.words[0]).toBe(granted(head));
    forget(pf, VF, new AccessPlan(device));
    expect(ask(head, Version.v11)?.refusal).toBe(Refusal.notReset);
  });
});

describe('a request', () => {
  beforeEach(() => void ask(Message.reset));

  it('that is an answer itself gets none', () => {
    expect(ask((Message.setVlan | MessageFlag.done) >>> 0)).toBeUndefined();
    expect(ask(Message.setVlan | MessageFlag.refused)).toBeUndefined();
  });

  it('for an address is done for the own one alone', () => {
    const [low, high] = wordsOf(addressOfFunction(PHYSICAL, VF));
    expect(ask(Message.setAddress, low, high)).toEqual({ words: [granted(Message.setAddress)], refusal: 0 });
    const others = wordsOf(addressOfFunction(PHYSICAL, VF + 1));
    expect(ask(Message.setAddress, ...others)).toEqual({
      words: [denied(Message.setAddress)],
      refusal: Refusal.anothersAddress,
    });
    expect(ask(Message.setAddress, low | 1, high)?.refusal).toBe(Refusal.badAddress);
    expect(ask(Message.setAddress, 0, 0)?.refusal).toBe(Refusal.badAddress);
  });

  it('for a VLAN makes it a member, and the last who leaves frees the filter', () => {
    const id = 0x123;
    ask(Message.setVlan | INFO, id);
    expect(device.read(Reg.VLVF)).toBe((VLVF_VALID | id) >>> 0);
    expect([bit(Reg.VLVFB, VF), bit(Reg.VFTA, id)]).toEqual([true, true]);
    ask(Message.setVlan, id);
    expect([device.read(Reg.VLVF), bit(Reg.VLVFB, VF), bit(Reg.VFTA, id)]).toEqual([0, false, false]);
  });

  it('for a VLAN is refused when all filters are taken', () => {
    for (let id = 1; id <= VLAN_FILTERS; id++) expect(ask(Message.setVlan | INFO, id)?.refusal).toBe(0);
    expect(ask(Message.setVlan | INFO, VLAN_FILTERS + 1)?.refusal).toBe(Refusal.vlansFull);
    expect(ask(Message.setVlan | INFO, 1)?.refusal).toBe(0);
  });

  it('of a function that is reset is undone', () => {
    ask(Message.setVlan | INFO, 7);
    ask(Message.setMulticast | INFO, 0x5);
    const plan = new AccessPlan(device);
    forget(pf, VF, plan);
    carryOut(plan.bytes(), device);
    expect(device.read(Reg.VLVF)).toBe(0);
    expect(device.read(Reg.VMOLR + 4 * VF) & Vmolr.ROMPE).toBe(0);
    expect(pf.vlans.every((id) => id < 0)).toBe(true);
  });

  it('for groups sets the bits of their hashes, two to a word', () => {
    const hashes = [0x003, 0xfe4, 0x821];
    ask(Message.setMulticast | (hashes.length * INFO), hashes[0] | (hashes[1] << 16), hashes[2]);
    expect(hashes.map((hash) => bit(Reg.MTA, hash))).toEqual([true, true, true]);
    expect(device.read(Reg.VMOLR + 4 * VF) & Vmolr.ROMPE).toBe(Vmolr.ROMPE);
  });

  it('for long frames is one of the whole controller, up to 9728 bytes', () => {
    expect(ask(Message.setFrameLength, 9728)?.refusal).toBe(0);
    expect(device.read(Reg.MAXFRS) >>> 16).toBe(9728);
    expect(device.read(Reg.HLREG0) & Hlreg0.JUMBO).toBe(Hlreg0.JUMBO);
    expect(ask(Message.setFrameLength, 9729)?.refusal).toBe(Refusal.frameLength);
    ask(Message.setFrameLength, 1518);
    expect(device.read(Reg.MAXFRS) >>> 16).toBe(9728);
  });

  it('depends on the version that was agreed', () => {
    expect(ask(Message.getQueues)?.refusal).toBe(Refusal.version);
    ask(Message.negotiate, Version.v11);
    expect(ask(Message.getQueues)?.words).toEqual([granted(Message.getQueues), 2, 2, 0, 0]);
    expect(ask(Message.setCasts, 1)?.refusal).toBe(Refusal.version);
    ask(Message.negotiate, Version.v12);
    // Who asks for everything gets groups.
    expect(ask(Message.setCasts, 3)?.words).toEqual([granted(Message.setCasts), 1]);
    expect(ask(Message.negotiate, 99)?.refusal).toBe(Refusal.version);
  });
});

describe('whatever a function asks for', () => {
  /** Registers that may differ afterwards: those of its own pool, and those that all functions share. */
  function mayChange(offset: number): boolean {
    const within = (base: number, bytes: number): boolean => offset >= base && offset < base + bytes;
    const shared = within(Reg.MTA, 512) || within(Reg.VFTA, 512) || within(Reg.VLVF, 4 * VLAN_FILTERS);
    const ownBits = [Reg.VFRE + 4, Reg.VFTE + 4].includes(offset) || within(Reg.VLVFB, 8 * VLAN_FILTERS);
    return shared || ownBits || [Reg.VMOLR + 4 * VF, Reg.MAXFRS, Reg.HLREG0].includes(offset);
  }

  it('changes nothing that is of another', () => {
    const word = fc.oneof(fc.integer({ min: 0, max: 16 }), fc.nat(0xffffffff));
    const types = [...Object.values(Message), 7, 0, 10, 11];
    const message = fc.tuple(
      fc.constantFrom(...types),
      fc.nat(0xff),
      fc.array(word, { maxLength: MAILBOX_WORDS - 1 }),
    );
    fc.assert(
      fc.property(fc.array(message, { minLength: 1, maxLength: 30 }), (messages) => {
        device = new Kept();
        pf = newState(VFS);
        setUpPools(device, VFS, PHYSICAL);
        const before = new Map(device.values);
        for (const [type, info, rest] of messages) ask((type | (info << 16)) >>> 0, ...rest);
        for (const [offset, value] of device.values) {
          expect(offset).toBeLessThan(REGISTER_BYTES);
          const old = before.get(offset) ?? 0;
          if (value !== old) expect(mayChange(offset)).toBe(true);
          // In registers of a bit for each function only its own.
          if (offset >= Reg.VLVFB && offset < Reg.VLVFB + 8 * VLAN_FILTERS)
            expect(value & ~(1 << (VF & 31))).toBe(0);
        }
        expect(pf.functions.filter((_, vf) => vf !== VF)).toEqual(newState(VFS - 1).functions);
      }),
      { seed: 20261129, numRuns: 300 },
    );
  });
});
