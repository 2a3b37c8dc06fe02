/** Which writes QEMU lets KVM gather before it hears of them (hw/net/e1000.c, coalesced MMIO): all but those that act at once. */
import { Reg } from './constants';
import { BAR0_SIZE } from './function';

const ACTING: ReadonlySet<number> = new Set([
  Reg.MDIC,
  Reg.ICR,
  Reg.ICS,
  Reg.IMS,
  Reg.IMC,
  Reg.TCTL,
  Reg.TDT,
]);

/** Whether a write at an offset of BAR 0 is coalesced. */
export function coalesces(offset: number): boolean {
  return offset >= 0 && offset < BAR0_SIZE && !ACTING.has(offset & ~3);
}
