/**
 * The pools of an 82599 whose virtual functions are in use, as the host's driver sets them up (Intel 82599 10 GbE Controller
 * Datasheet, revision 3.4, 4.6.10.1): 64 pools of two queues, of which virtual function n has pool n. The physical function's
 * own is the one behind them. It takes nothing: the host has no interface of its own on the device here.
 */
import { Reg } from '../../machine/devices/ixgbe/offsets';
import { Mcstctrl, Pfdtxgswc, RAH_VALID, Vlnctrl, Vmolr, VtCtl } from '../../machine/devices/ixgbe/bits';
import type { Registers } from './access-plan';

/** GCR_EXT, GPIE, MRQC and MTQC for 64 pools (8.2.3.3.7, 8.2.3.5.18, 8.2.3.7.12, 8.2.3.9.15). */
const Pools64 = { gcr: 3, gpie: 3 << 14, mrqc: 8, mtqc: 2 | (1 << 2) } as const;
export const QUEUES_PER_POOL = 2;
/** PFQDE: a queue drops what it has no descriptors for, so that it holds up nobody else's frames (8.2.3.8.5). */
const Qde = { enable: 1 << 0, queueShift: 8, write: 1 << 16 } as const;
/** PFVFSPOOF (8.2.3.27.12): eight functions to a register; bits of addresses, and 8 bits above those of VLANs. */
const SPOOF_FUNCTIONS = 8;
const ADDRESS_BYTES = 6;

/** What every virtual function receives beside frames to its own address: untagged frames, and broadcasts (8.2.3.27.14). */
export const POOL_RECEIVES = Vmolr.AUPE | Vmolr.BAM;

/** The station address of a virtual function: the host gives it one beside the physical function's that no other device has. */
export function addressOfFunction(physical: readonly number[], vf: number): number[] {
  const [a, b, , d, e, f] = physical;
  return [a, b, d ^ 0x80, e, f, vf];
}

/** The station address in RAL and RAH of an entry (8.2.3.7.9, 8.2.3.7.10). */
export function readAddress(registers: Registers, entry: number): number[] {
  const words = [registers.read(Reg.RAL + 8 * entry), registers.read(Reg.RAH + 8 * entry)];
  return Array.from({ length: ADDRESS_BYTES }, (_, i) => (words[i >> 2] >>> (8 * (i & 3))) & 0xff);
}

/** The first two words that hold an address. */
export function wordsOf([a, b, c, d, e, f]: readonly number[]): [low: number, high: number] {
  return [(a | (b << 8) | (c << 16) | (d << 24)) >>> 0, e | (f << 8)];
}

/** Entry of the filter of addresses that is a virtual function's: the first is the physical function's. */
export function addressEntry(vf: number): number {
  return vf + 1;
}

/** Sets or clears a bit of an array of registers, 32 to each. */
export function setBit(registers: Registers, base: number, bit: number, on: boolean): void {
  const at = base + 4 * (bit >> 5);
  const mask = 1 << (bit & 31);
  const value = registers.read(at);
  registers.write(at, on ? value | mask : value & ~mask);
}

/** Frames to this address are a virtual function's. */
export function giveAddress(registers: Registers, vf: number, address: readonly number[]): void {
  const entry = 8 * addressEntry(vf);
  const [low, high] = wordsOf(address);
  registers.write(Reg.RAL + entry, low);
  registers.write(Reg.RAH + entry, (high | RAH_VALID) >>> 0);
  registers.write(Reg.MPSAR + entry, vf < 32 ? (1 << vf) >>> 0 : 0);
  registers.write(Reg.MPSAR + entry + 4, vf >= 32 ? (1 << (vf - 32)) >>> 0 : 0);
}

/** Whether a virtual function may receive and send. */
export function letGo(registers: Registers, vf: number, on: boolean): void {
  setBit(registers, Reg.VFTE, vf, on);
  setBit(registers, Reg.VFRE, vf, on);
}

/** The pools, for so many virtual functions: each has an address, and may use no other and no VLAN but its own. */
export function setUpPools(registers: Registers, vfs: number, physical: readonly number[]): void {
  registers.write(Reg.GCR_EXT, Pools64.gcr);
  registers.write(Reg.GPIE, registers.read(Reg.GPIE) | Pools64.gpie);
  registers.write(Reg.MRQC, Pools64.mrqc);
  registers.write(Reg.MTQC, Pools64.mtqc);
  registers.write(Reg.VT_CTL, VtCtl.VT_ENA | (vfs << VtCtl.DEF_PL_SHIFT) | VtCtl.REPLICATION);
  registers.write(Reg.PFDTXGSWC, Pfdtxgswc.LOOPBACK);
  registers.write(Reg.MCSTCTRL, Mcstctrl.MFE);
  registers.write(Reg.VLNCTRL, registers.read(Reg.VLNCTRL) | Vlnctrl.VFE);
  // A tag of VLAN 0 tells a priority alone (IEEE 802.1Q, 9.6).
  setBit(registers, Reg.VFTA, 0, true);
  for (let vf = 0; vf < vfs; vf++) {
    giveAddress(registers, vf, addressOfFunction(physical, vf));
    registers.write(Reg.VMOLR + 4 * vf, POOL_RECEIVES);
    for (let queue = 0; queue < QUEUES_PER_POOL; queue++)
      registers.write(Reg.QDE, Qde.write | Qde.enable | ((vf * QUEUES_PER_POOL + queue) << Qde.queueShift));
  }
  for (let first = 0; first < vfs; first += SPOOF_FUNCTIONS) {
    const guarded = 2 ** Math.min(SPOOF_FUNCTIONS, vfs - first) - 1;
    registers.write(Reg.PFVFSPOOF + 4 * (first / SPOOF_FUNCTIONS), guarded | (guarded << 8));
  }
}
