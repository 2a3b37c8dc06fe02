/** Sessions of the distribution's own gdb through the server, on a port of this computer. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunJob } from '../../../../src/protocol/run';
import { frameOf, FrameReader, type Frame } from '../../../../src/debug/gdb/packet';
import { startServer, type TestServer } from '../../../support/gdb-server';
import { jobOf, sample } from '../../../support/runs';
import { has } from '../../guest/build';

const folder = mkdtempSync(join(tmpdir(), 'trapline-gdb-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What gdb prints of each command. */
async function session(job: RunJob, port: number, commands: readonly string[]): Promise<string[]> {
  const script = join(folder, 'session.gdb');
  const lines = commands.flatMap((each) => [`echo \\n@@@\\n`, each]);
  writeFileSync(
    script,
    ['set pagination off', 'set confirm off', 'set width 0', `target remote :${port}`, ...lines, ''].join(
      '\n',
    ),
  );
  const printed = await new Promise<string>((resolve, reject) => {
    const gdb = spawn('gdb', ['-nx', '-batch', '-x', script, job.guests[0].elfFile], {
      env: { ...process.env, LC_ALL: 'C' },
    });
    let text = '';
    for (const stream of [gdb.stdout, gdb.stderr])
      stream.on('data', (bytes: Buffer) => (text += bytes.toString()));
    gdb.on('error', reject);
    gdb.on('close', () => resolve(text));
  });
  return printed.split('\n@@@\n').slice(1);
}

let e1000: RunJob;
let ipi: RunJob;
beforeAll(async () => {
  e1000 = await jobOf(sample('b7-e1000-emulated'));
  ipi = await jobOf(sample('a8-ipi'));
});

describe.skipIf(!has('gdb'))('stock gdb (needs gdb)', () => {
  it('stops, steps, looks, goes back, and lets go', { timeout: 120_000 }, async () => {
    const server = await startServer(e1000);
    const commands = {
      'break on_interrupt': /Breakpoint 1 at 0x[0-9a-f]+: file .*e1000\.c/,
      continue: /Breakpoint 1, on_interrupt \(argument=0x0\)/,
      backtrace:
        /#0 {2}on_interrupt[^]*#1 [^]*tl_interrupt[^]*#2 {2}<signal handler called>\n#3 [^]*main \(\)/,
      'info threads': /\* 1 +Thread 1 \(\S+ vCPU 0: running, long mode, CPL 0\)/,
      delete: /^$/,
      'watch pending': /Hardware watchpoint 2: pending/,
      'continue ': /Old value = 0\nNew value = [1-9]/,
      'reverse-continue': /Old value = [1-9]\d*\nNew value = 0/,
      'print pending': /= 0\n/,
      'delete ': /^$/,
      'x/2i $pc': /=> 0x[0-9a-f]+ <on_interrupt\+\d+>:/,
      stepi: /\t8[45]\t/,
      'reverse-stepi': /\t8[45]\t/,
      finish: /^tl_interrupt .*interrupts\.c/,
      next: /(?:interrupts|e1000)\.c:\d+\n\d+\t|^\d+\t/,
      'monitor exits': /^ *\d+ {2}EPT_MISCONFIG\n/m,
      'monitor time': /instructions retired/,
      'reverse-stepi ': /^(?:0x[0-9a-f]+\t)?\d+\t|\.[cS]:\d+/,
      'monitor past-writes discard': /discard/,
      'set var tx_next = 3 ': /^$/,
      'print tx_next': /= 3\n/,
      detach: /detached/,
    };
    const printed = await session(e1000, server.port, Object.keys(commands));
    Object.entries(commands).forEach(([command, expected], index) => {
      const text = printed[index] ?? '';
      expect(text.trim() === '' ? '' : text, command).toMatch(expected);
    });
    // The run goes on without gdb, to its own end.
    expect(await server.ended).toHaveProperty('exitCode');
    expect(server.log.filter((line) => line.includes('internal error'))).toEqual([]);
  });

  it('sees each vCPU as a thread', { timeout: 120_000 }, async () => {
    const server = await startServer(ipi);
    const printed = await session(ipi, server.port, [
      'break on_token',
      'continue',
      'info threads',
      'thread 1',
      'thread 2',
      'print $cr0 & 1',
      'kill',
    ]);
    expect(printed[1]).toMatch(/hit Breakpoint 1, on_token/);
    expect(printed[2]).toMatch(/1 +Thread 1 \(\S+ vCPU 0:[^]*2 +Thread 2 \(\S+ vCPU 1:/);
    expect(printed[5]).toMatch(/= 1\n/);
    await server.ended;
  });
});

describe('the server', () => {
  /** Sends packets, and gives what comes back until as many packets have come. */
  async function talk(
    server: TestServer,
    packets: readonly (string | Uint8Array)[],
    replies: number,
  ): Promise<Frame[]> {
    return new Promise((resolve, reject) => {
      const frames: Frame[] = [];
      const reader = new FrameReader();
      const socket = connect(server.port, '127.0.0.1', () => {
        for (const each of packets) socket.write(typeof each === 'string' ? frameOf(each) : each);
      });
      socket.on('error', reject);
      socket.on('close', () => resolve(frames));
      socket.on('data', (bytes) => {
        for (const frame of reader.feed(bytes)) if (frame.kind === 'packet') frames.push(frame);
        if (frames.length >= replies) socket.end();
      });
    });
  }

  it('hears an interrupt while the run is under way, and serves one client after the other', async () => {
    const server = await startServer(await jobOf(sample('spin')));
    const [stop] = await talk(server, ['vCont;c', Uint8Array.of(0x03)], 1);
    expect(stop).toMatchObject({ payload: expect.stringMatching(/^T02/) as string });
    // An interrupt while nothing moves is nothing, and is not kept for the next motion.
    const [first, second] = await talk(server, [Uint8Array.of(0x03), '?', 'vCont;s:1'], 2);
    expect(first).toMatchObject({ payload: expect.stringMatching(/^T02/) as string });
    expect(second).toMatchObject({ payload: expect.stringMatching(/^T05/) as string });
    await server.stop();
  });
});
