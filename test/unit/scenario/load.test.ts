import { describe, expect, it } from 'vitest';
import { loadScenario } from '../../../src/scenario/load';
import { nicsOf } from '../../../src/scenario/schema';
import type { Problem } from '../../../src/protocol/problem';

const FILE = '/somewhere/test.trapline.json';
const MINIMAL = '{ "vms": [{ "guest": { "elf": "a.elf" } }] }';

function problemsOf(text: string): Problem[] {
  const loaded = loadScenario(text, FILE);
  expect(loaded.ok).toBe(false);
  return loaded.problems;
}

/** A text with the offending stretch in «», and what the only problem with it has to be at and to say. */
function single(marked: string, field: string | undefined, ...says: string[]): void {
  const start = marked.indexOf('«');
  const end = marked.indexOf('»') - 1;
  const text = marked.replace(/[«»]/g, '');
  const problems = problemsOf(text);
  expect(problems.map((problem) => problem.message)).toHaveLength(1);
  const [problem] = problems;
  const lines = text.slice(0, start).split('\n');
  const endLines = text.slice(0, end).split('\n');
  expect(problem).toMatchObject({
    file: FILE,
    line: lines.length,
    column: lines.at(-1)!.length + 1,
    endLine: endLines.length,
    endColumn: endLines.at(-1)!.length + 1,
    severity: 'error',
    source: 'scenario',
  });
  expect(problem.field).toBe(field);
  for (const part of says) expect(problem.message).toContain(part);
}

/** A scenario around a piece of one VM. */
const inVm = (piece: string): string =>
  `{\n  "vms": [\n    { "guest": { "elf": "a" },\n      ${piece}\n    }\n  ]\n}`;
/** A scenario around top-level fields. */
const atTop = (piece: string): string => `{\n  "vms": [{ "guest": { "elf": "a" } }],\n  ${piece}\n}`;

describe('defaults', () => {
  it('fills in everything but the guest', () => {
    const loaded = loadScenario(MINIMAL, FILE);
    expect(loaded).toEqual({
      ok: true,
      problems: [],
      scenario: {
        title: 'test',
        about: '',
        seed: 1,
        host: {
          cpus: 2,
          frequencyGHz: 2.9,
          memoryMiB: 256,
          devices: [],
          iommu: {
            model: 'none',
            iotlbEntries: 64,
            iotlbWays: 4,
            pagingStructureEntries: 32,
            pages: '2m',
            levels: 4,
            unmap: 'strict',
            interruptRemapping: true,
            onDemand: false,
            pinnedPages: 1_000_000,
            scalableMode: false,
          },
          costs: 'kvm-skylake-2017',
          costsOverride: {},
        },
        vmm: 'kvm',
        vms: [
          {
            name: 'vm0',
            vcpus: 1,
            memoryMiB: 32,
            apic: 'xapic',
            cpu: { vendor: 'intel' },
            interrupts: 'inject',
            guest: { elf: 'a.elf' },
            clock: '2024-01-01T00:00:00Z',
            tripleFault: 'stop',
            haltPolling: { maxNs: 0 },
            passPorts: [],
            testDevices: false,
            serialInput: [],
            iommu: {
              model: 'none',
              iotlbEntries: 64,
              iotlbWays: 4,
              addressWidth: 48,
              scalableMode: false,
              cachingMode: false,
              interruptRemapping: true,
            },
            devices: [],
          },
        ],
        links: [],
        stop: { when: 'guests-exit', afterMs: 100 },
        trace: { kinds: 'all', maxEvents: 10_000_000 },
        expect: {},
      },
    });
  });

  it('fills in VMs, devices and links as they are counted', () => {
    const loaded = loadScenario(
      `{ "vms": [{ "guest": { "sources": ["a.c"] }, "devices": [{ "link": "wire" }, {}] }, { "guest": { "elf": "b" }, "devices": [{}] }],
         "links": [{}] }`,
      FILE,
    );
    if (!loaded.ok) throw new Error(loaded.problems[0].message);
    const { vms, links } = loaded.scenario;
    expect(vms.map(({ name }) => name)).toEqual(['vm0', 'vm1']);
    expect(vms.flatMap(({ devices }) => nicsOf(devices).map(({ mac }) => mac))).toEqual([
      '52:54:00:12:34:56',
      '52:54:00:12:34:57',
      '52:54:00:12:34:58',
    ]);
    expect(vms[0].guest).toEqual({ sources: ['a.c'], defines: {}, optimize: '2' });
    expect(links).toEqual([
      { id: 'wire', gbps: 10, latencyNs: 500, peers: [{ kind: 'echo', turnaroundNs: 0, swap: true }] },
    ]);
  });

  it('counts addresses up into the next byte', () => {
    const devices = '{}, '.repeat(7) + '{}';
    const vms = `{ "memoryMiB": 16, "guest": { "elf": "a" }, "devices": [${devices}] }, `
      .repeat(64)
      .slice(0, -2);
    const loaded = loadScenario(`{ "host": { "memoryMiB": 1024 }, "vms": [${vms}] }`, FILE);
    if (!loaded.ok) throw new Error(loaded.problems[0].message);
    const macs = loaded.scenario.vms.flatMap((vm) => nicsOf(vm.devices).map(({ mac }) => mac));
    expect(new Set(macs).size).toBe(512);
    // 0x3456 + 511 = 0x3655.
    expect(macs.at(-1)).toBe('52:54:00:12:36:55');
  });

  it('puts an echo beside a NIC that would be alone, and nothing beside several', () => {
    const peers = (nics: number, link: string) => {
      const vm = '{ "guest": { "elf": "a" }, "devices": [{ "link": "wire" }] }, '.repeat(nics);
      const loaded = loadScenario(`{ "vms": [${vm}{ "guest": { "elf": "a" } }], "links": [${link}] }`, FILE);
      if (!loaded.ok) throw new Error(loaded.problems[0].message);
      return loaded.scenario.links[0].peers.map(({ kind }) => kind);
    };
    expect([0, 1, 2, 3].map((nics) => peers(nics, '{}'))).toEqual([['echo'], ['echo'], [], []]);
    expect(peers(1, '{ "peer": "none" }')).toEqual([]);
    expect(peers(2, '{ "peer": { "kind": "echo" } }')).toEqual(['echo']);
    expect(peers(1, '{ "peers": [] }')).toEqual([]);
    expect(peers(2, '{ "peers": [{ "kind": "sink" }, { "kind": "echo" }] }')).toEqual(['sink', 'echo']);
  });

  it('gives every generator of the scenario an address of its own', () => {
    const loaded = loadScenario(
      atTop(`"links": [
        { "id": "a", "peers": [{ "kind": "generate" }, { "kind": "generate", "mac": "02:00:00:00:00:05" }] },
        { "id": "b", "peer": { "kind": "generate" } }]`),
      FILE,
    );
    if (!loaded.ok) throw new Error(loaded.problems[0].message);
    const macs = loaded.scenario.links.flatMap(({ peers }) => peers.map((peer) => 'mac' in peer && peer.mac));
    expect(macs).toEqual(['02:54:4c:00:00:01', '02:00:00:00:00:05', '02:54:4c:00:00:02']);
  });

  it('fills in what peers send, and gives every one that has to have an address one of its own', () => {
    const loaded = loadScenario(
      atTop(`"links": [{ "peers": [
        { "kind": "generate" },
        { "kind": "generate", "sizes": "imix", "rateMbps": 100, "gaps": "exponential", "to": "02:00:00:00:00:09" },
        { "kind": "generate", "sizes": { "min": 60, "max": 70 }, "gaps": { "packets": 8, "pauseNs": 9000 } },
        { "kind": "generate", "sizes": [{ "length": 60, "weight": 3 }, { "length": 80 }], "intervalNs": 0 },
        { "kind": "window", "count": 5 },
        { "kind": "host" }] }]`),
      FILE,
    );
    if (!loaded.ok) throw new Error(loaded.problems[0].message);
    const mac = (last: number): string => `02:54:4c:00:00:0${last}`;
    const [to, kind, count] = ['ff:ff:ff:ff:ff:ff', 'generate', 64];
    expect(loaded.scenario.links[0].peers).toEqual([
      {
        ...{ kind, count, to, mac: mac(1), sizes: { kind: 'fixed', length: 60 } },
        gaps: { kind: 'fixed', intervalNs: 10_000 },
      },
      {
        ...{ kind, count, to: '02:00:00:00:00:09', mac: mac(2) },
        sizes: {
          kind: 'weighted',
          choices: [
            { length: 60, weight: 7 },
            { length: 590, weight: 4 },
            { length: 1514, weight: 1 },
          ],
        },
        gaps: { kind: 'exponential', rateMbps: 100 },
      },
      {
        ...{ kind, count, to, mac: mac(3), sizes: { kind: 'uniform', min: 60, max: 70 } },
        gaps: { kind: 'bursts', packets: 8, gapNs: 0, pauseNs: 9000 },
      },
      {
        ...{ kind, count, to, mac: mac(4), gaps: { kind: 'fixed', intervalNs: 0 } },
        sizes: {
          kind: 'weighted',
          choices: [
            { length: 60, weight: 3 },
            { length: 80, weight: 1 },
          ],
        },
      },
      {
        ...{ kind: 'window', count: 5, length: 60, window: 16, timeoutNs: 1_000_000, startNs: 10_000 },
        ...{ to, mac: mac(5) },
      },
      { kind: 'host', ip: '10.0.2.2', turnaroundNs: 0, mac: mac(6) },
    ]);
  });

  it('takes comments, trailing commas and a byte order mark', () => {
    const text = '\ufeff// a comment\n{ /* another */ "vms": [{ "guest": { "elf": "a", }, }], }';
    expect(loadScenario(text, FILE).ok).toBe(true);
  });
});

describe('fields and values', () => {
  it('names the nearest field for one that is misspelt', () => {
    single(
      inVm('«"memoryMib"»: 32'),
      'vms[0].memoryMib',
      'unknown field "memoryMib"',
      'Did you mean "memoryMiB"?',
    );
    single(atTop('"host": { «"freqencyGHz"»: 3 }'), 'host.freqencyGHz', 'Did you mean "frequencyGHz"?');
  });

  it('lists the fields where none is near', () => {
    single(atTop('"stop": { «"zzzzzz"»: 3 }'), 'stop.zzzzzz', 'when, afterMs, afterInstructions');
  });

  it('keeps time going: an instruction takes at least one cycle', () => {
    single(
      atTop('"host": { "costsOverride": { "instruction.base": «0» } }'),
      'host.costsOverride.instruction.base',
      'at least 1 cycle',
    );
  });

  it('refuses an instruction that takes longer than the vCPU counts', () => {
    const override = (value: string) =>
      atTop(`"host": { "costsOverride": { "instruction.divide": ${value} } }`);
    single(
      override('«500001»'),
      'host.costsOverride.instruction.divide',
      'is 500001',
      'at most 500000 cycles',
    );
    expect(loadScenario(override('500000'), FILE).ok).toBe(true);
  });

  it('does not complain of a field as missing when it is there but misspelt', () => {
    single(
      '{ "vms": [{ "guest": { «"source"»: ["a.c"] } }] }',
      'vms[0].guest.source',
      'Did you mean "sources"?',
    );
  });

  it('says what was found and what is allowed', () => {
    single(inVm('"memoryMiB": «8»'), 'vms[0].memoryMiB', 'is 8', 'whole number from 16 to 1024');
    single(inVm('"memoryMiB": «2048»'), 'vms[0].memoryMiB', 'is 2048', '16 to 1024');
    single(inVm('"memoryMiB": «32.5»'), 'vms[0].memoryMiB', 'is 32.5', 'whole number');
    single(inVm('"memoryMiB": «"32"»'), 'vms[0].memoryMiB', 'is "32"', 'whole number');
    single(inVm('"vcpus": «17»'), 'vms[0].vcpus', 'is 17', 'whole number from 1 to 16');
    single(atTop('"stop": { "afterMs": «0» }'), 'stop.afterMs', 'above 0');
    single(atTop('"seed": «1e999»'), 'seed', 'is 1e999');
    single(atTop('"seed": «null»'), 'seed', 'is null');
    single(
      atTop('"links": [{ "peer": { "kind": «"ehco"» } }]'),
      'links[0].peer.kind',
      '"echo"',
      'Did you mean "echo"?',
    );
  });

  it('says what is missing', () => {
    single('{ "vms": [«{ "name": "vm0" }»] }', 'vms[0].guest', 'missing', '"sources"', '"elf"');
    single('«{ }»', 'vms', 'missing');
  });

  it('says of a field what the other fields beside it allow', () => {
    single(
      inVm('"devices": [{ "model": "virtio-net", "backend": «"vhosst"» }]'),
      'vms[0].devices[0].backend',
      'is "vhosst", but has to be "qemu", "vhost"',
      'Did you mean "vhost"?',
    );
    single(
      inVm('"devices": [{ "model": "edu", "backend": «"vhosst"» }]'),
      'vms[0].devices[0].backend',
      'has to be "qemu" (',
    );
  });

  it('refuses polling where nobody polls', () => {
    single(
      inVm('"devices": [{ "model": "virtio-net", "busyPollNs": «50000» }]'),
      'vms[0].devices[0].busyPollNs',
      'only a vhost worker polls',
      '"backend": "vhost"',
    );
  });

  it('says by name what this version does not run', () => {
    single(atTop('"vmm": «"xen"»'), 'vmm', '"xen"', 'not available yet', '"kvm" and "none" only');
    single(inVm('"devices": [{ "model": «"igb"» }]'), 'vms[0].devices[0].model', '"nvme" and the network');
    single(
      inVm('"devices": [{ "backend": «"vhost"» }]'),
      'vms[0].devices[0].backend',
      '"vhost" for a virtio-net',
    );
    single(atTop('«"sweep"»: {}'), 'sweep', 'not available yet');
  });

  it('says what the IOMMU of AMD goes together with', () => {
    single(
      atTop('"host": { "iommu": { "model": «"amd-vi"» } }'),
      'host.iommu.model',
      'has one of intel',
      '"vendor": "amd"',
    );
  });

  it('says what a mode of interrupts asks of its VM', () => {
    single(inVm('"interrupts": «"avic"»'), 'vms[0].interrupts', 'processors of intel have no "avic"');
    single(
      inVm('"cpu": { "vendor": "amd" }, "apic": "x2apic", "interrupts": «"avic"»'),
      'vms[0].interrupts',
      'set "apic": "xapic"',
    );
    single(inVm('"interrupts": «"direct-eoi"»'), 'vms[0].interrupts', 'set "apic": "x2apic"');
    single(
      inVm('"cpu": { "vendor": "amd" }, "interrupts": «"apicv"»'),
      'vms[0].interrupts',
      'processors of amd have no "apicv"',
    );
    single(
      '{ "vmm": "none", "vms": [{ "guest": { "elf": "a" }, "apic": "x2apic", "interrupts": «"direct-eoi"» }] }',
      'vms[0].interrupts',
      'no hypervisor',
    );
  });

  it('keeps fields of different alternatives apart', () => {
    single(
      '{ "vms": [{ "guest": { "sources": ["a.c"], «"elf"»: "a" } }] }',
      'vms[0].guest.elf',
      'does not go with',
    );
    single(
      atTop('"links": [{ "peer": { "kind": "sink", «"count"»: 3 } }]'),
      'links[0].peer.count',
      'does not go with',
    );
  });

  it('reports everything at once, in the order of the text', () => {
    const problems = problemsOf(
      '{ "vms": [{ "memoryMiB": 1, "guest": {}, "nam": "x" }], "vmm": "disco", "seed": -1 }',
    );
    expect(problems.map(({ field }) => field)).toEqual([
      'vms[0].memoryMiB',
      'vms[0].guest.sources',
      'vms[0].nam',
      'vmm',
      'seed',
    ]);
  });
});

describe('a Multiboot kernel', () => {
  it('has an empty command line and no modules when nothing is said', () => {
    const loaded = loadScenario('{ "vms": [{ "guest": { "kernel": "k.elf" } }] }', FILE);
    if (!loaded.ok) throw new Error('not valid');
    expect(loaded.scenario.vms[0].guest).toEqual({ kernel: 'k.elf', cmdline: '', modules: [] });
  });

  it('takes modules that are files or texts', () => {
    const modules = '[{ "file": "initrd", "cmdline": "root" }, { "text": "NR_CPUS=2\\n" }]';
    const loaded = loadScenario(
      `{ "vms": [{ "guest": { "kernel": "k", "cmdline": "a b", "modules": ${modules} } }] }`,
      FILE,
    );
    if (!loaded.ok) throw new Error('not valid');
    expect(loaded.scenario.vms[0].guest).toEqual({
      kernel: 'k',
      cmdline: 'a b',
      modules: [
        { file: 'initrd', cmdline: 'root' },
        { text: 'NR_CPUS=2\n', cmdline: '' },
      ],
    });
  });

  it('is told what is wrong where it is wrong', () => {
    const guest = (piece: string): string => `{ "vms": [{ "guest": { "kernel": "k", ${piece} } }] }`;
    single(guest('"cmdline": «"a\\nb"»'), 'vms[0].guest.cmdline', 'form');
    single(guest('«"cmdlin"»: "a"'), 'vms[0].guest.cmdlin', 'Did you mean "cmdline"?');
    single(guest('"modules": [{ «"fil"»: "a" }]'), 'vms[0].guest.modules[0].fil', 'Did you mean "file"?');
    single(
      '{ "vms": [{ "guest": { "sources": ["a.c"], «"kernel"»: "a" } }] }',
      'vms[0].guest.kernel',
      'does not go with',
    );
    single(
      '{ "vms": [{ "guest": { "elf": "a", «"cmdline"»: "b" } }] }',
      'vms[0].guest.cmdline',
      'does not go with',
    );
  });
});

describe('what belongs together', () => {
  it('links', () => {
    single(
      '{ "vms": [{ "guest": { "elf": "a" }, "devices": [{ "link": «"wier"» }] }], "links": [{ "id": "wire" }] }',
      'vms[0].devices[0].link',
      'no link has the id "wier"',
      'Did you mean "wire"?',
    );
    single(atTop('"links": [{ "id": "a" }, { "id": «"a"» }]'), 'links[1].id', 'same id');
  });

  it('a link and what is on it', () => {
    single(
      atTop('"links": [{ "peer": "none", "peers": «[]» }]'),
      'links[0].peers',
      'beside "peer": keep one of the two',
    );
    single(atTop('"links": [{ "peer": «"nobody"» }]'), 'links[0].peer', '"none"');
    single(atTop('"links": [{ "peers": [{ "kind": «"ehco"» }] }]'), 'links[0].peers[0].kind', '"echo"?');
    single(
      atTop('"links": [{ "peer": { "kind": "echo", «"swp"»: false } }]'),
      'links[0].peer.swp',
      '"swap"?',
    );
    single(
      atTop('"links": [{ "peer": { "kind": "frames", "frames": [{ "hex": «"ff0"» }] } }]'),
      'links[0].peer.frames[0].hex',
      'form',
    );
    const frame = '02540000000102540000000208 00 45';
    expect(
      loadScenario(
        atTop(`"links": [{ "peer": { "kind": "frames", "frames": [{ "hex": "${frame}" }] } }]`),
        FILE,
      ).ok,
    ).toBe(true);
  });

  it('what a generator sends', () => {
    const generator = (fields: string): string =>
      atTop(`"links": [{ "peer": { "kind": "generate", ${fields} } }]`);
    const at = 'links[0].peer';
    single(generator('"length": 60, "sizes": «"imix"»'), `${at}.sizes`, 'stands beside "length"');
    single(generator('"intervalNs": 5, "rateMbps": «5»'), `${at}.rateMbps`, 'stands beside "intervalNs"');
    single(generator('"intervalNs": 5, "gaps": «{ "packets": 2, "pauseNs": 5 }»'), `${at}.gaps`, 'bursts');
    single(generator('"sizes": { "min": 80, "max": «70» }'), `${at}.sizes.max`, 'less than "min"');
    single(generator('"sizes": { «"mn"»: 80, "max": 90 }'), `${at}.sizes.mn`, '"min"');
    single(generator('"to": «"nobody"»'), `${at}.to`, 'form');
    single(atTop('"links": [{ "peer": { "kind": "host", "ip": «"10.0.2"» } }]'), `${at}.ip`);
  });

  it('VM names and MAC addresses', () => {
    single(
      '{ "vms": [{ "guest": { "elf": "a" }, "name": "vm1" }, «{ "guest": { "elf": "b" } }»] }',
      'vms[1].name',
      'two VMs are called "vm1"',
    );
    single(
      inVm('"devices": [{ "mac": "52:54:00:12:34:AB" }, { "mac": «"52:54:00:12:34:ab"» }]'),
      'vms[0].devices[1].mac',
      'same MAC',
    );
    single(
      `{ "vms": [{ "guest": { "elf": "a" }, "devices": [{}] }],
         "links": [{ "peer": { "kind": "echo", "mac": «"52:54:00:12:34:56"» } }] }`,
      'links[0].peer.mac',
      'vms[0].devices[0] and links[0].peer have the same MAC',
    );
    single(
      atTop(`"links": [{ "peers": [{ "kind": "echo", "mac": "02:00:00:00:00:01" },
                                   { "kind": "generate", "mac": «"02:00:00:00:00:01"» }] }]`),
      'links[0].peers[1].mac',
      'links[0].peers[0] and links[0].peers[1]',
    );
    single(inVm('"devices": [{ "mac": «"01:00:5e:00:00:01"» }]'), 'vms[0].devices[0].mac', 'form');
  });

  it('devices of the host and their VMs', () => {
    const given = (devices: string, host = '{ "id": "nic0" }', more = ''): string =>
      `{ "host": { "devices": [${host}] }, ${more} "vms": [{ "guest": { "elf": "a" }, "devices": [${devices}] }] }`;
    const at = 'vms[0].devices[0].assign';
    expect(loadScenario(given('{ "assign": "nic0" }'), FILE).problems).toEqual([]);
    single(given('{ "assign": «"nci0"» }'), at, 'no device of the host has the id "nci0"', '"nic0"?');
    single(inVm('"devices": [{ "assign": «"nic0"» }]'), at, 'The scenario has no "host.devices"');
    single(given('{ "assign": «"nic0.vf1"» }'), at, 'e1000, which has no virtual functions');
    single(given('{ "assign": «"nic0.1"» }'), at, 'form');
    const sriov = (vfs: number): string => `{ "id": "nic0", "model": "ixgbe", "vfs": ${vfs} }`;
    expect(loadScenario(given('{ "assign": "nic0.vf1" }', sriov(2)), FILE).problems).toEqual([]);
    single(
      given('{ "assign": «"nic0.vf2"» }', sriov(2)),
      at,
      '2 virtual functions, nic0.vf0 to nic0.vf1',
      'raise its "vfs" (up to 63)',
    );
    single(
      given('{ "assign": «"nic0.vf1"» }', sriov(1)),
      at,
      'one virtual function, nic0.vf0',
      'an emulated NIC',
    );
    single(given('{ "assign": «"nic0.vf63"» }', sriov(63)), at, 'add another ixgbe');
    single(given('{ "assign": «"nic0.vf0"» }', sriov(0)), at, 'no virtual functions: give it some by "vfs"');
    single(
      given('{ "assign": "nic0" }, { "assign": «"nic0.vf0"» }', sriov(2)),
      'vms[0].devices[1].assign',
      'vms[0].devices[0] has all of nic0',
    );
    single(
      given('{ "assign": "nic0" }, { "assign": «"nic0"» }'),
      'vms[0].devices[1].assign',
      'is given to vms[0].devices[0] already',
    );
    single(
      given('{ "assign": "nic0" }', '{ "id": "nic0" }, { "id": «"nic0"», "model": "edu" }'),
      'host.devices[1].id',
      'same id "nic0"',
    );
    single(
      given('{ "assign": "nic0" }', '{ "id": "nic0", "affinity": «2» }'),
      'host.devices[0].affinity',
      'run on 2 physical CPUs: give 0 to 1',
    );
    single(
      given('{ "assign": "nic0" }', '{ "id": "nic0", "link": «"wire"» }'),
      'host.devices[0].link',
      'no link has the id "wire"',
    );
    single(
      given(
        '{ "assign": "nic0" }, { "mac": "52:54:00:12:34:56" }',
        '{ "id": "nic0", "mac": «"52:54:00:12:34:56"» }',
      ),
      'host.devices[0].mac',
      'vms[0].devices[1] and host.devices[0] have the same MAC',
    );
    single(
      '{ "vmm": "none", "host": { «"devices"»: [{ "id": "nic0" }] }, "vms": [{ "guest": { "elf": "a" } }] }',
      'host.devices',
      'put them there, or take a hypervisor: kvm',
    );
    single(
      `{ "host": { "devices": [{ "id": "a" }, { "id": "b" }] },
         "vms": [{ "guest": { "elf": "a" }, "devices": [{ "assign": "a" }] },
                 { "guest": { "elf": "a" }, "devices": [«{ "assign": "b" }»] }] }`,
      'vms[1].devices[0]',
      'which has no IOMMU',
    );
    const two = `{ "host": { "devices": [{ "id": "a" }, { "id": "b" }], "iommu": { "model": "vt-d" } },
       "vms": [{ "guest": { "elf": "a" }, "devices": [{ "assign": "a" }] },
               { "guest": { "elf": "a" }, "devices": [{ "assign": "b" }] }] }`;
    expect(loadScenario(two, FILE).problems).toEqual([]);
    const sized = (entries: string): string =>
      atTop(`"host": { "iommu": { "model": "vt-d", "iotlbEntries": ${entries}, "iotlbWays": 3 } }`);
    expect(loadScenario(sized('0'), FILE).problems).toEqual([]);
    expect(loadScenario(sized('12'), FILE).problems).toEqual([]);
    single(sized('«64»'), 'host.iommu.iotlbEntries', 'give 3 times a power of two');
    single(
      atTop('"host": { "iommu": { "model": "vt-d", "pagingStructureEntries": «6» } }'),
      'host.iommu.pagingStructureEntries',
      'give 4 times a power of two',
    );
    const nested = (scalable: boolean): string =>
      `{ "host": { "devices": [{ "id": "a" }], "iommu": { "model": "vt-d", "scalableMode": ${scalable} } },
         "vms": [{ "guest": { "elf": "a" }, "iommu": { "model": "vt-d", "scalableMode": true },
                   "devices": [{ "assign": «"a"» }] }] }`;
    single(nested(false), 'vms[0].devices[0].assign', 'and either both of them "scalableMode": true');
    expect(loadScenario(nested(true).replace(/[«»]/g, ''), FILE).problems).toEqual([]);
    const shadowed = (host: string, caching: boolean): string =>
      `{ "host": { "devices": [{ "id": "a" }], "iommu": { ${host} } },
         "vms": [{ "guest": { "elf": "a" }, "iommu": { "model": "vt-d", "cachingMode": ${caching} },
                   "devices": [{ "assign": «"a"» }] }] }`;
    const ok = (text: string): void =>
      expect(loadScenario(text.replace(/[«»]/g, ''), FILE).problems).toEqual([]);
    ok(shadowed('"model": "vt-d"', true));
    ok(shadowed('"model": "vt-d", "scalableMode": true', true));
    single(shadowed('"model": "vt-d"', false), 'vms[0].devices[0].assign', '"cachingMode": true');
    single(shadowed('"model": "none"', true), 'vms[0].devices[0].assign', "the host's has to translate");
    single(shadowed('"model": "vt-d", "onDemand": true', true), 'vms[0].devices[0].assign', '"onDemand"');
    const inGuest = inVm('"iommu": { "model": "vt-d", "iotlbEntries": «6» }');
    single(inGuest, 'vms[0].iommu.iotlbEntries', 'give 4 times a power of two');
  });

  it('vCPUs and the CPUs of the host', () => {
    const loaded = loadScenario(inVm('"vcpus": 3'), FILE);
    expect(loaded.ok).toBe(true);
    expect(loaded.problems).toHaveLength(1);
    expect(loaded.problems[0]).toMatchObject({
      field: 'vms[0].vcpus',
      severity: 'warning',
      line: 4,
      column: 16,
    });
    expect(loaded.problems[0].message).toContain(
      '3 vCPUs take turns on 2 physical CPUs: raise host.cpus to 3',
    );
    expect(loadScenario(`{ "host": { "cpus": 3 }, ${inVm('"vcpus": 3').slice(1)}`, FILE).problems).toEqual(
      [],
    );
  });

  it('how many VMs there can be', () => {
    const vms = (n: number): string => `[${new Array(n).fill('{ "guest": { "elf": "a" } }').join(',')}]`;
    single(`{ "vms": «${vms(65)}» }`, 'vms', 'vms has 65 entries, but at most 64 are possible');
    expect(loadScenario(`{ "host": { "memoryMiB": 2048, "cpus": 256 }, "vms": ${vms(64)} }`, FILE).ok).toBe(
      true,
    );
    single(atTop('"host": { "cpus": «257» }'), 'host.cpus', '1 to 256');
  });

  it('a bare machine is one, and has the CPUs that there are', () => {
    const bare = (vms: string): string => `{ "vmm": "none", "vms": ${vms} }`;
    expect(loadScenario(bare('[{ "guest": { "elf": "a" }, "vcpus": 2 }]'), FILE)).toMatchObject({
      ok: true,
      problems: [],
      scenario: { vmm: 'none' },
    });
    single(
      bare('«[{ "guest": { "elf": "a" } }, { "guest": { "elf": "b" } }]»'),
      'vms',
      '2 entries',
      'Keep one',
    );
    single(
      bare('[{ "guest": { "elf": "a" }, "vcpus": «4» }]'),
      'vms[0].vcpus',
      'raise host.cpus from 2 to 4',
    );
  });

  it('memory', () => {
    single(
      '{ "host": { "memoryMiB": 63 }, "vms": «[{ "guest": { "elf": "a" } }, { "guest": { "elf": "b" } }]» }',
      'vms',
      '64 MiB together',
      '63',
    );
  });

  it('costs', () => {
    single(atTop('"host": { "costs": «"kvm-skylake"» }'), 'host.costs', 'kvm-skylake-2017');
    single(
      atTop('"host": { "costsOverride": { «"qemu.dispach"»: 1 } }'),
      'host.costsOverride.qemu.dispach',
      'Did you mean "qemu.dispatch"?',
    );
  });

  it('kinds of events', () => {
    single(
      atTop('"trace": { "kinds": ["exit", "dma.read", «"exit.HTL"»] }'),
      'trace.kinds[2]',
      'Did you mean "exit.HLT"?',
    );
    expect(loadScenario(atTop('"trace": { "kinds": ["exit", "dma.read"] }'), FILE).ok).toBe(true);
  });

  it('figures of expectations', () => {
    single(atTop('"expect": { «"packet.rx"»: 64 }'), 'expect.packet.rx', 'Did you mean "packets.rx"?');
    single(atTop('"expect": { «"vms.vm1.exitCode"»: 0 }'), 'expect.vms.vm1.exitCode', '"vms.vm0.exitCode"');
    single(atTop('"expect": { «"wallSeconds"»: 0 }'), 'expect.wallSeconds', 'simulatedSeconds');
    single(atTop('"expect": { "packets.rx": «{}» }'), 'expect.packets.rx', 'at least one of');
    single(
      atTop('"expect": { "packets.rx": «{ "atLeast": 3, "atMost": 2 }» }'),
      'expect.packets.rx',
      'at most 2',
    );
    const held =
      '"expect": { "packets.rx": 64, "exits.HLT": { "atMost": 3 }, "vms.vm0.exits.HLT": 1, "traceHash": "00" }';
    expect(loadScenario(atTop(held), FILE).ok).toBe(true);
  });
});

describe('text that is no scenario', () => {
  it('broken JSON', () => {
    single('{ "vms": [{ "guest": { "elf": "a" } }]«»', undefined, 'inside an object');
    single('«»', undefined, 'empty');
    single('«[]»', undefined, 'the scenario is an empty list');
  });

  it('fields that appear twice', () => {
    single(atTop('"seed": 1, «"seed"»: 2'), 'seed', 'twice');
  });

  it('__proto__ is a field like any other that does not exist', () => {
    single(atTop('«"__proto__"»: { "vmm": "xen" }'), '__proto__', 'unknown field');
    single(atTop('"expect": { «"constructor"»: 3 }'), 'expect.constructor', 'no figure');
    single(atTop('«"hasOwnProperty"»: 3'), 'hasOwnProperty', 'unknown field');
  });

  it('nesting deeper than the stack', () => {
    for (const text of ['['.repeat(1e5), '{"a":'.repeat(1e5), `${'['.repeat(1e5)}${']'.repeat(1e5)}`]) {
      expect(problemsOf(text)[0].message).toContain('nested deeper');
    }
  });

  it('a file of many megabytes', () => {
    expect(problemsOf(`"${'x'.repeat(3e6)}"`)[0].message).toContain('3000002 characters');
  });

  it('counts lines as the editor does', () => {
    expect(problemsOf('{\r\n"vms":\r[{}\n]}')[0]).toMatchObject({ line: 3, column: 2 });
  });
});
