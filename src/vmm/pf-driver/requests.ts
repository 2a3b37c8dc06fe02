/** What a virtual function asks for by its mailbox, and what the driver of the physical function answers (ixgbe_sriov.c of Linux). */
import { Hlreg0, VLVF_VALID, Vmolr } from '../../machine/devices/ixgbe/bits';
import { Reg, VLAN_FILTERS } from '../../machine/devices/ixgbe/offsets';
import { Message, MessageFlag, Refusal } from '../../trace/vocabulary/mailbox-messages';
import type { AccessPlan } from './access-plan';
import { addressEntry, letGo, POOL_RECEIVES, QUEUES_PER_POOL, readAddress, setBit, wordsOf } from './pools';

/** What the driver knows of a virtual function. */
export interface FunctionState {
  /** It has reset itself by a message, and may ask for more. */
  clearToSend: boolean;
  /** A value of `Version`. */
  version: number;
}

/** What the driver keeps. */
export interface PfState {
  functions: FunctionState[];
  /** VLANs by the entry of VLVF; -1: it is free. */
  vlans: number[];
}

/** Numbers of the protocol's versions (enum ixgbe_pfvf_api_rev). */
export const Version = { v10: 0, v11: 2, v12: 3, v13: 4 } as const;
const VERSIONS: readonly number[] = Object.values(Version);

const TYPE_BITS = 0xffff;
const INFO_SHIFT = 16;
const INFO_BITS = 0xff;
const VLAN_BITS = 0xfff;
/** Jumbo frames with their FCS (IXGBE_MAX_JUMBO_FRAME_SIZE), and the longest without (8.2.3.22.13). */
const LONGEST_FRAME = 9728;
const NORMAL_FRAME = 1518;
const FRAME_SHIFT = 16;
/** MCSTCTRL.MO, which chooses the bits of a hash: those from 47 to 36 of an address (8.2.3.7.7). */
const FILTER_TYPE = 0;
const MOST_HASHES = 30;
const HASH_BITS = 0xfff;
/** Kinds of frames that a function may ask for (enum ixgbevf_xcast_modes): of the last two the driver gives it the second. */
const Casts = { none: 0, multicast: 1, promiscuous: 3 } as const;

/** A request. */
interface Request {
  readonly vf: number;
  readonly words: readonly number[];
  readonly pf: PfState;
  readonly plan: AccessPlan;
}

/** Words behind the first of the answer, or why it is refused: a value of `Refusal`. */
type Answer = readonly number[] | number;

/** What is to be written into the mailbox. */
export interface Reply {
  readonly words: readonly number[];
  /** A value of `Refusal`; 0: it is done. */
  readonly refusal: number;
}

const infoOf = ({ words }: Request): number => (words[0] >>> INFO_SHIFT) & INFO_BITS;

const handlers: Readonly<Record<number, (request: Request) => Answer>> = {
  [Message.setAddress]: setAddress,
  [Message.setMulticast]: setMulticast,
  [Message.setVlan]: setVlan,
  [Message.setFrameLength]: setFrameLength,
  // The first of a list only empties it.
  [Message.setAddressFilter]: (request) => (infoOf(request) === 0 ? [] : Refusal.furtherAddress),
  [Message.negotiate]: negotiate,
  [Message.getQueues]: getQueues,
  [Message.setCasts]: setCasts,
};

/** Plans what a message asks for, and its answer; undefined for a message that is an answer itself. Changes `pf`. */
export function answer(
  pf: PfState,
  vf: number,
  words: readonly number[],
  plan: AccessPlan,
): Reply | undefined {
  const [head] = words;
  if ((head & (MessageFlag.done | MessageFlag.refused)) !== 0) return undefined;
  const type = head & TYPE_BITS;
  const own = pf.functions[vf];
  if (type === Message.reset) return reset(own, vf, plan);
  if (!own.clearToSend) return { words: [(head | MessageFlag.refused) >>> 0], refusal: Refusal.notReset };
  const handler = (handlers as Partial<typeof handlers>)[type];
  const result = handler ? handler({ vf, words, pf, plan }) : Refusal.unknown;
  const refused = typeof result === 'number';
  const flags = (refused ? MessageFlag.refused : MessageFlag.done) | MessageFlag.clearToSend;
  return { words: [(head | flags) >>> 0, ...(refused ? [] : result)], refusal: refused ? result : 0 };
}

/** Plans what follows a function-level reset: nothing that it has asked for before is so any more, until it resets itself by a message. */
export function forget(pf: PfState, vf: number, plan: AccessPlan): void {
  pf.functions[vf] = { clearToSend: false, version: Version.v10 };
  plan.write(Reg.VMOLR + 4 * vf, POOL_RECEIVES);
  pf.vlans.forEach((id, entry) => {
    if (id >= 0) leaveVlan(pf, plan, vf, entry);
  });
}

/** A fresh driver's. */
export function newState(vfs: number): PfState {
  return {
    functions: Array.from({ length: vfs }, () => ({ clearToSend: false, version: Version.v10 })),
    vlans: Array.from({ length: VLAN_FILTERS }, () => -1),
  };
}

/** The function may send and receive from now on, with the address that the host has given it. */
function reset(own: FunctionState, vf: number, plan: AccessPlan): Reply {
  own.clearToSend = true;
  letGo(plan, vf, true);
  const [low, high] = wordsOf(readAddress(plan, addressEntry(vf)));
  return { words: [(Message.reset | MessageFlag.done) >>> 0, low, high, FILTER_TYPE], refusal: 0 };
}

/** Its address is the host's to give: it may set the one that it has. */
function setAddress({ vf, words, plan }: Request): Answer {
  const low = words[1];
  const high = words[2] & 0xffff;
  if ((low & 1) !== 0 || (low === 0 && high === 0)) return Refusal.badAddress;
  const [ownLow, ownHigh] = wordsOf(readAddress(plan, addressEntry(vf)));
  return low === ownLow && high === ownHigh ? [] : Refusal.anothersAddress;
}

/** Hashes, two to a word, are added to the table that all functions share. */
function setMulticast(request: Request): Answer {
  const { vf, words, plan } = request;
  const count = Math.min(infoOf(request), MOST_HASHES);
  for (let i = 0; i < count; i++) {
    const hash = (words[1 + (i >> 1)] >>> (16 * (i & 1))) & HASH_BITS;
    setBit(plan, Reg.MTA, hash, true);
  }
  const at = Reg.VMOLR + 4 * vf;
  plan.write(at, plan.read(at) | Vmolr.ROMPE);
  return [];
}

/** Joins a VLAN, or leaves it. */
function setVlan(request: Request): Answer {
  const { vf, words, pf, plan } = request;
  const id = words[1] & VLAN_BITS;
  const joins = infoOf(request) !== 0;
  // All functions get frames with a tag of VLAN 0 as untagged ones.
  if (id === 0) return [];
  const known = pf.vlans.indexOf(id);
  if (!joins) {
    if (known >= 0) leaveVlan(pf, plan, vf, known);
    return [];
  }
  const entry = known >= 0 ? known : pf.vlans.indexOf(-1);
  if (entry < 0) return Refusal.vlansFull;
  pf.vlans[entry] = id;
  setBit(plan, Reg.VLVFB + 8 * entry, vf, true);
  plan.write(Reg.VLVF + 4 * entry, (VLVF_VALID | id) >>> 0);
  setBit(plan, Reg.VFTA, id, true);
  return [];
}

function leaveVlan(pf: PfState, plan: AccessPlan, vf: number, entry: number): void {
  const members = Reg.VLVFB + 8 * entry;
  setBit(plan, members, vf, false);
  if (plan.read(members) !== 0 || plan.read(members + 4) !== 0) return;
  plan.write(Reg.VLVF + 4 * entry, 0);
  setBit(plan, Reg.VFTA, pf.vlans[entry], false);
  pf.vlans[entry] = -1;
}

/** The longest frame of any function is the controller's. */
function setFrameLength({ words, plan }: Request): Answer {
  const length = words[1];
  if (length > LONGEST_FRAME) return Refusal.frameLength;
  if (length > NORMAL_FRAME) plan.write(Reg.HLREG0, plan.read(Reg.HLREG0) | Hlreg0.JUMBO);
  if (plan.read(Reg.MAXFRS) >>> FRAME_SHIFT < length) plan.write(Reg.MAXFRS, length << FRAME_SHIFT);
  return [];
}

function negotiate({ vf, words, pf }: Request): Answer {
  const version = words[1];
  if (!VERSIONS.includes(version)) return Refusal.version;
  pf.functions[vf].version = version;
  return [version];
}

/** Queues in each direction, none of them behind a VLAN of the host's, the first the default one. */
function getQueues({ vf, pf }: Request): Answer {
  if (pf.functions[vf].version < Version.v11) return Refusal.version;
  return [QUEUES_PER_POOL, QUEUES_PER_POOL, 0, 0];
}

/** Nobody in a VM sees what is for others: instead of all frames a function gets the groups that it asks for. */
function setCasts({ vf, words, pf, plan }: Request): Answer {
  const wanted = words[1];
  if (pf.functions[vf].version < Version.v12 || wanted > Casts.promiscuous) return Refusal.version;
  const given = Math.min(wanted, Casts.multicast);
  const at = Reg.VMOLR + 4 * vf;
  const others = plan.read(at) & ~Vmolr.ROMPE;
  plan.write(at, given === Casts.none ? others : others | Vmolr.ROMPE);
  return [given];
}
