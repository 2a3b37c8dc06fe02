/** Who says what a device has to write so that a vector comes to a CPU of the host (an interrupt domain of Linux). */
import type { RequesterId } from '../../machine/bus';
import type { VectorMessage } from '../../machine/pci/msi';
import type { HostVectorPlace } from '../threads/host-vectors';

/** The two halves of an entry of the IOAPIC's redirection table. */
export interface Redirection {
  low: number;
  high: number;
}

/** Bits of its lower half (82093AA data sheet, 3.2.4). */
export const LEVEL_ACTIVE_LOW = (1 << 15) | (1 << 13);
const REDIRECTION_DESTINATION_SHIFT = 24;

/** To whom an interrupt is posted instead of being handed to the kernel. */
export type PostingTarget = DescriptorTarget | GuestApicTarget;

/** A vCPU that is posted to by its posted-interrupt descriptor. */
export interface DescriptorTarget {
  /** Host-physical address of the posted-interrupt descriptor. */
  descriptor: number;
  /** Of the guest. */
  vector: number;
  /** Notified also while the descriptor has notifications suppressed. */
  urgent: boolean;
}

/** A vCPU of AMD's AVIC. */
export interface GuestApicTarget {
  /** Host-physical address of its backing page. */
  backingPage: number;
  /** What the unit's log has for it: 32 bits, of this vCPU alone. */
  tag: number;
  /** Of the guest. */
  vector: number;
}

/** Where a vCPU of AVIC is. */
export interface GuestApicPlace {
  /** It has the physical CPU of this APIC ID, or has had it last. */
  running: boolean;
  hostApicId: number;
  /** While it does not run: an interrupt for it is logged, for KVM to wake it. */
  logged: boolean;
}

/** The driver of a unit that delivers to AVIC's backing pages. */
export interface GuestApics {
  /** Tells where a vCPU is from now on (amd_iommu_update_ga of Linux). */
  place(tag: number, place: GuestApicPlace): void;
  /** Has somebody told of each interrupt of a vCPU that has been logged (amd_iommu_register_ga_log_notifier). */
  onLogged(tag: number, told: () => void): void;
}

/** The driver of an interrupt-remapping unit, which has an entry of its table for each message; or nobody in between. */
export interface MessageDomain {
  /**
   * The message that a function is to send.
   * @param index which of the function's messages
   * @param place the vector, and the CPU by its position in the island
   * @param count of vectors from there on, one behind the other: the function counts up on the data
   */
  compose(requester: RequesterId, index: number, place: HostVectorPlace, count: number): VectorMessage;
  /** The entry of the IOAPIC's redirection table, unmasked, for a pin whose level is active low. */
  redirect(pin: number, place: HostVectorPlace): Redirection;
  /**
   * Has the message posted to a vCPU from now on instead of being handed to the kernel, or handed to it again.
   * @param target undefined: the kernel
   * @returns false: it comes to the kernel, as whoever stands in between cannot post it
   */
  postTo(requester: RequesterId, index: number, target: PostingTarget | undefined): boolean;
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
  redirect: (_pin, { cpu, vector }) => ({
    low: LEVEL_ACTIVE_LOW | vector,
    high: (cpu << REDIRECTION_DESTINATION_SHIFT) >>> 0,
  }),
  postTo: () => false,
  release: () => undefined,
};
