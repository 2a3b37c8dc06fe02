/** Virtual functions on a board: each has a socket, a requester ID and messages of its own. */
import { describe, expect, it } from 'vitest';
import { Lapic } from '../../../../src/machine/interrupts/lapic-registers';
import { ECAM } from '../../../../src/machine/pci/root';
import { Scratch, ScratchDevice, SIZES } from '../pci/scratch-device';
import { comparable, makeBoard, statesOf } from './fake-environment';

const LAPIC = 0xfee00000;
const VFS = 4;
/** The device of the tests has PCI Express as its first capability, SR-IOV behind ARI. */
const SRIOV = 0x108;
const DEVICE_CONTROL = 0x48;
const MSIX_CONTROL = 0x7e;

/** A switched-on board with such devices from slot 3 on, the VFs of the first enabled. */
function withDevices(names: readonly string[] = ['nic0']) {
  const m = makeBoard();
  const devices = names.map((name) =>
    m.board.addPci(
      { name, pin: 1, virtualFunctions: VFS },
      (bus, _data, virtual) => new ScratchDevice(bus, virtual),
    ),
  );
  m.board.powerOn();
  const { memory } = m.board;
  const config = (requester: number, offset: number, size: number, value?: number): number => {
    const at = ECAM.base + requester * 0x1000 + offset;
    if (value !== undefined) memory.write(at, size, value);
    return memory.read(at, size);
  };
  const enable = (device = 0, control = 9): void => {
    config((3 + device) * 8, SRIOV + 0x10, 2, VFS);
    config((3 + device) * 8, SRIOV + 8, 2, control);
  };
  enable();
  return {
    ...m,
    devices,
    config,
    enable,
    /** Address in a VF's BAR, by the index of the BAR's description. */
    vfBar: (number: number, i = 0): number =>
      config(3 * 8, SRIOV + 0x24 + 8 * i, 4) - 4 + number * SIZES.vf[i],
  };
}

describe('virtual functions of a board', () => {
  it('have a lane each, and the bus after the last one to themselves', () => {
    const { board, devices, enable, sockets, vfBar } = withDevices(['nic0', 'nic1']);
    enable(1);
    for (const [i, device] of devices.entries())
      device.virtualFunctions.forEach(({ pci }, number) => {
        expect(pci.requester).toBe((i + 1) * 0x100 + number);
        expect(board.pci.at(pci.requester)?.fn).toBe(pci);
      });
    for (const name of ['nic0', 'nic0.vf0', 'nic0.vf3', 'nic1.vf3']) expect(sockets.has(name)).toBe(true);
    expect(sockets.get('nic0.vf0')?.options.gsi).toBeUndefined();
    const region = board.memory.find(vfBar(2));
    expect([region?.tag.unit.name, region?.tag.unit.registers()['0']]).toEqual(['nic0.vf2', 'SCRATCH']);
  });

  it('may be bus masters one by one', () => {
    const { board, config, sockets, vfBar, world, devices } = withDevices();
    const dmas = [0, 1, 2].map((i) => sockets.get(`nic0.vf${i}`)?.bus);
    config(3 * 8, 4, 2, 6);
    for (const i of [0, 2]) config(0x100 + i, 4, 2, 4);
    const requesters: (number | undefined)[] = [];
    for (const i of [0, 1, 2]) {
      board.memory.write(vfBar(i) + Scratch.value, 4, 0x30 + i);
      board.memory.write(vfBar(i) + Scratch.dma, 4, 0x1000);
      requesters.push(dmas[i]?.dma.pending[0]?.requester);
    }
    expect(requesters).toEqual([0x100, 0x101, 0x102]);
    world.drain();
    expect(dmas.map((bus) => bus?.memory[0x1000])).toEqual([0x30, 0, 0x32]);
    expect(devices[0].virtualFunctions.map(({ ends }) => ends.map(String))).toEqual([
      [''],
      ['master-abort'],
      [''],
      [],
    ]);
  });

  it('signal by MSI-X, each with its own requester ID', () => {
    const { board, config, devices, sockets, vfBar } = withDevices();
    const { virtualFunctions } = devices[0];
    const sent: number[][] = [];
    virtualFunctions.forEach((vf, i) => {
      const bus = sockets.get(`nic0.vf${i}`)?.bus;
      if (bus) bus.msi.send = (...message) => void sent.push(message);
      const table = vfBar(i, 1);
      board.memory.write(table, 4, LAPIC + 0x1000);
      board.memory.write(table + 8, 4, 0x51 + i);
      board.memory.write(table + 12, 4, 0);
      if (i !== 1) config(0x100 + i, 4, 2, 4);
      config(0x100 + i, MSIX_CONTROL, 2, 0x8000);
      vf.msix.raise(0);
    });
    // VF 1 is no bus master, and a message is a write.
    expect(sent).toEqual([0, 2, 3].map((i) => [0x100 + i, LAPIC + 0x1000, 0x51 + i]));
  });

  it('reach an interrupt controller', () => {
    const { board, config, devices, log, vfBar } = withDevices();
    const table = vfBar(3, 1);
    board.memory.write(table, 4, LAPIC + 0x1000);
    board.memory.write(table + 8, 4, 0x51);
    board.memory.write(table + 12, 4, 0);
    config(0x103, 4, 2, 4);
    config(0x103, MSIX_CONTROL, 2, 0x8000);
    board.memory.write(LAPIC + Lapic.Svr, 4, 0x1ff, 0, 1);
    devices[0].virtualFunctions[3].msix.raise(0);
    expect(log.filter((line) => !line.startsWith('config'))).toEqual(['accepted 1 81', 'intr 1']);
  });

  it('have to be as many as there are sockets', () => {
    const { board } = makeBoard();
    const place = { name: 'nic0', pin: 1, virtualFunctions: 2 };
    expect(() => board.addPci(place, (bus) => new ScratchDevice(bus, []))).toThrow(/0 virtual functions/);
    const none = board.addPci(
      { name: 'nic1', pin: 1 },
      (bus, _data, virtual) => new ScratchDevice(bus, virtual),
    );
    expect(none.sriov).toBeUndefined();
  });
});

describe('a board with virtual functions', () => {
  it('is as at power-on after a reset', () => {
    const m = withDevices();
    const fresh = withDevices();
    m.board.memory.write(m.vfBar(1), 4, 0x99);
    m.config(0x101, 4, 2, 4);
    for (const { board } of [m, fresh]) board.reset();
    expect(m.config(0x101, 8, 4)).toBe(0xffffffff);
    for (const { board } of [m, fresh]) board.powerOn();
    expect(comparable(m.board.hardware())).toEqual(comparable(fresh.board.hardware()));
  });

  it('moves and goes back with its VFs on the bus', () => {
    const m = withDevices();
    [0, 1, 2, 3].forEach((i) => m.board.memory.write(m.vfBar(i), 4, 0x40 + i));
    m.config(0x102, 4, 2, 4);
    const [moved, loaded] = [withDevices(), withDevices()];
    const states = statesOf(m.kept);
    for (const each of [moved, loaded]) each.config(3 * 8, DEVICE_CONTROL, 2, 0x8000);
    moved.board.adopt(m.board.hardware());
    for (const [name, unit] of loaded.kept) unit.load(states[name]);
    for (const each of [moved, loaded]) {
      expect([0, 1, 2, 3].map((i) => each.board.memory.read(each.vfBar(i), 4))).toEqual([
        0x40, 0x41, 0x42, 0x43,
      ]);
      expect(each.devices[0].virtualFunctions.map(({ pci }) => pci.busMaster)).toEqual([
        false,
        false,
        true,
        false,
      ]);
    }
  });
});
