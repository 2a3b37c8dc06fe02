/** Frames out of an 82599 and into it, at the same time. */
import { Dmatxctl, Fctrl, Qdctl, RxStatus, Rxctrl, TxCmd } from '../../../src/machine/devices/ixgbe/bits';
import { Reg } from '../../../src/machine/devices/ixgbe/offsets';
import { QueueReg, receiveBase, transmitBase } from '../../../src/machine/devices/ixgbe/queue-registers';
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
  const rx = receiveBase(0);
  const tx = transmitBase(0);

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
      guest.set(0, Reg.FCTRL, Fctrl.BAM);
      guest.set(0, Reg.DMATXCTL, (0x8100 << 16) | Dmatxctl.TE);
      guest.set(0, tx + QueueReg.baseLow, TX);
      guest.set(0, tx + QueueReg.length, 16 * ENTRIES);
      guest.set(0, tx + QueueReg.control, Qdctl.ENABLE);
      guest.set(0, rx + QueueReg.baseLow, RX);
      guest.set(0, rx + QueueReg.length, 16 * ENTRIES);
      guest.set(0, rx + QueueReg.srrctl, SRRCTL);
      for (let i = 0; i < ENTRIES; i++) giveBuffer(i);
      guest.set(0, rx + QueueReg.control, Qdctl.ENABLE);
      guest.set(0, rx + QueueReg.tail, ENTRIES - 1);
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
        guest.set(0, tx + QueueReg.tail, sent % ENTRIES);
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
        guest.set(0, rx + QueueReg.tail, taken % ENTRIES);
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
