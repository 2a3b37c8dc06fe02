/** A PC's board in an environment of a test: who answers where, what is wired to what, what a reset brings back. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Reg } from '../../../../src/machine/devices/e1000/constants';
import { Lapic } from '../../../../src/machine/interrupts/lapic-registers';
import { MsixVectors } from '../../../../src/machine/pci/msix';
import { PciFunction, type BarSpec } from '../../../../src/machine/pci/function';
import { ECAM } from '../../../../src/machine/pci/root';
import type { PciDevice } from '../../../../src/machine/platform/pci-slots';
import type { DeviceBus } from '../../../../src/machine/bus';
import type { Checkpoint, HardwareState, RunState } from '../../../../src/machine/snapshot';
import { comparable, makeBoard, statesOf } from './fake-environment';

const MAC = Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56);
const LAPIC = 0xfee00000;

type Options = Parameters<typeof makeBoard>[0] & { nics?: number };

/** A board that is switched on, with so many NICs. */
function poweredOn(options: Options = {}) {
  const { nics = 1, ...others } = options;
  const m = makeBoard(others);
  for (let i = 0; i < nics; i++)
    m.board.addDevice({ model: 'e1000', name: i === 0 ? 'e1000' : `e1000.${i}`, mac: MAC, coalesced: false });
  m.board.powerOn();
  const { memory, ports } = m.board;
  return {
    ...m,
    /** A dword of configuration space of 00:device.0, through the ports. */
    config: (device: number, offset: number, value?: number): number => {
      ports.write(0xcf8, 4, 0x80000000 + device * 0x800 + (offset & 0xfc));
      if (value !== undefined) ports.write(0xcfc, 4, value);
      return ports.read(0xcfc, 4);
    },
    /** Directs an IOAPIC input to CPU 0. */
    route: (pin: number, low: number): void => {
      memory.write(0xfec00000, 4, 0x10 + 2 * pin);
      memory.write(0xfec00010, 4, low);
      memory.write(LAPIC + Lapic.Svr, 4, 0x1ff, 0, 0);
    },
  };
}

/** The PC/AT's ports and those of QEMU's PC, by whoever owns them. */
const PORTS: [first: number, last: number, unit: string, kind: string][] = [
  [0x20, 0x21, 'PIC', 'pic'],
  [0x40, 0x43, 'PIT', 'pit'],
  [0x60, 0x60, 'keyboard controller', 'chipset'],
  [0x61, 0x61, 'PIT', 'pit'],
  [0x64, 0x64, 'keyboard controller', 'chipset'],
  [0x70, 0x71, 'CMOS', 'chipset'],
  [0x92, 0x92, 'system control', 'chipset'],
  [0xb2, 0xb2, 'APM control', 'chipset'],
  [0xa0, 0xa1, 'PIC', 'pic'],
  [0xe0, 0xeb, 'test device', 'chipset'],
  [0xf4, 0xf7, 'debug exit', 'chipset'],
  [0x3d4, 0x3d5, 'VGA', 'chipset'],
  [0x3f8, 0x3ff, 'UART', 'uart'],
  [0x4d0, 0x4d1, 'PIC', 'pic'],
  [0x510, 0x511, 'fw_cfg', 'chipset'],
  [0x600, 0x60b, 'ACPI', 'chipset'],
  [0xcf8, 0xcff, 'PCI config', 'pci-config'],
  [0x2000, 0x2017, 'test device IRQs', 'chipset'],
  [0xc000, 0xc03f, 'e1000', 'pci-device'],
];
const MEMORY: [first: number, last: number, unit: string, kind: string][] = [
  [0xfec00000, 0xfec00fff, 'IOAPIC', 'ioapic'],
  [0xfed00000, 0xfed003ff, 'HPET', 'chipset'],
  [LAPIC, LAPIC + 0xfff, 'LAPIC', 'lapic'],
  [ECAM.base, ECAM.base + 256 * 0x100000 - 1, 'PCI config', 'pci-config'],
  [0xff000000, 0xff00ffff, 'test device memory', 'memory'],
  [0xc0000000, 0xc001ffff, 'e1000', 'pci-device'],
];

describe('the map', () => {
  it('has everybody at his place', () => {
    const { board } = poweredOn();
    for (const [map, list] of [
      [board.ports, PORTS],
      [board.memory, MEMORY],
    ] as const) {
      for (const [first, last, unit, kind] of list) {
        for (const address of [first, last]) {
          const found = map.find(address)?.tag.unit;
          expect([address, found?.name, found?.class]).toEqual([address, unit, kind]);
        }
      }
    }
    expect(board.ports.read(0x80, 1)).toBe(0xff);
  });

  it('has the test device on request', () => {
    const { board } = poweredOn({ testDevices: false });
    expect([board.ports.find(0xe0), board.memory.find(0xff000000)]).toEqual([undefined, undefined]);
  });

  it('tells the parts of a unit apart, and knows their names', () => {
    const { board, registersAtSocket } = poweredOn();
    const nameAt = (map: typeof board.ports, address: number): string | undefined => {
      const region = map.find(address);
      if (!region) return undefined;
      return region.tag.unit.registers()[String(address - region.base + region.tag.offset)];
    };
    const seen = [0x20, 0xa1, 0x4d1, 0x43, 0x61, 0x64, 0xcf8, 0xcf9, 0xcfc, 0xf4, 0x3fb, 0xc000, 0xc004];
    expect(seen.map((port) => nameAt(board.ports, port))).toEqual([
      'PIC1_COMMAND',
      'PIC2_DATA',
      'ELCR2',
      'PIT_CONTROL',
      'NMI_SC',
      'KBD_COMMAND',
      'CONFIG_ADDRESS',
      'RESET_CONTROL',
      'CONFIG_DATA',
      'EXIT',
      'LCR',
      'IOADDR',
      'IODATA',
    ]);
    const addresses = [LAPIC + Lapic.Svr, 0xfec00010, 0xfec00040, 0xc0000000 + Reg.ICR];
    expect(addresses.map((address) => nameAt(board.memory, address))).toEqual(['SVR', 'IOWIN', 'EOI', 'ICR']);
    expect(registersAtSocket.get('UART')?.['3']).toBe('LCR');
    expect(registersAtSocket.get('e1000')?.[String(Reg.ICR)]).toBe('ICR');
  });

  it('is asked of the environment with the devices of the scenario before the small ones', () => {
    const { tags } = poweredOn();
    const names = tags.map(({ unit }) => unit.name);
    for (const small of ['fw_cfg', 'CMOS', 'UART', 'debug exit'])
      expect(names.indexOf(small)).toBeGreaterThan(names.indexOf('e1000'));
  });
});

describe('PCI', () => {
  it('has the first NIC at 00:03.0 with IRQ 11, its BARs where firmware puts them', () => {
    const { config, board, sockets } = poweredOn({ nics: 3 });
    expect([3, 4, 5].map((device) => config(device, 0))).toEqual([0x100e8086, 0x100e8086, 0x100e8086]);
    expect(config(6, 0)).toBe(0xffffffff);
    // QEMU's PIIX3 wiring, as firmware routes it: PIRQA and B to 10, C and D to 11.
    expect([3, 4, 5].map((device) => config(device, 0x3c) & 0xff)).toEqual([11, 11, 10]);
    expect(['e1000', 'e1000.1', 'e1000.2'].map((name) => sockets.get(name)?.options.gsi)).toEqual([
      11, 11, 10,
    ]);
    expect([3, 4, 5].map((device) => config(device, 0x10) >>> 0)).toEqual([
      0xc0000000, 0xc0020000, 0xc0040000,
    ]);
    // RAL0 holds the first four bytes of the station address.
    expect(board.memory.read(0xc0040000 + Reg.RAL0, 4)).toBe(0x12005452);
    expect(board.memory.read(ECAM.base + 4 * 0x8000, 4)).toBe(0x100e8086);
  });

  it('has 29 slots', () => {
    const { board } = makeBoard();
    for (let i = 0; i < 29; i++)
      board.addDevice({ model: 'e1000', name: `nic${i}`, mac: MAC, coalesced: false });
    expect(() => board.addDevice({ model: 'e1000', name: 'one more', mac: MAC, coalesced: false })).toThrow(
      RangeError,
    );
  });

  it('tells of configuration accesses, but not of the firmware’s', () => {
    const { config, log } = poweredOn();
    expect(log).toEqual([]);
    config(3, 4, 7);
    config(9, 0);
    expect(log).toEqual([
      'config 24 write 4 7',
      `config 24 read 4 ${0x00000007}`,
      `config undefined read 0 ${0xffffffff}`,
    ]);
  });

  it('carries a pin over the interrupt-disable bit to the IOAPIC', () => {
    const { board, log, config, route } = poweredOn();
    const nic = 0xc0000000;
    route(11, 0x8000 | 0x41);
    board.memory.write(nic + Reg.IMS, 4, 4);
    board.memory.write(nic + Reg.ICS, 4, 4);
    expect(log).toEqual(['e1000 raises 11', 'accepted 0 65', 'intr 0']);
    config(3, 4, 0x407);
    expect(log.filter((line) => line.startsWith('e1000'))).toEqual(['e1000 raises 11', 'e1000 lowers 11']);
    expect(board.fabric.ioapic.pinAsserted(11)).toBe(false);
    config(3, 4, 7);
    expect(board.fabric.ioapic.pinAsserted(11)).toBe(true);
    board.memory.read(nic + Reg.ICR, 4);
    expect(board.fabric.ioapic.pinAsserted(11)).toBe(false);
  });

  it('lets a device be bus master when its command register says so', () => {
    const { config, sockets } = poweredOn();
    const busMaster = sockets.get('e1000')?.options.busMaster;
    expect(busMaster?.()).toBe(false);
    config(3, 4, 7);
    expect(busMaster?.()).toBe(true);
  });

  it('takes any device, which signals by messages', () => {
    const m = makeBoard();
    const device = m.board.addPci({ name: 'other', pin: 0 }, (bus) => new MessageDevice(bus));
    m.board.powerOn();
    expect([device.pci.requester, m.sockets.get('other')?.options.gsi]).toEqual([0x18, undefined]);
    const { memory } = m.board;
    const bar = device.pci.barBase(device.pci.bars[0]);
    memory.write(bar, 4, LAPIC + 0x1000);
    memory.write(bar + 8, 4, 0x51);
    memory.write(bar + 12, 4, 0);
    device.pci.write(4, 2, 6);
    device.pci.write(0x42, 2, 0x8000);
    memory.write(LAPIC + Lapic.Svr, 4, 0x1ff, 0, 1);
    const sent: number[][] = [];
    const bus = m.sockets.get('other')?.bus;
    if (bus) bus.msi.send = (...message) => void sent.push([...message, m.board.fabric.msi(...message)]);
    device.msix.raise(0);
    expect(sent).toEqual([[0x18, LAPIC + 0x1000, 0x51, 1]]);
    expect(m.log).toEqual(['accepted 1 81', 'intr 1']);
  });
});

describe('a device on MMIO', () => {
  /** By the table of 4.2.2, and as QEMU's microvm places them: 512 bytes and an IOAPIC input each. */
  const BASE = 0xfeb00000;
  const R = { magic: 0, deviceId: 8, status: 0x70, queueNotify: 0x50 } as const;
  const rng = { model: 'virtio-rng', seed: 1, virtio: {}, transport: 'mmio' } as const;

  function withDevices(count: number) {
    const m = makeBoard();
    for (let i = 0; i < count; i++) m.board.addDevice({ ...rng, name: `rng${i}` });
    m.board.addDevice({ model: 'edu', name: 'edu' });
    m.board.powerOn();
    return m;
  }

  it('stands at a fixed address, one behind the other, and takes no PCI slot', () => {
    const { board, sockets } = withDevices(2);
    for (const [at, name, gsi] of [
      [BASE, 'rng0', 16],
      [BASE + 0x200, 'rng1', 17],
    ] as const) {
      const region = board.memory.find(at + 0x1ff);
      expect(region?.tag.unit).toMatchObject({ name, class: 'mmio-device' });
      expect(region?.tag.unit.registers()[String(R.queueNotify)]).toBe('QUEUE_NOTIFY');
      expect(sockets.get(name)?.options).toMatchObject({ gsi });
      expect(sockets.get(name)?.options.busMaster()).toBe(true);
      expect([R.magic, R.deviceId].map((offset) => board.memory.read(at + offset, 4))).toEqual([
        0x74726976, 4,
      ]);
    }
    expect(board.memory.find(BASE + 0x400)).toBeUndefined();
    expect(board.pci.functions().map(({ address }) => address.device)).toContain(3);
  });

  it('has eight places', () => {
    expect(() => withDevices(8)).not.toThrow();
    expect(() => withDevices(9)).toThrow(RangeError);
  });

  it('is reset with the machine', () => {
    const { board, kept } = withDevices(1);
    const fresh = comparable(board.hardware());
    board.memory.write(BASE + R.status, 4, 1);
    expect(board.memory.read(BASE + R.status, 4)).toBe(1);
    board.reset();
    board.powerOn();
    expect(board.memory.read(BASE + R.status, 4)).toBe(0);
    expect(comparable(board.hardware())).toEqual(fresh);
    expect(kept.has('pc/rng0')).toBe(true);
  });

  it('moves to another host', () => {
    const [from, to] = [withDevices(1), withDevices(1)];
    from.board.memory.write(BASE + R.status, 4, 1);
    from.board.memory.write(BASE + R.status, 4, 3);
    to.board.adopt(from.board.hardware());
    expect(to.board.memory.read(BASE + R.status, 4)).toBe(3);
  });
});

/** A device with MSI-X as the whole of its BAR 0. */
class MessageDevice implements PciDevice {
  readonly pci: PciFunction;
  readonly msix: MsixVectors;

  constructor(bus: DeviceBus) {
    this.msix = new MsixVectors(bus.msi, { vectors: 2, bar: 0, table: 0, pending: 0x800 });
    const bar: BarSpec = { index: 0, kind: 'memory64', size: 0x1000, block: this.msix.block, name: 'msix' };
    const identity = { vendorId: 0x1af4, deviceId: 0x1041, revision: 1, classCode: 0x020000 };
    this.pci = new PciFunction({ ...identity, subsystemVendorId: 0, subsystemId: 0, interruptPin: 0 }, [bar]);
    this.msix.addTo(this.pci);
  }

  registerNames = (): Record<string, string> => ({});
  busReset = (): void => undefined;
  onEvent = (): void => undefined;
  onDma = (): void => undefined;
  save = (): Checkpoint<HardwareState, RunState> => ({ hardware: { version: 1 }, run: {} });
  load = (): void => undefined;
  adopt = (): void => undefined;
}

describe('firmware', () => {
  it('leaves tables where software looks for them', () => {
    const { memory } = poweredOn();
    const text = (address: number, length: number): string =>
      new TextDecoder().decode(memory.bytes.subarray(address, address + length));
    const search = (signature: string): number => {
      for (let address = 0xe0000; address < 0x100000; address += 16)
        if (text(address, signature.length) === signature) return address;
      return -1;
    };
    expect([search('RSD PTR ') >= 0, search('_MP_') >= 0]).toEqual([true, true]);
  });

  it('says when BARs do not fit', () => {
    const m = makeBoard();
    m.board.addPci({ name: 'big', pin: 0 }, (bus) => {
      const device = new MessageDevice(bus);
      const bar: BarSpec = { index: 0, kind: 'memory32', size: 2 ** 31, block: device.msix.block, name: 'b' };
      return Object.assign(device, { pci: new PciFunction(device.pci.identity, [bar]) });
    });
    expect(() => m.board.powerOn()).toThrow(/no room/);
  });
});

describe('what a guest does to its machine', () => {
  it('is told to the environment', () => {
    const { board, log } = poweredOn();
    board.ports.write(0x3f8, 1, 65);
    board.ports.write(0xf4, 4, 0xffffffff);
    board.ports.write(0x92, 1, 1);
    board.ports.write(0x64, 1, 0xfe);
    board.ports.write(0xcf9, 1, 6);
    board.ports.write(0x604, 2, 0x3400);
    expect(log).toEqual([
      'serial 65',
      'exited -1',
      'init 0', // port 92H
      'init 1',
      'init 0', // the keyboard controller
      'init 1',
      'reset the reset control register (port 0xcf9)',
      'powered off',
    ]);
  });

  it('does not take CONFIG_ADDRESS for the register in its midst', () => {
    const { board, config, log } = poweredOn();
    expect(config(3, 0)).toBe(0x100e8086);
    board.ports.write(0xcf9, 1, 2);
    expect([board.ports.read(0xcf9, 1), board.ports.read(0xcf8, 4)]).toEqual([2, 0x80001800]);
    expect(log.some((line) => line.startsWith('reset'))).toBe(false);
  });
});

describe('timers and lines', () => {
  it('bring the interval timer to input 2 of the IOAPIC', () => {
    const { board, world, log, route } = poweredOn();
    route(2, 0x30);
    for (const byte of [0x34, 0xe8, 0x03]) board.ports.write(byte === 0x34 ? 0x43 : 0x40, 1, byte); // mode 2, every 1000 ticks
    world.advanceTo((3e9 / 1_193_182) * 3500);
    expect(log.filter((line) => line === 'accepted 0 48')).toHaveLength(3);
  });

  it('have an HPET that takes the place of interval timer and clock', () => {
    const { board, world, route, log } = poweredOn();
    const hpet = (offset: number, value: number): void => {
      board.memory.write(0xfed00000 + offset, 4, value, 0, 0);
    };
    const enabled = (1 << 2) | (1 << 8); // interrupts, compares 32 bits
    route(2, 0x32);
    route(8, 0x38);
    route(20, 0x44);
    for (const [port, value] of [
      [0x43, 0x34],
      [0x40, 0xe8],
      [0x40, 0x03],
    ])
      board.ports.write(port, 1, value); // every 1000 ticks, 838 us
    hpet(0x108, 100); // timer 0 at 1 us, by legacy replacement
    hpet(0x100, enabled);
    hpet(0x128, 200); // timer 1 at 2 us
    hpet(0x120, enabled);
    hpet(0x148, 300); // timer 2 at 3 us, by its route
    hpet(0x140, enabled | (20 << 9));
    hpet(0x010, 3);
    world.advanceTo(3e9 / 100);
    expect(log.filter((line) => line.startsWith('accepted'))).toEqual([
      'accepted 0 50',
      'accepted 0 56',
      'accepted 0 68',
    ]);
  });

  it('bring the clock to input 8, and the test device’s lines anywhere', () => {
    const { board, world, route, log } = poweredOn();
    route(8, 0x38);
    route(2, 0x32);
    route(23, 0x47);
    board.ports.write(0x70, 1, 0x0b);
    board.ports.write(0x71, 1, 0x12); // an interrupt each second
    world.advanceTo(3e9 * 1.5);
    board.ports.write(0x2000, 1, 1);
    board.ports.write(0x2000 + 23, 1, 1);
    board.ports.write(0x2000 + 2, 1, 1);
    expect(log.filter((line) => line.startsWith('accepted'))).toEqual([
      'accepted 0 56',
      'accepted 0 50',
      'accepted 0 71',
    ]);
    expect(board.fabric.pic.save().hardware.chips[0].lines).toBe(1);
  });
});

describe('a reset', () => {
  /** Registers of everything but RAM-like memory, and configuration space of both NICs in the middle of it. */
  const access = fc.record({
    port: fc.boolean(),
    address: fc.oneof(
      fc.constantFrom(...PORTS.flatMap(([first, last]) => [first, last])),
      fc.constantFrom(...MEMORY.map(([first]) => first)),
      fc.nat(0x7f).map((word) => LAPIC + word * 16),
      fc.nat(0x3fff).map((word) => 0xc0000000 + word * 4),
      fc.nat(0x3f).map((word) => ECAM.base + 3 * 0x8000 + word * 4),
      fc.nat(0xffff),
    ),
    size: fc.constantFrom(1, 2, 4),
    value: fc.oneof(fc.nat(0xff), fc.constantFrom(0x1ff, 0x80001804, 0xffffffff), fc.nat(0x7fffffff)),
  });

  /**
   * What the units have as hardware. Whose wires lead to which pin is found out as they are first driven; the clock's memory
   * lives on its battery.
   */
  const hardwareOf = (board: ReturnType<typeof poweredOn>['board']): unknown => {
    const { cmos: _, ...units } = board.hardware().units;
    return comparable({ ...units, interrupts: { ...units.interrupts, sources: {} } });
  };

  it('brings every unit back to its power-on state, whatever was done to it', () => {
    const fresh = poweredOn({ nics: 2 });
    const expected = hardwareOf(fresh.board);
    fc.assert(
      fc.property(fc.array(access, { maxLength: 60 }), (accesses) => {
        const m = poweredOn({ nics: 2 });
        const { board } = m;
        for (const { port, address, size, value } of accesses) {
          const map = port ? board.ports : board.memory;
          map.write(address, size, value, 0, 0);
          map.read(address, size, 1);
        }
        board.reset();
        board.powerOn();
        expect(hardwareOf(board)).toEqual(expected);
        expect(board.memory.read(0xc0000000 + Reg.RAL0, 4)).toBe(0x12005452);
        for (let pin = 0; pin < 24; pin++) expect(board.fabric.ioapic.pinAsserted(pin)).toBe(false);
      }),
      { seed: 5, numRuns: 60 },
    );
  });

  it('leaves the clock its time and memory, and takes its interrupts', () => {
    const { board, world } = poweredOn();
    const cmos = (index: number, value?: number): number => {
      board.ports.write(0x70, 1, index);
      if (value !== undefined) board.ports.write(0x71, 1, value);
      return board.ports.read(0x71, 1);
    };
    cmos(0x0b, 0x12); // an interrupt each second, hours to 23
    cmos(0x40, 0x77);
    world.advanceTo(3e9 * 2.5);
    expect(board.fabric.ioapic.pinAsserted(8)).toBe(true);
    board.reset();
    board.powerOn();
    expect([board.fabric.ioapic.pinAsserted(8), cmos(0x0b), cmos(0x0c), cmos(0x40), cmos(0)]).toEqual([
      false,
      2,
      0,
      0x77,
      2,
    ]);
    world.advanceTo(3e9 * 4);
    expect([board.fabric.ioapic.pinAsserted(8), cmos(0)]).toEqual([false, 4]);
  });
});

describe('snapshots', () => {
  it('have unique names that begin with the board’s', () => {
    const { kept } = poweredOn({ nics: 2 });
    expect([...kept.keys()].sort()).toEqual(
      [
        'UART',
        'acpi',
        'cmos',
        'cmos/wire',
        'e1000',
        'e1000.1',
        'fw_cfg',
        'hpet',
        'interrupts',
        'keyboard',
        'pci',
        'pit',
        'pit/wire',
        'reset',
        'testdev',
        'vga',
      ].map((name) => `pc/${name}`),
    );
  });

  it('bring a board to where it was', () => {
    const one = poweredOn();
    one.config(3, 0x10, 0xd0000000);
    one.board.ports.write(0x3fb, 1, 0x1b);
    one.board.memory.write(LAPIC + Lapic.Tpr, 4, 0x30, 0, 1);
    const two = poweredOn();
    const states = statesOf(one.kept);
    for (const [name, unit] of two.kept) unit.load(states[name]);
    expect(statesOf(two.kept)).toEqual(states);
    expect(two.board.memory.read(0xd0000000 + Reg.RAL0, 4)).toBe(0x12005452);
    expect([two.board.ports.read(0x3fb, 1), two.board.fabric.lapic(1).cr8]).toEqual([0x1b, 3]);
  });
});
