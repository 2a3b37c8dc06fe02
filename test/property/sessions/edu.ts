/** DMA into the teaching device's buffer and back to another place. */
import { EDU_BUFFER, EduDma, EduRegister } from '../../../src/machine/devices/edu';
import { hex, type MakeSession } from './session';

const FROM = 0x20000;
const TO = 0x30000;
const ROUNDS = 12;

export const eduSession: MakeSession = (guest, dice) => {
  const lengths = Array.from({ length: ROUNDS }, () => 1 + dice.below(EDU_BUFFER.size));
  const contents = lengths.map((length) => dice.bytes(length));
  const results: string[] = [];
  let round = 0;
  let phase: 'into' | 'back' | 'idle' = 'idle';
  const transfer = (source: number, destination: number, command: number): void => {
    guest.set(0, EduRegister.DMA_SOURCE, source);
    guest.set(0, EduRegister.DMA_DESTINATION, destination);
    guest.set(0, EduRegister.DMA_COUNT, lengths[round]);
    guest.set(0, EduRegister.DMA_COMMAND, EduDma.Run | command);
  };
  return {
    start: () => undefined,
    poll: () => {
      if ((guest.get(0, EduRegister.DMA_COMMAND) & EduDma.Run) !== 0 || round === ROUNDS) return;
      if (phase === 'idle') {
        guest.board.ram.set(contents[round], FROM);
        transfer(FROM, EDU_BUFFER.base, 0);
        phase = 'into';
      } else if (phase === 'into') {
        transfer(EDU_BUFFER.base, TO, EduDma.ToMemory);
        phase = 'back';
      } else {
        results.push(hex(guest.board.ram.subarray(TO, TO + lengths[round])));
        round += 1;
        phase = 'idle';
      }
    },
    get done() {
      return round === ROUNDS && results.every((each, i) => each === hex(contents[i]));
    },
    results,
  };
};
