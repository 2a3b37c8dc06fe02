/** Frames out of an 82599 and into it, at the same time: of its physical function, or of a virtual one when it has any. */
import { Dmatxctl, Fctrl, Qdctl, RxStatus, Rxctrl, TxCmd } from '../../../src/machine/devices/ixgbe/bits';
import { Ixgbe } from '../../../src/machine/devices/ixgbe/ixgbe';
import { Reg } from '../../../src/machine/devices/ixgbe/offsets';
import { QueueReg, receiveBase, transmitBase } from '../../../src/machine/devices/ixgbe/queue-registers';
import { VfReg } from '../../../src/machine/devices/ixgbe/vf-registers';
import { Command, Config } from '../../../src/machine/pci/config';
import { hex, type MakeSession } from './session';

const TX = 0x10000;
const RX = 0x11000;
const ENTRIES = 16;
const OUT = 0x20000;
const IN = 0x40000;
const BUFFER = 2048;
const FRAMES = 40;
const MAC = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
/** DCMD and DTYP of an advanced data descriptor in its third word. */
const COMMAND = ((TxCmd.EOP | TxCmd.IFCS | TxCmd.RS | TxCmd.DEXT) << 24) | (3 << 20);
/** SRRCTL: buffers of 2 KiB, advanced descriptors with one buffer. */
const SRRCTL = (1 << 25) | 2;
/** Of the SR-IOV capability (PCI Express Base Specification 6.0, 9.3.3). */
const SRIOV = { id: 0x10, control: 0x08, numVfs: 0x10, enableAndDecode: 9 } as const;

export const ixgbeSession: MakeSession = (guest, dice, outside) => {
  const frame = (): Uint8Array => {
    const bytes = dice.bytes(60 + dice.below(1400));
    bytes.set(MAC);
    bytes.set([0x88, 0xb5], 12);
    return bytes;
  };
  const outgoing = Array.from({ length: FRAMES }, frame);
  const incoming = Array.from({ length: FRAMES }, frame);
  const results: string[] = [];
  let [sent, freed, arrived, taken] = [0, 0, 0, 0];
  const device = (): Ixgbe | undefined =>
    guest.board.device instanceof Ixgbe ? guest.board.device : undefined;
  const virtual = (device()?.virtualFunctions.length ?? 0) > 0;
  const [rx, tx] = virtual ? [VfReg.RECEIVE, VfReg.TRANSMIT] : [receiveBase(0), transmitBase(0)];

  /** Writes a register of the function whose queues are used. */
  const set = (offset: number, value: number): void => {
    if (virtual) device()?.virtualFunctions[0].pci.bars[0].block.write(offset, 4, value, 0);
    else guest.set(0, offset, value);
  };
  /** Puts a VF onto the bus, with the queues of pool 0 and the station's address. */
  const startVirtual = (): void => {
    let at = 0x100;
    while ((guest.fn.read(at, 4) & 0xffff) !== SRIOV.id) at = guest.fn.read(at, 4) >>> 20;
    guest.config(at + SRIOV.numVfs, 2, 1);
    guest.config(at + SRIOV.control, 2, SRIOV.enableAndDecode);
    device()?.virtualFunctions[0].pci.write(Config.Command, 2, Command.BusMaster);
    const [POOLS_64, VMDQ, VT_ENA_AND_64, VT_ENA] = [3, 8, 6, 1];
    guest.set(0, Reg.GCR_EXT, POOLS_64);
    guest.set(0, Reg.MRQC, VMDQ);
    guest.set(0, Reg.MTQC, VT_ENA_AND_64);
    guest.set(0, Reg.VT_CTL, VT_ENA);
    guest.set(0, Reg.MPSAR, 1);
    guest.set(0, Reg.VMOLR, 1 << 24);
    guest.set(0, Reg.VFRE, 1);
    guest.set(0, Reg.VFTE, 1);
  };

  const giveBuffer = (index: number): void => {
    const at = RX + 16 * (index % ENTRIES);
    guest.board.ram.fill(0, at, at + 16);
    guest.view.setUint32(at, IN + BUFFER * (index % ENTRIES), true);
  };
  /** DD of a transmit descriptor is in its fourth word, of a receive descriptor in its third. */
  const isDone = (ring: number, index: number, word: number): boolean =>
    (guest.view.getUint32(ring + 16 * (index % ENTRIES) + 4 * word, true) & RxStatus.DD) !== 0;

  return {
    start: () => {
      if (virtual) startVirtual();
      guest.set(0, Reg.FCTRL, Fctrl.BAM);
      guest.set(0, Reg.DMATXCTL, (0x8100 << 16) | Dmatxctl.TE);
      set(tx + QueueReg.baseLow, TX);
      set(tx + QueueReg.length, 16 * ENTRIES);
      set(tx + QueueReg.control, Qdctl.ENABLE);
      set(rx + QueueReg.baseLow, RX);
      set(rx + QueueReg.length, 16 * ENTRIES);
      set(rx + QueueReg.srrctl, SRRCTL);
      for (let i = 0; i < ENTRIES; i++) giveBuffer(i);
      set(rx + QueueReg.control, Qdctl.ENABLE);
      set(rx + QueueReg.tail, ENTRIES - 1);
      guest.set(0, Reg.RXCTRL, Rxctrl.RXEN);
    },
    poll: () => {
      while (freed < sent && isDone(TX, freed, 3)) freed += 1;
      while (sent < FRAMES && sent - freed < ENTRIES - 1) {
        const at = TX + 16 * (sent % ENTRIES);
        const buffer = OUT + BUFFER * (sent % ENTRIES);
        guest.board.ram.set(outgoing[sent], buffer);
        guest.board.ram.fill(0, at, at + 16);
        guest.view.setUint32(at, buffer, true);
        guest.view.setUint32(at + 8, (COMMAND | outgoing[sent].length) >>> 0, true);
        guest.view.setUint32(at + 12, outgoing[sent].length << 14, true);
        sent += 1;
        set(tx + QueueReg.tail, sent % ENTRIES);
      }
      // Of those that have arrived no more than there are buffers for are in the NIC's hands.
      const port = guest.board.device?.network;
      if (arrived < FRAMES && arrived - taken < ENTRIES / 2 && port?.canReceive(incoming[arrived].length))
        port.receive(incoming[arrived++]);
      while (taken < arrived && isDone(RX, taken, 2)) {
        const at = RX + 16 * (taken % ENTRIES);
        const length = guest.view.getUint16(at + 12, true);
        const buffer = IN + BUFFER * (taken % ENTRIES);
        results.push(hex(guest.board.ram.subarray(buffer, buffer + length)));
        giveBuffer(taken);
        set(rx + QueueReg.tail, taken % ENTRIES);
        taken += 1;
      }
    },
    get done() {
      const sentAll = hex(Buffer.concat(outside.frames)) === hex(Buffer.concat(outgoing));
      return sentAll && freed === FRAMES && results.join() === incoming.map(hex).join();
    },
    results,
  };
};
