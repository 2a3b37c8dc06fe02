/** What units show of themselves is what their own software reads, and looking at it changes nothing. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NO_CPU } from '../../../src/machine/bus';
import { Edu } from '../../../src/machine/devices/edu';
import { Hpet } from '../../../src/machine/devices/hpet';
import { KeyboardController } from '../../../src/machine/devices/keyboard-controller';
import { Pit } from '../../../src/machine/devices/pit';
import { Rtc } from '../../../src/machine/devices/rtc';
import { Uart16550 } from '../../../src/machine/devices/uart';
import type { Stateful } from '../../../src/machine/bus';
import type { Inspectable } from '../../../src/machine/inspect';
import { addExpress, addPowerManagement, ExpressType } from '../../../src/machine/pci/capabilities';
import { headerRegisters } from '../../../src/machine/pci/descriptions';
import { MsiVectors } from '../../../src/machine/pci/msi';
import { MsixVectors } from '../../../src/machine/pci/msix';
import { valueAt, walkTree } from '../../support/state-tree';
import { FakeBus, World } from './fake-bus';
import { at, capabilities, machine, nic } from './pci/machine';

const CYCLES_PER_SECOND = 3_000_000_000;

/** Opens all that a unit shows; fails when that has changed anything. */
function look(unit: Inspectable & Stateful<unknown>): void {
  const before = structuredClone(unit.save());
  expect(walkTree(unit)).toBeGreaterThan(0);
  expect(unit.save()).toEqual(before);
}

const register = (unit: Inspectable, name: string): number => Number(valueAt(unit, 'Registers', name));

/** Accesses to registers, each after some time. */
const accesses = (registers: number) =>
  fc.array(
    fc.record({
      offset: fc.nat(registers - 1),
      value: fc.nat(255),
      after: fc.nat(5_000_000),
      isWrite: fc.boolean(),
    }),
    { maxLength: 40 },
  );

describe('what is shown is what is read', () => {
  it('by a UART', () => {
    fc.assert(
      fc.property(
        accesses(8),
        fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 4 }),
        (steps, typed) => {
          const world = new World();
          const bus = new FakeBus(world, 'uart');
          const uart = new Uart16550(bus, () => undefined);
          bus.plug(uart);
          for (const bytes of typed) uart.receive(bytes);
          for (const { offset, value, after, isWrite } of steps) {
            world.advanceTo(world.time + after);
            if (isWrite) uart.write(offset, 1, value);
            else uart.read(offset, 1);
          }
          look(uart);
          const lcr = uart.read(3, 1);
          expect(register(uart, 'LCR')).toBe(lcr);
          uart.write(3, 1, 0x80);
          expect([register(uart, 'DLL'), register(uart, 'DLM')]).toEqual([uart.read(0, 1), uart.read(1, 1)]);
          uart.write(3, 1, lcr & 0x7f);
          // What a read takes away comes last: the next one is shown before it is read.
          for (const [name, port] of [
            ['IER', 1],
            ['MCR', 4],
            ['SCR', 7],
            ['IIR', 2],
            ['LSR', 5],
            ['MSR', 6],
            ['RBR', 0],
          ] as const) {
            const shown = register(uart, name);
            expect([name, shown]).toEqual([name, uart.read(port, 1)]);
          }
        },
      ),
    );
  });

  it('by a clock', () => {
    fc.assert(
      fc.property(accesses(2), fc.nat(20), (steps, seconds) => {
        const world = new World();
        const rtc = new Rtc('rtc', {
          now: () => world.time,
          cyclesPerSecond: CYCLES_PER_SECOND,
          startSeconds: 1_700_000_000,
          ramBytes: 2 ** 26,
          cpus: 2,
          schedule: (time, target) => world.queue.schedule(time, target, 0),
          cancel: (handle) => world.queue.cancel(handle),
          setLine: () => undefined,
        });
        world.queue.register(rtc);
        for (const { value, after } of steps) {
          world.advanceTo(world.time + after);
          rtc.write(0, 1, value % 14);
          rtc.write(1, 1, value);
        }
        world.advanceTo(world.time + seconds * (CYCLES_PER_SECOND / 4));
        look(rtc);
        for (const [name, index] of [
          ['Seconds', 0],
          ['Minutes', 2],
          ['Hours', 4],
          ['A', 10],
          ['B', 11],
          ['D', 13],
          ['Century', 0x32],
          ['C', 12],
        ] as const) {
          const shown = register(rtc, name);
          rtc.write(0, 1, index);
          expect([name, shown]).toEqual([name, rtc.read(1, 1)]);
        }
      }),
    );
  });

  it('by an HPET', () => {
    fc.assert(
      fc.property(accesses(0x180 / 4), fc.nat(10_000_000), (steps, rest) => {
        const world = new World();
        const hpet = new Hpet('hpet', {
          now: () => world.time,
          cyclesPerSecond: CYCLES_PER_SECOND,
          schedule: (time, target) => world.queue.schedule(time, target, 0),
          cancel: (handle) => world.queue.cancel(handle),
          line: () => ({ set: () => undefined }),
          replacesLegacy: () => undefined,
        });
        world.queue.register(hpet);
        hpet.write(0x10, 4, 1);
        for (const { offset, value, after } of steps) {
          world.advanceTo(world.time + after);
          // Short periods have many matches; they are no matter of this test.
          hpet.write(offset * 4, 4, value * 0x10001 + (offset * 4 >= 0x108 ? 0x10000 : 0));
        }
        world.time += rest;
        look(hpet);
        const wide = (offset: number): bigint =>
          (BigInt(hpet.read(offset + 4, 4)) << 32n) + BigInt(hpet.read(offset, 4));
        for (const [name, offset] of [
          ['GCAP_ID', 0],
          ['GEN_CONF', 0x10],
          ['MAIN_CNT', 0xf0],
          ['TIM0_COMP', 0x108],
          ['TIM1_COMP', 0x128],
          ['TIM2_CONF', 0x140],
          ['GINTR_STA', 0x20],
        ] as const) {
          const shown = valueAt(hpet, 'Registers', name);
          expect([name, shown]).toEqual([name, wide(offset)]);
        }
      }),
    );
  });

  it('by a timer', () => {
    fc.assert(
      fc.property(accesses(4), fc.nat(3_000_000), (steps, rest) => {
        const world = new World();
        const pit = new Pit('pit', {
          now: () => world.time,
          cyclesPerSecond: CYCLES_PER_SECOND,
          schedule: (time, target) => world.queue.schedule(time, target, 0),
          cancel: (handle) => world.queue.cancel(handle),
          setOutput: () => undefined,
        });
        world.queue.register(pit);
        for (const { offset, value, after } of steps) {
          world.advanceTo(world.time + (after % 100_000));
          pit.write(offset, 1, offset < 3 ? value | 1 : value | 0x30);
        }
        world.advanceTo(world.time + rest);
        look(pit);
        for (let index = 0; index < 3; index++) {
          const shown = (name: string): number => Number(valueAt(pit, `Counter ${index}`, name));
          // A control word makes the bytes to be read begin with the low one; a latch before it would stay.
          pit.write(3, 1, (index << 6) | 0x34);
          pit.write(index, 1, 0x34);
          pit.write(index, 1, 0x12);
          world.advanceTo(world.time + 1_000_000);
          const before = [shown('STATUS'), shown(`PIT_COUNTER${index}`)];
          pit.write(3, 1, 0xc0 | (2 << index));
          const status = pit.read(index, 1);
          expect(before).toEqual([status, pit.read(index, 1) + 256 * pit.read(index, 1)]);
        }
        expect(Number(valueAt(pit, 'NMI_SC'))).toBe(pit.portBBlock.read(0, 1, NO_CPU));
      }),
    );
  });

  it('by a keyboard controller', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(0xef)), { maxLength: 20 }), (steps) => {
        const keyboard = new KeyboardController({ reset: () => undefined, interrupt: () => undefined });
        const { data, commandPort } = keyboard;
        for (const [isCommand, value] of steps) (isCommand ? commandPort : data).write(0, 1, value, NO_CPU);
        look(keyboard);
        expect(register(keyboard, 'KBD_COMMAND')).toBe(commandPort.read(0, 1, NO_CPU));
        while ((commandPort.read(0, 1, NO_CPU) & 1) !== 0) {
          const next = register(keyboard, 'KBD_DATA');
          expect(next).toBe(data.read(0, 1, NO_CPU));
        }
        for (const [name, command] of [
          ['command byte', 0x20],
          ['output port', 0xd0],
        ] as const) {
          const shown = register(keyboard, name);
          commandPort.write(0, 1, command, NO_CPU);
          expect(shown).toBe(data.read(0, 1, NO_CPU));
        }
      }),
    );
  });

  it('by an edu', () => {
    const world = new World();
    const bus = new FakeBus(world, 'edu');
    const edu = new Edu(bus, 'beside');
    bus.plug(edu);
    edu.write(0x04, 4, 0x12345678);
    edu.write(0x80, 4, 0xabc000);
    edu.write(0xa0, 4, 77);
    edu.write(0x60, 4, 0x80);
    look(edu);
    expect(register(edu, 'LIVENESS')).toBe(0xedcba987);
    expect(register(edu, 'DMA_SOURCE')).toBe(0xabc000);
    expect(register(edu, 'SCRATCH')).toBe(77);
    expect(register(edu, 'IRQ_STATUS')).toBe(0x80);
    expect(edu.inspect(['Registers', 'IRQ_RAISE'])).toBeUndefined();
  });
});

describe('configuration space', () => {
  it('is shown as software reads it', () => {
    const m = machine();
    const sent: number[][] = [];
    const port = { send: (...message: number[]) => void sent.push(message) };
    const msix = new MsixVectors(port, { vectors: 3, bar: 0, table: 0, pending: 0x800 });
    const fn = nic([{ index: 0, kind: 'memory32', size: 0x1000, block: msix.block, name: 'table' }]);
    msix.addTo(fn);
    new MsiVectors(fn, port, 4);
    addExpress(fn, { type: ExpressType.endpoint });
    addPowerManagement(fn);
    m.root.add(at(3), fn);
    m.write(3, 0x10, 0xc0000000);
    m.write(3, 0x04, 6, 2);
    const where = capabilities(m, 3);
    const [x, msi] = [where.get(0x11) ?? 0, where.get(0x05) ?? 0];
    m.write(3, x + 2, 0x8000, 2);
    m.write(3, msi + 4, 0xfee01000);
    m.memory.write(0xc0000010, 4, 0xfee0200c);
    m.memory.write(0xc0000018, 4, 0x41);
    msix.raise(1);
    look(m.root);
    const own = (...path: string[]): bigint => valueAt(m.root, '00:03.0', ...path);
    for (const { name, at: offset, bytes } of headerRegisters) {
      const all = [...Array(bytes).keys()].reduceRight(
        (sum, i) => sum * 256 + m.ecam.read(3, offset + i, 1),
        0,
      );
      // ECAM reaches conventional space too.
      expect([name, own('Header', name)]).toEqual([name, BigInt(all)]);
    }
    expect(own('BARs', 'BAR 0')).toBe(0xc0000000n);
    expect(own('Capabilities', 'MSI-X', 'Message Control')).toBe(BigInt(m.read(3, x + 2, 2)));
    expect(own('Capabilities', 'MSI', 'Message Address')).toBe(0xfee01000n);
    expect(own('Capabilities', 'PCI Express', 'Link Status')).toBe(
      BigInt(m.read(3, (where.get(0x10) ?? 0) + 18, 2)),
    );
    expect([own('MSI-X table', '1', 'address'), own('MSI-X table', '1', 'data')]).toEqual([
      0xfee0200cn,
      0x41n,
    ]);
    // The vector is masked after a reset, and waits.
    const pending = (vector: string) => m.root.inspect(['00:03.0', 'MSI-X table', vector, 'pending'])?.value;
    expect(pending('1')).toEqual({ kind: 'flag', value: (m.memory.read(0xc0000800, 4) & 2) !== 0 });
    expect(pending('1')).toEqual({ kind: 'flag', value: true });
    expect(sent).toEqual([]);
    expect(valueAt(m.root, 'Ports', 'CONFIG_ADDRESS')).toBe(BigInt(m.ports.read(0xcf8, 4)));
  });
});
