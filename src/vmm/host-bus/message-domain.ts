/** Who says what a device has to write so that a vector comes to a CPU of the host (an interrupt domain of Linux). */
import type { RequesterId } from '../../machine/bus';
import type { VectorMessage } from '../../machine/pci/msi';
import type { HostVectorPlace } from '../threads/host-vectors';

/** The driver of an interrupt-remapping unit, which has an entry of its table for each message; or nobody in between. */
export interface MessageDomain {
  /**
   * The message that a function is to send.
   * @param index which of the function's messages
   * @param place the vector, and the CPU by its position in the island
   */
  compose(requester: RequesterId, index: number, place: HostVectorPlace): VectorMessage;
  /** It is not sent any more. */
  release(requester: RequesterId, index: number): void;
}

const MSI_BASE = 0xfee00000;
const DESTINATION_SHIFT = 12;

/** To one processor by its APIC ID, which is the CPU's position; the data are a fixed, edge-triggered vector (SDM 3A, 11.11). */
export const PLAIN_MESSAGES: MessageDomain = {
  compose: (_requester, _index, { cpu, vector }) => ({
    address: MSI_BASE + (cpu << DESTINATION_SHIFT),
    data: vector,
  }),
  release: () => undefined,
};
