import { describe, expect, it } from 'vitest';
import { loadScenario } from '../../../src/scenario/load';
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
        host: { cpus: 2, frequencyGHz: 2.9, memoryMiB: 256, costs: 'kvm-skylake-2017', costsOverride: {} },
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
            testDevices: false,
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
    expect(vms.flatMap(({ devices }) => devices.map(({ mac }) => mac))).toEqual([
      '52:54:00:12:34:56',
      '52:54:00:12:34:57',
      '52:54:00:12:34:58',
    ]);
    expect(vms[0].guest).toEqual({ sources: ['a.c'], defines: {}, optimize: '2' });
    expect(links).toEqual([
      { id: 'wire', gbps: 10, latencyNs: 500, peer: { kind: 'echo', turnaroundNs: 0 } },
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

  it('says by name what this version does not run', () => {
    single(atTop('"vmm": «"xen"»'), 'vmm', '"xen"', 'not available yet', '"kvm" only');
    single(inVm('"interrupts": «"posted"»'), 'vms[0].interrupts', '"inject" only');
    single(inVm('"devices": [{ "model": «"virtio-net"» }]'), 'vms[0].devices[0].model', '"e1000" only');
    single(inVm('"devices": [{ "backend": «"vhost"» }]'), 'vms[0].devices[0].backend', '"qemu" only');
    single(atTop('«"sweep"»: {}'), 'sweep', 'not available yet');
    single(atTop('"host": { «"iommu"»: {} }'), 'host.iommu', 'not available yet');
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
    single(
      '{ "vms": [{ "guest": { "elf": "a" }, "devices": [{ "link": "w" }, { "link": «"w"» }] }], "links": [{ "id": "w" }] }',
      'vms[0].devices[1].link',
      'vms[0].devices[0]',
    );
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
    single(inVm('"devices": [{ "mac": «"01:00:5e:00:00:01"» }]'), 'vms[0].devices[0].mac', 'form');
  });

  it('vCPUs and the CPUs of the host', () => {
    single(inVm('"vcpus": «3»'), 'vms[0].vcpus', '3 vCPUs', 'host.cpus 2');
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
