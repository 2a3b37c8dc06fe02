/** The small devices of a PC's board: fw_cfg, ACPI registers, reset ports, test device. */
import { describe, expect, it } from 'vitest';
import { NO_CPU, type RegisterBlock } from '../../../../src/machine/bus';
import { AcpiPm } from '../../../../src/machine/devices/acpi-pm';
import { FwCfg, FwCfgKey } from '../../../../src/machine/devices/fw-cfg';
import { PcTestDevice } from '../../../../src/machine/devices/pc-testdev';
import { FIRMWARE_COMMAND, ResetPorts } from '../../../../src/machine/devices/reset-ports';
import { memoryMap } from '../../../../src/machine/firmware/memory-map';

const MIB = 1 << 20;
const CYCLES_PER_SECOND = 2_900_000_000;

describe('FwCfg', () => {
  const device = new FwCfg({ ramBytes: 64 * MIB, cpus: 3, cmdline: 'a b', memoryMap: memoryMap(64 * MIB) });
  const read = (key: number, count: number): number[] => {
    device.write(0, 2, key);
    return Array.from({ length: count }, () => device.read(1, 1));
  };

  it('gives items byte by byte, little-endian, and zeros beyond their end', () => {
    expect(String.fromCharCode(...read(FwCfgKey.Signature, 4))).toBe('QEMU');
    expect(read(5, 4)).toEqual([3, 0, 0, 0]);
    expect(read(0x0f, 2)).toEqual([3, 0]);
    expect(read(3, 8)).toEqual([0, 0, 0, 4, 0, 0, 0, 0]);
    expect(read(1, 4)).toEqual([1, 0, 0, 0]);
    expect(read(0x15, 5)).toEqual([97, 32, 98, 0, 0]);
    expect(read(0x14, 4)).toEqual([4, 0, 0, 0]);
    expect(read(0x1234, 3)).toEqual([0, 0, 0]);
  });

  it('has the memory map as a file that the directory tells of, its numbers big-endian', () => {
    const [count] = [read(FwCfgKey.FileDirectory, 4)];
    expect(count).toEqual([0, 0, 0, 1]);
    const bytes = new DataView(Uint8Array.from(read(FwCfgKey.FileDirectory, 68)).buffer);
    const name = String.fromCharCode(...new Uint8Array(bytes.buffer, 12, 56)).replace(/\0+$/, '');
    expect(name).toBe('etc/e820');
    const size = bytes.getUint32(4);
    const map = new DataView(Uint8Array.from(read(bytes.getUint16(8), size)).buffer);
    const entries = Array.from({ length: size / 20 }, (_, i) => ({
      base: Number(map.getBigUint64(20 * i, true)),
      size: Number(map.getBigUint64(20 * i + 8, true)),
      usable: map.getUint32(20 * i + 16, true) === 1,
    }));
    expect(entries).toEqual(memoryMap(64 * MIB));
  });

  it('goes on from a snapshot', () => {
    read(0, 2);
    const saved = device.save();
    read(5, 1);
    device.load(saved);
    expect(device.read(1, 1)).toBe('M'.charCodeAt(0));
  });
});

describe('AcpiPm', () => {
  it('has a timer of 3.579545 MHz and 24 bits', () => {
    let now = 0;
    const pm = new AcpiPm({ now: () => now, cyclesPerSecond: CYCLES_PER_SECOND, sleep: () => undefined });
    now = CYCLES_PER_SECOND;
    expect(pm.read(8, 4)).toBe(3_579_545);
    now = 5 * CYCLES_PER_SECOND;
    expect(pm.read(8, 4)).toBe((5 * 3_579_545) % 2 ** 24);
    expect(pm.read(8, 2)).toBe(((5 * 3_579_545) % 2 ** 24) & 0xffff);
  });

  it('sleeps when told to, and is in ACPI mode', () => {
    const slept: number[] = [];
    const pm = new AcpiPm({ now: () => 0, cyclesPerSecond: 1e9, sleep: (type) => slept.push(type) });
    expect(pm.read(4, 2)).toBe(1);
    pm.write(4, 2, 5 << 10);
    expect([slept, pm.read(4, 2)]).toEqual([[], (5 << 10) | 1]);
    pm.write(4, 2, (5 << 10) | 0x2000);
    expect(slept).toEqual([5]);
    pm.write(2, 2, 0x120);
    expect([pm.read(0, 2), pm.read(2, 2), pm.read(0, 4)]).toEqual([0, 0x120, 0x120_0000]);
  });
});

describe('ResetPorts', () => {
  function resetPorts() {
    const log: string[] = [];
    const ports = new ResetPorts({
      init: () => log.push('init'),
      reset: (how) => log.push(`reset ${/0x[0-9a-f]+/.exec(how)?.[0] ?? how}`),
    });
    const write = (block: RegisterBlock, ...values: number[]): void => {
      for (const value of values) block.write(0, 1, value, NO_CPU);
    };
    const startOver = (): void => write(ports.firmwareCommand, FIRMWARE_COMMAND.startOver);
    return { ports, log, write, startOver };
  }

  it('send INIT to the processors by port A, by a soft reset, and for whoever asks', () => {
    const { ports, log, write } = resetPorts();
    write(ports.systemControl, 2);
    write(ports.control, 0, 2);
    expect(log).toEqual([]);
    ports.soft('the keyboard controller');
    write(ports.systemControl, 3, 3); // the bit has to rise
    write(ports.control, 0, 4, 4);
    expect(log).toEqual(['init', 'init', 'init']);
  });

  it('reset the whole machine by a hard reset', () => {
    const { ports, log, write } = resetPorts();
    write(ports.control, 2, 6);
    expect(log).toEqual(['reset 0xcf9']);
  });

  it('let the BIOS start over, which leaves the latch of port A alone and says how it came to that', () => {
    const { ports, log, write, startOver } = resetPorts();
    startOver();
    ports.reset();
    write(ports.systemControl, 3);
    startOver();
    ports.reset();
    expect(log).toEqual(['reset its BIOS', 'init', 'reset 0x92']);
    expect(ports.systemControl.read(0, 1, NO_CPU)).toBe(3);
    ports.reset();
    expect(ports.systemControl.read(0, 1, NO_CPU)).toBe(2);
    startOver();
    expect(log.at(-1)).toBe('reset its BIOS');
  });

  it('go on from a snapshot', () => {
    const { ports, write } = resetPorts();
    write(ports.systemControl, 3);
    const other = resetPorts();
    other.ports.load(structuredClone(ports.save()));
    other.write(other.ports.systemControl, 3); // does not rise
    other.startOver();
    expect(other.log).toEqual(['reset 0x92']);
  });
});

describe('PcTestDevice', () => {
  it('has a latch that is read and written in parts', () => {
    const device = new PcTestDevice(() => undefined);
    const { latchPorts, bytePorts } = device;
    latchPorts.write(0, 4, 0x11223344, NO_CPU);
    latchPorts.write(2, 1, 0xff, NO_CPU);
    latchPorts.write(0, 2, 0xabcd, NO_CPU);
    expect(latchPorts.read(0, 4, NO_CPU)).toBe(0x11ffabcd);
    expect([
      latchPorts.read(3, 1, NO_CPU),
      latchPorts.read(2, 2, NO_CPU),
      bytePorts.read(2, 1, NO_CPU),
    ]).toEqual([0x11, 0x11ff, 0xcd]);
  });

  it('drives interrupt lines and has memory', () => {
    const lines: [number, boolean][] = [];
    const device = new PcTestDevice((line, level) => lines.push([line, level]));
    device.linePorts.write(5, 1, 1, NO_CPU);
    device.linePorts.write(5, 1, 0, NO_CPU);
    expect(lines).toEqual([
      [5, true],
      [5, false],
    ]);
    device.memory.write(0x100, 4, 0xcafe_f00d, NO_CPU);
    expect([device.memory.read(0x100, 4, NO_CPU), device.memory.read(0x102, 2, NO_CPU)]).toEqual([
      0xcafe_f00d, 0xcafe,
    ]);
    const other = new PcTestDevice(() => undefined);
    other.load(device.save());
    expect(other.memory.read(0x103, 1, NO_CPU)).toBe(0xca);
  });
});
