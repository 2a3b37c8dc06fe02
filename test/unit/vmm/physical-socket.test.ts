/** A device on a physical bus: nothing overtakes what was sent before it, a wire falls at once, a reset loses what is on its way. */
import { describe, expect, it } from 'vitest';
import type { DmaResult } from '../../../src/machine/bus';
import { DmaMemory } from '../../../src/machine/memory/dma-memory';
import { linearTranslation } from '../../../src/machine/memory/dma-translation';
import { HostMemory } from '../../../src/machine/memory/host-memory';
import type { PhysicalMemory } from '../../../src/machine/memory/physical-memory';
import { PhysicalSocket } from '../../../src/vmm/physical/physical-socket';
import { costs, passTo, siteOf } from './threads/world';

const GSI = 11;
/** Where the guest's RAM lies in the host's. */
const SLOT = 0x7000;
const SETUP = costs['device.dmaSetup'];
const UNIT = costs['device.dmaPer64Bytes'];
const IOAPIC = costs['irq.ioapic'];
/** A posted message of four bytes. */
const MESSAGE = SETUP + UNIT;

interface Happened {
  time: number;
  what: string;
}

function setUp() {
  const { site, recorder } = siteOf(1);
  const bytes = new Uint8Array(4096);
  const slot: PhysicalMemory = {
    size: bytes.length,
    contains: (address, length) => address >= 0 && address + length <= bytes.length,
    read: (address, length) => bytes.slice(address, address + length),
    write: (address, data) => bytes.set(data, address),
  };
  const host = new HostMemory();
  host.map(SLOT, slot);
  const memory = new DmaMemory(host, linearTranslation(SLOT, slot.size));
  const happened: Happened[] = [];
  const note = (what: string): void => void happened.push({ time: site.island.now(), what });
  const track = site.tracer.addTrack({ type: 'device', name: 'nic', group: 'pc', vm: 0 });
  const socket = new PhysicalSocket(
    site,
    {
      id: 'pc/nic',
      track: () => track,
      dmaTrack: () => track,
      who: 'nic',
      memory,
      setPin: (gsi, _source, asserted) => note(`pin ${gsi} ${asserted}, byte ${bytes[0]}`),
      msi: (_requester, address, data) => note(`msi ${address}=${data}, byte ${bytes[0]}`),
    },
    { gsi: GSI, busMaster: () => true },
  );
  socket.plug({
    onEvent: () => undefined,
    onDma: (tag, result: DmaResult) => note(`dma ${tag} ${result.length}`),
  });
  return { site, recorder, socket, bytes, happened };
}

const data = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value);

describe('a message of a device', () => {
  it.each([4, 64, 1500])('never overtakes the %i bytes that were written before it', (length) => {
    const { site, socket, happened } = setUp();
    passTo(site, 100);
    socket.dma.write(0, 0, data(length, 7), 1);
    socket.msi.send(0, 0xfee0_0000, 0x41);
    passTo(site, 10_000);
    const moving = Math.ceil(length / 64) * UNIT;
    expect(happened).toEqual([
      { time: 100 + SETUP + moving, what: 'dma 1 0' },
      { time: 100 + moving + MESSAGE, what: `msi ${0xfee0_0000}=65, byte 7` },
    ]);
  });

  it('is not overtaken by what follows it, either', () => {
    const { site, socket, happened } = setUp();
    socket.dma.write(0, 0, data(4, 1), 1);
    socket.msi.send(0, 0xfee0_0000, 0x41);
    socket.dma.write(0, 0, data(4, 2), 2);
    socket.dma.read(0, 0, 4, 3);
    passTo(site, 10_000);
    expect(happened.map(({ what }) => what)).toEqual([
      'dma 1 0',
      `msi ${0xfee0_0000}=65, byte 1`,
      'dma 2 0',
      'dma 3 4',
    ]);
  });
});

describe('the pin of a device', () => {
  it('reaches the local APIC behind the data, by a message of the device and one of the IOAPIC', () => {
    const { site, socket, happened } = setUp();
    socket.dma.write(0, 0, data(1500, 9), 1);
    socket.irq.set(true);
    passTo(site, 10_000);
    const moving = Math.ceil(1500 / 64) * UNIT;
    expect(happened).toEqual([
      { time: moving + SETUP, what: 'dma 1 0' },
      { time: moving + MESSAGE + IOAPIC, what: `pin ${GSI} true, byte 9` },
    ]);
  });

  it('does not hold up the DMA that follows', () => {
    const { site, socket, happened } = setUp();
    socket.irq.set(true);
    socket.dma.write(0, 0, data(4, 5), 1);
    passTo(site, 10_000);
    expect(happened).toEqual(
      [
        { time: UNIT + SETUP + UNIT, what: 'dma 1 0' },
        { time: MESSAGE + IOAPIC, what: `pin ${GSI} true, byte 5` },
      ].sort((x, y) => x.time - y.time),
    );
  });

  it('falls at once', () => {
    const { site, socket, happened } = setUp();
    socket.irq.set(true);
    passTo(site, 1_000);
    socket.irq.set(false);
    expect(happened.at(-1)).toEqual({ time: 1_000, what: `pin ${GSI} false, byte 0` });
  });

  it.each([1, MESSAGE - 1, MESSAGE, MESSAGE + 1, MESSAGE + IOAPIC - 1])(
    'takes an assertion back that has been on its way for %i cycles',
    (after) => {
      const { site, socket, happened } = setUp();
      socket.irq.set(true);
      passTo(site, after);
      socket.irq.set(false);
      passTo(site, after + 1);
      socket.irq.set(true);
      passTo(site, 10_000);
      expect(happened.map(({ what }) => what)).toEqual([
        `pin ${GSI} false, byte 0`,
        `pin ${GSI} true, byte 0`,
      ]);
      // The second assertion comes at its own time. The link is busy with the first for as long as its bytes take.
      const start = Math.max(after + 1, UNIT);
      expect(happened[1].time).toBe(start + MESSAGE + IOAPIC);
    },
  );
});

describe('a reset of the bus', () => {
  it('loses what is on its way, and the device begins anew', () => {
    const { site, socket, happened, bytes } = setUp();
    socket.irq.set(true);
    passTo(site, 1_000);
    happened.length = 0;
    socket.dma.write(0, 0, data(1500, 3), 1);
    socket.dma.read(0, 0, 64, 2);
    socket.msi.send(0, 0xfee0_0000, 0x41);
    passTo(site, 1_001);
    socket.reset();
    expect(happened).toEqual([{ time: 1_001, what: `pin ${GSI} false, byte 0` }]);
    happened.length = 0;
    socket.dma.write(0, 8, data(4, 4), 9);
    passTo(site, 10_000);
    expect(happened).toEqual([{ time: 1_001 + SETUP + UNIT, what: 'dma 9 0' }]);
    expect([bytes[0], bytes[8]]).toEqual([0, 4]);
  });
});

describe('a snapshot', () => {
  it.each([1, SETUP + 1, MESSAGE + UNIT + 1])('after %i cycles has all that is on its way', (after) => {
    const begin = (world: ReturnType<typeof setUp>): void => {
      world.socket.dma.write(0, 0, data(64, 3), 1);
      world.socket.irq.set(true);
      world.socket.msi.send(0, 0xfee0_0000, 0x41);
    };
    const whole = setUp();
    begin(whole);
    passTo(whole.site, after);
    const units = whole.site.units.save();
    const rows = whole.recorder.save();
    const seen = whole.happened.length;
    const fresh = setUp();
    fresh.bytes.set(whole.bytes);
    fresh.recorder.load(rows);
    fresh.site.units.load(units);
    for (const { site } of [whole, fresh]) passTo(site, 10_000);
    expect(whole.happened.length).toBe(3);
    expect(fresh.happened).toEqual(whole.happened.slice(seen));
  });
});
