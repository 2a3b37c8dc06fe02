/** Row A10: the guest finds the devices of the scenario by the bus, and its CPUs by the tables of the firmware. */
import { beforeAll, describe, expect, it } from 'vitest';
import { Kind } from '../../../../src/trace/vocabulary/events';
import { countedRun, cpuTracks, ofKind, type CountedRun } from '../../../support/section-a';

const CPU_CAME = 3;
const PLACES = 32;

/** The bundled scenario, and the same with another machine: nothing in the guest tells of either. */
describe.each([
  [3, 2],
  [1, 1],
  [5, 3],
])('A10: %i CPUs and %i NICs without a VMM', (cpus, nics) => {
  let run: CountedRun;
  let found: { functions: number; network: number; asked: number; madt: number; mp: number; came: number };
  let tables: { inTable: number; ownVersion: number; buses: number };

  beforeAll(async () => {
    const devices = new Array(nics).fill('{ "model": "e1000" }').join(', ');
    run = await countedRun('a10-firmware', (text) =>
      text
        .replace('"cpus": 3', `"cpus": ${cpus}`)
        .replace('"vcpus": 3', `"vcpus": ${cpus}`)
        .replace('{ "model": "e1000" }, { "model": "e1000" }', devices),
    );
    const [functions, network, asked, madt, mp, , , came, inTable, ownVersion, buses] = run.words('a10_log');
    found = { functions, network, asked, madt, mp, came };
    tables = { inTable, ownVersion, buses };
  });

  it('ends well, and holds what it expects', () => {
    expect(run.end.summary.vms[0]?.exitCode).toBe(0);
    expect(run.end.summary.expectations.filter(({ held }) => !held)).toEqual([]);
  });

  it('finds each device by asking, and the host bridge', () => {
    expect(found.network).toBe(nics);
    expect(found.functions).toBe(nics + 1);
    expect(found.asked).toBe(PLACES);
    // One question for the identity at each place; where nobody is, all ones come back.
    const identities = ofKind(run, Kind.CfgRead).filter(({ a }) => a % 0x1000 === 0);
    expect(identities.length).toBe(found.asked);
    expect(identities.filter(({ b }) => b % 0x1_0000 !== 0xffff).length).toBe(found.functions);
  });

  it('is told of the I/O APIC that there is, one with an EOI register, and of configuration space for all buses', () => {
    expect(tables).toEqual({ inTable: 0x20, ownVersion: 0x20, buses: 256 });
  });

  it('finds each CPU in both tables, and all of them come', () => {
    expect(found.madt).toBe(cpus);
    expect(found.mp).toBe(cpus);
    expect(found.came).toBe(cpus);
    const came = ofKind(run, Kind.Mark).filter(({ a }) => a === CPU_CAME);
    expect(came.map(({ b }) => b)).toEqual(Array.from({ length: cpus }, (_, cpu) => cpu));
    expect(came.map(({ track }) => track)).toEqual(cpuTracks(run, 'vcpu'));
    expect(ofKind(run, Kind.IpiStartUp).length).toBe(cpus - 1);
  });
});

/** The same guest in a VM: the table tells what KVM has. */
describe('A10 under KVM', () => {
  it('is told of an I/O APIC without an EOI register', async () => {
    const run = await countedRun('a10-firmware', (text) =>
      text.replace('"none"', '"kvm"').replace('"cpus": 3', '"cpus": 4'),
    );
    expect(run.end.summary.vms[0]?.exitCode).toBe(0);
    const [inTable, ownVersion, buses] = run.words('a10_log').slice(8);
    expect({ inTable, ownVersion, buses }).toEqual({ inTable: 0x11, ownVersion: 0x11, buses: 256 });
  });
});
