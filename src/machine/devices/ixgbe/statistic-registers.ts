/** Statistics as registers: each clears by reading; the halves of a 64-bit one by reading the high half (8.2.3.23). */
import type { Register } from '../intel-nic/register-table';
import type { IxgbeCore } from './core';
import { POOLS, QUEUE_COUNTERS, Stat } from './offsets';
import { QPTC_ALIAS, QUEUE_SETS, VF_COUNTERS } from './statistics';

/** Names of the counters of packets by size, behind the one of 64 bytes. */
const SIZES = ['127', '255', '511', '1023', '1522'];
/** Packet buffers, each with counters of missed packets. */
const BUFFERS = 8;

/** Counters of priority flow control, which is left out, by priority. */
const NEVER = [
  ['PXON2OFFCNT', 0x3240],
  ['PXONTXC', 0x3f00],
  ['PXOFFTXC', 0x3f20],
  ['PXONRXCNT', 0x4140],
  ['PXOFFRXCNT', 0x4160],
] as const;

/** The registers by offset. */
export function statisticRegisters(core: IxgbeCore): ReadonlyMap<number, Register> {
  const table = new Map<number, Register>();
  const counter = (name: string, offset: number, at = offset): void => {
    table.set(offset, { name, writable: 0, read: () => taken(core, at) });
  };
  const pair = (name: string, low: number, high: number): void => {
    table.set(low, { name: `${name}L`, writable: 0 });
    table.set(high, {
      name: `${name}H`,
      writable: 0,
      read: () => {
        core.set(low, 0);
        return taken(core, high);
      },
    });
  };
  for (const [name, offset] of Object.entries(Stat)) counter(name, offset);
  SIZES.forEach((limit, i) => {
    counter(`PRC${limit}`, Stat.PRC64 + 4 + 4 * i);
    counter(`PTC${limit}`, Stat.PTC64 + 4 + 4 * i);
  });
  for (let i = 0; i < BUFFERS; i++) {
    counter(`MPC${i}`, Stat.MPC + 4 * i);
    counter(`RNBC${i}`, Stat.RNBC + 4 * i);
    for (const [name, first] of NEVER) counter(`${name}${i}`, first + 4 * i);
  }
  pair('GORC', Stat.GORCL, Stat.GORCH);
  pair('GOTC', Stat.GOTCL, Stat.GOTCH);
  pair('TOR', Stat.TORL, Stat.TORH);
  for (let set = 0; set < QUEUE_COUNTERS; set++) {
    const { received, dropped, sent } = QUEUE_SETS;
    counter(`QPRC${set}`, received.packets(set));
    counter(`QPRDC${set}`, dropped.packets(set));
    counter(`QPTC${set}`, sent.packets(set));
    counter(`QPTC_ALIAS${set}`, QPTC_ALIAS + 0x40 * set, sent.packets(set));
    for (const [name, { bytes }] of [
      ['QBRC', received],
      ['QBTC', sent],
    ] as const) {
      const place = bytes?.(set);
      if (place) pair(`${name}${set}`, place.low, place.high);
    }
  }
  addVf(table);
  return table;
}

/** Those of virtual functions keep counting. */
function addVf(table: Map<number, Register>): void {
  const { received, sent, multicast } = VF_COUNTERS;
  const show = (name: string, offset: number): void => void table.set(offset, { name, writable: 0 });
  for (let vf = 0; vf < POOLS; vf++) {
    show(`PVFGPRC${vf}`, received.packets(vf));
    show(`PVFGPTC${vf}`, sent.packets(vf));
    show(`PVFMPRC${vf}`, multicast.packets(vf));
    for (const [name, { bytes }] of [
      ['PVFGORC', received],
      ['PVFGOTC', sent],
    ] as const) {
      const place = bytes?.(vf);
      if (!place) continue;
      show(`${name}${vf}L`, place.low);
      show(`${name}${vf}H`, place.high);
    }
  }
}

function taken(core: IxgbeCore, offset: number): number {
  const value = core.get(offset);
  core.set(offset, 0);
  return value;
}
