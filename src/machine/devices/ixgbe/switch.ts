/** Where a frame that a pool sends goes: to the wire, to other pools of the device, or nowhere (7.10.3.4 to 7.10.3.9). */
import { addressAt, isGroup } from '../../link/address-table';
import { isTagged, tagControl } from '../intel-nic/vlan';
import { DropReason, Dmatxctl, Mtqc, Pfdtxgswc } from './bits';
import type { IxgbeCore } from './core';
import { isEmpty, ownsAddress, ownsVlan, poolsFor, poolsOf, virtualized } from './filter';
import { QUEUES, Reg } from './offsets';

/** @property pools that get it, by number */
export interface Route {
  toWire: boolean;
  pools: number[];
}

/** Pools by MTQC.NUM_TC_OR_Q, with virtualization on (8.2.3.9.15). */
const POOLS_BY_MTQC: Readonly<Record<number, number>> = { 1: 64, 2: 32 };
const NUM_SHIFT = 2;
const NUM_MASK = 3;
const WIRE: Route = { toWire: true, pools: [] };
const VLAN_ID = 0xfff;
/** Bytes of PFVFSPOOF: MAC anti-spoofing of eight functions in the first, VLAN anti-spoofing in the second (8.2.3.27.12). */
const SPOOF = { functions: 8, mac: 0, vlan: 1 } as const;

/** The pool of a transmit queue; undefined: there are none. */
export function transmitPool(core: IxgbeCore, queue: number): number | undefined {
  const mtqc = core.get(Reg.MTQC);
  const pools = POOLS_BY_MTQC[(mtqc >> NUM_SHIFT) & NUM_MASK];
  return (mtqc & Mtqc.VT_ENA) === 0 || pools === undefined ? undefined : Math.floor(queue / (QUEUES / pools));
}

/** The route of a frame that a queue sends, or why it has none. */
export function routeOf(core: IxgbeCore, frame: Uint8Array, queue: number): Route | number {
  const pool = transmitPool(core, queue);
  if (pool === undefined) return WIRE;
  if (!core.bitOf(Reg.VFTE, pool)) return DropReason.PoolOff;
  const spoofed = spoofing(core, frame, pool);
  if (spoofed !== 0) return spoofed;
  if (!virtualized(core) || (core.get(Reg.PFDTXGSWC) & Pfdtxgswc.LOOPBACK) === 0) return WIRE;
  return localRoute(core, frame, pool);
}

/** What a pool may not send: with an address, or in a VLAN, that is not its own (7.10.3.9.2). 0: it may. */
function spoofing(core: IxgbeCore, frame: Uint8Array, pool: number): number {
  const register = Reg.PFVFSPOOF + 4 * Math.floor(pool / SPOOF.functions);
  const bit = pool % SPOOF.functions;
  const guards = (kind: number): boolean => (core.byteOf(register, kind) & (1 << bit)) !== 0;
  if (guards(SPOOF.mac) && !ownsAddress(core, pool, addressAt(frame, 6))) return DropReason.MacSpoofed;
  const tagged = isTagged(frame, core.get(Reg.DMATXCTL) >>> Dmatxctl.VLAN_TYPE_SHIFT);
  if (guards(SPOOF.vlan) && tagged && !ownsVlan(core, pool, tagControl(frame) & VLAN_ID))
    return DropReason.VlanSpoofed;
  return 0;
}

/** A frame to one station goes to the pools that have its address, and to the wire if none has; one to a group to both. */
function localRoute(core: IxgbeCore, frame: Uint8Array, pool: number): Route {
  const group = isGroup(addressAt(frame, 0));
  const takers = poolsFor(core, frame, 'local');
  const pools = poolsOf(takers).filter((each) => each !== pool);
  return { toWire: group || isEmpty(takers), pools };
}
