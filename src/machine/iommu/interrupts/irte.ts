/** Interrupt-remapping table entries (VT-d specification 4.x, 9.10 and 9.11): 128 bits, in the remapped or the posted format. */
import type { RequesterId } from '../../bus';
import { DeliveryMode } from '../../interrupts/message';

/** Bytes of an entry. */
export const IRTE_BYTES = 16;

/** An entry as it stands in memory: four dwords, the least significant first. */
export type RawIrte = readonly [d0: number, d1: number, d2: number, d3: number];

/** Which requesters an entry is for (SVT, SQ and SID). */
export interface IrteSource {
  verification: SourceVerification;
  /** SQ: bits of the requester ID that do not count, one of `SOURCE_MASKS` by index. */
  qualifier: number;
  /** SID: a requester ID, or the first bus in bits 15:8 and the last in 7:0. */
  id: number;
}

interface IrteCommon {
  /** FPD: faults of requests by this entry are not recorded. */
  faultsDisabled: boolean;
  vector: number;
  source: IrteSource;
}

/** An entry that makes a message of a request. */
export interface RemappedIrte extends IrteCommon {
  format: 'remapped';
  /** A `DeliveryMode`. */
  mode: number;
  level: boolean;
  /** RH: to one of those that the destination means. */
  redirected: boolean;
  logical: boolean;
  /** An APIC ID or logical destination: of 32 bits for x2APICs, of 8 for xAPICs. */
  destination: number;
}

/** An entry that posts a request to a descriptor. */
export interface PostedIrte extends IrteCommon {
  format: 'posted';
  /** URG: notifies even if notifications are suppressed. */
  urgent: boolean;
  /** Host-physical address of the posted-interrupt descriptor, a multiple of 64. */
  descriptor: number;
}

export type Irte = RemappedIrte | PostedIrte;

/** What entries may have depends on the unit and how it was set up. */
export interface IrteRules {
  /** Destinations have 32 bits (`IRTA_REG.EIME`). */
  x2apic: boolean;
  /** The posted format exists (`CAP_REG.PI`). */
  posting: boolean;
  /** Bits of a host-physical address; at most 52. */
  hostAddressWidth: number;
}

/** SVT: what the requester is compared with. */
export const SourceVerification = { None: 0, Requester: 1, BusRange: 2 } as const;
export type SourceVerification = (typeof SourceVerification)[keyof typeof SourceVerification];

/** By SQ: bits of the requester ID that are compared; of the function number the third, the upper two or all do not count. */
export const SOURCE_MASKS = [0xffff, 0xfffb, 0xfff9, 0xfff8] as const;

/** Bits of the first dword. */
const Bit = {
  Present: 1 << 0,
  FaultsDisabled: 1 << 1,
  Logical: 1 << 2,
  Redirected: 1 << 3,
  Level: 1 << 4,
  Urgent: 1 << 14,
  Posted: 1 << 15,
} as const;
const MODE_SHIFT = 5;
const VECTOR_SHIFT = 16;
/** Of the third dword. */
const QUALIFIER_SHIFT = 16;
const VERIFICATION_SHIFT = 18;
/** Of the second dword in posted format: bits 31:6 of the descriptor's address. */
const DESCRIPTOR_LOW = 0xffffffc0;

/** Bits that have to be 0 in a present entry. */
const RESERVED: Record<'x2apic' | 'xapic' | 'posted', RawIrte> = {
  x2apic: [0xff007000, 0, 0xfff00000, 0xffffffff],
  xapic: [0xff007000, 0xffff00ff, 0xfff00000, 0xffffffff],
  posted: [0xff0030fc, 0x3f, 0xfff00000, 0],
};
/** Delivery modes that an entry can have; 3 and 6 are reserved. */
const MODES: ReadonlySet<number> = new Set([
  DeliveryMode.Fixed,
  DeliveryMode.LowestPriority,
  DeliveryMode.Smi,
  DeliveryMode.Nmi,
  DeliveryMode.Init,
  DeliveryMode.ExtInt,
]);

/** The entry that begins at an offset of some bytes. */
export function rawIrte(bytes: Uint8Array, offset = 0): RawIrte {
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, IRTE_BYTES);
  const dword = (at: number): number => view.getUint32(at, true);
  return [dword(0), dword(4), dword(8), dword(12)];
}

/** Its bytes as they stand in memory. */
export function irteBytes(raw: RawIrte): Uint8Array {
  const bytes = new Uint8Array(IRTE_BYTES);
  const view = new DataView(bytes.buffer);
  raw.forEach((dword, index) => view.setUint32(4 * index, dword, true));
  return bytes;
}

/** P of an entry. */
export function irtePresent([d0]: RawIrte): boolean {
  return (d0 & Bit.Present) !== 0;
}

/** IM of an entry: it is in the posted format, where there is one. */
export function irtePosts([d0]: RawIrte): boolean {
  return (d0 & Bit.Posted) !== 0;
}

/** FPD of an entry, which counts in one that is not present, too. */
export function irteFaultsDisabled([d0]: RawIrte): boolean {
  return (d0 & Bit.FaultsDisabled) !== 0;
}

/** What a present entry says; undefined when a reserved field is set, or one has an encoding that does not exist. */
export function decodeIrte(raw: RawIrte, rules: IrteRules): Irte | undefined {
  const [d0, , d2] = raw;
  const posted = irtePosts(raw);
  const verification = (d2 >>> VERIFICATION_SHIFT) & 3;
  if ((posted && !rules.posting) || !isVerification(verification)) return undefined;
  const reserved = RESERVED[posted ? 'posted' : rules.x2apic ? 'x2apic' : 'xapic'];
  if (raw.some((dword, index) => (dword & reserved[index]) !== 0)) return undefined;
  const common: IrteCommon = {
    faultsDisabled: irteFaultsDisabled(raw),
    vector: (d0 >>> VECTOR_SHIFT) & 0xff,
    source: { verification, qualifier: (d2 >>> QUALIFIER_SHIFT) & 3, id: d2 & 0xffff },
  };
  return posted ? decodePosted(raw, common, rules) : decodeRemapped(raw, common, rules);
}

/** The present entry that says this. @param x2apic destinations have 32 bits */
export function encodeIrte(irte: Irte, x2apic: boolean): RawIrte {
  const { vector, source, faultsDisabled } = irte;
  const common = Bit.Present | (faultsDisabled ? Bit.FaultsDisabled : 0) | (vector << VECTOR_SHIFT);
  const d2 = (source.verification << VERIFICATION_SHIFT) | (source.qualifier << QUALIFIER_SHIFT) | source.id;
  if (irte.format === 'posted') {
    const { descriptor, urgent } = irte;
    const high = Math.floor(descriptor / 2 ** 32);
    return [common | Bit.Posted | (urgent ? Bit.Urgent : 0), descriptor >>> 0, d2, high];
  }
  const { logical, redirected, level, mode, destination } = irte;
  const d0 =
    common |
    (logical ? Bit.Logical : 0) |
    (redirected ? Bit.Redirected : 0) |
    (level ? Bit.Level : 0) |
    (mode << MODE_SHIFT);
  return [d0, x2apic ? destination : (destination & 0xff) << 8, d2, 0];
}

/** Whether an entry is for a requester. */
export function verifiesSource({ verification, qualifier, id }: IrteSource, requester: RequesterId): boolean {
  if (verification === SourceVerification.None) return true;
  if (verification === SourceVerification.Requester)
    return ((id ^ requester) & SOURCE_MASKS[qualifier]) === 0;
  const bus = (requester >>> 8) & 0xff;
  return bus >= id >>> 8 && bus <= (id & 0xff);
}

function decodeRemapped([d0, d1]: RawIrte, common: IrteCommon, { x2apic }: IrteRules): Irte | undefined {
  const mode = (d0 >>> MODE_SHIFT) & 7;
  if (!MODES.has(mode)) return undefined;
  return {
    format: 'remapped',
    ...common,
    mode,
    level: (d0 & Bit.Level) !== 0,
    redirected: (d0 & Bit.Redirected) !== 0,
    logical: (d0 & Bit.Logical) !== 0,
    destination: x2apic ? d1 : (d1 >>> 8) & 0xff,
  };
}

/** A descriptor beyond the host's address width has reserved bits set in its address. */
function decodePosted(
  [d0, d1, , d3]: RawIrte,
  common: IrteCommon,
  { hostAddressWidth }: IrteRules,
): Irte | undefined {
  const descriptor = d3 * 2 ** 32 + ((d1 & DESCRIPTOR_LOW) >>> 0);
  if (descriptor >= 2 ** hostAddressWidth) return undefined;
  return { format: 'posted', ...common, urgent: (d0 & Bit.Urgent) !== 0, descriptor };
}

function isVerification(svt: number): svt is SourceVerification {
  return svt <= SourceVerification.BusRange;
}
