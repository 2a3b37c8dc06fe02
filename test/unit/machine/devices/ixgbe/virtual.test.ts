/** Virtual functions: pools, the switch between them, what one may not do, mailboxes, resets (7.10, 8.3). */
import { beforeEach, describe, expect, it } from 'vitest';
import { CtrlExt, Cause, DropReason, RxStatus } from '../../../../../src/machine/devices/ixgbe/bits';
import { Reg, Stat } from '../../../../../src/machine/devices/ixgbe/offsets';
import { QueueReg, receiveBase } from '../../../../../src/machine/devices/ixgbe/queue-registers';
import { VfReg } from '../../../../../src/machine/devices/ixgbe/vf-registers';
import { Kind } from '../../../../../src/trace/vocabulary/events';
import { frameOf, MAC, Nic, taggedFrame, VIRTUAL } from './nic';

const VFS = 3;
const OUTSIDE = [0x02, 0, 0, 0, 0, 9];
const BROADCAST = [255, 255, 255, 255, 255, 255];
/** The address of a virtual function, in RAL of the same number plus one. */
const addressOf = (vf: number): number[] => [0x52, 0x54, 0, 0, 0x10, vf];
/** Bits by the sections in brackets: VT_ENA and replication (8.2.3.27.1), AUPE and BAM (8.2.3.27.14), LBE (8.2.3.27.11). */
const VT_CTL = 1 | (1 << 30) | (VFS << 7);
const VMOLR = (1 << 24) | (1 << 27);
const LOOPBACK = 1;
/** MRQC: virtualization with 64 pools; MTQC likewise, with VT_ENA; GCR_EXT: 64 pools. */
const MODES = { mrqc: 8, mtqc: 2 | (1 << 2), gcr: 3 } as const;
/** VFMAILBOX and PFMAILBOX (8.3.5.1.6, 8.2.3.29.1). */
const Vf = { REQ: 1, ACK: 2, VFU: 4, PFU: 8, PFSTS: 16, PFACK: 32, RSTI: 64, RSTD: 128 } as const;
const Pf = { STS: 1, ACK: 2, VFU: 4, PFU: 8, RVFU: 16 } as const;
const VF_RESET = 1 << 26;
const VALID = 0x80;

/** The physical function's driver at work: three VFs with an address each, the fourth pool its own. */
function virtualized(): Nic {
  const nic = new Nic(VFS).start().enableVfs(VFS);
  const { pf, vfs } = nic;
  pf.set(Reg.GCR_EXT, MODES.gcr);
  pf.set(Reg.MRQC, MODES.mrqc);
  pf.set(Reg.MTQC, MODES.mtqc);
  pf.set(Reg.VT_CTL, VT_CTL);
  pf.set(Reg.PFDTXGSWC, LOOPBACK);
  for (let vf = 0; vf < VFS; vf++) {
    const [a, b, c, d, e, f] = addressOf(vf);
    pf.set(Reg.RAL + 8 * (vf + 1), a | (b << 8) | (c << 16) | (d << 24));
    pf.set(Reg.RAH + 8 * (vf + 1), e | (f << 8) | (1 << 31));
    pf.set(Reg.MPSAR + 8 * (vf + 1), 1 << vf);
    pf.set(Reg.VMOLR + 4 * vf, VMOLR);
  }
  pf.set(Reg.VMOLR + 4 * VFS, VMOLR);
  pf.set(Reg.VFRE, 2 ** (VFS + 1) - 1);
  pf.set(Reg.VFTE, 2 ** (VFS + 1) - 1);
  for (const vf of vfs) vf.startQueue();
  return nic;
}

describe('pools', () => {
  let nic: Nic;
  beforeEach(() => {
    nic = virtualized();
  });

  it('takes a frame for a VF into the memory of that VF, and of no other function', () => {
    const frame = frameOf(addressOf(1), OUTSIDE, 100);
    nic.receive(frame);
    expect(nic.vfs[1].frame(0)).toEqual(frame);
    expect(nic.vfs[1].received(0).status & RxStatus.LB).toBe(0);
    expect(nic.vfs.map(({ bus }) => bus.dma.writes.length > 0)).toEqual([false, true, false]);
    expect(nic.pf.bus.dma.writes).toEqual([]);
  });

  it('has a VF fetch its descriptors and data as a bus master of its own', () => {
    nic.vfs[2].pci.write(4, 2, 0);
    nic.receive(frameOf(addressOf(2), OUTSIDE));
    expect(nic.vfs[2].bus.dma.writes).toEqual([]);
  });

  it('gives a broadcast to each pool that takes broadcasts', () => {
    nic.pf.set(Reg.VMOLR + 4, 1 << 24);
    nic.receive(frameOf(BROADCAST, OUTSIDE));
    expect(nic.vfs.map((vf) => vf.received(0).length)).toEqual([64, 0, 64]);
  });

  it('gives what nobody knows to the default pool, unless that is off', () => {
    nic.pf.set(Reg.VT_CTL, VT_CTL & ~(0x3f << 7));
    nic.receive(frameOf(OUTSIDE, OUTSIDE));
    expect(nic.vfs[0].received(0).length).toBe(64);
    nic.pf.set(Reg.VT_CTL, (VT_CTL & ~(0x3f << 7)) | (1 << 29));
    nic.receive(frameOf(OUTSIDE, OUTSIDE));
    expect(nic.vfs[0].received(1).length).toBe(0);
    expect(nic.world.ofKind(Kind.PacketDrop).map(({ b }) => b)).toEqual([DropReason.NoPool]);
  });

  it('takes nothing for a pool that may not receive', () => {
    nic.pf.set(Reg.VFRE, 0b1101);
    nic.receive(frameOf(addressOf(1), OUTSIDE));
    expect(nic.vfs[1].received(0).length).toBe(0);
  });

  it('takes a tagged frame for the members of its VLAN alone', () => {
    const id = 5;
    nic.pf.set(Reg.VLNCTRL, 0x8100 | (1 << 30));
    nic.pf.set(Reg.VFTA, 1 << id);
    nic.pf.set(Reg.VLVF, (1 << 31) | id);
    nic.pf.set(Reg.VLVFB, 0b001);
    for (const vf of [0, 1]) nic.receive(taggedFrame(frameOf(addressOf(vf), OUTSIDE), id));
    expect([0, 1].map((vf) => nic.vfs[vf].received(0).length)).toEqual([68, 0]);
  });
});

describe('the switch between pools', () => {
  let nic: Nic;
  beforeEach(() => {
    nic = virtualized();
  });

  it('hands a frame for another VF over within the device, and tells so in its descriptor', () => {
    const frame = frameOf(addressOf(2), addressOf(0), 120);
    nic.vfs[0].sendFrame(0, frame);
    expect(nic.vfs[2].frame(0)).toEqual(frame);
    expect(nic.vfs[2].received(0).status & RxStatus.LB).toBe(RxStatus.LB);
    expect(nic.wire.frames).toEqual([]);
    expect(nic.world.ofKind(Kind.PacketSwitched).map(({ a, b }) => [a, b])).toEqual([[120, 2]]);
  });

  it('sends what is for no pool to the wire, and a broadcast to both, but not back to its sender', () => {
    nic.vfs[0].sendFrame(0, frameOf(OUTSIDE, addressOf(0)));
    nic.vfs[0].sendFrame(1, frameOf(BROADCAST, addressOf(0)));
    expect(nic.wire.frames.map((frame) => [...frame.subarray(0, 6)])).toEqual([OUTSIDE, BROADCAST]);
    expect(nic.vfs.map((vf) => vf.received(0).length)).toEqual([0, 64, 64]);
  });

  it('sends everything to the wire while the switch is off', () => {
    nic.pf.set(Reg.PFDTXGSWC, 0);
    nic.vfs[0].sendFrame(0, frameOf(addressOf(2), addressOf(0)));
    expect(nic.wire.frames).toHaveLength(1);
    expect(nic.vfs[2].received(0).length).toBe(0);
  });

  it('sends nothing of a pool that may not', () => {
    nic.pf.set(Reg.VFTE, 0b1110);
    nic.vfs[0].sendFrame(0, frameOf(OUTSIDE, addressOf(0)));
    expect(nic.wire.frames).toEqual([]);
    expect(nic.world.ofKind(Kind.PacketDrop).map(({ b }) => b)).toEqual([DropReason.PoolOff]);
  });

  it("drops and counts what a guarded VF sends with another's address, or in a VLAN that is not its own", () => {
    const macGuard = 1 << 0;
    const vlanGuard = 1 << 8;
    nic.pf.set(Reg.PFVFSPOOF, macGuard | vlanGuard);
    nic.vfs[0].sendFrame(0, frameOf(OUTSIDE, addressOf(1)));
    nic.vfs[0].sendFrame(1, taggedFrame(frameOf(OUTSIDE, addressOf(0)), 7));
    nic.vfs[0].sendFrame(2, frameOf(OUTSIDE, addressOf(0)));
    nic.vfs[1].sendFrame(0, frameOf(OUTSIDE, addressOf(0)));
    expect(nic.wire.frames).toHaveLength(2);
    expect(nic.world.ofKind(Kind.PacketDrop).map(({ b }) => b)).toEqual([
      DropReason.MacSpoofed,
      DropReason.VlanSpoofed,
    ]);
    expect([nic.pf.get(Stat.SSVPC), nic.pf.get(Stat.SSVPC)]).toEqual([2, 0]);
  });

  it('inserts the tag that the physical function has set for a pool, whatever the VF wants', () => {
    nic.pf.set(Reg.VMVIR, (1 << 30) | 9);
    nic.vfs[0].sendFrame(0, frameOf(OUTSIDE, addressOf(0)));
    expect([...nic.wire.frames[0].subarray(12, 16)]).toEqual([0x81, 0, 0, 9]);
  });
});

describe('what a VF may not do', () => {
  it('has no register for it: resets, the link, filters and others’ queues are not in its window', () => {
    const nic = virtualized();
    const [vf] = nic.vfs;
    const before = nic.device.save().hardware.registers;
    // None of these offsets is a register of section 8.3.
    for (const offset of [Reg.CTRL_EXT, Reg.GPIE, Reg.RXCTRL, Reg.HLREG0 % 0x4000, 0x3ffc]) {
      const count = nic.world.ofKind(Kind.DeviceIgnored).length;
      vf.set(offset, 0xffffffff);
      expect(nic.world.ofKind(Kind.DeviceIgnored)).toHaveLength(count + 1);
    }
    // Its third queue: with 64 pools it has two.
    vf.set(VfReg.RECEIVE + 2 * 0x40 + QueueReg.baseLow, 0x5000);
    expect(vf.get(VfReg.RECEIVE + 2 * 0x40 + QueueReg.baseLow)).toBe(0);
    expect(nic.device.save().hardware.registers).toEqual(before);
  });

  it('reaches the queues of its own pool by its window', () => {
    const nic = virtualized();
    nic.vfs[1].set(VfReg.RECEIVE + 0x40 + QueueReg.baseLow, 0x7000);
    // Pool 1 has queues 2 and 3.
    expect(nic.pf.get(receiveBase(3) + QueueReg.baseLow)).toBe(0x7000);
  });

  it('sees the link and counts its own packets', () => {
    const nic = virtualized();
    const [vf] = nic.vfs;
    expect(vf.get(VfReg.VFLINKS)).toBe(nic.pf.get(Reg.LINKS));
    vf.sendFrame(0, frameOf(OUTSIDE, addressOf(0), 100));
    nic.receive(frameOf(addressOf(0), OUTSIDE, 200));
    expect([vf.get(VfReg.VFGPTC), vf.get(VfReg.VFGOTC_LSB)]).toEqual([1, 104]);
    expect([vf.get(VfReg.VFGPRC), vf.get(VfReg.VFGORC_LSB)]).toEqual([1, 204]);
    expect(nic.vfs[1].get(VfReg.VFGPRC)).toBe(0);
  });
});

describe("a VF's interrupts", () => {
  it('are messages of its own, with its requester ID, by VTIVAR', () => {
    const nic = virtualized();
    const vf = nic.vfs[1].useMessages(3);
    vf.set(VfReg.VTIVAR, VALID | 2 | ((VALID | 1) << 8));
    vf.set(VfReg.VTEIMS, 7);
    nic.receive(frameOf(addressOf(1), OUTSIDE));
    vf.sendFrame(0, frameOf(OUTSIDE, addressOf(1)));
    expect(vf.messages.map(({ requester, data }) => [requester, data])).toEqual([
      [VIRTUAL + 1, 2],
      [VIRTUAL + 1, 1],
    ]);
    expect(vf.get(VfReg.VTEICR)).toBe(0b110);
    expect(nic.pf.messages).toEqual([]);
  });
});

describe('the mailbox', () => {
  let nic: Nic;
  beforeEach(() => {
    nic = virtualized();
    nic.pf.set(Reg.PFMBIMR, 0xffff);
  });

  it('has memory that both sides see, and a lock that one at a time has', () => {
    const [vf] = nic.vfs;
    vf.set(VfReg.VFMBMEM + 4, 0x1234);
    expect(nic.pf.get(Reg.PFMBMEM + 4)).toBe(0x1234);
    vf.set(VfReg.VFMAILBOX, Vf.VFU);
    nic.pf.set(Reg.PFMAILBOX, Pf.PFU);
    expect(nic.pf.get(Reg.PFMAILBOX)).toBe(Pf.VFU);
    vf.set(VfReg.VFMAILBOX, 0);
    nic.pf.set(Reg.PFMAILBOX, Pf.PFU);
    vf.set(VfReg.VFMAILBOX, Vf.VFU);
    expect(vf.get(VfReg.VFMAILBOX) & (Vf.VFU | Vf.PFU)).toBe(Vf.PFU);
    nic.pf.set(Reg.PFMAILBOX, 0);
    vf.set(VfReg.VFMAILBOX, Vf.VFU);
    nic.pf.set(Reg.PFMAILBOX, Pf.RVFU);
    expect(nic.pf.get(Reg.PFMAILBOX)).toBe(0);
  });

  it('tells the physical function of a request and an acknowledgement, by a cause it can mask', () => {
    nic.vfs[2].set(VfReg.VFMAILBOX, Vf.REQ);
    expect(nic.pf.get(Reg.EICS) & Cause.MAILBOX).toBe(Cause.MAILBOX);
    nic.vfs[2].set(VfReg.VFMAILBOX, Vf.ACK);
    expect(nic.pf.get(Reg.PFMBICR)).toBe((1 << 2) | (1 << 18));
    nic.pf.set(Reg.PFMBICR, 1 << 2);
    expect(nic.pf.get(Reg.PFMBICR)).toBe(1 << 18);
    nic.pf.get(Reg.EICR);
    nic.pf.set(Reg.PFMBIMR, 0);
    nic.vfs[2].set(VfReg.VFMAILBOX, Vf.REQ);
    expect(nic.pf.get(Reg.EICS) & Cause.MAILBOX).toBe(0);
  });

  it('tells the VF of a message and an acknowledgement, which it sees once', () => {
    const vf = nic.vfs[1].useMessages(3);
    vf.set(VfReg.VTIVAR_MISC, VALID | 2);
    vf.set(VfReg.VTEIMS, 7);
    nic.pf.set(Reg.PFMAILBOX + 4, Pf.STS);
    nic.pf.set(Reg.PFMAILBOX + 4, Pf.ACK);
    const told = Vf.PFSTS | Vf.PFACK;
    expect([vf.get(VfReg.VFMAILBOX) & told, vf.get(VfReg.VFMAILBOX) & told]).toEqual([told, 0]);
    expect(vf.messages.map(({ data }) => data)).toEqual([2, 2]);
    expect(nic.vfs[0].get(VfReg.VFMAILBOX) & told).toBe(0);
  });

  it('says that the physical function is being reset, and once that it is ready', () => {
    const [vf] = nic.vfs;
    expect(vf.get(VfReg.VFMAILBOX) & (Vf.RSTI | Vf.RSTD)).toBe(Vf.RSTI);
    nic.pf.set(Reg.CTRL_EXT, CtrlExt.PFRSTD);
    const seen = [vf.get(VfReg.VFMAILBOX), vf.get(VfReg.VFMAILBOX)].map((bits) => bits & (Vf.RSTI | Vf.RSTD));
    expect(seen).toEqual([Vf.RSTD, 0]);
  });
});

describe('the reset of a VF', () => {
  it.each(['VFCTRL.RST', 'a function-level reset'])(
    'by %s turns its queues off, and tells the physical function',
    (how) => {
      const nic = virtualized();
      nic.pf.set(Reg.PFMBIMR, 0xffff);
      const vf = nic.vfs[1];
      vf.set(VfReg.VTEIMS, 7);
      if (how === 'VFCTRL.RST') vf.set(VfReg.VFCTRL, VF_RESET);
      else {
        // Initiate Function Level Reset: bit 15 of Device Control, 8 bytes into the capability (PCI Express, 7.5.3.4).
        let at = vf.pci.read(0x34, 1);
        while (vf.pci.read(at, 1) !== 0x10) at = vf.pci.read(at + 1, 1);
        vf.pci.write(at + 8, 2, 1 << 15);
      }
      expect(nic.pf.get(Reg.VFLRE0)).toBe(1 << 1);
      expect(nic.pf.get(Reg.EICS) & Cause.MAILBOX).toBe(Cause.MAILBOX);
      expect([nic.pf.get(Reg.VFRE), nic.pf.get(Reg.VFTE)]).toEqual([0b1101, 0b1101]);
      expect(nic.pf.get(receiveBase(2) + QueueReg.control)).toBe(0);
      expect(vf.get(VfReg.VTEIMS)).toBe(0);
      // The others are as they were.
      nic.receive(frameOf(addressOf(0), OUTSIDE));
      expect(nic.vfs[0].received(0).length).toBe(64);
      nic.pf.set(Reg.VFLREC, 1 << 1);
      expect(nic.pf.get(Reg.VFLRE0)).toBe(0);
    },
  );

  it('is not that of the device: the station address is still in the first filter', () => {
    const nic = virtualized();
    nic.vfs[0].set(VfReg.VFCTRL, VF_RESET);
    expect(nic.pf.get(Reg.RAL) & 0xff).toBe(MAC[0]);
    expect(nic.pf.get(Reg.VT_CTL)).toBe(VT_CTL);
  });

  it('of the physical function reaches all of them', () => {
    const nic = virtualized();
    nic.vfs[2].set(VfReg.VTEIMS, 7);
    nic.pf.set(Reg.CTRL, VF_RESET);
    expect(nic.vfs[2].get(VfReg.VTEIMS)).toBe(0);
    expect(nic.pf.get(receiveBase(4) + QueueReg.control)).toBe(0);
    expect(nic.vfs[2].get(VfReg.VFMAILBOX) & Vf.RSTI).toBe(Vf.RSTI);
  });
});
