/** The remapping unit of a board: where software finds it, and what goes through it. */
import { describe, expect, it } from 'vitest';
import { encodeIrte, SourceVerification } from '../../../../src/machine/iommu/interrupts/irte';
import {
  remappableMessage,
  remappableRedirection,
} from '../../../../src/machine/iommu/interrupts/message-format';
import { Global, Reg } from '../../../../src/machine/iommu/layout';
import { SERVER_UNIT } from '../../../../src/machine/iommu/options';
import { DeliveryMode } from '../../../../src/machine/interrupts/message';
import { BOARD_IOMMU, type BoardIommuPlan } from '../../../../src/machine/platform/board-iommu';
import { makeBoard, statesOf } from './fake-environment';

const NO_COSTS = {
  lookup: 0,
  reference: 0,
  command: 0,
  descriptor: 0,
  deviceInvalidation: 0,
  deviceTimeout: 0,
};
const plan = (verifiesIoapic = true): BoardIommuPlan => ({
  unit: { ...SERVER_UNIT, costs: NO_COSTS },
  interrupts: {
    posting: true,
    x2apic: true,
    verifiesIoapic,
    costs: { cacheHit: 0, tableRead: 0, descriptorUpdate: 0 },
  },
});

const DEVICE = 0x18;
const [INDEX, VECTOR] = [3, 0x51];
const TABLE = 0x10000;
const SPURIOUS = { offset: 0xf0, enabled: 0x1ff };
const LAPIC = 0xfee00000;
const IOAPIC = { select: 0, data: 0x10, table: 0x10 } as const;
const PIN = 11;

type World = ReturnType<typeof makeBoard>;

const bit = (at: number): number => 2 ** at;
const write = ({ board }: World, offset: number, value: number): void =>
  board.memory.write(BOARD_IOMMU.base + offset, 4, value);
const read = ({ board }: World, offset: number): number => board.memory.read(BOARD_IOMMU.base + offset, 4);

/** A board whose interrupts are remapped, with one entry, for a requester. */
function remapping(source: number, verifiesIoapic = true): World {
  const world = makeBoard({ iommu: plan(verifiesIoapic) });
  world.board.powerOn();
  world.board.memory.write(LAPIC + SPURIOUS.offset, 4, SPURIOUS.enabled, 0, 0);
  const irte = {
    format: 'remapped',
    vector: VECTOR,
    mode: DeliveryMode.Fixed,
    level: false,
    logical: false,
    redirected: false,
    faultsDisabled: false,
    destination: 0,
    source: { verification: SourceVerification.Requester, id: source, qualifier: 0 },
  } as const;
  world.memory.write(TABLE + 16 * INDEX, new Uint8Array(Uint32Array.from(encodeIrte(irte, false)).buffer));
  write(world, Reg.InterruptTable, TABLE + 7);
  write(world, Reg.InterruptTable + 4, 0);
  write(world, Reg.GlobalCommand, bit(Global.setInterruptTable));
  write(world, Reg.GlobalCommand, bit(Global.interruptRemapping));
  return world;
}

/** Vectors that CPU 0 has accepted. */
const accepted = ({ log }: World): string[] => log.filter((line) => line.startsWith('accepted 0'));

/** An edge at an input of the IOAPIC whose entry is the index. */
function pulse({ board }: World): void {
  const { low, high } = remappableRedirection(INDEX, { vector: VECTOR, level: false, masked: false });
  for (const [register, value] of [
    [IOAPIC.table + 2 * PIN + 1, high],
    [IOAPIC.table + 2 * PIN, low],
  ]) {
    board.fabric.ioapic.write(IOAPIC.select, 4, register);
    board.fabric.ioapic.write(IOAPIC.data, 4, value >>> 0);
  }
  board.fabric.setPin(PIN, 'test', true);
}

describe('the IOMMU of a board', () => {
  it('is told of by ACPI, and answers at that address', () => {
    const world = makeBoard({ iommu: plan() });
    world.board.powerOn();
    const { bytes } = world.memory;
    const at = Buffer.from(bytes).indexOf('DMAR');
    const view = new DataView(bytes.buffer, at);
    // Behind the header and the flags: a unit (type 0) for all devices, and its registers (VT-d specification, 8.1 and 8.3).
    expect([view.getUint8(37) & 1, view.getUint16(48, true), view.getUint8(52)]).toEqual([1, 0, 1]);
    expect(Number(view.getBigUint64(56, true))).toBe(BOARD_IOMMU.base);
    expect(read(world, Reg.Version) >>> 4).toBe(4);
    expect(world.tags.some(({ unit }) => unit.class === 'iommu')).toBe(true);
  });

  it('is not there where none is asked for', () => {
    const world = makeBoard();
    world.board.powerOn();
    expect(Buffer.from(world.memory.bytes).indexOf('DMAR')).toBe(-1);
  });

  it('remaps what a device sends, for the requester that the entry is for', () => {
    const world = remapping(DEVICE);
    const { address, data } = remappableMessage(INDEX, 0);
    expect(world.board.fabric.msi(DEVICE + 8, address, data)).toBe(0);
    expect(accepted(world)).toEqual([]);
    expect(world.board.fabric.msi(DEVICE, address, data)).toBe(1);
    expect(accepted(world)).toEqual([`accepted 0 ${VECTOR}`]);
  });

  it('verifies the IOAPIC unless it is one that cannot', () => {
    const strict = remapping(DEVICE);
    pulse(strict);
    expect(accepted(strict)).toEqual([]);
    const lenient = remapping(DEVICE, false);
    pulse(lenient);
    expect(accepted(lenient)).toEqual([`accepted 0 ${VECTOR}`]);
  });

  it('is off after a reset', () => {
    const world = remapping(DEVICE);
    expect(read(world, Reg.GlobalStatus)).toBe(
      bit(Global.interruptRemapping) + bit(Global.setInterruptTable),
    );
    world.board.reset();
    expect(read(world, Reg.GlobalStatus)).toBe(0);
  });

  it('tells of translation that is turned on, or ends with a reset', () => {
    const world = makeBoard({ iommu: plan() });
    world.board.powerOn();
    const told = (): number => world.log.filter((line) => line === 'translation switched').length;
    world.board.reset();
    expect(told()).toBe(0);
    write(world, Reg.GlobalCommand, bit(Global.translation));
    expect(told()).toBe(1);
    world.board.reset();
    world.board.reset();
    expect(told()).toBe(2);
  });

  it('moves with its board', () => {
    const world = remapping(DEVICE);
    const other = makeBoard({ iommu: plan() });
    other.board.powerOn();
    other.memory.write(0, world.memory.bytes);
    other.board.adopt(structuredClone(world.board.hardware()));
    expect(statesOf(other.kept)['pc/iommu'].hardware).toEqual(statesOf(world.kept)['pc/iommu'].hardware);
    const { address, data } = remappableMessage(INDEX, 0);
    expect(other.board.fabric.msi(DEVICE, address, data)).toBe(1);
    const without = makeBoard();
    without.board.powerOn();
    expect(() => without.board.adopt(world.board.hardware())).toThrow('iommu');
  });
});
