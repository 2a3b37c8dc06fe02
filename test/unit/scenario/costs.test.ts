import { describe, expect, it } from 'vitest';
import { costKeys, type CostKey } from '../../../src/vmm/cost-keys';
import { costProfile, costProfileNames, describeCosts, resolveCosts } from '../../../src/scenario/costs';
import { loadScenario } from '../../../src/scenario/load';
import type { Scenario } from '../../../src/scenario/schema';

const keys = Object.keys(costKeys) as CostKey[];

function scenario(host: object): Scenario {
  const loaded = loadScenario(JSON.stringify({ vms: [{ guest: { elf: 'a' } }], host }), '/x/y.trapline.json');
  if (!loaded.ok) throw new Error(loaded.problems[0].message);
  return loaded.scenario;
}

describe.each(costProfileNames())('profile %s', (name) => {
  const profile = costProfile(name)!;

  it('has every figure and no other, each with a source', () => {
    expect(Object.keys(profile.figures)).toEqual(keys);
    for (const key of keys) {
      const { cycles, source } = profile.figures[key];
      expect(Number.isSafeInteger(cycles) && cycles >= 0, key).toBe(true);
      expect(source.length, key).toBeGreaterThan(30);
    }
  });

  it('adds up to the measured totals', () => {
    const allLegs = new Set<string>();
    for (const { name: total, cycles, legs, tolerance } of profile.totals) {
      const sum = legs.reduce((n, leg) => n + profile.figures[leg as CostKey].cycles, 0);
      expect(Math.abs(sum - cycles), `${total}: ${sum} instead of ${cycles}`).toBeLessThanOrEqual(
        cycles * (tolerance ?? 0),
      );
      for (const leg of legs) allLegs.add(leg);
    }
    // What no total holds is either the model's own and says so, or stands for itself.
    const alone = keys.filter(
      (key) => !allLegs.has(key) && !profile.figures[key].source.startsWith('model:'),
    );
    expect(alone).toEqual([
      'instruction.control',
      'instruction.pause',
      'kvm.halt',
      'qemu.ioThread',
      'qemu.packet',
      'irq.ioctl',
      'irq.kick',
      'sched.slice',
      'sched.sleeperCredit',
      'sched.wakeupGranularity',
      'iommu.map',
      'iommu.unmap',
      'vfio.map',
    ]);
  });

  it('does the arithmetic that its sources state', () => {
    for (const key of keys) {
      const { cycles, source } = profile.figures[key];
      const terms = /^(\d+(?: [-+] \d+)+): /.exec(source)?.[1];
      if (terms === undefined) continue;
      const sum = terms
        .replaceAll(' ', '')
        .match(/[-+]?\d+/g)!
        .reduce((n, term) => n + Number(term), 0);
      expect(sum, `${key}: ${terms}`).toBe(cycles);
    }
    for (const { figures } of [profile]) {
      for (const { source } of Object.values(figures)) {
        for (const [, time, rate, product] of source.matchAll(/([\d.]+) us x (\d+) cycles\/us = (\d+)/g)) {
          expect(Math.round(Number(time) * Number(rate)), source).toBe(Number(product));
        }
      }
    }
  });

  it('makes the way to QEMU dearer than the way to KVM, and both dearer than an instruction', () => {
    const cost = resolveCosts(scenario({ costs: name }));
    const null_ = cost['exit.hardware'] + cost['kvm.dispatch'] + cost['entry.hardware'];
    const user = cost['user.exit'] + cost['qemu.dispatch'] + cost['user.enter'];
    expect(cost['instruction.base']).toBeLessThan(10);
    expect(null_).toBeGreaterThan(500);
    expect(user).toBeGreaterThan(null_);
  });
});

describe('resolveCosts', () => {
  it('replaces the figures that a scenario overrides, and only those', () => {
    const plain = resolveCosts(scenario({}));
    const changed = resolveCosts(scenario({ costsOverride: { 'qemu.dispatch': 0, 'kvm.wake': 12 } }));
    expect(changed).toEqual({ ...plain, 'qemu.dispatch': 0, 'kvm.wake': 12 });
    expect(plain['qemu.dispatch']).toBeGreaterThan(0);
  });
});

it("describeCosts says which figures are the model's own", () => {
  const described = describeCosts(costProfile('kvm-skylake-2017')!);
  expect(described.map(({ key }) => key)).toEqual(keys);
  for (const { key, meaning, modelled, source } of described) {
    expect(meaning).toBe(costKeys[key]);
    expect(modelled, key).toBe(source.startsWith('model:'));
  }
  expect(described.filter(({ modelled }) => modelled).map(({ key }) => key)).toEqual([
    ...keys.filter(
      (key) => key.startsWith('instruction.') && !['instruction.control', 'instruction.pause'].includes(key),
    ),
    'bus.read',
    'bus.write',
    'bus.portRead',
    'bus.portWrite',
    'bus.apic',
    'apic.virtual',
    'kvm.eventfd',
    'kvm.controlRegister',
    'kvm.debugRegister',
    'kvm.cacheFlush',
    'kvm.exception',
    'kvm.invalidOpcode',
    'kvm.inject',
    'kvm.preemptionTimer',
    'qemu.coalesced',
    'vhost.packet',
    'irq.irqfd',
    'vfio.setIrqs',
    'irq.ioapic',
    'irq.notification',
    'irq.doorbell',
    'sched.switch',
    'iommu.lookup',
    'iommu.post',
    'vfio.unmap',
    'device.dmaSetup',
    'device.dmaPer64Bytes',
  ]);
});

it('costProfile knows no inherited names', () => {
  expect(costProfile('constructor')).toBeUndefined();
});
