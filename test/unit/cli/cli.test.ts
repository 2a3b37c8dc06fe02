import { describe, expect, it } from 'vitest';
import { runCli } from '../../../src/cli/cli';
import { readCapture } from '../../../src/trace/exchange/capture';
import type { Problem } from '../../../src/protocol/problem';
import { exitKind } from '../../../src/trace/vocabulary/events';
import { hashOf } from '../../../src/trace/record/hash';
import { emptyMeta, TraceStore } from '../../../src/trace/query/store';
import type { ExpectationResult } from '../../../src/trace/query/summary';
import { sampleSummary } from '../scenario/summary-sample';
import { FakeHost, fakeRun } from './fake-host';

const problem = (severity: Problem['severity'], file = '/home/ada/s.trapline.json'): Problem => ({
  file,
  line: 3,
  column: 7,
  severity,
  message: 'what and why',
  source: 'scenario',
});

const held: ExpectationResult = { figure: 'packets.rx', expected: '64', actual: 64, held: true };
const failed: ExpectationResult = { figure: 'exits.HLT', expected: 'at most 3', actual: 4, held: false };

describe('trapline run --pcap', () => {
  it('asks for frames, and writes them as a capture', async () => {
    const host = new FakeHost();
    host.scenarioText = '{ "vms": [{ "guest": { "elf": "a" } }], "links": [{}] }';
    host.run.frames = [
      {
        link: Uint32Array.of(0),
        time: Float64Array.of(2900),
        length: Uint32Array.of(60),
        bytes: new Uint8Array(60).fill(7),
      },
    ];
    expect(await runCli(['run', 's', '--pcap', 'a/x.pcapng'], host)).toBe(0);
    expect(host.calls).toContain('frames');
    const written = host.written.get('/home/ada/a/x.pcapng');
    expect(readCapture(written!).frames.map(({ frame }) => frame)).toEqual([host.run.frames[0].bytes]);
    expect(host.stderr).toContain('packets written to a/x.pcapng');
  });

  it('without it no frames are asked for', async () => {
    const host = new FakeHost();
    await runCli(['run', 's'], host);
    expect(host.calls).not.toContain('frames');
    expect(host.written.size).toBe(0);
  });

  it('says when the capture cannot be written, and ends with 2', async () => {
    const host = new FakeHost();
    host.diskFull = true;
    expect(await runCli(['run', 's', '--pcap', 'x.pcapng'], host)).toBe(2);
    expect(host.stderr).toContain('cannot write /home/ada/x.pcapng: the disk is full');
    host.unwritable = true;
    expect(await runCli(['run', 's', '--pcap', 'x.pcapng'], host)).toBe(2);
    expect(host.calls.filter((call) => call.startsWith('start'))).toHaveLength(1);
  });
});

describe('trapline gdbserver', () => {
  it('says what GDB is to be given, and prints what guests print', async () => {
    const host = new FakeHost();
    expect(await runCli(['gdbserver', 'a/s.trapline.json', '--port', '1234'], host)).toBe(0);
    expect(host.calls).toContain('gdbserver 0 1234');
    expect(host.stdout).toMatch(/^file .*\ntarget remote :1234\nvm0 \| hello\n$/);
  });

  it('refuses ports and VMs that there cannot be', async () => {
    for (const wrong of [
      ['--port', 'x'],
      ['--port', '65536'],
      ['--vm', '7'],
      ['--vm', '-1'],
    ])
      expect(await runCli(['gdbserver', 's', ...wrong], new FakeHost())).toBe(2);
  });
});

describe('trapline run', () => {
  it('prepares and starts the file, with the compiler of the command line', async () => {
    const host = new FakeHost();
    expect(await runCli(['run', 'a/s.trapline.json', '--compiler', '/opt/cc'], host)).toBe(0);
    expect(host.calls).toEqual([
      'prepare /home/ada/a/s.trapline.json with /opt/cc',
      'start /home/ada/a/s.trapline.json',
      'unhooked',
    ]);
  });

  it('prints every figure', async () => {
    const host = new FakeHost();
    await runCli(['run', 's.trapline.json'], host);
    expect(host.stdout).toMatch(/^A sample\n/);
    const line = (text: string) => expect(host.stdout.replace(/ +/g, ' ')).toContain(`\n ${text}\n`);
    line('state finished');
    line('simulated time 1 ms, 2 900 000 cycles at 2.9 GHz');
    line('guest instructions 1 001');
    line('VM exits 2 005');
    line('EPT_MISCONFIG 1 002');
    line('HLT 1 003');
    line('user exits 1 004');
    line('interrupts raised 1 005, injected 1 006, posted 1 007, handled 1 008');
    line('packets tx 1 014, rx 1 015, dropped 1 016');
    line('vm0 exit code 0, 4 005 VM exits, 2 004 user exits');
    line('vm1 has not ended itself, 6 005 VM exits, 3 004 user exits');
    line('trace hash 0123456789abcdef');
    line('wall time 250 ms');
    // The most frequent reason stands first.
    expect(host.stdout.indexOf('HLT')).toBeLessThan(host.stdout.indexOf('EPT_MISCONFIG'));
  });

  it('marks expectations, and ends with 1 when one does not hold', async () => {
    const host = new FakeHost();
    host.run.summary.expectations = [held, failed];
    expect(await runCli(['run', 's'], host)).toBe(1);
    expect(host.stdout).toContain('✓ packets.rx: 64\n');
    expect(host.stdout).toContain('✗ exits.HLT: at most 3, but 4\n');
    host.run.summary.expectations = [held];
    expect(await runCli(['run', 's'], host)).toBe(0);
  });

  it('ends with 1 where guests had not ended when the time was up, and says where they were', async () => {
    const host = new FakeHost();
    host.run.summary.unfinished = 'vm0, CPU 0 at spin.c:9 in main';
    expect(await runCli(['run', 's'], host)).toBe(1);
    expect(host.stderr).toContain('vm0, CPU 0 at spin.c:9 in main. Raise "stop.afterMs"');
  });

  it('ends with 1 for a guest that ends with another code than 0, unless an expectation speaks of it', async () => {
    const host = new FakeHost();
    host.run.summary.vms[0].exitCode = 238;
    expect(await runCli(['run', 's'], host)).toBe(1);
    expect(host.stderr).toContain('vm0 ended with exit code 238');
    host.run.summary.expectations = [
      { figure: 'vms.vm0.exitCode', expected: '238', actual: 238, held: true },
    ];
    expect(await runCli(['run', 's'], host)).toBe(0);
  });

  it('ends with 2 for wrong input, and prints where it is', async () => {
    const host = new FakeHost();
    host.problems = [problem('error'), problem('error', '/elsewhere/driver.c')];
    expect(await runCli(['run', 's', '--quiet'], host)).toBe(2);
    expect(host.stderr).toBe(
      's.trapline.json:3:7: error: what and why\n/elsewhere/driver.c:3:7: error: what and why\n',
    );
    expect(host.calls).not.toContain('start /home/ada/s');
  });

  it('goes on with warnings', async () => {
    const host = new FakeHost();
    host.problems = [problem('warning')];
    expect(await runCli(['run', 's'], host)).toBe(0);
    expect(host.stderr).toContain('s.trapline.json:3:7: warning: what and why\n');
  });

  it('ends with 3 for a guest that crashed, whatever the expectations say', async () => {
    const host = new FakeHost();
    const run = fakeRun();
    host.run = fakeRun({ meta: { ...run.meta, state: 'crashed', message: 'triple fault at spin.c:3' } });
    host.run.summary.expectations = [held];
    expect(await runCli(['run', 's'], host)).toBe(3);
    expect(host.stdout).toContain('the guest crashed: triple fault at spin.c:3');
    const quiet = new FakeHost();
    quiet.run = host.run;
    expect(await runCli(['run', 's', '--json'], quiet)).toBe(3);
    expect(quiet.stderr).toContain('error: triple fault at spin.c:3');
  });

  it('ends with 4 when Trapline itself fails, and still keeps the trace', async () => {
    const host = new FakeHost();
    host.run = fakeRun({ failure: 'the simulator broke' });
    expect(await runCli(['run', 's', '--out', 't.arrow'], host)).toBe(4);
    expect(host.stderr).toContain('error: the simulator broke\n');
    expect(host.traces.get('/home/ada/t.arrow')!.meta).toMatchObject({
      state: 'failed',
      message: 'the simulator broke',
    });
  });

  it('prints JSON alone on standard output: the figures, with exactly these keys', async () => {
    const host = new FakeHost();
    host.run = fakeRun({ serial: ['hello\n'] });
    host.run.summary.expectations = [held];
    expect(await runCli(['run', 's', '--json'], host)).toBe(0);
    const printed = JSON.parse(host.stdout) as Record<string, object>;
    const common = ['exits', 'guestInstructions', 'interrupts', 'iommu', 'packets', 'userExits'];
    expect(Object.keys(printed).sort()).toEqual(
      [
        ...common,
        'cycles',
        'events',
        'expectations',
        'gaps',
        'host',
        'simulatedSeconds',
        'traceHash',
        'vms',
        'wallSeconds',
      ].sort(),
    );
    const [vm] = printed['vms'] as unknown as object[];
    expect(Object.keys(vm).sort()).toEqual([...common, 'exitCode', 'name'].sort());
    expect(Object.keys(printed['interrupts'])).toEqual(['raised', 'injected', 'posted', 'handled']);
    expect(Object.keys(printed['iommu'])).toEqual([
      'translations',
      'iotlbHits',
      'iotlbMisses',
      'walkReferences',
      'faults',
    ]);
    expect(Object.keys(printed['packets'])).toEqual(['tx', 'rx', 'dropped']);
    expect(printed).toEqual({ ...sampleSummary(), expectations: [held] });
    expect(host.stderr).toContain('vm0 | hello\n');
  });

  it('is silent with --quiet but for what does not hold', async () => {
    const host = new FakeHost();
    host.run = fakeRun({ serial: ['hello\n'] });
    expect(await runCli(['run', 's', '--quiet', '--out', 't'], host)).toBe(0);
    expect(host.stdout + host.stderr).toBe('');
    host.run.summary.expectations = [held, failed];
    expect(await runCli(['run', 's', '--quiet'], host)).toBe(1);
    expect(host.stdout).toBe('');
    expect(host.stderr).toBe('✗ exits.HLT: at most 3, but 4\n');
  });

  it('prints what the guest prints line by line, and lets it not drive the terminal', async () => {
    const host = new FakeHost();
    host.run = fakeRun({ serial: ['one\r\ntw', 'o\n\u001b[2J\u009b', 'end'] });
    await runCli(['run', 's'], host);
    expect(host.stdout).toContain('vm0 | one\nvm0 | two\nvm0 | \\x1b[2J\\x9bend\n');
  });

  it('writes the trace, and says where', async () => {
    const host = new FakeHost();
    expect(await runCli(['run', 's', '--out=out/t.trapline.arrow'], host)).toBe(0);
    expect(host.traces.get('/home/ada/out/t.trapline.arrow')!.meta).toMatchObject({
      state: 'finished',
      traceHash: '0123456789abcdef',
    });
    expect(host.stderr).toContain('trace written to out/t.trapline.arrow\n');
  });

  it('refuses a path that it cannot write before it runs anything', async () => {
    const host = new FakeHost();
    host.unwritable = true;
    expect(await runCli(['run', 's', '--out', 't'], host)).toBe(2);
    expect(host.calls).toEqual(['unhooked']);
  });

  it('prints the figures also when writing fails', async () => {
    const host = new FakeHost();
    host.diskFull = true;
    expect(await runCli(['run', 's', '--out', 't'], host)).toBe(2);
    expect(host.stderr).toContain('the disk is full');
    expect(host.stdout).toContain('trace hash');
  });

  it('stops at Ctrl-C, and prints what there is', async () => {
    const host = new FakeHost();
    host.run = fakeRun({ endless: true });
    host.whenStarted = () => host.interrupt();
    expect(await runCli(['run', 's', '--out', 't'], host)).toBe(130);
    expect(host.calls.slice(2)).toEqual(['cancel', 'unhooked']);
    expect(host.stdout).toContain('stopped by the user');
    expect(host.traces.get('/home/ada/t')!.meta.state).toBe('cancelled');
  });

  it('keeps as cancelled what a thread recorded that had to be ended', async () => {
    const host = new FakeHost();
    host.run = fakeRun({ failure: 'the thread ended' });
    host.whenStarted = () => host.interrupt();
    expect(await runCli(['run', 's', '--out', 't'], host)).toBe(130);
    expect(host.traces.get('/home/ada/t')!.meta).toMatchObject({
      state: 'cancelled',
      facts: { cycles: 5_000_000 },
      counts: [[0, exitKind(12), 3]],
    });
  });

  it('does not start a run that was stopped while it was prepared', async () => {
    const host = new FakeHost();
    const prepare = host.prepareRun;
    host.prepareRun = (options) => {
      host.interrupt();
      expect(options.signal?.aborted).toBe(true);
      return prepare(options);
    };
    expect(await runCli(['run', 's'], host)).toBe(130);
    expect(host.calls.filter((call) => call.startsWith('start'))).toEqual([]);
  });
});

describe('trapline check', () => {
  it('says that a good scenario is good', async () => {
    const host = new FakeHost();
    host.files.set('/home/ada/s.trapline.json', '{ "vms": [{ "guest": { "elf": "a" } }] }');
    expect(await runCli(['check', 's.trapline.json'], host)).toBe(0);
    expect(host.stdout).toBe('s.trapline.json: no problems\n');
    expect(host.stderr).toBe('');
  });

  it('prints every problem of a bad one', async () => {
    const host = new FakeHost();
    host.files.set(
      '/home/ada/s.trapline.json',
      '{\n "vms": [{ "guest": { "elf": "a" } }],\n "sed": 1, "vmm": "xen" }',
    );
    expect(await runCli(['check', 's.trapline.json'], host)).toBe(2);
    expect(host.stderr).toMatch(
      /^s\.trapline\.json:3:2: error: .*"sed".*\ns\.trapline\.json:3:19: error: .*"xen".*\n$/,
    );
    const json = new FakeHost();
    json.files.set('/home/ada/s', '{');
    expect(await runCli(['check', 's', '--json'], json)).toBe(2);
    expect(JSON.parse(json.stdout)).toMatchObject({
      ok: false,
      problems: [{ file: '/home/ada/s', line: 1, severity: 'error' }],
    });
  });

  it("says which of the guests' files are not there", async () => {
    const host = new FakeHost();
    host.missing = ['gone.c', 'gone.elf'];
    host.files.set(
      '/home/ada/s',
      '{ "vms": [{ "guest": { "sources": ["a.c", "gone.c"] } }, { "guest": { "elf": "gone.elf" } }] }',
    );
    expect(await runCli(['check', 's'], host)).toBe(2);
    expect(host.stderr).toBe('s:1:1: error: gone.c does not exist\ns:1:1: error: gone.elf does not exist\n');
    expect(host.stdout).toBe('');
  });

  it('says that a file is not there', async () => {
    const host = new FakeHost();
    expect(await runCli(['check', 'nowhere'], host)).toBe(2);
    expect(host.stderr).toBe('error: cannot read /home/ada/nowhere: gone\n');
  });
});

/** Of a trace without events. */
const HASH_OF_NOTHING = hashOf({ block: () => undefined, rows: 0 });

describe('trapline stats', () => {
  const scenarioText =
    '{ "vms": [{ "guest": { "elf": "a" } }], "expect": { "cycles": 77, "packets.rx": 1 } }';
  const store = (state: 'finished' | 'truncated') => {
    const { traceHash, ...tables } = new TraceStore({
      ...emptyMeta('From a file', 1e9),
      state,
      ...(state === 'truncated' && { message: 'It ends at byte 4096.' }),
      scenarioText,
      facts: { cycles: 77, vms: [{ name: 'vm0', guestInstructions: 5, exitCode: 0 }] },
      traceHash: HASH_OF_NOTHING,
    }).meta;
    return new TraceStore({ ...tables, ...(state === 'finished' && { traceHash }) });
  };

  it('prints the figures of the file, and holds them against its scenario', async () => {
    const host = new FakeHost();
    host.traces.set('/home/ada/t', store('finished'));
    expect(await runCli(['stats', 't'], host)).toBe(0);
    expect(host.stdout).toContain('From a file\n');
    expect(host.stdout).toContain('77 ns, 77 cycles at 1 GHz');
    expect(host.stdout).toContain('✓ cycles: 77\n');
    expect(host.stdout).toContain('✗ packets.rx: 1, but 0\n');
    expect(host.stderr).toBe('');
    const json = new FakeHost();
    json.traces.set('/home/ada/t', store('finished'));
    expect(await runCli(['stats', 't', '--json'], json)).toBe(0);
    expect(JSON.parse(json.stdout)).toMatchObject({
      cycles: 77,
      traceHash: HASH_OF_NOTHING,
      vms: [{ name: 'vm0', guestInstructions: 5 }],
    });
  });

  it('warns of a file whose figures are not those of its events', async () => {
    const host = new FakeHost();
    const { meta } = store('finished');
    const changed = new TraceStore({ ...meta, traceHash: 'fedcba9876543210' });
    host.traces.set('/home/ada/u', changed);
    expect(await runCli(['stats', 'u'], host)).toBe(0);
    expect(host.stderr).toMatch(
      /^warning: u: The trace was changed or damaged .* hash .* run the scenario again\.\n$/,
    );
  });

  it('warns of a file that was cut short', async () => {
    const host = new FakeHost();
    host.traces.set('/home/ada/t', store('truncated'));
    expect(await runCli(['stats', 't'], host)).toBe(0);
    expect(host.stderr).toBe('warning: t: It ends at byte 4096.\n');
  });

  it('says of a trace that reached its limit where it is incomplete and what to do', async () => {
    const gaps = [{ from: 50, why: 'limit' as const, limit: 10_000_000 }];
    const host = new FakeHost();
    host.traces.set('/home/ada/t', new TraceStore({ ...store('finished').meta, gaps }));
    expect(await runCli(['stats', 't'], host)).toBe(0);
    expect(host.stderr.replaceAll('\u2009', ' ')).toBe(
      'warning: t: From 50 ns on events were not recorded: the limit of 10 000 000 events was reached. ' +
        'Raise trace.maxEvents in the scenario, or narrow trace.kinds to what you look for. The figures count all events.\n',
    );
    const json = new FakeHost();
    json.traces.set('/home/ada/t', new TraceStore({ ...store('finished').meta, gaps }));
    await runCli(['stats', 't', '--json'], json);
    expect(JSON.parse(json.stdout)).toMatchObject({ gaps });
  });

  it('ends with 2 for a file that is none', async () => {
    const host = new FakeHost();
    expect(await runCli(['stats', 't'], host)).toBe(2);
    expect(host.stderr).toBe('error: /home/ada/t: no trace\n');
  });
});

describe('the command line', () => {
  it.each([[[]], [['--help']], [['-h']], [['help']], [['run', '--help']]])(
    '%j prints the usage',
    async (args) => {
      const host = new FakeHost();
      expect(await runCli(args, host)).toBe(0);
      expect(host.stdout).toContain('trapline run FILE');
    },
  );

  it('prints the version', async () => {
    const host = new FakeHost();
    expect(await runCli(['--version'], host)).toBe(0);
    expect(host.stdout).toBe('1.2.3\n');
  });

  it.each([
    [['rum', 'x'], 'Did you mean "run"?'],
    [['--jsn'], 'unknown option'],
    [['run'], 'needs a FILE'],
    [['stats'], 'needs a TRACE'],
    [['run', 'a', 'b'], '"b" is one too many'],
    [['run', 'a', '--jsno'], 'Did you mean "--json"?'],
    [['run', 'a', '--out'], '--out needs a value'],
    [['run', 'a', '--out', '--json'], '--out needs a value'],
    [['run', 'a', '--json=yes'], '--json takes no value'],
    [['stats', 'a', '--out', 'b'], 'no option --out'],
    [['constructor'], 'unknown command'],
    [['run', 'a', '--constructor'], 'no option'],
  ])('%j ends with 2 and says what is wrong', async (args, message) => {
    const host = new FakeHost();
    expect(await runCli(args, host)).toBe(2);
    expect(host.stderr).toContain(message);
    expect(host.calls).toEqual([]);
  });
});
