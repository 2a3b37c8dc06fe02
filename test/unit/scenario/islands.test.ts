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

  it('fewer CPUs than threads: all share them', () => {
    // Two vCPU threads and two main loops.
    expect(planIslands(scenarioOf(3, [[], []]))).toEqual([{ vms: [0, 1], cpus: [0, 1, 2] }]);
    expect(planIslands(scenarioOf(4, [[], []]))).toHaveLength(2);
  });
});
