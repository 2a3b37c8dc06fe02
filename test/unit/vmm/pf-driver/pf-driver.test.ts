/** The driver of a physical function at work on a device: whom it hears, in which order, and whom it tells of the link. */
import { beforeEach, describe, expect, it } from 'vitest';
import { Cause } from '../../../../src/machine/devices/ixgbe/bits';
import { Reg } from '../../../../src/machine/devices/ixgbe/offsets';
import { VfReg } from '../../../../src/machine/devices/ixgbe/vf-registers';
import { linearTranslation } from '../../../../src/machine/memory/dma-translation';
import { resetFunction } from '../../../../src/machine/pci/capabilities';
import { Config } from '../../../../src/machine/pci/config';
import { Kind } from '../../../../src/trace/vocabulary/events';
import { emptyMeta, TraceStore, type TraceEvent } from '../../../../src/trace/query/store';
import { Message, MessageFlag } from '../../../../src/trace/vocabulary/mailbox-messages';
import { NOTHING_TO_MAP } from '../../../../src/vmm/host-bus/dma-mapper';
import { HostBus } from '../../../../src/vmm/host-bus/host-bus';
import type { HostDevice } from '../../../../src/vmm/host-bus/host-device';
import { PLAIN_MESSAGES } from '../../../../src/vmm/host-bus/message-domain';
import { PfDriver } from '../../../../src/vmm/pf-driver/pf-driver';
import { addressOfFunction, wordsOf } from '../../../../src/vmm/pf-driver/pools';
import { costs, passTo, siteOf } from '../threads/world';

const VFS = 20;
const MAC = [2, 0, 0, 0, 0, 1];
/** VFMAILBOX (datasheet, 8.3.5.1.6), and VFCTRL.RST. */
const Vf = { request: 1, acknowledge: 2, lock: 4, sent: 16, acknowledged: 32, resetDone: 128 } as const;
const VF_RESET = 1 << 26;
/** Longer than the driver takes for anything. */
const LONG = 1_000_000;

let world: ReturnType<typeof siteOf>;
let bus: HostBus;
let nic: HostDevice;

const vfOf = (vf: number): HostDevice => bus.device(`nic0.vf${vf}`);
const pass = (): void => passTo(world.site, world.site.island.now() + LONG);

/** Hands a message over, without waiting for anything. */
function post(vf: number, ...words: number[]): void {
  const device = vfOf(vf);
  device.writeRegister(0, VfReg.VFMAILBOX, Vf.lock);
  words.forEach((word, index) => device.writeRegister(0, VfReg.VFMBMEM + 4 * index, word));
  device.writeRegister(0, VfReg.VFMAILBOX, Vf.request);
}

/** What stands in the mailbox, and the signals in front of it. */
function answerTo(vf: number, words: number): { signals: number; words: number[] } {
  const device = vfOf(vf);
  const signals = device.readRegister(0, VfReg.VFMAILBOX);
  const at = (index: number): number => device.readRegister(0, VfReg.VFMBMEM + 4 * index);
  return { signals, words: Array.from({ length: words }, (_, index) => at(index)) };
}

/** Ends the recording. */
function rowsOf(kind: number): TraceEvent[] {
  const { recorder, site } = world;
  recorder.finish(site.island.now());
  const store = new TraceStore(emptyMeta('test', site.frequencyHz));
  store.append(recorder.takeDelta());
  return Array.from({ length: store.rows }, (_, row) => store.get(row)).filter((row) => row.kind === kind);
}

function requests(): { vf: number; start: number; end: number }[] {
  return rowsOf(Kind.VfRequest).map(({ a, start, duration }) => ({ vf: a, start, end: start + duration }));
}

beforeEach(() => {
  world = siteOf(2);
  const { site } = world;
  const device = { model: 'ixgbe', name: 'nic0', mac: Uint8Array.from(MAC), vfs: VFS } as const;
  bus = new HostBus(site, [{ device, cable: undefined, number: 3, affinity: 0, cpus: 2 }], {
    dma: linearTranslation(0, 2 ** 52),
    mapper: NOTHING_TO_MAP,
    messages: PLAIN_MESSAGES,
    msi: (requester, address, data) => site.scheduler.interrupts.fabric.msi(requester, address, data),
  });
  nic = bus.device('nic0');
  new PfDriver(site, nic, VFS).start();
});

describe('the functions', () => {
  it('are on the bus when the driver has started, each with an address of its own', () => {
    for (let vf = 0; vf < VFS; vf++) {
      expect(vfOf(vf).pci.read(Config.VendorId, 2)).toBe(0xffff);
      const [low, high] = wordsOf(addressOfFunction(MAC, vf));
      expect(nic.readRegister(0, Reg.RAL + 8 * (vf + 1))).toBe(low);
      expect(nic.readRegister(0, Reg.RAH + 8 * (vf + 1)) & 0xffff).toBe(high);
      expect(vfOf(vf).readRegister(0, VfReg.VFMAILBOX) & Vf.resetDone).toBe(Vf.resetDone);
    }
  });
});

describe('requests that come together', () => {
  it('are answered one after the other, each as if it were alone', () => {
    for (let vf = 0; vf < VFS; vf++) post(vf, Message.reset);
    pass();
    const done = requests();
    expect(done.map(({ vf }) => vf)).toEqual(Array.from({ length: VFS }, (_, vf) => vf));
    done.slice(1).forEach(({ start }, index) => expect(start).toBeGreaterThanOrEqual(done[index].end));
    for (let vf = 0; vf < VFS; vf++) {
      const { signals, words } = answerTo(vf, 3);
      expect(signals & (Vf.sent | Vf.acknowledged)).toBe(Vf.sent | Vf.acknowledged);
      expect(words).toEqual([
        (Message.reset | MessageFlag.done) >>> 0,
        ...wordsOf(addressOfFunction(MAC, vf)),
      ]);
    }
    // Who was let go first still is when the last is.
    expect([nic.readRegister(0, Reg.VFRE), nic.readRegister(0, Reg.VFTE)]).toEqual([
      2 ** VFS - 1,
      2 ** VFS - 1,
    ]);
  });

  it('are the same when the run is cut between them', () => {
    for (let vf = 0; vf < VFS; vf++) post(vf, Message.reset);
    const { site } = world;
    for (let cut = 0; cut < 50; cut++) {
      passTo(site, site.island.now() + 100);
      site.units.load(structuredClone(site.units.save()));
    }
    pass();
    expect(nic.readRegister(0, Reg.VFRE)).toBe(2 ** VFS - 1);
  });
});

describe('a function', () => {
  it.each(['VFCTRL.RST', 'a function-level reset'])(
    'that resets itself by %s has to introduce itself again',
    (how) => {
      post(3, Message.reset);
      pass();
      if (how === 'VFCTRL.RST') vfOf(3).writeRegister(0, VfReg.VFCTRL, VF_RESET);
      else expect(resetFunction(vfOf(3).pci)).toBe(true);
      post(3, Message.setVlan | (1 << 16), 5);
      pass();
      expect(answerTo(3, 1).words).toEqual([Message.setVlan | (1 << 16) | MessageFlag.refused]);
      expect(nic.readRegister(0, Reg.VFLRE0)).toBe(0);
    },
  );

  it('that keeps the mailbox to itself is not heard, and holds up nobody', () => {
    const hostile = vfOf(0);
    hostile.writeRegister(0, VfReg.VFMBMEM, Message.reset);
    hostile.writeRegister(0, VfReg.VFMAILBOX, Vf.lock | Vf.request);
    post(1, Message.reset);
    pass();
    expect(requests().map(({ vf }) => vf)).toEqual([1]);
    expect(nic.readRegister(0, Reg.VFRE)).toBe(1 << 1);
  });
});

describe('a function that interrupts without end', () => {
  it('has the thread look once for all that came before it looks', () => {
    const signals = 1000;
    for (let again = 0; again < signals; again++) vfOf(0).writeRegister(0, VfReg.VFMAILBOX, Vf.acknowledge);
    pass();
    // Messages follow each other on the device's link. A look reads EICR, two words of PFVFLRE, and PFMBICR, 16 functions to a word.
    const coming = signals * costs['device.dmaPer64Bytes'];
    const look = (3 + Math.ceil(VFS / 16)) * costs['bus.read'];
    const wakeUps = rowsOf(Kind.SchedWake).length;
    expect(wakeUps).toBeLessThanOrEqual(1 + coming / look);
    expect(wakeUps).toBeLessThan(signals / 2);
  });
});

describe('a change of the link', () => {
  it('is told to those who have introduced themselves', () => {
    post(2, Message.reset);
    pass();
    answerTo(2, 1);
    nic.writeRegister(0, Reg.EICS, Cause.LINK_CHANGE);
    pass();
    const told = answerTo(2, 1);
    expect(told.signals & Vf.sent).toBe(Vf.sent);
    expect(told.words).toEqual([Message.control | MessageFlag.clearToSend]);
    expect(answerTo(4, 1).signals & Vf.sent).toBe(0);
  });
});
