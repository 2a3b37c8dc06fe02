/** Queues of the 82599, of its physical function and of virtual ones, with descriptors mostly as they ought to be. */
import { Dmatxctl, Fctrl, Qdctl, RAH_VALID, Rxctrl, TxCmd } from '../../../../src/machine/devices/ixgbe/bits';
import { Ixgbe } from '../../../../src/machine/devices/ixgbe/ixgbe';
import { Reg } from '../../../../src/machine/devices/ixgbe/offsets';
import { QueueReg, receiveBase, transmitBase } from '../../../../src/machine/devices/ixgbe/queue-registers';
import { VfReg } from '../../../../src/machine/devices/ixgbe/vf-registers';
import { Command, Config } from '../../../../src/machine/pci/config';
import type { Guest } from '../guest';
import type { HostileDriver } from './driver';

const RINGS = 0x10000;
const RING_BYTES = 0x1000;
const BUFFERS = 0x40000;
const DESCRIPTOR = 16;
const MAC = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
/** DTYP of advanced descriptors (7.2.3.2). */
const ADVANCED = { context: (TxCmd.DEXT << 24) | (2 << 20), data: (TxCmd.DEXT << 24) | (3 << 20) } as const;
/** Offsets in the SR-IOV capability, and its bits that put VFs on the bus (PCI Express Base Specification 6.0, 9.3.3). */
const SRIOV = { id: 0x10, control: 0x08, numVfs: 0x10, enable: 9 } as const;
/** Queues that the driver uses in each direction, as a register block has them. */
const QUEUES = [0, 1, 2, 70] as const;

/** Accesses of registers: those of the physical function, or of a virtual one. */
interface Window {
  get(offset: number): number;
  set(offset: number, value: number): void;
  receive(queue: number): number;
  transmit(queue: number): number;
}

export function hostileIxgbe(guest: Guest): HostileDriver {
  const { dice } = guest;
  const tails = new Map<number, number>();
  let entries = 8;

  const device = (): Ixgbe | undefined =>
    guest.board.device instanceof Ixgbe ? guest.board.device : undefined;
  const physical: Window = {
    get: (offset) => guest.get(0, offset),
    set: (offset, value) => guest.set(0, offset, value),
    receive: receiveBase,
    transmit: transmitBase,
  };
  const virtual = (vf: number): Window => {
    const block = () => device()?.virtualFunctions[vf].pci.bars[0].block;
    return {
      get: (offset) => {
        const value = block()?.read(offset, 4, 0) ?? 0;
        guest.board.watch.value(value, 4);
        return value;
      },
      set: (offset, value) => block()?.write(offset, 4, value >>> 0, 0),
      receive: (queue) => VfReg.RECEIVE + 0x40 * (queue & 1),
      transmit: (queue) => VfReg.TRANSMIT + 0x40 * (queue & 1),
    };
  };
  const count = (): number => device()?.virtualFunctions.length ?? 0;
  const anyWindow = (): Window => (count() > 0 && dice.oneIn(2) ? virtual(dice.below(count())) : physical);

  const ringOf = (queue: number, transmits: boolean): number =>
    RINGS + RING_BYTES * (2 * (queue % 8) + (transmits ? 1 : 0));
  const buffer = (): number =>
    dice.oneIn(12) ? guest.pointer() : BUFFERS + 2048 * dice.below(64) + dice.below(4);

  const receiveDescriptor = (queue: number, index: number): void => {
    const at = ringOf(queue, false) + DESCRIPTOR * index;
    guest.putPointer(at, buffer());
    guest.putPointer(at + 8, dice.oneIn(4) ? buffer() : 0);
  };

  const transmitDescriptor = (queue: number, index: number): void => {
    const { view } = guest;
    const at = ringOf(queue, true) + DESCRIPTOR * index;
    const usual = TxCmd.RS | dice.pick([TxCmd.EOP, TxCmd.EOP | TxCmd.IFCS, 0]) | dice.pick([0, 0, TxCmd.VLE]);
    const command = dice.oneIn(6) ? dice.below(256) : usual;
    const kind = dice.below(4);
    if (kind === 0) {
      // Context: lengths of the headers, a tag, the segments' payload.
      view.setUint32(
        at,
        dice.pick([20, 40, 0, dice.below(512)]) | (dice.pick([14, 0, 18, dice.below(128)]) << 9),
        true,
      );
      view.setUint32(at + 4, dice.oneIn(8) ? dice.word() : 0, true);
      view.setUint32(at + 8, (ADVANCED.context | (dice.below(8) << 10)) >>> 0, true);
      const any = dice.below(65536);
      // A segment for each byte shows little that one for each 64 bytes does not, and takes as long as thousands of operations.
      const small = any % 256 === 0 ? 1 : 64;
      view.setUint32(
        at + 12,
        ((dice.pick([1460, 536, small, 0, any]) << 16) | (dice.pick([20, 8, 0]) << 8)) >>> 0,
        true,
      );
      return;
    }
    guest.putPointer(at, buffer());
    const [short, any] = [dice.below(2048), dice.below(65536)];
    const length = dice.pick([60, 60, 1514, 14, 0, short, any % 8 === 0 ? any : any % 4096]);
    if (kind === 1) {
      view.setUint32(
        at + 8,
        (((command & ~TxCmd.DEXT) << 24) | (dice.pick([0, 20, 255]) << 16) | length) >>> 0,
        true,
      );
      view.setUint32(at + 12, dice.pick([0, 0, 0x0e00, dice.word()]), true);
      return;
    }
    const segments = dice.oneIn(3) ? TxCmd.TSE : 0;
    view.setUint32(at + 8, (((command | segments) << 24) | ADVANCED.data | length) >>> 0, true);
    view.setUint32(at + 12, dice.pick([0, 0x100, 0x200, 0x300, dice.word()]), true);
  };

  /** Puts VFs on the bus, as bus masters, with pools, filters and guards by chance. */
  const virtualize = (): void => {
    const { fn } = guest;
    let at = 0x100;
    while (at !== 0 && (fn.read(at, 4) & 0xffff) !== SRIOV.id) at = fn.read(at, 4) >>> 20;
    if (at === 0) return;
    guest.config(at + SRIOV.numVfs, 2, dice.below(count() + 1));
    guest.config(at + SRIOV.control, 2, dice.oneIn(8) ? 0 : SRIOV.enable);
    for (const { pci } of device()?.virtualFunctions ?? [])
      pci.write(Config.Command, 2, dice.oneIn(8) ? 0 : Command.BusMaster | Command.MemorySpace);
    physical.set(Reg.GCR_EXT, dice.pick([3, 3, 3, dice.below(4)]));
    physical.set(Reg.MRQC, dice.pick([8, 11, 10, dice.word()]));
    physical.set(Reg.MTQC, dice.pick([6, 6, dice.below(16)]));
    physical.set(Reg.VT_CTL, dice.pick([0x40000001, 0x40000181, dice.word()]));
    physical.set(Reg.PFDTXGSWC, dice.below(2));
    for (const register of [Reg.VFRE, Reg.VFTE])
      physical.set(register, dice.pick([0xf, 0xffffffff, dice.below(16)]));
    for (let pool = 0; pool < 4; pool++) {
      physical.set(Reg.VMOLR + 4 * pool, dice.pick([0x1f000000, dice.word()]));
      physical.set(Reg.MPSAR + 8 * pool, dice.below(16));
    }
    physical.set(Reg.PFVFSPOOF, dice.pick([0, 0, dice.below(65536)]));
  };

  const establishQueue = (window: Window, queue: number): void => {
    const [rx, tx] = [window.receive(queue), window.transmit(queue)];
    window.set(rx + QueueReg.baseLow, ringOf(queue, false));
    window.set(rx + QueueReg.baseHigh, 0);
    window.set(rx + QueueReg.length, DESCRIPTOR * entries);
    window.set(rx + QueueReg.head, 0);
    window.set(
      rx + QueueReg.srrctl,
      dice.pick([2, 1, (1 << 25) | 2, (1 << 28) | (1 << 25) | 1, dice.word()]),
    );
    window.set(rx + QueueReg.control, Qdctl.ENABLE | dice.pick([0, 0, Qdctl.VME, dice.word()]));
    for (let i = 0; i < entries; i++) receiveDescriptor(queue, i);
    window.set(rx + QueueReg.tail, entries - 1);
    window.set(tx + QueueReg.baseLow, ringOf(queue, true));
    window.set(tx + QueueReg.baseHigh, 0);
    window.set(tx + QueueReg.length, DESCRIPTOR * entries);
    window.set(tx + QueueReg.head, 0);
    window.set(tx + QueueReg.headLow, dice.pick([0, 0, 0, BUFFERS | 1, dice.word()]));
    window.set(tx + QueueReg.headHigh, 0);
    window.set(
      tx + QueueReg.control,
      Qdctl.ENABLE | dice.pick([0, 0x20, (8 << 16) | 0x20, dice.below(1 << 23)]),
    );
    tails.set(queue, 0);
  };

  return {
    establish: () => {
      entries = dice.pick([8, 8, 16, 64]);
      if (dice.oneIn(4)) physical.set(Reg.CTRL, 1 << 26);
      physical.set(Reg.DMATXCTL, (0x8100 << 16) | Dmatxctl.TE);
      physical.set(Reg.FCTRL, Fctrl.BAM | dice.pick([0, Fctrl.UPE, Fctrl.UPE | Fctrl.MPE]));
      physical.set(Reg.RAH, MAC[4] | (MAC[5] << 8) | RAH_VALID);
      physical.set(Reg.MRQC, dice.pick([0, 0x10001, dice.word()]));
      physical.set(Reg.HLREG0, dice.pick([0x403, 0x407, 0x403, 0x8403, dice.word()]));
      physical.set(Reg.MAXFRS, dice.pick([1518, 9216, dice.below(65536)]) << 16);
      if (count() > 0) virtualize();
      for (const queue of QUEUES) establishQueue(physical, queue);
      for (let vf = 0; vf < count(); vf++) {
        const window = virtual(vf);
        establishQueue(window, 2 * vf);
        window.set(VfReg.VTIVAR, dice.pick([0x82818180, dice.word()]));
        window.set(VfReg.VTIVAR_MISC, 0x82);
        window.set(VfReg.VTEIMS, 7);
        window.set(VfReg.VTEITR, dice.pick([0, 0x50, 0xff8]));
      }
      for (let i = 0; i < 3; i++) physical.set(Reg.IVAR + 4 * i, dice.pick([0x83828180, 0, dice.word()]));
      physical.set(Reg.IVAR_MISC, dice.pick([0x8000, 0x8700, dice.word()]));
      physical.set(Reg.EITR, dice.pick([0, 0, 0x50, 0xff8]));
      physical.set(Reg.GPIE, dice.pick([0x40000010, 0, dice.word()]));
      physical.set(Reg.EIAC, dice.pick([0xffff, 0]));
      physical.set(Reg.EIMS, dice.pick([0x7fffffff, 0xffff, dice.word()]));
      physical.set(Reg.RXCTRL, Rxctrl.RXEN);
    },
    ready: () =>
      (physical.get(Reg.DMATXCTL) & Dmatxctl.TE) !== 0 && (physical.get(Reg.RXCTRL) & Rxctrl.RXEN) !== 0,
    step: () => {
      const what = dice.below(8);
      const window = anyWindow();
      const queue = dice.pick(QUEUES);
      if (what === 0) {
        receiveDescriptor(queue, dice.below(entries));
        window.set(window.receive(queue) + QueueReg.tail, dice.below(entries + (dice.oneIn(20) ? 100 : 0)));
      } else if (what === 1) physical.get(Reg.EICR);
      else if (what === 2 && window !== physical) {
        window.set(dice.pick([VfReg.VFMAILBOX, VfReg.VFMBMEM, VfReg.VTEIMS]), dice.below(256));
        if (dice.oneIn(16)) window.set(VfReg.VFCTRL, 1 << 26);
        window.get(dice.pick([VfReg.VFMAILBOX, VfReg.VTEICR, VfReg.VFGORC_LSB]));
        physical.set(Reg.PFMAILBOX + 4 * dice.below(4), dice.below(32));
      } else {
        const tail = tails.get(queue) ?? 0;
        const more = 1 + dice.below(4);
        for (let i = 0; i < more; i++) transmitDescriptor(queue, (tail + i) % entries);
        tails.set(queue, (tail + more) % entries);
        if (dice.oneIn(2)) guest.board.ram.set(MAC, BUFFERS + 2048 * dice.below(64));
        window.set(
          window.transmit(queue) + QueueReg.tail,
          dice.oneIn(20) ? dice.below(200) : (tail + more) % entries,
        );
      }
    },
  };
}
