/**
 * The posted-interrupt descriptor: 64 bytes of host memory through which an IOMMU or another CPU hands interrupts to a vCPU
 * without an exit (SDM vol. 3, table 31-1; VT-d specification 4.x, 9.12). Every function is one access of memory that nothing
 * comes between, as locked instructions and the IOMMU's atomic accesses are.
 */

/** Bytes of a descriptor; its address is a multiple of as many. */
export const POSTED_DESCRIPTOR_BYTES = 64;

/** The memory that descriptors stand in: `HostMemory` is one. */
export interface DescriptorMemory {
  /** A copy of the bytes; undefined where there is no memory. */
  read(address: number, length: number): Uint8Array | undefined;
  /** False, and nothing is written, where there is no memory. */
  write(address: number, bytes: Uint8Array): boolean;
}

/** The fields that say whom to notify. */
export interface PostedControl {
  /** Outstanding Notification (ON): a notification event has been sent and not been taken yet. */
  outstanding: boolean;
  /** Suppress Notification (SN): of interrupts that are not urgent, nobody is notified. */
  suppressed: boolean;
  /** Notification Vector (NV). */
  vector: number;
  /** Notification Destination (NDST), 32 bits as they stand there; see `notificationDestination`. */
  destination: number;
}

/** What a post has done. */
export interface Posting {
  /** The fields as they were before. */
  control: PostedControl;
  /** A notification event is to be sent to the vector and the destination. */
  notify: boolean;
}

/** Where the fields are: bytes of the descriptor. */
const Field = { Flags: 32, Vector: 34, Destination: 36 } as const;
const Flag = { Outstanding: 1, Suppressed: 2 } as const;
const PIR_BYTES = 32;

/** Bits that have no meaning, from byte 32 on, by dword; the destination is not among them, nor what follows it. */
const RESERVED_FLAGS = 0xff00fffc;
const RESERVED_AT = 40;
/** Of an xAPIC's destination only bits 15:8 have a meaning. */
const RESERVED_XAPIC_DESTINATION = 0xffff00ff;

/** The APIC ID that a destination field means: all 32 bits for x2APICs, bits 15:8 for xAPICs. */
export function notificationDestination(field: number, x2apic: boolean): number {
  return x2apic ? field : (field >>> 8) & 0xff;
}

/** The destination field that means an APIC ID. */
export function notificationField(apicId: number, x2apic: boolean): number {
  return x2apic ? apicId : (apicId & 0xff) << 8;
}

/** The fields of a descriptor; undefined where there is no memory. */
export function readPostedControl(memory: DescriptorMemory, address: number): PostedControl | undefined {
  const bytes = memory.read(address, POSTED_DESCRIPTOR_BYTES);
  return bytes && controlOf(bytes);
}

/** Vectors that are requested, ascending; undefined where there is no memory. */
export function postedVectors(memory: DescriptorMemory, address: number): number[] | undefined {
  const pir = memory.read(address, PIR_BYTES);
  return pir && vectorsOf(pir);
}

/**
 * Changes fields, as the VMM does when a vCPU blocks, is preempted or moves; the requests stay as they are.
 * @returns false where there is no memory
 */
export function updatePostedControl(
  memory: DescriptorMemory,
  address: number,
  changes: Partial<PostedControl>,
): boolean {
  const bytes = memory.read(address, POSTED_DESCRIPTOR_BYTES);
  if (!bytes) return false;
  writeControl(bytes, { ...controlOf(bytes), ...changes });
  return memory.write(address + PIR_BYTES, bytes.subarray(PIR_BYTES));
}

/** Whether a bit is set that has to be 0 (VT-d, 9.12); undefined where there is no memory. */
export function postedReservedSet(
  memory: DescriptorMemory,
  address: number,
  x2apic: boolean,
): boolean | undefined {
  const bytes = memory.read(address, POSTED_DESCRIPTOR_BYTES);
  if (!bytes) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if ((view.getUint32(Field.Flags, true) & RESERVED_FLAGS) !== 0) return true;
  if (!x2apic && (view.getUint32(Field.Destination, true) & RESERVED_XAPIC_DESTINATION) !== 0) return true;
  return bytes.subarray(RESERVED_AT).some((byte) => byte !== 0);
}

/**
 * Posts an interrupt (VT-d, 5.2.3): requests its vector, and decides whether somebody has to be notified. That is so when no
 * notification is outstanding and either none is suppressed or the interrupt is urgent; one is outstanding then.
 * @returns undefined, and nothing is done, where there is no memory
 */
export function postInterrupt(
  memory: DescriptorMemory,
  address: number,
  vector: number,
  urgent: boolean,
): Posting | undefined {
  const bytes = memory.read(address, POSTED_DESCRIPTOR_BYTES);
  if (!bytes) return undefined;
  const control = controlOf(bytes);
  const notify = !control.outstanding && (urgent || !control.suppressed);
  bytes[vector >> 3] |= 1 << (vector & 7);
  if (notify) bytes[Field.Flags] |= Flag.Outstanding;
  return memory.write(address, bytes) ? { control, notify } : undefined;
}

/**
 * Takes what was posted, as a CPU does that has got the notification event (SDM vol. 3, 31.6): no notification is outstanding
 * any more, and the requests go from the descriptor to whoever calls.
 * @returns their vectors, ascending; undefined where there is no memory
 */
export function takePosted(memory: DescriptorMemory, address: number): number[] | undefined {
  const bytes = memory.read(address, POSTED_DESCRIPTOR_BYTES);
  if (!bytes) return undefined;
  const vectors = postedVectorsIn(bytes);
  bytes.fill(0, 0, PIR_BYTES);
  bytes[Field.Flags] &= ~Flag.Outstanding;
  return memory.write(address, bytes) ? vectors : undefined;
}

function controlOf(bytes: Uint8Array): PostedControl {
  const flags = bytes[Field.Flags];
  return {
    outstanding: (flags & Flag.Outstanding) !== 0,
    suppressed: (flags & Flag.Suppressed) !== 0,
    vector: bytes[Field.Vector],
    destination: new DataView(bytes.buffer, bytes.byteOffset).getUint32(Field.Destination, true),
  };
}

function writeControl(bytes: Uint8Array, control: PostedControl): void {
  const flags = (control.outstanding ? Flag.Outstanding : 0) | (control.suppressed ? Flag.Suppressed : 0);
  bytes[Field.Flags] = (bytes[Field.Flags] & ~(Flag.Outstanding | Flag.Suppressed)) | flags;
  bytes[Field.Vector] = control.vector;
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(Field.Destination, control.destination, true);
}

/** Vectors that the bytes of a descriptor request, ascending. */
export function postedVectorsIn(descriptor: Uint8Array): number[] {
  return vectorsOf(descriptor.subarray(0, PIR_BYTES));
}

function vectorsOf(pir: Uint8Array): number[] {
  const vectors: number[] = [];
  pir.forEach((byte, at) => {
    for (let bit = 0; bit < 8; bit++) if ((byte & (1 << bit)) !== 0) vectors.push(at * 8 + bit);
  });
  return vectors;
}
