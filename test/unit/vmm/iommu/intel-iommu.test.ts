/** The driver of the host's IOMMU: interrupts handed to the kernel or posted, and more faults than there are registers for. */
import { describe, expect, it } from 'vitest';
import { InterruptFaultReason } from '../../../../src/machine/iommu/interrupts/interrupt-faults';
import { FaultReason } from '../../../../src/machine/iommu/fault-reasons';
import { SERVER_UNIT } from '../../../../src/machine/iommu/options';
import type { TraceEvent } from '../../../../src/trace/query/store';
import { Kind } from '../../../../src/trace/vocabulary/events';
import { passTo } from '../threads/world';
import { iommuWorld, MIB, PAGE, rowsOf, type IommuWorld } from './world';

const DEVICE = 3 << 3;
const OTHER = 4 << 3;
const HOST_VECTOR = 0x41;
const PLACE = { cpu: 1, vector: HOST_VECTOR };

const ofKind = (rows: readonly TraceEvent[], kind: number): [a: number, b: number][] =>
  rows.filter((row) => row.kind === kind).map(({ a, b }) => [a, b]);
const settle = ({ site }: IommuWorld): void => passTo(site, site.island.now() + 100_000);

describe('interrupts', () => {
  it('are handed to the vector of a CPU, of their own device alone, until they are taken back', () => {
    const world = iommuWorld();
    const { driver, site } = world;
    settle(world);
    const { address, data } = driver.compose(DEVICE, 0, PLACE, 2);
    const send = (requester: number, index: number): void => {
      site.scheduler.interrupts.fabric.msi(requester, address, data + index);
      settle(world);
    };
    send(DEVICE, 0);
    send(DEVICE, 1);
    send(OTHER, 0);
    driver.release(DEVICE, 0);
    settle(world);
    send(DEVICE, 0);
    const rows = rowsOf(world.recorder, world.site.island.now());
    expect(ofKind(rows, Kind.IrqRemap).map(([, vector]) => vector)).toEqual([HOST_VECTOR, HOST_VECTOR + 1]);
    expect(ofKind(rows, Kind.IrqAccept).map(([vector]) => vector)).toContain(HOST_VECTOR + 1);
    expect(ofKind(rows, Kind.IrqBlocked).map(([reason]) => reason)).toEqual([
      InterruptFaultReason.SourceRefused,
      InterruptFaultReason.NotPresent,
    ]);
  });

  it('are posted to a vCPU, and handed to the kernel again', () => {
    const world = iommuWorld();
    const { driver, site, host } = world;
    settle(world);
    const { address, data } = driver.compose(DEVICE, 0, PLACE, 1);
    const send = (): void => {
      site.scheduler.interrupts.fabric.msi(DEVICE, address, data);
      settle(world);
    };
    const vector = 0x77;
    // In the VM's memory, of which nothing else is used: ON and SN are clear, NV and NDST name CPU 1.
    const descriptor = world.base;
    const notification = 0xf2;
    host.memory.write(descriptor + 34, Uint8Array.of(notification));
    host.memory.write(descriptor + 36, Uint8Array.of(1));
    send();
    expect(driver.postTo(DEVICE, 0, { descriptor, vector, urgent: false })).toBe(true);
    settle(world);
    send();
    // The request bit of the vector, in the first 32 bytes.
    expect(host.memory.read(descriptor + (vector >> 3), 1)).toEqual(Uint8Array.of(1 << (vector & 7)));
    expect(driver.postTo(DEVICE, 0, undefined)).toBe(true);
    settle(world);
    send();
    expect(driver.postTo(DEVICE, 1, undefined)).toBe(false);
    const rows = rowsOf(world.recorder, world.site.island.now());
    expect(ofKind(rows, Kind.IrqPost)).toEqual([[vector, descriptor]]);
    expect(ofKind(rows, Kind.IrqNotify)).toEqual([[notification, 1]]);
    expect(ofKind(rows, Kind.IrqRemap).map(([, each]) => each)).toEqual([HOST_VECTOR, HOST_VECTOR]);
    // Each change of the entry has the unit read it again.
    expect(ofKind(rows, Kind.IrteRead).length).toBe(3);
    expect(ofKind(rows, Kind.IrtePosted).length).toBe(1);
  });

  it('are what the device writes where the unit remaps none', () => {
    const world = iommuWorld(false);
    const { driver, site } = world;
    const { address, data } = driver.compose(DEVICE, 0, PLACE, 1);
    expect([address, data]).toEqual([0xfee00000 + (PLACE.cpu << 12), HOST_VECTOR]);
    expect(site.scheduler.interrupts.fabric.msi(DEVICE, address, data)).toBe(1);
    expect(driver.postTo(DEVICE, 0, undefined)).toBe(false);
  });

  it('are faults where the table has no room, and go on where it has some again', () => {
    const world = iommuWorld();
    const { driver, site } = world;
    settle(world);
    const LARGEST = 2 ** 12 - 1;
    for (let index = 0; index < LARGEST; index++) driver.compose(DEVICE, index % 2048, PLACE, 1);
    const refused = driver.compose(OTHER, 0, PLACE, 1);
    site.scheduler.interrupts.fabric.msi(OTHER, refused.address, refused.data);
    settle(world);
    driver.release(DEVICE, 2047);
    const granted = driver.compose(OTHER, 0, PLACE, 1);
    settle(world);
    site.scheduler.interrupts.fabric.msi(OTHER, granted.address, granted.data);
    settle(world);
    const rows = rowsOf(world.recorder, site.island.now());
    expect(ofKind(rows, Kind.IrqBlocked).map(([reason]) => reason)).toEqual([
      InterruptFaultReason.NotPresent,
    ]);
    expect(ofKind(rows, Kind.IrqRemap).length).toBe(1);
  });
});

describe('faults', () => {
  it('beyond the registers are told as not recorded, until the kernel has cleared them', () => {
    const world = iommuWorld();
    const { iommu, driver, base } = world;
    driver.attach(DEVICE, { vm: 0, name: 'vm0', base, size: 4 * MIB });
    settle(world);
    const { faultRecords } = SERVER_UNIT;
    const refuse = (count: number): void => {
      for (let index = 0; index < count; index++)
        iommu.unit.translate(DEVICE, 4 * MIB + index * PAGE, 4, true);
    };
    // All before the fault event has reached a CPU.
    refuse(faultRecords + 2);
    settle(world);
    refuse(1);
    settle(world);
    const rows = rowsOf(world.recorder, world.site.island.now());
    expect(ofKind(rows, Kind.IommuFault).length).toBe(faultRecords + 3);
    expect(ofKind(rows, Kind.IommuUnrecorded)).toEqual([
      [DEVICE, FaultReason.WriteDenied],
      [DEVICE, FaultReason.WriteDenied],
    ]);
    const pages = [...Array.from({ length: faultRecords }, (_, index) => index), 0];
    expect(ofKind(rows, Kind.IommuFaultRead).map(([a]) => a)).toEqual(
      pages.map((page) => 4 * MIB + page * PAGE),
    );
  });

  it('of requests of an unknown function have a reason of their own', () => {
    const world = iommuWorld();
    settle(world);
    const told: number[] = [];
    world.driver.onRefused(OTHER, ({ iova }) => told.push(iova));
    expect(world.iommu.unit.translate(OTHER, PAGE, 4, false)).toMatchObject({ fault: 'blocked' });
    settle(world);
    const rows = rowsOf(world.recorder, world.site.island.now());
    expect(ofKind(rows, Kind.IommuFault)).toEqual([[PAGE, FaultReason.RootNotPresent]]);
    expect(told).toEqual([PAGE]);
  });
});
