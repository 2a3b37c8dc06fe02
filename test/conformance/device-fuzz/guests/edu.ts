/** DMA of the teaching device, to and from its buffer and beside it, and its factorials. */
import { EDU_BUFFER, EduDma, EduRegister } from '../../../../src/machine/devices/edu';
import type { Guest } from '../guest';
import type { HostileDriver } from './driver';

export function hostileEdu(guest: Guest): HostileDriver {
  const { dice } = guest;
  const own = (): number => EDU_BUFFER.base + dice.pick([0, 0, dice.below(4096), 4095, 4096, guest.value()]);
  return {
    establish: () => guest.set(0, EduRegister.IRQ_ACK, 0xffffffff),
    ready: () => true,
    step: () => {
      if (dice.oneIn(4)) {
        guest.set(0, EduRegister.STATUS, dice.pick([0, 0x80]));
        guest.set(0, EduRegister.FACTORIAL, dice.pick([0, 5, 34, guest.value()]));
        return;
      }
      const toMemory = dice.oneIn(2);
      const sides = [own(), guest.pointer()];
      guest.set(0, EduRegister.DMA_SOURCE, sides[toMemory ? 0 : 1] % 2 ** 32);
      guest.set(0, EduRegister.DMA_DESTINATION, sides[toMemory ? 1 : 0] % 2 ** 32);
      guest.set(0, EduRegister.DMA_COUNT, dice.pick([1, 64, 4096, dice.below(5000), guest.value()]));
      guest.set(
        0,
        EduRegister.DMA_COMMAND,
        EduDma.Run | (toMemory ? EduDma.ToMemory : 0) | dice.pick([0, EduDma.InterruptAfter]),
      );
    },
  };
}
