/** Frames out of an e1000 and into it, at the same time. */
import { Ctrl, Rctl, Reg, RxStatus, Tctl, TxCmd } from '../../../src/machine/devices/e1000/constants';
import { hex, type MakeSession } from './session';

const TX = 0x10000;
const RX = 0x11000;
const ENTRIES = 16;
const OUT = 0x20000;
const IN = 0x40000;
const BUFFER = 2048;
const FRAMES = 40;
const MAC = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
const STATUS = 12;

export const e1000Session: MakeSession = (guest, dice, outside) => {
  const frame = (): Uint8Array => {
    const bytes = dice.bytes(60 + dice.below(1400));
    bytes.set(MAC);
    bytes.set([0x08, 0x00], 12);
    return bytes;
  };
  const outgoing = Array.from({ length: FRAMES }, frame);
  const incoming = Array.from({ length: FRAMES }, frame);
  const results: string[] = [];
  let [sent, freed, arrived, taken] = [0, 0, 0, 0];

  const giveBuffer = (index: number): void => {
    const at = RX + 16 * (index % ENTRIES);
    guest.board.ram.fill(0, at, at + 16);
    guest.view.setUint32(at, IN + BUFFER * (index % ENTRIES), true);
  };
  const isDone = (ring: number, index: number): boolean =>
    (guest.view.getUint8(ring + 16 * (index % ENTRIES) + STATUS) & RxStatus.DD) !== 0;

  return {
    start: () => {
      guest.set(0, Reg.CTRL, Ctrl.SLU | Ctrl.FD);
      guest.set(0, Reg.TDBAL, TX);
      guest.set(0, Reg.TDLEN, 16 * ENTRIES);
      guest.set(0, Reg.RDBAL, RX);
      guest.set(0, Reg.RDLEN, 16 * ENTRIES);
      for (let i = 0; i < ENTRIES; i++) giveBuffer(i);
      guest.set(0, Reg.RDT, ENTRIES - 1);
      guest.set(0, Reg.TCTL, Tctl.EN | Tctl.PSP);
      guest.set(0, Reg.RCTL, Rctl.EN | Rctl.BAM | Rctl.SECRC);
    },
    poll: () => {
      while (freed < sent && isDone(TX, freed)) freed += 1;
      while (sent < FRAMES && sent - freed < ENTRIES - 1) {
        const at = TX + 16 * (sent % ENTRIES);
        const buffer = OUT + BUFFER * (sent % ENTRIES);
        guest.board.ram.set(outgoing[sent], buffer);
        guest.board.ram.fill(0, at, at + 16);
        guest.view.setUint32(at, buffer, true);
        const command = TxCmd.EOP | TxCmd.IFCS | TxCmd.RS;
        guest.view.setUint32(at + 8, (command << 24) | outgoing[sent].length, true);
        sent += 1;
        guest.set(0, Reg.TDT, sent % ENTRIES);
      }
      // Of those that have arrived no more than there are buffers for are in the NIC's hands.
      const port = guest.board.device?.network;
      if (arrived < FRAMES && arrived - taken < ENTRIES / 2 && port?.canReceive(incoming[arrived].length))
        port.receive(incoming[arrived++]);
      while (taken < arrived && isDone(RX, taken)) {
        const at = RX + 16 * (taken % ENTRIES);
        const length = guest.view.getUint16(at + 8, true);
        const buffer = IN + BUFFER * (taken % ENTRIES);
        results.push(hex(guest.board.ram.subarray(buffer, buffer + length)));
        giveBuffer(taken);
        guest.set(0, Reg.RDT, taken % ENTRIES);
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
