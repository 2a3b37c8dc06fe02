import { describe, expect, it } from 'vitest';
import { Cause, Ctrl, Reg, StatusBit } from '../../../../../src/machine/devices/e1000/constants';
import { CYCLES_PER_NANOSECOND } from '../../fake-bus';
import { frameTo, MAC, Nic } from './nic';

describe('e1000 interrupts', () => {
  it('drives the line by ICR and IMS; IMS sets, IMC clears, ICS raises, reading or writing ICR clears', () => {
    const nic = new Nic().start();
    nic.set(Reg.ICS, Cause.RXT0);
    expect(nic.bus.line).toBe(false);
    nic.set(Reg.IMS, Cause.RXT0 | Cause.TXDW);
    expect(nic.bus.line).toBe(true);
    nic.set(Reg.IMC, Cause.RXT0);
    expect([nic.bus.line, nic.get(Reg.IMS)]).toEqual([false, Cause.TXDW]);
    nic.set(Reg.ICS, Cause.TXDW);
    expect(nic.bus.line).toBe(true);
    nic.set(Reg.ICR, Cause.TXDW);
    expect([nic.bus.line, nic.get(Reg.ICR), nic.get(Reg.ICR)]).toEqual([false, Cause.RXT0, 0]);
  });

  it('keeps the line down until the ITR interval since its last assertion is over', () => {
    const nic = new Nic().start();
    const interval = 100 * 256 * CYCLES_PER_NANOSECOND;
    nic.set(Reg.ITR, 100);
    nic.set(Reg.IMS, Cause.RXT0);
    for (const time of [1000, 5000, 9000, interval + 20_000]) {
      nic.world.advanceTo(time);
      nic.device.receive(frameTo(MAC));
      nic.world.advanceTo(time);
      if (nic.bus.line) nic.get(Reg.ICR);
    }
    // First at once; the second and third in one when the interval ends; the fourth waits for the next interval's end.
    expect(nic.bus.rises).toEqual([1000, 1000 + interval]);
    nic.get(Reg.ICR);
    nic.world.advanceTo(interval * 5);
    nic.device.receive(frameTo(MAC));
    nic.world.advanceTo(interval * 5);
    expect(nic.bus.rises[2]).toBe(interval * 5);
  });

  it('delays RXT0 by RDTR after the last frame, at most RADV after the first', () => {
    const unit = 1024 * CYCLES_PER_NANOSECOND;
    const risesWith = (rdtr: number, radv: number): number[] => {
      const nic = new Nic().start();
      nic.set(Reg.IMS, Cause.RXT0);
      nic.set(Reg.RDTR, rdtr);
      nic.set(Reg.RADV, radv);
      for (const at of [0, 3, 6]) {
        nic.world.advanceTo(at * unit);
        nic.device.receive(frameTo(MAC));
      }
      nic.world.drain();
      return nic.bus.rises.map((time) => time / unit);
    };
    expect(risesWith(0, 0)).toEqual([0]);
    expect(risesWith(4, 0)).toEqual([10]);
    expect(risesWith(4, 8)).toEqual([8]);
    expect(risesWith(2, 0)).toEqual([2]);
  });

  it('flushes a delayed interrupt with RDTR bit 31', () => {
    const nic = new Nic().start();
    nic.set(Reg.IMS, Cause.RXT0);
    nic.set(Reg.RDTR, 1000);
    nic.device.receive(frameTo(MAC));
    nic.world.advanceTo(0);
    expect(nic.bus.line).toBe(false);
    nic.set(Reg.RDTR, 0x80000000 | 1000);
    expect([nic.bus.line, nic.get(Reg.RDTR)]).toEqual([true, 1000]);
  });

  it('signals link changes by CTRL.SLU and shows them in STATUS', () => {
    const nic = new Nic().start();
    expect(nic.get(Reg.STATUS) & StatusBit.LU).toBe(StatusBit.LU);
    nic.set(Reg.CTRL, Ctrl.FD);
    expect([nic.get(Reg.STATUS) & StatusBit.LU, nic.get(Reg.ICR)]).toEqual([0, Cause.LSC]);
    nic.set(Reg.CTRL, Ctrl.FD | Ctrl.SLU);
    expect([nic.get(Reg.STATUS) & StatusBit.LU, nic.get(Reg.ICR)]).toEqual([StatusBit.LU, Cause.LSC]);
  });

  it('CTRL.RST clears everything, lowers the line and stops the timers', () => {
    const nic = new Nic().start();
    nic.set(Reg.IMS, Cause.RXT0);
    nic.set(Reg.RDTR, 50);
    nic.device.receive(frameTo(MAC));
    nic.set(Reg.ICS, Cause.RXT0);
    expect(nic.bus.line).toBe(true);
    nic.set(Reg.CTRL, Ctrl.RST);
    expect(nic.bus.line).toBe(false);
    expect([Reg.IMS, Reg.RCTL, Reg.RDT, Reg.RDBAL, Reg.ICR, Reg.RDTR].map((at) => nic.get(at))).toEqual([
      0, 0, 0, 0, 0, 0,
    ]);
    expect(nic.get(Reg.CTRL) & Ctrl.RST).toBe(0);
    nic.world.drain();
    expect([nic.bus.line, nic.get(Reg.ICR)]).toEqual([false, 0]);
    // The station address comes from the EEPROM again.
    expect([nic.get(Reg.RAL0), nic.get(Reg.RAL0 + 4)]).toEqual([0x12005452, 0x80005634]);
  });
});
