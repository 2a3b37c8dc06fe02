/** What GDB is told of a run, packet by packet (GDB manual, appendix E), against what run control says of the same run. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { RunJob } from '../../../../src/protocol/run';
import { imageOf } from '../../../../src/run/guest-image';
import { hexOf, hexOfText, textOf } from '../../../../src/debug/gdb/packet';
import { find } from '../../../../src/trace/query/find';
import { GdbClient } from '../../../support/gdb-client';
import { jobOf, runJob, sample } from '../../../support/runs';

/** Fields of the NIC's STATUS (82540EM manual, 13.4.2). */
const FULL = { name: 'FD', low: 0, high: 0, format: 'flag' } as const;
const SPEED = { name: 'SPEED', low: 6, high: 7, format: 'hex' } as const;

const hex = (value: bigint | number): string => value.toString(16);

function addressOf(job: RunJob, name: string): bigint {
  const symbol = imageOf(job.guests[0]).symbols.named(name);
  if (!symbol) throw new Error(`no symbol ${name}`);
  return symbol.address;
}

function globalOf(job: RunJob, name: string): bigint {
  const location = imageOf(job.guests[0]).debug.global(name)?.locationAt(0n);
  // DW_OP_addr and an address
  if (location?.kind !== 'expression' || location.bytes[0] !== 0x03) throw new Error(`no static ${name}`);
  return new DataView(location.bytes.buffer, location.bytes.byteOffset).getBigUint64(1, true);
}

let e1000: RunJob;
let ipi: RunJob;
beforeAll(async () => {
  e1000 = await jobOf(sample('b7-e1000-emulated'));
  ipi = await jobOf(sample('a8-ipi'));
});

describe('the target', () => {
  it('says what it can', () => {
    const gdb = new GdbClient(ipi);
    const features = gdb.ask('qSupported:multiprocess+;xmlRegisters=i386')?.split(';');
    for (const wanted of ['qXfer:features:read+', 'ReverseStep+', 'ReverseContinue+', 'swbreak+', 'hwbreak+'])
      expect(features).toContain(wanted);
    expect(gdb.ask('vMustReplyEmpty')).toBe('');
    expect(gdb.ask('vCont?')).toBe('vCont;c;C;s;S;t;r');
    expect(gdb.ask('qAttached')).toBe('1');
    expect(gdb.ask('qCRC:0,10')).toBe('');
  });

  it('has the vCPUs as threads', () => {
    const gdb = new GdbClient(ipi);
    expect([gdb.ask('qfThreadInfo'), gdb.ask('qsThreadInfo')]).toEqual(['m1,2', 'l']);
    expect(['1', '2', '3', '0', 'x'].map((thread) => gdb.ask(`T${thread}`)?.slice(0, 2))).toEqual([
      'OK',
      'OK',
      'E.',
      'E.',
      'E.',
    ]);
    expect(gdb.ask('qThreadExtraInfo,2')).toBe(
      hexOfText(`${gdb.run.cpus[1].vmName} vCPU 1: waiting, real mode, CPL 0`),
    );
    expect(gdb.ask('qC')).toBe('QC1');
    expect(gdb.ask('Hg2')).toBe('OK');
    expect(gdb.register('rip')).toBe(gdb.run.registers(1).rip);
    expect(gdb.ask('Hg3')).toMatch(/^E\./);
  });

  it('has registers where its description says', () => {
    const gdb = new GdbClient(ipi);
    const bits = [...gdb.xml().matchAll(/<reg name="\w+" bitsize="(\d+)"/g)].map(([, each]) => Number(each));
    const all = gdb.ask('g') ?? '';
    expect(all).toHaveLength(bits.reduce((sum, each) => sum + each / 4, 0));
    let at = 0;
    bits.forEach((each, number) => {
      expect(gdb.ask(`p${hex(number)}`)).toBe(all.slice(at, at + each / 4));
      at += each / 4;
    });
    const file = gdb.run.registers(0);
    expect(gdb.register('rsp')).toBe(file.general[4]);
    expect(gdb.register('rbx')).toBe(file.general[3]);
    expect(gdb.register('cr3')).toBe(file.cr3);
    expect(gdb.register('efer')).toBe(file.efer);
    expect(gdb.ask(`p${hex(bits.length)}`)).toMatch(/^E\./);
  });

  it('writes registers that can be written, one or all', () => {
    const gdb = new GdbClient(ipi);
    const number = gdb.number('r9');
    expect(gdb.ask(`P${hex(number)}=efcdab8967452301`)).toBe('OK');
    expect(gdb.run.registers(0).general[9]).toBe(0x0123456789abcdefn);
    expect(gdb.ask(`P${hex(gdb.number('cr3'))}=0000000000000000`)).toContain('cannot be written');
    const all = gdb.ask('g') ?? '';
    expect(gdb.ask(`G${all}`)).toBe('OK');
    expect(gdb.ask(`G${'1122334455667788'}${all.slice(16)}`)).toBe('OK');
    expect(gdb.run.registers(0).general[0]).toBe(0x8877665544332211n);
    expect(gdb.ask(`G${all.slice(2)}`)).toMatch(/^E\./);
  });

  it('reads and writes memory by linear addresses', () => {
    const gdb = new GdbClient(ipi);
    const start = gdb.run.registers(0).rip;
    const bytes = gdb.run.readMemory({ kind: 'virtual', cpu: 0 }, start, 32);
    expect(gdb.ask(`m${hex(start)},20`)).toBe(hexOf(bytes));
    expect(gdb.ask('mffff800000000000,4')).toBe('E0e');
    const place = addressOf(ipi, 'a8_log');
    expect(gdb.ask(`M${hex(place)},4:0102a0ff`)).toBe('OK');
    expect(gdb.ask(`X${hex(place + 4n)},3:${textOf([0x23, 0x7d, 0x00])}`)).toBe('OK');
    expect(gdb.ask(`m${hex(place)},7`)).toBe('0102a0ff237d00');
    expect(gdb.ask(`M${hex(place)},4:0102`)).toMatch(/^E\./);
  });
});

describe('motions', () => {
  it('stop at breakpoints, and say at which kind and where', () => {
    const gdb = new GdbClient(e1000);
    const main = addressOf(e1000, 'main');
    expect(gdb.ask(`Z0,${hex(main)},1`)).toBe('OK');
    expect(gdb.ask('vCont;c')).toMatch(/^T05.*thread:1;swbreak:;$/);
    expect(gdb.register('rip')).toBe(main);
    expect(gdb.ask(`z0,${hex(main)},1`)).toBe('OK');
    expect(gdb.ask(`Z1,${hex(main)},1`)).toBe('OK');
    expect(gdb.ask('vCont;s:1')).toMatch(/^T05.*thread:1;$/);
    expect(gdb.ask('bc')).toMatch(/hwbreak:;$/);
    expect(gdb.register('rip')).toBe(main);
    expect(gdb.ask('?')).toMatch(/^T05.*hwbreak:;$/);
  });

  it('step by instruction and within a range, to and fro', () => {
    const gdb = new GdbClient(e1000);
    const moments = [gdb.run.moment];
    const addresses = [gdb.register('rip')];
    for (let count = 0; count < 8; count++) {
      gdb.ask('vCont;s:1');
      moments.push(gdb.run.moment);
      addresses.push(gdb.register('rip'));
    }
    expect(moments.map(({ instructions }) => instructions)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    for (let count = 7; count >= 0; count--) {
      expect(gdb.ask('bs')).toMatch(/^T05/);
      expect([gdb.run.moment, gdb.register('rip')]).toEqual([moments[count], addresses[count]]);
    }
    expect(gdb.ask('bs')).toMatch(/replaylog:begin;$/);
    const beyond = addresses.findIndex((each) => each < addresses[0] || each > addresses[3]);
    expect(beyond).toBeGreaterThan(3);
    gdb.ask(`vCont;r${hex(addresses[0])},${hex(addresses[3] + 1n)}:1`);
    expect(gdb.run.moment).toEqual(moments[beyond]);
  });

  it('come to the ends of the run', () => {
    const gdb = new GdbClient(e1000);
    expect(gdb.ask('c')).toMatch(/^T05.*replaylog:end;$/);
    expect(gdb.printed).toContain('The run is over');
    expect(gdb.ask('c')).toMatch(/replaylog:end;$/);
    expect(gdb.ask('bc')).toMatch(/^T05.*replaylog:begin;$/);
    expect(gdb.run.moment.instructions).toBe(0);
  });

  it('are interrupted', () => {
    const gdb = new GdbClient(e1000);
    gdb.run.interrupt();
    expect(gdb.ask('vCont;c')).toMatch(/^T02/);
    expect(gdb.ask('vCont;c')).toMatch(/^T05.*replaylog:end;$/);
  });

  it('stop after a store that is watched, and on the way back before it', () => {
    const gdb = new GdbClient(e1000);
    const pending = globalOf(e1000, 'pending');
    const value = (): string | undefined => gdb.ask(`m${hex(pending)},4`);
    expect(gdb.ask(`Z2,${hex(pending)},4`)).toBe('OK');
    const changes: [string | undefined, number][] = [];
    for (let count = 0; count < 4; count++) {
      expect(gdb.ask('c')).toMatch(new RegExp(`^T05.*watch:${hex(pending)};$`));
      changes.push([value(), gdb.run.moment.instructions]);
    }
    const values = ['00000000', ...changes.map(([each]) => each)];
    values.slice(1).forEach((each, index) => expect(each).not.toBe(values[index]));
    for (let count = 3; count >= 0; count--) {
      expect(gdb.ask('bc')).toMatch(new RegExp(`^T05.*watch:${hex(pending)};$`));
      expect([value(), gdb.run.moment.instructions]).toEqual([values[count], changes[count][1] - 1]);
    }
    expect(gdb.ask('bc')).toMatch(/replaylog:begin;$/);
    // Forwards again, by single steps and all.
    expect(gdb.ask('c')).toMatch(/watch:/);
    expect(gdb.ask('bs')).toMatch(/watch:/);
  });

  it('stop at what a device writes, and say which', () => {
    const gdb = new GdbClient(e1000);
    gdb.ask(`Z2,${hex(globalOf(e1000, 'rx_ring'))},8`);
    gdb.ask('c');
    gdb.ask(`z2,${hex(globalOf(e1000, 'rx_ring'))},8`);
    const ring = BigInt(
      `0x${[...(gdb.ask(`m${hex(globalOf(e1000, 'rx_ring'))},8`)?.match(/../g) ?? [])].reverse().join('')}`,
    );
    // STA.DD of the first descriptor (82540EM manual, 3.2.3.1).
    gdb.ask(`Z2,${hex(ring + 12n)},1`);
    let printed = '';
    for (let count = 0; count < 4 && printed === ''; count++) {
      expect(gdb.ask('c')).toMatch(/watch:/);
      printed = gdb.printed;
    }
    expect(printed).toMatch(/^The device e1000 wrote \d+ bytes at guest-physical 0x/);
    expect(gdb.monitor(`last-writer 0x${hex(ring + 12n)} 1`)).toContain('Last written by the device e1000');
  });

  it('watch nothing that is not mapped, too long, or of no kind', () => {
    const gdb = new GdbClient(e1000);
    expect(gdb.ask('Z2,ffff800000000000,4')).toMatch(/^E\..*nothing is mapped/);
    expect(gdb.ask('Z2,100000,ffffffff')).toMatch(/^E\./);
    expect(gdb.ask('Z5,100000,1')).toBe('');
    expect(gdb.ask('Z0,100000')).toMatch(/^E\./);
  });

  it('refuse writes in the past until they are allowed', () => {
    const gdb = new GdbClient(e1000);
    gdb.ask('c');
    gdb.ask('bc');
    const start = gdb.run.registers(0).rip;
    expect(gdb.ask(`M${hex(start)},1:90`)).toContain('monitor past-writes discard');
    expect(gdb.ask(`P0=${'00'.repeat(8)}`)).toContain('monitor past-writes discard');
    expect(gdb.run.hasFuture).toBe(true);
    expect(gdb.monitor('past-writes discard')).toContain('discard');
    expect(gdb.ask(`P0=${'11'.repeat(8)}`)).toBe('OK');
    expect(gdb.run.hasFuture).toBe(false);
  });
});

describe('monitor commands', () => {
  it('count exits as the summary of the run does', () => {
    const gdb = new GdbClient(e1000);
    expect(gdb.monitor('exits')).toBe('No VM exits so far.\n');
    gdb.ask('c');
    const { exits } = runJob(e1000).end.summary;
    const counted = gdb
      .monitor('exits')
      .trim()
      .split('\n')
      .map((line) => line.trim().split(/ +/));
    expect(Object.fromEntries(counted.map(([count, reason]) => [reason, Number(count)]))).toEqual(exits);
  });

  it('go through time', () => {
    const gdb = new GdbClient(e1000);
    expect(gdb.monitor('goto instruction 5000')).toContain('5000 instructions retired');
    expect(gdb.run.moment.instructions).toBe(5000);
    expect(gdb.monitor('checkpoint')).toMatch(/^Checkpoint 1: .*5000 instructions/);
    expect(gdb.monitor('goto 1 ms')).toContain('GDB still shows');
    expect(gdb.run.moment.cycles).toBeGreaterThanOrEqual(2_900_000);
    // An access of the guest: the instruction that is about to make it.
    const { store } = runJob(e1000);
    const { row } = find(store, 'mmio.write reg:TDT', -1, 1);
    gdb.monitor(`goto row ${row}`);
    expect(gdb.run.moment.rows).toBeLessThanOrEqual(row);
    expect(gdb.run.registers(0).rip).toBe(BigInt(store.placeAt(store.get(row).place)?.rip ?? 0));
    gdb.ask('s');
    expect(gdb.run.moment.rows).toBeGreaterThan(row);
    gdb.monitor('goto checkpoint 1');
    expect(gdb.run.moment.instructions).toBe(5000);
    gdb.monitor('goto beginning');
    expect(gdb.run.moment.instructions).toBe(0);
    for (const wrong of ['goto', 'goto x', 'goto row', 'goto checkpoint 2', 'goto -1'])
      expect(gdb.monitor(wrong)).toMatch(/^Error: /);
  });

  it('stop at events', () => {
    const gdb = new GdbClient(e1000);
    expect(gdb.monitor('stop reg:TDT track:e1000')).toContain('Stops at');
    expect(gdb.ask('c')).toMatch(/^T05.*thread:1;$/);
    expect(gdb.printed).toContain('is an event of “reg:TDT track:e1000”');
    expect(gdb.monitor('stops')).toBe('reg:TDT track:e1000\n');
    expect(gdb.monitor('unstop reg:TDT track:e1000')).toContain('Does not stop');
    expect(gdb.monitor('stop dur>')).toMatch(/^Error: .*position/);
    expect(gdb.ask('c')).toMatch(/replaylog:end;$/);
  });

  it('explain themselves', () => {
    const gdb = new GdbClient(e1000);
    const help = gdb.monitor('help');
    for (const name of ['exits', 'devices', 'inspect', 'time', 'goto', 'stop', 'last-writer', 'checkpoint'])
      expect(help).toContain(`monitor ${name}`);
    expect(gdb.monitor('nonsense')).toContain('monitor help');
    expect(gdb.monitor('')).toContain('monitor help');
    expect(gdb.monitor('mode')).toBe('long mode, CPL 0, running.\n');
    expect(gdb.monitor('xp 0x100000 4')).toMatch(/^0x100000: [0-9a-f ]{11}\n$/);
  });
});

describe('the inside of the machine', () => {
  it('is shown as a tree, with fields by their names', () => {
    const gdb = new GdbClient(e1000);
    const status = {
      name: 'STATUS',
      value: { kind: 'register', value: 0x83n, bits: 32, fields: [FULL, SPEED] },
    } as const;
    const nic = { name: 'e1000', children: [status, { name: 'Transmit', more: true }] };
    gdb.run.inspect = (path) =>
      path.length === 0 ? { name: 'machine', children: [nic] } : path.join() === 'e1000' ? nic : undefined;
    expect(gdb.monitor('devices')).toBe(
      'machine\n  e1000\n    STATUS = 0x00000083 [ FD SPEED=0x2 ]\n    Transmit/\n',
    );
    expect(gdb.monitor('inspect /e1000/')).toBe(
      'e1000\n  STATUS = 0x00000083 [ FD SPEED=0x2 ]\n  Transmit/\n',
    );
    expect(gdb.monitor('inspect e1000/nothing')).toMatch(/^Error: .*e1000\/nothing/);
  });
});

describe('modes', () => {
  it('a kernel that starts in protected mode has 32-bit registers, and it is said when they no longer do', async () => {
    const gdb = new GdbClient(await jobOf(sample('multiboot')));
    expect(gdb.xml()).toContain('<architecture>i386</architecture>');
    expect(gdb.register('eip')).toBe(gdb.run.registers(0).rip);
    gdb.ask('c');
    expect(gdb.printed).toContain('long mode, but GDB has read a description of 32-bit registers');
    gdb.stub.connect();
    expect(gdb.xml()).toContain('<architecture>i386:x86-64</architecture>');
  });
});
