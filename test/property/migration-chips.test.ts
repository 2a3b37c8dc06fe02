/** The small chips of a board move: timers, clock, console, ports. */
import fc from 'fast-check';
import { describe } from 'vitest';
import { AcpiPm } from '../../src/machine/devices/acpi-pm';
import { Edu, EDU_BUFFER, EduDma, EduRegister } from '../../src/machine/devices/edu';
import { E1000 } from '../../src/machine/devices/e1000/e1000';
import { Rctl, Reg } from '../../src/machine/devices/e1000/constants';
import { FwCfg } from '../../src/machine/devices/fw-cfg';
import { PcTestDevice, TESTDEV } from '../../src/machine/devices/pc-testdev';
import { KeyboardController } from '../../src/machine/devices/keyboard-controller';
import { Hpet } from '../../src/machine/devices/hpet';
import { Pit } from '../../src/machine/devices/pit';
import { ReplaceableLine } from '../../src/machine/platform/replaceable-line';
import { ResetPorts } from '../../src/machine/devices/reset-ports';
import { Rtc } from '../../src/machine/devices/rtc';
import { SerialScript } from '../../src/machine/devices/serial-script';
import { Uart16550 } from '../../src/machine/devices/uart';
import { VGA, VgaText } from '../../src/machine/devices/vga-text';
import { FakeBus, type World } from '../unit/machine/fake-bus';
import { moves, type Outputs } from './migration/bench';
import { access, accesses, type Access } from './migration/steps';

const CYCLES_PER_SECOND = 2_900_000_000;
const SHORT = fc.oneof(fc.constant(0), fc.nat(5_000), fc.nat(2_000_000));
const LONG = fc.oneof(fc.constant(0), fc.nat(5_000_000), fc.nat(3_000_000_000));

const clockOf = (world: World) => ({ now: () => world.time, cyclesPerSecond: CYCLES_PER_SECOND });

/** A bus whose pin is a line that is watched. */
function watchedBus(world: World, out: Outputs, pin: string): FakeBus {
  const bus = new FakeBus(world, 'device');
  Object.assign(bus, { irq: { set: (asserted: boolean) => out.drive(pin, asserted) } });
  bus.msi.send = (_requester, address, data) => out.note(`message ${address} ${data}`);
  return bus;
}

describe('without a time of their own', () => {
  moves('fw_cfg', { step: accesses(fc.nat(1), [0, 5, 0x15, 0x19, 0x20], [1, 2]), waits: SHORT }, () => {
    const unit = new FwCfg({ ramBytes: 1 << 24, cpus: 2, cmdline: 'console=ttyS0', memoryMap: [] });
    return { unit, perform: (step: Access) => access(unit, step) };
  });

  const resetStep = fc.record({
    part: fc.constantFrom('systemControl', 'control', 'firmwareCommand'),
    access: accesses(fc.constant(0), [1, 2, 4, 6, 0x50]),
  });
  moves('the reset ports', { step: resetStep, waits: SHORT }, (_world, out) => {
    const unit = new ResetPorts({ init: () => out.note('INIT'), reset: (how) => out.note(how) });
    return {
      unit,
      perform: (step: typeof resetStep extends fc.Arbitrary<infer S> ? S : never) =>
        access(unit[step.part], step.access),
    };
  });

  const keyStep = fc.record({
    part: fc.constantFrom('data', 'commandPort'),
    access: accesses(
      fc.constant(0),
      [0x20, 0x60, 0xaa, 0xad, 0xd0, 0xd1, 0xd2, 0xfe, 0xff, 0xf2, 0xf0, 0, 1, 0x45],
    ),
  });
  moves('the keyboard controller', { step: keyStep, waits: SHORT }, (_world, out) => {
    const unit = new KeyboardController({
      reset: (how) => out.note(how),
      interrupt: (asserted) => out.drive('IRQ1', asserted),
    });
    return {
      unit,
      perform: (step: typeof keyStep extends fc.Arbitrary<infer S> ? S : never) =>
        access(unit[step.part], step.access),
    };
  });

  const testStep = fc.oneof(
    fc.record({
      part: fc.constantFrom('latchPorts', 'bytePorts'),
      access: accesses(fc.constant(0), [], [1, 2, 4]),
    }),
    fc.record({
      part: fc.constant('linePorts'),
      access: accesses(fc.nat(TESTDEV.lines.size - 1), [0, 1]),
    }),
    fc.record({ part: fc.constant('memory'), access: accesses(fc.nat(64), [], [1, 2, 4]) }),
  );
  moves('the test device', { step: testStep, waits: SHORT }, (_world, out) => {
    const unit = new PcTestDevice((line, asserted) => out.drive(`IRQ${line}`, asserted));
    return {
      unit,
      perform: (step: typeof testStep extends fc.Arbitrary<infer S> ? S : never) =>
        access(unit[step.part], step.access),
    };
  });
});

describe('with a clock that never stops', () => {
  moves(
    'the ACPI timer',
    { step: accesses(fc.constantFrom(0, 2, 4, 8), [0x3c00, 0x2000], [1, 2, 4]), waits: LONG },
    (world, out) => {
      const unit = new AcpiPm({ ...clockOf(world), sleep: (type) => out.note(`sleep ${type}`) });
      return { unit, perform: (step: Access) => access(unit, step) };
    },
  );

  const vgaStep = fc.record({
    part: fc.constantFrom<keyof typeof VGA>(...(Object.keys(VGA) as (keyof typeof VGA)[])),
    access: accesses(fc.nat(1), [0x0e, 0x11, 0x66, 0x67], [1, 2]),
  });
  moves('the VGA', { step: vgaStep, waits: SHORT }, (world) => {
    const unit = new VgaText(clockOf(world));
    return {
      unit,
      perform: (step: typeof vgaStep extends fc.Arbitrary<infer S> ? S : never) =>
        access(unit[step.part], step.access),
    };
  });

  const pitStep = fc.oneof(
    accesses(fc.nat(3), [0x34, 0x36, 0x30, 0x38, 0xb0, 0xb6, 0xe2, 0xc2, 0x00, 0x10]),
    accesses(fc.constant(0x61), [0, 1, 2, 3]),
    fc.boolean(),
  );
  moves('the PIT', { step: pitStep, waits: SHORT }, (world, out) => {
    const unit = new Pit('pit', {
      ...clockOf(world),
      schedule: (time, target) => world.queue.schedule(time, target, 0),
      cancel: (handle) => world.queue.cancel(handle),
      setOutput: (asserted) => out.drive('IRQ0', asserted),
    });
    world.queue.register(unit);
    return {
      unit,
      perform: (step: Access | boolean) => {
        if (typeof step === 'boolean') return unit.setListened(step);
        return step.offset === 0x61 ? access(unit.portBBlock, { ...step, offset: 0 }) : access(unit, step);
      },
    };
  });

  const hpetRegisters = [0x00, 0x04, 0x10, 0x20, 0xf0, 0xf4, 0x100, 0x108, 0x10c, 0x120, 0x128, 0x140, 0x148];
  moves(
    'the HPET',
    {
      step: accesses(
        fc.constantFrom(...hpetRegisters),
        [0, 1, 2, 3, 7, 100, 300, 0x4c, 0x104, 0x2806, 0x280c],
        [4],
      ),
      waits: SHORT,
    },
    (world, out) => {
      const unit = new Hpet('hpet', {
        ...clockOf(world),
        schedule: (time, target) => world.queue.schedule(time, target, 0),
        cancel: (handle) => world.queue.cancel(handle),
        line: (input, timer) => ({ set: (asserted) => out.drive(`timer ${timer} at ${input}`, asserted) }),
        // What is replaced is the two lines' own state, and moves with them.
        replacesLegacy: () => undefined,
      });
      world.queue.register(unit);
      return { unit, perform: (step: Access) => access(unit, step) };
    },
  );

  moves(
    'a line that an HPET replaces',
    { step: fc.tuple(fc.boolean(), fc.boolean()), waits: SHORT },
    (_world, out) => {
      const unit = new ReplaceableLine({ set: (asserted) => out.drive('IRQ0', asserted) });
      return {
        unit,
        perform: ([level, on]: [boolean, boolean]) => (level ? unit.set(on) : unit.setReplaced(on)),
      };
    },
  );

  const rtcStep = fc.record({
    index: fc.oneof(fc.nat(0x0d), fc.constantFrom(0x0a, 0x0b, 0x0c, 0x32)),
    value: fc.option(fc.oneof(fc.nat(0xff), fc.constantFrom(0x26, 0x2f, 0x42, 0x72, 0x12, 0xc0, 0x82)), {
      nil: undefined,
    }),
  });
  moves('the RTC', { step: rtcStep, waits: LONG }, (world, out) => {
    const unit = new Rtc('rtc', {
      ...clockOf(world),
      startSeconds: 951_782_395, // a few seconds before a 29th of February
      ramBytes: 1 << 26,
      cpus: 2,
      schedule: (time, target) => world.queue.schedule(time, target, 0),
      cancel: (handle) => world.queue.cancel(handle),
      setLine: (asserted) => out.drive('IRQ8', asserted),
    });
    world.queue.register(unit);
    return {
      unit,
      perform: ({ index, value }: { index: number; value: number | undefined }) => {
        unit.write(0, 1, index);
        return access(unit, { offset: 1, size: 1, value });
      },
    };
  });
});

describe('on a bus', () => {
  const uartStep = fc.oneof(
    accesses(fc.nat(7), [0x01, 0x03, 0x08, 0x0f, 0x41, 0x83, 0xc1]),
    fc.uint8Array({ maxLength: 20 }),
  );
  moves('the UART', { step: uartStep, waits: fc.oneof(SHORT, fc.nat(30_000_000)) }, (world, out) => {
    const bus = watchedBus(world, out, 'IRQ4');
    const unit = new Uart16550(bus, (byte) => out.note(`sent ${byte}`));
    bus.plug(unit);
    return {
      unit,
      perform: (step: Access | Uint8Array) =>
        step instanceof Uint8Array ? unit.receive(step) : access(unit, step),
    };
  });

  const seenStep = fc.constantFrom(...new TextEncoder().encode('ab?'));
  moves('the script of a serial line', { step: seenStep, waits: SHORT }, (world, out) => {
    const bus = watchedBus(world, out, 'none');
    const text = (written: string): Uint8Array => new TextEncoder().encode(written);
    const steps = ['ab', 'aab', '', '?a?'].map((after, index) => ({
      after: text(after),
      delay: index * 1000,
      send: text(`${index}`),
    }));
    const unit = new SerialScript(bus, 0, steps, (bytes) => out.note(`typed ${bytes.join()}`));
    bus.plug({ onEvent: () => unit.onEvent(), onDma: () => undefined });
    unit.start();
    return { unit, perform: (step: number) => unit.seen(step) };
  });

  // Configuration space is the root complex's to move, so it stays as it is at the beginning: bus master, pin.
  const eduStep = fc.oneof(
    { weight: 4, arbitrary: accesses(fc.constantFrom(...Object.values(EduRegister)), [5, 0x80], [4]) },
    {
      weight: 1,
      arbitrary: fc.record({ transfer: fc.nat(EduDma.Run | EduDma.ToMemory | EduDma.InterruptAfter) }),
    },
  );
  moves('the teaching device', { step: eduStep, waits: SHORT }, (world, out) => {
    const bus = watchedBus(world, out, 'INTA');
    bus.memory.fill(0x5a, 0x1000, 0x1040);
    const unit = new Edu(bus);
    bus.plug(unit);
    unit.pci.write(4, 2, 6);
    return {
      unit,
      perform: (step: Access | { transfer: number }) => {
        if ('offset' in step) {
          const seen = access(unit, step);
          world.advanceTo(world.time); // what a transfer takes is the bus's affair, and here it takes no time
          return seen;
        }
        const toMemory = (step.transfer & EduDma.ToMemory) !== 0;
        unit.write(EduRegister.DMA_SOURCE, 4, toMemory ? EDU_BUFFER.base : 0x1000);
        unit.write(EduRegister.DMA_DESTINATION, 4, toMemory ? 0x2000 : EDU_BUFFER.base);
        unit.write(EduRegister.DMA_COUNT, 4, 64);
        unit.write(EduRegister.DMA_COMMAND, 4, step.transfer);
        world.advanceTo(world.time);
        return (step.transfer & EduDma.Run) !== 0 && toMemory ? [...bus.memory.slice(0x2000, 0x2040)] : [];
      },
    };
  });

  // Rings and frames have a property of their own beside the e1000's tests; here are its registers and timers.
  const nicStep = fc.oneof(
    accesses(
      fc.oneof(
        fc.constantFrom(Reg.ICR, Reg.ICS, Reg.IMS, Reg.IMC, Reg.ITR, Reg.RDTR, Reg.RADV, Reg.RCTL, Reg.EERD),
        fc.nat(0x17ff).map((word) => word * 4),
      ),
      [0x84, 0xffff, 100, Rctl.EN],
      [4],
    ),
    fc.record({ frame: fc.integer({ min: 60, max: 1514 }) }),
  );
  moves('an e1000', { step: nicStep, waits: SHORT, numRuns: 80 }, (world, out) => {
    const bus = watchedBus(world, out, 'INTA');
    const unit = new E1000(bus, { mac: Uint8Array.of(2, 0, 0, 0, 0, 1) });
    bus.plug(unit);
    return {
      unit,
      perform: (step: Access | { frame: number }) => {
        if ('frame' in step) unit.receive(new Uint8Array(step.frame).fill(0xff));
        return 'frame' in step ? unit.canReceive(1514) : access(unit, step);
      },
    };
  });
});
