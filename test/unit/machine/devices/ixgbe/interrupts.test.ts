/** Interrupts of the physical function (7.3), and receive-side scaling (7.1.2.8). */
import { beforeEach, describe, expect, it } from 'vitest';
import { Cause } from '../../../../../src/machine/devices/ixgbe/bits';
import { Reg } from '../../../../../src/machine/devices/ixgbe/offsets';
import { QueueReg, receiveBase } from '../../../../../src/machine/devices/ixgbe/queue-registers';
import { toeplitz } from '../../../../../src/machine/devices/ixgbe/rss';
import { CYCLES_PER_NANOSECOND } from '../../fake-bus';
import { frameOf, MAC, Nic } from './nic';

const OUTSIDE = [0x02, 0, 0, 0, 0, 9];
const VALID = 0x80;
const EIAME = 1 << 30;
const UNIT = 2000 * CYCLES_PER_NANOSECOND;

describe('with MSI-X', () => {
  let nic: Nic;
  const data = (): number[] => nic.pf.messages.map((message) => message.data);
  beforeEach(() => {
    nic = new Nic().start();
    nic.pf.useMessages(64).startQueue();
  });

  it('maps reception and transmission of a queue to vectors by IVAR, also beyond 15', () => {
    nic.pf.set(Reg.IVAR, VALID | 3 | ((VALID | 40) << 8));
    nic.pf.set(Reg.EIMS_EX, 1 << 3);
    nic.pf.set(Reg.EIMS_EX + 4, 1 << (40 - 32));
    nic.receive(frameOf(MAC, OUTSIDE));
    nic.pf.sendFrame(0, frameOf(OUTSIDE, MAC));
    expect(data()).toEqual([3, 40]);
    expect(nic.pf.get(Reg.EICR)).toBe(1 << 3);
  });

  it('says nothing of a queue whose entry is not valid', () => {
    nic.pf.set(Reg.IVAR, 3);
    nic.pf.set(Reg.EIMS_EX, 0xffffffff);
    nic.receive(frameOf(MAC, OUTSIDE));
    expect(data()).toEqual([]);
  });

  it('holds the message of a masked vector back until it is unmasked', () => {
    nic.pf.set(Reg.IVAR, VALID | 2);
    nic.receive(frameOf(MAC, OUTSIDE));
    expect(data()).toEqual([]);
    nic.pf.set(Reg.EIMS, 1 << 2);
    expect(data()).toEqual([2]);
  });

  it('clears the cause by EIAC and masks the vector by EIAM as the message goes out', () => {
    nic.pf.set(Reg.IVAR, VALID | 2);
    nic.pf.set(Reg.GPIE, EIAME);
    nic.pf.set(Reg.EIAC, 1 << 2);
    nic.pf.set(Reg.EIAM, 1 << 2);
    nic.pf.set(Reg.EIMS, 1 << 2);
    nic.receive(frameOf(MAC, OUTSIDE));
    expect([nic.pf.get(Reg.EICR), nic.pf.get(Reg.EIMS)]).toEqual([0, 0]);
    nic.receive(frameOf(MAC, OUTSIDE));
    expect(data()).toEqual([2]);
    nic.pf.set(Reg.EIMS, 1 << 2);
    expect(data()).toEqual([2, 2]);
  });

  it('keeps messages of a vector an interval of EITR apart, and loses none', () => {
    nic.pf.set(Reg.IVAR, VALID | 1);
    nic.pf.set(Reg.EITR + 4, 5 << 3);
    nic.pf.set(Reg.EIAC, 1 << 1);
    nic.pf.set(Reg.EIMS, 1 << 1);
    const began = nic.world.time;
    for (let i = 0; i < 4; i++) nic.device.receive(frameOf(MAC, OUTSIDE));
    nic.world.advanceTo(began + UNIT);
    for (let i = 0; i < 4; i++) nic.device.receive(frameOf(MAC, OUTSIDE));
    nic.world.drain();
    const [first, second, ...others] = nic.pf.messages.map(({ time }) => time);
    expect(second - first).toBe(5 * UNIT);
    expect(others).toEqual([]);
  });

  it('tells of other causes by the vector in IVAR_MISC, each by its own mask', () => {
    nic.pf.set(Reg.IVAR_MISC, (VALID | 9) << 8);
    nic.pf.set(Reg.EICS, Cause.LINK_CHANGE);
    expect(data()).toEqual([]);
    nic.pf.set(Reg.EIMS, Cause.LINK_CHANGE);
    expect(data()).toEqual([9]);
    expect(nic.pf.get(Reg.EICR)).toBe(Cause.LINK_CHANGE);
  });
});

describe('without messages', () => {
  it('asserts the pin while an unmasked cause is set, and reading EICR takes it back', () => {
    const nic = new Nic().start();
    nic.pf.startQueue();
    nic.pf.set(Reg.IVAR, VALID | 4);
    nic.receive(frameOf(MAC, OUTSIDE));
    expect(nic.pf.bus.line).toBe(false);
    nic.pf.set(Reg.EIMS, 1 << 4);
    expect(nic.pf.bus.line).toBe(true);
    expect(nic.pf.get(Reg.EICR)).toBe(1 << 4);
    expect(nic.pf.bus.line).toBe(false);
  });
});

describe('receive-side scaling', () => {
  /** The key, addresses and results of Microsoft's "Verifying the RSS Hash Calculation". */
  const KEY = [
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0,
    0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42,
    0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
  ];
  const SOURCE = [66, 9, 149, 187];
  const DESTINATION = [161, 142, 100, 80];
  const PORTS = [2794 >> 8, 2794 & 0xff, 1766 >> 8, 1766 & 0xff];
  const HASH = { addresses: 0x323e8fc2, withPorts: 0x51ccc178 };

  it('hashes as the published examples do', () => {
    const key = Uint8Array.from(KEY);
    expect(toeplitz(key, Uint8Array.of(...SOURCE, ...DESTINATION))).toBe(HASH.addresses);
    expect(toeplitz(key, Uint8Array.of(...SOURCE, ...DESTINATION, ...PORTS))).toBe(HASH.withPorts);
  });

  it('chooses the queue by the entry of RETA for the hash, and tells both in the descriptor', () => {
    const nic = new Nic().start();
    const queue = 5;
    const base = receiveBase(queue);
    nic.pf.startQueue();
    nic.pf.set(base + QueueReg.baseLow, 0x2000);
    nic.pf.set(base + QueueReg.length, 128);
    nic.pf.set(base + QueueReg.srrctl, (1 << 25) | 2);
    nic.pf.set(base + QueueReg.control, 1 << 25);
    nic.pf.setAndWait(base + QueueReg.tail, 7);
    KEY.forEach((byte, i) => {
      const at = Reg.RSSRK + (i & ~3);
      nic.pf.set(at, nic.pf.get(at) | (byte << (8 * (i & 3))));
    });
    const entry = HASH.withPorts % 128;
    nic.pf.set(Reg.RETA + (entry & ~3), queue << (8 * (entry & 3)));
    const RSS = 1;
    const TCP_IPV4 = 1 << 16;
    nic.pf.set(Reg.MRQC, RSS | TCP_IPV4);
    const frame = new Uint8Array(60);
    frame.set([...MAC, ...OUTSIDE, 8, 0, 0x45, 0, 0, 46]);
    frame[23] = 6;
    frame.set([...SOURCE, ...DESTINATION, ...PORTS], 26);
    nic.receive(frame);
    expect(nic.pf.get(base + QueueReg.head)).toBe(1);
    expect(nic.pf.get(receiveBase(0) + QueueReg.head)).toBe(0);
    const { info, hash } = nic.pf.received(0);
    expect([info & 0xf, hash]).toEqual([1, HASH.withPorts]);
  });
});
