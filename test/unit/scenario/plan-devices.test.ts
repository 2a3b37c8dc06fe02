/** Where a scenario has its virtio devices stand, and who may drive them there. */
import { expect, it } from 'vitest';
import { loadScenario } from '../../../src/scenario/load';
import { Networks } from '../../../src/scenario/networks';
import { planDevices } from '../../../src/scenario/plan-devices';

it.each([
  [{}, 'pci', 'modern'],
  [{ legacy: true }, 'pci', 'transitional'],
  [{ transport: 'mmio' }, 'mmio', 'modern'],
  [{ transport: 'mmio', legacy: true }, 'mmio', 'legacy'],
])('%o is on %s, and %s', (fields, transport, interfaces) => {
  const models = ['virtio-net', 'virtio-console', 'virtio-rng'] as const;
  const devices = models.map((model) => ({ model, ...fields }));
  const text = JSON.stringify({ vms: [{ guest: { sources: ['x.c'] }, devices }] });
  const loaded = loadScenario(text, 'x.trapline.json');
  expect(loaded.problems).toEqual([]);
  if (!loaded.ok) return;
  const { scenario } = loaded;
  // Without links nobody asks the host.
  const networks = new Networks(scenario, [], {} as never, { captures: new Map() });
  const assigned = (name: string): never => {
    throw new Error(`no device ${name} of the host`);
  };
  const planned = planDevices(scenario.vms[0].devices, networks, { run: 1, vm: 0, assigned });
  const plans = planned.flatMap((each) => ('device' in each ? [each] : []));
  expect(plans.map(({ device }) => device.model)).toEqual(models);
  for (const { device } of plans) expect(device).toMatchObject({ transport, virtio: { interfaces } });
});
