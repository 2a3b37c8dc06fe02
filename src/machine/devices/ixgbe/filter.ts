/**
 * Which frames are wanted, and by whom (7.1.1 and 7.10.3): without virtualization the whole device takes a frame or does not; with it
 * the pools that want it are chosen by address, then by VLAN.
 */
import { isGroup, addressAt } from '../../link/address-table';
import { isTagged, tagControl } from '../intel-nic/vlan';
import { Fctrl, Mcstctrl, RAH_VALID, VLVF_VALID, Vlnctrl, Vmolr, VtCtl } from './bits';
import type { IxgbeCore } from './core';
import { POOLS, RECEIVE_ADDRESSES, Reg, VLAN_FILTERS } from './offsets';

/** A set of pools, 32 to each word. */
export type PoolSet = [low: number, high: number];

/** Canonical form indicator of a tag, and its identifier. */
const TAG_CFI = 1 << 12;
const VLAN_ID = 0xfff;
const BROADCAST = 0xffff_ffff_ffff;

/** The type of a VLAN tag on the way in. */
export function tagType(core: IxgbeCore): number {
  return core.get(Reg.VLNCTRL) & Vlnctrl.TYPE;
}

/** Whether pools are chosen: virtualization is on (8.2.3.27.1). */
export function virtualized(core: IxgbeCore): boolean {
  return (core.get(Reg.VT_CTL) & VtCtl.VT_ENA) !== 0;
}

/** Without virtualization: whether a frame is wanted. */
export function accepts(core: IxgbeCore, frame: Uint8Array): boolean {
  if (!vlanPasses(core, frame)) return false;
  const fctrl = core.get(Reg.FCTRL);
  const destination = addressAt(frame, 0);
  const group = isGroup(destination);
  if ((fctrl & (group ? Fctrl.MPE : Fctrl.UPE)) !== 0) return true;
  if (destination === BROADCAST && (fctrl & Fctrl.BAM) !== 0) return true;
  return exactMatch(core, destination) !== undefined || hashMatch(core, destination, group);
}

/**
 * With virtualization: the pools that a frame goes to (7.10.3.3 and 7.10.3.4).
 * @param from the wire; or `local`: it is sent by a pool, and the default pool gets nothing that it does not want
 */
export function poolsFor(core: IxgbeCore, frame: Uint8Array, from: 'wire' | 'local' = 'wire'): PoolSet {
  if (!vlanPasses(core, frame)) return [0, 0];
  const control = core.get(Reg.VT_CTL);
  const destination = addressAt(frame, 0);
  const group = isGroup(destination);
  const pools = addressPools(core, destination, group);
  const promiscuous = (core.get(Reg.FCTRL) & (group ? Fctrl.MPE : Fctrl.UPE)) !== 0;
  // What no filter knows goes to the default pool, but not while that is off (8.2.3.27.1).
  const takesRest = promiscuous || (control & VtCtl.DIS_DEFPL) === 0;
  if (from === 'wire' && takesRest && isEmpty(pools)) add(pools, defaultPool(core));
  const chosen = withVlan(core, frame, pools);
  const receiving: PoolSet = [chosen[0] & core.get(Reg.VFRE), chosen[1] & core.get(Reg.VFRE + 4)];
  // Without replication a frame goes to one pool, the first.
  return (control & VtCtl.REPLICATION) === 0 ? onlyFirst(receiving) : receiving;
}

/** The pool of frames that none wants: the PF's (VT_CTL.DEF_PL). */
export function defaultPool(core: IxgbeCore): number {
  return (core.get(Reg.VT_CTL) >> VtCtl.DEF_PL_SHIFT) & (POOLS - 1);
}

export function has(pools: PoolSet, pool: number): boolean {
  return (pools[pool >> 5] & (1 << (pool & 31))) !== 0;
}

export function isEmpty([low, high]: PoolSet): boolean {
  return (low | high) === 0;
}

/** Their numbers, lowest first. */
export function poolsOf(pools: PoolSet): number[] {
  const found: number[] = [];
  pools.forEach((word, at) => {
    for (let rest = word; rest !== 0; rest &= rest - 1) found.push(32 * at + 31 - Math.clz32(rest & -rest));
  });
  return found;
}

/** Whether an address is one of a pool's: RAL, RAH and MPSAR. */
export function ownsAddress(core: IxgbeCore, pool: number, address: number): boolean {
  return eachMatch(core, address).some((index) => has(poolsOfAddress(core, index), pool));
}

/** Whether a VLAN is one of a pool's: VLVF and VLVFB. */
export function ownsVlan(core: IxgbeCore, pool: number, id: number): boolean {
  const pools = vlanPools(core, id);
  return pools !== undefined && has(pools, pool);
}

function add(pools: PoolSet, pool: number): void {
  pools[pool >> 5] |= 1 << (pool & 31);
}

function onlyFirst(pools: PoolSet): PoolSet {
  const [low, high] = pools;
  return low !== 0 ? [low & -low, 0] : [0, high & -high];
}

/** The filter of VLANs that is common to all (VLNCTRL, VFTA). */
function vlanPasses(core: IxgbeCore, frame: Uint8Array): boolean {
  const control = core.get(Reg.VLNCTRL);
  if ((control & Vlnctrl.VFE) === 0 || !isTagged(frame, tagType(core))) return true;
  const tag = tagControl(frame);
  const cfiDiffers = ((tag & TAG_CFI) !== 0) !== ((control & Vlnctrl.CFI) !== 0);
  if ((control & Vlnctrl.CFIEN) !== 0 && cfiDiffers) return false;
  return core.bitOf(Reg.VFTA, tag & VLAN_ID);
}

function eachMatch(core: IxgbeCore, address: number): number[] {
  // The first byte on the wire is the lowest of RAL.
  const first = Math.floor(address / 2 ** 16);
  const low = ((first << 24) | ((first & 0xff00) << 8) | ((first >>> 8) & 0xff00) | (first >>> 24)) >>> 0;
  const high = ((address & 0xff) << 8) | ((address >>> 8) & 0xff);
  const found: number[] = [];
  for (let i = 0; i < RECEIVE_ADDRESSES; i++) {
    const rah = core.get(Reg.RAH + i * 8);
    if ((rah & RAH_VALID) !== 0 && (rah & 0xffff) === high && core.get(Reg.RAL + i * 8) === low)
      found.push(i);
  }
  return found;
}

function exactMatch(core: IxgbeCore, address: number): number | undefined {
  return eachMatch(core, address)[0];
}

/** The tables of hashes: MTA for groups, UTA for single stations. MCSTCTRL.MO chooses 12 bits of the address's last two bytes. */
function hashMatch(core: IxgbeCore, address: number, group: boolean): boolean {
  const control = core.get(Reg.MCSTCTRL);
  if (group && (control & Mcstctrl.MFE) === 0) return false;
  const last = ((address & 0xff) << 8) | (Math.floor(address / 256) & 0xff);
  const hash = (last >> [4, 3, 2, 0][control & Mcstctrl.OFFSET]) & 0xfff;
  return core.bitOf(group ? Reg.MTA : Reg.UTA, hash);
}

function poolsOfAddress(core: IxgbeCore, index: number): PoolSet {
  return [core.get(Reg.MPSAR + index * 8), core.get(Reg.MPSAR + index * 8 + 4)];
}

/** The pools that want frames to an address, whatever their VLAN. */
function addressPools(core: IxgbeCore, address: number, group: boolean): PoolSet {
  const pools: PoolSet = [0, 0];
  for (const index of eachMatch(core, address)) {
    const [low, high] = poolsOfAddress(core, index);
    pools[0] |= low;
    pools[1] |= high;
  }
  const broadcast = address === BROADCAST;
  const hashed = hashMatch(core, address, group);
  let bits = 0;
  if (broadcast) bits |= Vmolr.BAM;
  else if (group) bits |= Vmolr.MPE | (hashed ? Vmolr.ROMPE : 0);
  else if (hashed) bits |= Vmolr.ROPE;
  // Nearly every address is a single station's that no table knows: no pool asks for such.
  for (let pool = 0; bits !== 0 && pool < POOLS; pool++)
    if ((core.get(Reg.VMOLR + pool * 4) & bits) !== 0) add(pools, pool);
  return pools;
}

/** Of some pools those that take the frame's VLAN (7.10.3.3, step 4). */
function withVlan(core: IxgbeCore, frame: Uint8Array, pools: PoolSet): PoolSet {
  if (!isTagged(frame, tagType(core))) return untaggedPools(core, pools);
  if ((core.get(Reg.VLNCTRL) & Vlnctrl.VFE) === 0) return pools;
  const members = vlanPools(core, tagControl(frame) & VLAN_ID);
  return members ? [pools[0] & members[0], pools[1] & members[1]] : [0, 0];
}

function untaggedPools(core: IxgbeCore, pools: PoolSet): PoolSet {
  const taking: PoolSet = [0, 0];
  for (const pool of poolsOf(pools))
    if ((core.get(Reg.VMOLR + pool * 4) & Vmolr.AUPE) !== 0) add(taking, pool);
  return taking;
}

function vlanPools(core: IxgbeCore, id: number): PoolSet | undefined {
  for (let i = 0; i < VLAN_FILTERS; i++) {
    const vlvf = core.get(Reg.VLVF + i * 4);
    if ((vlvf & VLVF_VALID) !== 0 && (vlvf & VLAN_ID) === id)
      return [core.get(Reg.VLVFB + i * 8), core.get(Reg.VLVFB + i * 8 + 4)];
  }
  return undefined;
}
