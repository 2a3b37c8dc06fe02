/** The call-outs of a CPU for register accesses: whatever the guest touches, one way leads on from here. */
import type { Cpu } from '../../machine/x86/types';
import type { FinishedAccesses } from './finished-accesses';

/** Kinds of accesses. */
export const Access = { MmioRead: 0, MmioWrite: 1, PortIn: 2, PortOut: 3, MsrRead: 4, MsrWrite: 5 } as const;

/** Those of `CpuCallouts` that access a device's register or an MSR. */
export abstract class AccessCallouts {
  /** What the accesses of the present instruction came to. */
  protected abstract readonly finished: FinishedAccesses;

  constructor(protected readonly cpu: Cpu) {}

  mmioRead(address: number, size: number): number {
    const low = this.access(Access.MmioRead, address, size, 0, 0);
    this.cpu.resultHigh = this.finished.high;
    return low;
  }

  mmioWrite(address: number, size: number, low: number, high: number): void {
    this.access(Access.MmioWrite, address, size, low, high);
  }

  portIn(port: number, size: number): number {
    return this.access(Access.PortIn, port, size, 0, 0);
  }

  portOut(port: number, size: number, value: number): void {
    this.access(Access.PortOut, port, size, value, 0);
  }

  msrRead(index: number): number | undefined {
    const low = this.access(Access.MsrRead, index, 8, 0, 0);
    this.cpu.resultHigh = this.finished.high;
    return this.finished.known ? low : undefined;
  }

  msrWrite(index: number, low: number, high: number): boolean {
    this.access(Access.MsrWrite, index, 8, low, high);
    return this.finished.known;
  }

  /** One access of the guest, which may have to wait; `finished` has the whole answer, of which the low half is returned. */
  protected abstract access(kind: number, address: number, size: number, low: number, high: number): number;
}
