/** The kernel's driver of AMD's IOMMU: messages of devices, pins, vCPUs and the guest virtual APIC log. */
import { beforeEach, describe, expect, it } from 'vitest';
import { DataSlot } from '../../../../src/machine/memory/data-slot';
import { Recorder } from '../../../../src/trace/record/recorder';
import { Kind } from '../../../../src/trace/vocabulary/events';
import { Host, type Site } from '../../../../src/vmm/host';
import { AmdIommu, amdIommuPages } from '../../../../src/vmm/iommu/amd-iommu';
import type { HostAmdIommu } from '../../../../src/vmm/iommu/host-amd-iommu';
import type { HostVectorPlace } from '../../../../src/vmm/threads/host-vectors';
import { bits, vectorsAt, wide } from '../../../support/amd/avic-reader';
import { costs, passTo } from '../threads/world';
import { PAGE, rowsOf } from './world';

const DEVICE = 0x18;
const TAG = 0x203;
const IRR = 0x200;
const HEAD = 0x2040;
const TAIL = 0x2048;

let recorder: Recorder;
let site: Site;
let unit: HostAmdIommu;
let driver: AmdIommu;
let base: number;
let backingPage: number;
let handled: number[];
let place: HostVectorPlace;

beforeEach(() => {
  recorder = new Recorder();
  const host = new Host(recorder, costs, 1e9);
  backingPage = host.memory.append(new DataSlot(PAGE));
  const pages = amdIommuPages(1);
  base = host.memory.append(new DataSlot(pages * PAGE));
  site = host.addIsland([0, 1], { model: 'amd-vi' });
  unit = site.amdIommu!;
  driver = new AmdIommu(site, unit, { base, pages });
  handled = [];
  const target = { hostIrqId: 'device', onHostIrq: (arg: number) => void handled.push(arg) };
  site.scheduler.interrupts.vectors.register(target);
  place = site.scheduler.interrupts.vectors.give(1, 4, target, 100)!;
});

const pass = (): void => passTo(site, site.island.now() + 10_000);
const send = ({ address, data }: { address: number; data: number }, add = 0): number => {
  const reached = site.scheduler.interrupts.fabric.msi(DEVICE, address, data + add);
  pass();
  return reached;
};

/** The entry of a message, as a reader of the tables finds it. */
function entryAt(index: number): bigint {
  // The device table comes first; the third quadword of an entry has the remapping table.
  const device = wide(site.memory, base + DEVICE * 32 + 16, 8);
  expect([bits(device, 0, 0), bits(device, 61, 60)]).toEqual([1, 2]);
  expect(index).toBeLessThan(2 ** bits(device, 4, 1));
  return wide(site.memory, bits(device, 51, 6) * 64 + 16 * index, 16);
}

describe('messages of a function', () => {
  it('come to the kernel’s vectors, one entry each', () => {
    const message = driver.compose(DEVICE, 0, place, 4);
    for (const add of [0, 3]) expect(send(message, add)).toBe(1);
    expect(handled).toEqual([100, 103]);
    const entry = entryAt(3);
    expect([bits(entry, 0, 0), bits(entry, 7, 7), bits(entry, 31, 8), bits(entry, 71, 64)]).toEqual([
      1,
      0,
      1,
      place.vector + 3,
    ]);
  });

  it('that nobody was given are refused, as are those of another function', () => {
    const message = driver.compose(DEVICE, 5, place, 1);
    expect(send(message, 1)).toBe(0);
    expect(site.scheduler.interrupts.fabric.msi(0x20, message.address, message.data)).toBe(1);
    driver.release(DEVICE, 5);
    pass();
    expect(send(message)).toBe(0);
  });

  it('that no table has an entry for are nobody’s', () => {
    const message = driver.compose(DEVICE, 512, place, 1);
    driver.compose(DEVICE, 0, place, 1);
    pass();
    expect(send(message)).toBe(0);
  });
});

it('a pin’s entry has the vector where its level’s end is looked for', () => {
  const { low, high } = driver.redirect(9, place);
  expect([low & 0xff, high]).toEqual([place.vector, 0]);
  // Another pin with that vector, of another CPU, has the other entry that ends so.
  const other = driver.redirect(10, { cpu: 0, vector: place.vector });
  expect([other.low & 0xff, (other.low >> 8) & 7]).toEqual([place.vector, 1]);
});

describe('a vCPU', () => {
  const posted = (): { address: number; data: number } => {
    const message = driver.compose(DEVICE, 2, place, 1);
    expect(driver.postTo(DEVICE, 2, { backingPage, tag: TAG, vector: 0x61 })).toBe(true);
    pass();
    return message;
  };

  it('has an entry in guest mode, which follows where it is', () => {
    posted();
    driver.place(TAG, { running: true, hostApicId: 1, logged: false });
    const running = entryAt(2);
    expect([bits(running, 7, 7), bits(running, 6, 6), bits(running, 2, 2)]).toEqual([1, 1, 0]);
    expect([bits(running, 31, 8), bits(running, 63, 32), bits(running, 71, 64)]).toEqual([1, TAG, 0x61]);
    expect(bits(running, 115, 76) * PAGE).toBe(backingPage);
    driver.place(TAG, { running: false, hostApicId: 1, logged: true });
    expect([6, 2].map((bit) => bits(entryAt(2), bit, bit))).toEqual([0, 1]);
  });

  it('that sleeps is woken by the log, once for each entry', () => {
    const message = posted();
    let woken = 0;
    driver.onLogged(TAG, () => (woken += 1));
    driver.place(TAG, { running: false, hostApicId: 0, logged: true });
    for (const count of [1, 2]) {
      send(message);
      expect(woken).toBe(count);
    }
    expect(vectorsAt(site.memory, backingPage, IRR)).toEqual([0x61]);
    expect(handled).toEqual([]);
    expect([unit.read(HEAD), unit.read(TAIL)]).toEqual([16, 16]);
    const rows = rowsOf(recorder, site.island.now());
    const tags = rows.filter(({ kind }) => kind === Kind.GaLogRead).map(({ a }) => a);
    expect(tags).toEqual([TAG, TAG]);
  });

  it('comes back to the kernel', () => {
    const message = posted();
    driver.postTo(DEVICE, 2, undefined);
    pass();
    send(message);
    expect(handled).toEqual([100]);
  });

  it('is not that of a posted-interrupt descriptor', () => {
    driver.compose(DEVICE, 2, place, 1);
    expect(driver.postTo(DEVICE, 2, { descriptor: 0x1000, vector: 0x61, urgent: false })).toBe(false);
  });

  it('is looked at, as all are, when the log has overflowed, which then goes on', () => {
    const message = posted();
    const woken: number[] = [];
    driver.onLogged(TAG, () => woken.push(TAG));
    driver.onLogged(TAG + 1, () => woken.push(TAG + 1));
    driver.place(TAG, { running: false, hostApicId: 0, logged: true });
    // Before the host has handled the first interrupt.
    for (let at = 0; at < 600; at++)
      site.scheduler.interrupts.fabric.msi(DEVICE, message.address, message.data);
    pass();
    expect(woken.filter((tag) => tag === TAG)).toHaveLength(512);
    expect(woken.filter((tag) => tag === TAG + 1)).toHaveLength(1);
    send(message);
    expect(woken.filter((tag) => tag === TAG)).toHaveLength(513);
  });
});

it('goes on from a snapshot', () => {
  const message = driver.compose(DEVICE, 2, place, 1);
  driver.postTo(DEVICE, 2, { backingPage, tag: TAG, vector: 0x61 });
  driver.place(TAG, { running: false, hostApicId: 0, logged: true });
  pass();
  const [ofDriver, ofUnit] = structuredClone([driver.save(), unit.save()] as const);
  driver.release(DEVICE, 2);
  pass();
  driver.load(ofDriver);
  unit.load(ofUnit);
  driver.place(TAG, { running: false, hostApicId: 1, logged: true });
  expect(bits(entryAt(2), 31, 8)).toBe(1);
  send(message);
  expect(vectorsAt(site.memory, backingPage, IRR)).toEqual([0x61]);
});
