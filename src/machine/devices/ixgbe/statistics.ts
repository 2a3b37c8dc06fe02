/** Counters of packets (8.2.3.23): of the whole device, of sets of queues, and of the virtual functions. */
import { FCS } from '../intel-nic/constants';
import type { RegisterFile } from '../intel-nic/register-file';
import type { IxgbeCore } from './core';
import { QUEUE_COUNTERS, Reg, Stat } from './offsets';

const BROADCAST = 0xff;
const ALL = 0xffffffff;

/** Counters of a set of queues, and of a virtual function, by number; `bytes` is a 64-bit pair. */
interface Places {
  packets: (index: number) => number;
  bytes?: (index: number) => { low: number; high: number };
}
const pair = (low: number, high: number): { low: number; high: number } => ({ low, high });

/** QPRC, QBRC, QPRDC, QPTC and QBTC: queues are shared out to 16 sets by RQSMR and TQSM. */
export const QUEUE_SETS: Readonly<Record<'received' | 'dropped' | 'sent', Places & { map: number }>> = {
  received: {
    map: Reg.RQSMR,
    packets: (set) => 0x1030 + 0x40 * set,
    bytes: (set) => pair(0x1034 + 0x40 * set, 0x1038 + 0x40 * set),
  },
  dropped: { map: Reg.RQSMR, packets: (set) => 0x1430 + 0x40 * set },
  sent: {
    map: Reg.TQSM,
    packets: (set) => 0x8680 + 4 * set,
    bytes: (set) => pair(0x8700 + 8 * set, 0x8704 + 8 * set),
  },
};
/** QPTC is at two places. */
export const QPTC_ALIAS = 0x6030;

/** PVFGPRC, PVFGORC, PVFGPTC, PVFGOTC and PVFMPRC (8.2.3.23.70 and on), which do not clear by reading. */
export const VF_COUNTERS: {
  readonly received: Required<Places>;
  readonly sent: Required<Places>;
  readonly multicast: Places;
} = {
  received: {
    packets: (vf) => 0x101c + 0x40 * vf,
    bytes: (vf) => pair(0x1020 + 0x40 * vf, 0xd020 + 0x40 * vf),
  },
  sent: { packets: (vf) => 0x8300 + 4 * vf, bytes: (vf) => pair(0x8400 + 8 * vf, 0x8404 + 8 * vf) },
  multicast: { packets: (vf) => 0xd01c + 0x40 * vf },
};
/** Bits of the high half of a virtual function's counters of bytes: they have 36. */
const VF_HIGH = 0xf;

/** A packet of a queue, in the counters of the queue's set and of its virtual function. */
export function countQueue(
  core: IxgbeCore,
  which: 'received' | 'dropped' | 'sent',
  queue: number,
  frame: Uint8Array,
): void {
  const { map, packets, bytes } = QUEUE_SETS[which];
  const set = core.byteOf(map, queue) % QUEUE_COUNTERS;
  const length = frame.length + FCS;
  core.count(packets(set));
  if (bytes) addTo(core, bytes(set), length, ALL);
  const vf = core.vfOf(queue);
  if (vf === undefined || which === 'dropped') return;
  countVf(core, VF_COUNTERS[which], vf, length);
  if (which === 'received' && isGroup(frame)) countVf(core, VF_COUNTERS.multicast, vf, length);
}

/** A frame that was received from the wire. */
export function countReceived(core: RegisterFile, frame: Uint8Array): void {
  const length = frame.length + FCS;
  core.count(Stat.GPRC);
  core.countLong(Stat.GORCL, length);
  core.countSize(Stat.PRC64, length);
  if (isGroup(frame)) core.count(isBroadcast(frame) ? Stat.BPRC : Stat.MPRC);
}

/** A frame that was sent to the wire. */
export function countSent(core: RegisterFile, frame: Uint8Array): void {
  const length = frame.length + FCS;
  for (const counter of [Stat.GPTC, Stat.TPT]) core.count(counter);
  core.countLong(Stat.GOTCL, length);
  core.countSize(Stat.PTC64, length);
  if (isGroup(frame)) core.count(isBroadcast(frame) ? Stat.BPTC : Stat.MPTC);
}

function isGroup(frame: Uint8Array): boolean {
  return (frame[0] & 1) !== 0;
}

function isBroadcast(frame: Uint8Array): boolean {
  return frame.subarray(0, 6).every((byte) => byte === BROADCAST);
}

/** They count on from 0 behind their maximum. */
function countVf(core: IxgbeCore, { packets, bytes }: Places, vf: number, length: number): void {
  core.set(packets(vf), core.get(packets(vf)) + 1);
  if (bytes) addTo(core, bytes(vf), length, VF_HIGH);
}

function addTo(
  core: IxgbeCore,
  { low, high }: { low: number; high: number },
  by: number,
  highBits: number,
): void {
  const sum = core.get(low) + by;
  core.set(low, sum);
  if (sum > ALL) core.set(high, (core.get(high) + 1) & highBits);
}
