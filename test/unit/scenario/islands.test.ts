import { describe, expect, it } from 'vitest';
import { planIslands } from '../../../src/scenario/islands';
import { loadScenario } from '../../../src/scenario/load';
import type { Scenario } from '../../../src/scenario/schema';

/** VMs by the links that their NICs are on. */
function scenarioOf(cpus: number, vms: string[][], vmm = 'kvm'): Scenario {
  const links = [...new Set(vms.flat())].map((id) => ({ id, peer: 'none' }));
  const text = JSON.stringify({
    host: { cpus },
    vmm,
    vms: vms.map((on) => ({
      guest: { elf: 'guest.elf' },
      devices: on.map((link) => ({ model: 'e1000', link })),
    })),
    links,
  });
  const loaded = loadScenario(text, 'test.trapline.json');
  if (!loaded.ok) throw new Error(loaded.problems.map(({ message }) => message).join('\n'));
  return loaded.scenario;
}

describe('what shares what', () => {
  it('one VM has the whole host', () => {
    expect(planIslands(scenarioOf(4, [[]]))).toEqual([{ vms: [0], cpus: [0, 1, 2, 3] }]);
  });

  it('VMs with CPUs of their own and no common link share nothing', () => {
    const islands = planIslands(scenarioOf(8, [['a'], ['b'], []]));
    expect(islands.map(({ vms }) => vms)).toEqual([[0], [1], [2]]);
    const cpus = islands.flatMap((island) => island.cpus);
    expect(new Set(cpus).size).toBe(cpus.length);
    expect(Math.max(...cpus)).toBeLessThan(8);
  });

  it('a link joins its VMs, also by way of others', () => {
    const islands = planIslands(scenarioOf(16, [['a'], ['c'], ['a', 'b'], ['b'], ['d']]));
    expect(islands.map(({ vms }) => vms)).toEqual([[0, 2, 3], [1], [4]]);
  });

  it('a device of the host joins those who have its functions, and its link those who are on it', () => {
    const scenario = scenarioOf(16, [[], [], ['a'], []]);
    const nic = { id: 'nic0', model: 'e1000', link: 'a', mac: '52:54:00:00:00:01', affinity: 0 } as const;
    const disk = { id: 'edu0', model: 'edu', affinity: 0 } as const;
    const given = [
      [{ assign: 'nic0.vf0' }],
      [{ assign: 'edu0' }],
      scenario.vms[2].devices,
      [{ assign: 'nic0.vf1' }],
    ];
    const islands = planIslands({
      ...scenario,
      host: { ...scenario.host, devices: [nic, disk] },
      vms: scenario.vms.map((vm, index) => ({ ...vm, devices: given[index] })),
    });
    expect(islands.map(({ vms }) => vms)).toEqual([[0, 2, 3], [1]]);
  });

  it('fewer CPUs than threads: all share them', () => {
    // Two vCPU threads and two main loops.
    expect(planIslands(scenarioOf(3, [[], []]))).toEqual([{ vms: [0, 1], cpus: [0, 1, 2] }]);
    expect(planIslands(scenarioOf(4, [[], []]))).toHaveLength(2);
  });
});
