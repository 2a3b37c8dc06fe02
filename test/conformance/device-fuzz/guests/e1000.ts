/** Rings of the 82540EM with descriptors of all three kinds, mostly as they ought to be. */
import { Ctrl, Rctl, Reg, Tctl, TxCmd } from '../../../../src/machine/devices/e1000/constants';
import type { Guest } from '../guest';
import type { HostileDriver } from './driver';

const TX = 0x10000;
const RX = 0x14000;
const BUFFERS = 0x20000;
const DESCRIPTOR = 16;
/** DEXT and the type of an extended data descriptor, and of a context. */
const EXTENDED = { context: 0x20000000, data: 0x20100000 } as const;

export function hostileE1000(guest: Guest): HostileDriver {
  const { dice } = guest;
  let entries = 8;
  let tail = 0;

  const buffer = (): number =>
    dice.oneIn(12) ? guest.pointer() : BUFFERS + 2048 * dice.below(64) + dice.below(4);

  const receiveDescriptor = (index: number): void => guest.putPointer(RX + DESCRIPTOR * index, buffer());

  const transmitDescriptor = (index: number): void => {
    const { view } = guest;
    const at = TX + DESCRIPTOR * index;
    const command = dice.oneIn(6)
      ? dice.below(256)
      : TxCmd.RS |
        dice.pick([TxCmd.EOP, TxCmd.EOP | TxCmd.IFCS, 0]) |
        dice.pick([0, 0, TxCmd.IDE, TxCmd.VLE]);
    const kind = dice.below(4);
    if (kind === 0) {
      // Context: where the checksums are, the lengths of header, payload and segments.
      for (let i = 0; i < 8; i++) view.setUint8(at + i, dice.pick([14, 24, 34, 50, 0, dice.below(256)]));
      const length = dice.pick([0, 1000, 6000, dice.below(1 << 20)]);
      view.setUint32(
        at + 8,
        (EXTENDED.context |
          (((command & ~TxCmd.EOP) | dice.pick([0, TxCmd.TSE])) << 24) |
          (dice.pick([0, 1, 2, 3]) << 24) |
          length) >>>
          0,
        true,
      );
      view.setUint8(at + 12, 0);
      view.setUint8(at + 13, dice.pick([54, 42, 0, dice.below(256)]));
      view.setUint16(at + 14, dice.pick([1460, 536, 1, 0, dice.below(65536)]), true);
      return;
    }
    guest.putPointer(at, buffer());
    const length = dice.pick([60, 60, 1514, 14, 0, dice.below(2048), dice.below(16384)]);
    if (kind === 1) {
      const bits = (command | TxCmd.DEXT | dice.pick([0, 0, TxCmd.TSE])) << 24;
      const size = dice.oneIn(10) ? dice.below(1 << 20) : length;
      view.setUint32(at + 8, (bits | EXTENDED.data | size) >>> 0, true);
      view.setUint32(at + 12, dice.pick([0, 0x100, 0x200, 0x300, dice.word()]), true);
    } else {
      view.setUint32(
        at + 8,
        (((command & ~TxCmd.DEXT) << 24) | (dice.pick([0, 20, 255]) << 16) | length) >>> 0,
        true,
      );
      view.setUint32(at + 12, dice.pick([0, 0, 0x0e00, dice.word()]), true);
    }
  };

  return {
    establish: () => {
      entries = dice.pick([8, 8, 16, 64]);
      tail = 0;
      if (dice.oneIn(4)) guest.set(0, Reg.CTRL, Ctrl.RST);
      guest.set(0, Reg.CTRL, Ctrl.SLU | Ctrl.FD | dice.pick([0, 0, Ctrl.VME]));
      guest.set(0, Reg.TDBAL, TX);
      guest.set(0, Reg.TDBAH, 0);
      guest.set(0, Reg.TDLEN, DESCRIPTOR * entries);
      guest.set(0, Reg.TDH, 0);
      guest.set(0, Reg.TDT, 0);
      guest.set(0, Reg.TXDCTL, dice.pick([0, 0x01000000, 0x01010000 | dice.below(256), dice.word()]));
      guest.set(0, Reg.RDBAL, RX);
      guest.set(0, Reg.RDBAH, 0);
      guest.set(0, Reg.RDLEN, DESCRIPTOR * entries);
      guest.set(0, Reg.RDH, 0);
      for (let i = 0; i < entries; i++) receiveDescriptor(i);
      guest.set(0, Reg.RDT, entries - 1);
      guest.set(0, Reg.TIDV, dice.pick([0, 0, 8, 100]));
      guest.set(0, Reg.RDTR, dice.pick([0, 0, 8, 100]));
      guest.set(0, Reg.ITR, dice.pick([0, 0, 100, 2000]));
      guest.set(0, Reg.IMS, dice.pick([0xffff, 0x9d, dice.word()]));
      guest.set(0, Reg.TCTL, Tctl.EN | Tctl.PSP);
      guest.set(
        0,
        Reg.RCTL,
        Rctl.EN | Rctl.BAM | dice.pick([0, Rctl.UPE, Rctl.UPE | Rctl.LPE, Rctl.LBM, Rctl.VFE, dice.word()]),
      );
    },
    ready: () => (guest.get(0, Reg.TCTL) & Tctl.EN) !== 0 && (guest.get(0, Reg.RCTL) & Rctl.EN) !== 0,
    step: () => {
      const what = dice.below(4);
      if (what === 0) {
        receiveDescriptor(dice.below(entries));
        guest.set(0, Reg.RDT, dice.below(entries + (dice.oneIn(20) ? 100 : 0)));
      } else if (what === 1) guest.get(0, Reg.ICR);
      else {
        const count = 1 + dice.below(4);
        for (let i = 0; i < count; i++) transmitDescriptor((tail + i) % entries);
        tail = (tail + count) % entries;
        if (dice.oneIn(4)) guest.scribble(BUFFERS + 2048 * dice.below(64), 64);
        guest.set(0, Reg.TDT, dice.oneIn(20) ? dice.below(200) : tail);
      }
    },
  };
}
