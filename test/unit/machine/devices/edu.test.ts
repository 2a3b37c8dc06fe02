/** The teaching device, by QEMU's docs/specs/edu: registers, factorial, interrupts by pin and by message, DMA. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MsiPort } from '../../../../src/machine/bus';
import {
  Edu,
  EDU_BUFFER,
  EDU_SCRATCH,
  EduCause,
  EduDma,
  EduRegister,
  EduStatus,
  EduVector,
} from '../../../../src/machine/devices/edu';
import { Command } from '../../../../src/machine/pci/config';
import { CYCLES_PER_NANOSECOND, FakeBus, World } from '../fake-bus';

const MSI_ENABLE = 1;
const MSIX_ENABLE = 0x8000;
const CAPABILITIES = 0x34;

class MessageBus extends FakeBus {
  readonly messages: [address: number, data: number][] = [];
  override readonly msi: MsiPort = {
    send: (_requester, address, data) => void this.messages.push([address, data]),
  };
}

function machine() {
  const world = new World();
  const bus = new MessageBus(world, 'edu');
  const edu = new Edu(bus);
  bus.plug(edu);
  edu.pci.write(4, 2, Command.MemorySpace | Command.BusMaster);
  const get = (register: number): number => edu.read(register, 4);
  const set = (register: number, value: number): void => edu.write(register, 4, value);
  const capability = (id: number): number => {
    let at = edu.pci.read(CAPABILITIES, 1);
    while (at !== 0 && edu.pci.read(at, 1) !== id) at = edu.pci.read(at + 1, 1);
    return at;
  };
  const transfer = (source: number, destination: number, count: number, command: number): void => {
    set(EduRegister.DMA_SOURCE, source);
    set(EduRegister.DMA_DESTINATION, destination);
    set(EduRegister.DMA_COUNT, count);
    set(EduRegister.DMA_COMMAND, command);
  };
  return { world, bus, edu, get, set, capability, transfer };
}

describe('the scratch memory of edu', () => {
  const withScratch = (at?: 'beside' | 'page'): Edu => {
    const bus = new MessageBus(new World(), 'edu');
    const edu = new Edu(bus, at);
    bus.plug(edu);
    return edu;
  };

  it('keeps what is written in all widths, is nowhere else, and is gone by a reset', () => {
    for (const at of ['beside', 'page'] as const) {
      const { offset, size } = EDU_SCRATCH[at];
      const edu = withScratch(at);
      edu.write(offset, 4, 0xdeadbeef);
      edu.write(offset + 1, 1, 0x12);
      expect(edu.read(offset, 4)).toBe(0xdead12ef);
      expect(edu.read(offset + 2, 2)).toBe(0xdead);
      edu.write(offset + size, 4, 1);
      expect(edu.read(offset + size, 4)).toBe(0xffffffff);
      expect(edu.registerNames()[String(offset)]).toBe('SCRATCH');
      const other = withScratch(at);
      other.adopt(edu.save().hardware);
      expect(other.read(offset, 4)).toBe(0xdead12ef);
      edu.busReset();
      expect(edu.read(offset, 4)).toBe(0);
    }
  });

  it('is not there where nobody asks for it: as QEMU has the device', () => {
    const edu = withScratch();
    for (const { offset } of Object.values(EDU_SCRATCH)) {
      edu.write(offset, 4, 1);
      expect(edu.read(offset, 4)).toBe(0xffffffff);
    }
  });
});

describe('the registers of edu', () => {
  it('say what it is, and that it lives', () => {
    const { edu, get, set } = machine();
    expect(edu.pci.read(0, 4)).toBe(0x11e81234);
    // 0xRRrr00ed: major and minor version.
    expect(get(EduRegister.ID) & 0xffff).toBe(0xed);
    set(EduRegister.LIVENESS, 0x12345678);
    expect(get(EduRegister.LIVENESS)).toBe(0xedcba987);
  });

  it('are read whole, and read as ones where nothing is', () => {
    const { edu, get } = machine();
    expect(edu.read(EduRegister.ID, 1)).toBe(0xffffffff);
    expect(get(0x0c)).toBe(0xffffffff);
    expect(get(0x40000)).toBe(0xffffffff);
  });
});

describe('the factorial', () => {
  const exact = (n: number): number => {
    let product = 1n;
    for (let i = 2n; i <= BigInt(n); i++) product *= i;
    return Number(BigInt.asUintN(32, product));
  };

  it.each([0, 1, 2, 5, 12, 13, 20, 33, 34, 35])('of %i is right modulo 2^32', (n) => {
    const { world, get, set } = machine();
    set(EduRegister.FACTORIAL, n);
    expect(get(EduRegister.STATUS) & EduStatus.Computing).toBe(EduStatus.Computing);
    world.drain();
    expect(get(EduRegister.STATUS)).toBe(0);
    expect(get(EduRegister.FACTORIAL)).toBe(exact(n));
  });

  it('takes longer for more factors, but never for ever', () => {
    const timeOf = (n: number): number => {
      const { world, set } = machine();
      set(EduRegister.FACTORIAL, n);
      world.drain();
      return world.time;
    };
    expect(timeOf(10)).toBeGreaterThan(timeOf(5));
    expect(timeOf(0xffffffff)).toBeLessThan(1e6 * CYCLES_PER_NANOSECOND);
  });

  it('interrupts when asked to, and cannot be disturbed while it is computed', () => {
    const { world, bus, get, set } = machine();
    set(EduRegister.STATUS, EduStatus.InterruptAfter);
    set(EduRegister.FACTORIAL, 5);
    set(EduRegister.FACTORIAL, 6);
    expect(bus.line).toBe(false);
    world.drain();
    expect(get(EduRegister.FACTORIAL)).toBe(120);
    expect(get(EduRegister.IRQ_STATUS)).toBe(EduCause.Factorial);
    expect(bus.line).toBe(true);
  });
});

describe('interrupts', () => {
  it('gather causes until each is acknowledged', () => {
    const { bus, get, set } = machine();
    set(EduRegister.IRQ_RAISE, 0x6);
    set(EduRegister.IRQ_RAISE, 0x10);
    expect(get(EduRegister.IRQ_STATUS)).toBe(0x16);
    set(EduRegister.IRQ_ACK, 0x6);
    expect(bus.line).toBe(true);
    set(EduRegister.IRQ_ACK, 0x10);
    expect(bus.line).toBe(false);
  });

  it('are one message each with MSI, and none without bus mastering', () => {
    const { bus, edu, set, capability } = machine();
    const at = capability(5);
    edu.pci.write(at + 4, 4, 0xfee01000);
    edu.pci.write(at + 12, 2, 0x41);
    edu.pci.write(at + 2, 2, MSI_ENABLE);
    set(EduRegister.IRQ_RAISE, 1);
    set(EduRegister.IRQ_RAISE, 1);
    expect(bus.messages).toEqual([
      [0xfee01000, 0x41],
      [0xfee01000, 0x41],
    ]);
    edu.pci.write(4, 2, Command.MemorySpace);
    set(EduRegister.IRQ_RAISE, 1);
    expect(bus.messages.length).toBe(2);
  });

  it('have an MSI-X vector for each kind of cause', () => {
    const { world, bus, edu, set, capability, transfer } = machine();
    const table = edu.pci.bars.find(({ index }) => index === 4)!.block;
    for (const vector of Object.values(EduVector)) {
      table.write(16 * vector, 4, 0xfee00000, 0);
      table.write(16 * vector + 8, 4, 0x50 + vector, 0);
      table.write(16 * vector + 12, 4, 0, 0);
    }
    edu.pci.write(capability(0x11) + 2, 2, MSIX_ENABLE);
    set(EduRegister.IRQ_RAISE, 1);
    set(EduRegister.STATUS, EduStatus.InterruptAfter);
    set(EduRegister.FACTORIAL, 3);
    world.drain();
    transfer(0x1000, EDU_BUFFER.base, 8, EduDma.Run | EduDma.InterruptAfter);
    world.drain();
    expect(bus.messages.map(([, data]) => data)).toEqual([0x50, 0x51, 0x52]);
  });
});

describe('DMA', () => {
  it('takes bytes from memory into the buffer and back, and is done when it is done', () => {
    const { world, bus, get, transfer } = machine();
    bus.dma.latency = 500;
    const bytes = Uint8Array.from({ length: 300 }, (_, i) => i * 7);
    bus.memory.set(bytes, 0x1000);
    transfer(0x1000, EDU_BUFFER.base + 100, 300, EduDma.Run);
    expect(get(EduRegister.DMA_COMMAND) & EduDma.Run).toBe(EduDma.Run);
    world.drain();
    expect(get(EduRegister.DMA_COMMAND) & EduDma.Run).toBe(0);
    transfer(EDU_BUFFER.base + 100, 0x2000, 300, EduDma.Run | EduDma.ToMemory | EduDma.InterruptAfter);
    expect(get(EduRegister.IRQ_STATUS)).toBe(0);
    world.drain();
    expect(bus.memory.slice(0x2000, 0x2000 + 300)).toEqual(bytes);
    expect(get(EduRegister.IRQ_STATUS)).toBe(EduCause.Dma);
  });

  it('does not begin outside the buffer, and ignores its registers while it runs', () => {
    const { world, bus, get, set, transfer } = machine();
    transfer(0x1000, EDU_BUFFER.base + 1, EDU_BUFFER.size, EduDma.Run);
    transfer(EDU_BUFFER.base - 1, 0x1000, 1, EduDma.Run | EduDma.ToMemory);
    expect(bus.dma.pending).toEqual([]);
    bus.dma.latency = 500;
    transfer(0x1000, EDU_BUFFER.base, 16, EduDma.Run);
    set(EduRegister.DMA_COUNT, 99);
    expect(get(EduRegister.DMA_COUNT)).toBe(16);
    world.drain();
    expect(get(EduRegister.DMA_COMMAND)).toBe(0);
  });

  it('ends without bytes where nothing answers', () => {
    const { world, get, transfer } = machine();
    transfer(0x0ff00000, EDU_BUFFER.base, 16, EduDma.Run | EduDma.InterruptAfter);
    world.drain();
    expect(get(EduRegister.DMA_COMMAND) & EduDma.Run).toBe(0);
    expect(get(EduRegister.IRQ_STATUS)).toBe(EduCause.Dma);
  });

  it('is forgotten by a reset of the bus', () => {
    const { world, bus, edu, get, transfer } = machine();
    bus.dma.latency = 500;
    transfer(0x1000, EDU_BUFFER.base, 16, EduDma.Run | EduDma.InterruptAfter);
    edu.busReset();
    world.drain();
    expect(get(EduRegister.IRQ_STATUS)).toBe(0);
    expect(bus.line).toBe(false);
  });
});

describe('its state', () => {
  it('goes on where it was saved, in the same run', () => {
    const { world, bus, edu, get, set } = machine();
    set(EduRegister.FACTORIAL, 7);
    const saved = { edu: edu.save(), world: world.save() };
    world.drain();
    const after = world.time;
    set(EduRegister.LIVENESS, 1);
    world.load(saved.world);
    edu.load(saved.edu);
    world.drain();
    expect(world.time).toBe(after);
    expect(get(EduRegister.FACTORIAL)).toBe(5040);
    expect(bus.line).toBe(false);
  });

  it('moves to another bus: what was under way ends there', () => {
    const from = machine();
    const to = machine();
    from.bus.dma.latency = 500;
    to.bus.memory.fill(0x5a, 0x1000, 0x1010);
    from.set(EduRegister.IRQ_RAISE, 2);
    from.set(EduRegister.FACTORIAL, 6);
    from.transfer(0x1000, EDU_BUFFER.base, 16, EduDma.Run);
    to.edu.adopt(from.edu.save().hardware);
    expect(to.bus.line).toBe(true);
    to.world.drain();
    expect(to.get(EduRegister.FACTORIAL)).toBe(720);
    to.transfer(EDU_BUFFER.base, 0x2000, 16, EduDma.Run | EduDma.ToMemory);
    to.world.drain();
    expect(to.bus.memory.slice(0x2000, 0x2010)).toEqual(new Uint8Array(16).fill(0x5a));
  });

  it('never throws and comes to rest, whatever is written', () => {
    const access = fc.tuple(
      fc.constantFrom(...Object.values(EduRegister), 0x84, 0x9c, 0x0c, 0xffffc),
      fc.constantFrom<1 | 2 | 4>(1, 2, 4),
      fc.oneof(
        fc.integer({ min: 0, max: 0xff }),
        fc.integer({ min: 0, max: 0xffffffff }),
        fc.constant(EDU_BUFFER.base),
      ),
    );
    fc.assert(
      fc.property(fc.array(access, { maxLength: 40 }), (accesses) => {
        const { world, edu } = machine();
        for (const [offset, size, value] of accesses) {
          edu.write(offset, size, value);
          edu.read(offset, size);
        }
        world.drain();
        expect(edu.read(EduRegister.STATUS, 4) & EduStatus.Computing).toBe(0);
        expect(edu.read(EduRegister.DMA_COMMAND, 4) & EduDma.Run).toBe(0);
      }),
      { seed: 9 },
    );
  });
});
