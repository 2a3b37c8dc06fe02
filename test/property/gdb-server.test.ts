/**
 * Whatever comes in on the line to GDB, the server answers each packet that is whole, once, and stays what it was: nothing is thrown,
 * nothing fails inside, and what it reads is what run control reads.
 */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import type { RunJob } from '../../src/protocol/run';
import {
  bytesOfText,
  frameOf,
  FrameReader,
  hexOf,
  hexOfText,
  PACKET_SIZE,
  textOf,
} from '../../src/debug/gdb/packet';
import { GdbLink } from '../../src/debug/gdb/link';
import { GdbClient } from '../support/gdb-client';
import { jobOf, sample } from '../support/runs';

let job: RunJob;
beforeAll(async () => {
  job = await jobOf(sample('hello'));
});

const number = fc.oneof(
  fc.integer({ min: 0, max: 0xffffff }).map((value) => value.toString(16)),
  fc.constantFrom(
    '0',
    '1',
    '100000',
    'ffffffff',
    'ffffffffffffffff',
    '8000000000000000',
    '-1',
    '',
    'zz',
    '10000000000000000',
  ),
);
const command = fc.oneof(
  fc.constantFrom(
    'help',
    'exits',
    'devices',
    'time',
    'checkpoint',
    'checkpoints',
    'stops',
    'mode',
    'goto beginning',
    'goto end',
  ),
  fc
    .tuple(
      fc.constantFrom('goto', 'goto row', 'goto instruction', 'goto checkpoint'),
      fc.integer({ min: 0, max: 9000 }),
    )
    .map(([name, at]) => `${name} ${at}`),
  fc
    .tuple(fc.constantFrom('last-writer', 'xp', 'goto', 'stop', 'inspect'), number, number)
    .map((words) => words.join(' ')),
  fc.constantFrom(
    'stop irq.inject',
    'stop exit',
    'stop dur>',
    'unstop exit',
    'past-writes discard',
    'step-interrupts into',
  ),
  fc.string({ maxLength: 30 }),
);
/** Packets as GDB sends them, with numbers that it may or may not. */
const sensible = fc.oneof(
  fc.constantFrom(
    '?',
    'g',
    'c',
    's',
    'bs',
    'bc',
    'vCont;s:1',
    'vCont;c',
    'vCont?',
    'qC',
    'qfThreadInfo',
    'qsThreadInfo',
    'D',
    'k',
    'H',
    'vKill;1',
  ),
  fc
    .tuple(
      fc.constantFrom(
        'm',
        'Z0,',
        'Z2,',
        'Z3,',
        'Z4,',
        'z2,',
        'z0,',
        'qXfer:features:read:target.xml:',
        'vCont;r',
      ),
      number,
      number,
    )
    .map(([name, one, two]) => `${name}${one},${two}`),
  fc
    .tuple(fc.constantFrom('p', 'Hg', 'Hc', 'T', 'vCont;s:', 'qThreadExtraInfo,'), number)
    .map((parts) => parts.join('')),
  fc
    .tuple(fc.constantFrom('P', 'M', 'X'), number, number, fc.string({ maxLength: 20 }))
    .map(([name, one, two, value]) => `${name}${one}${name === 'P' ? '=' : `,${two}:`}${value}`),
  fc.string({ maxLength: 700 }).map((value) => `G${value}`),
  command.map((line) => `qRcmd,${hexOfText(line)}`),
);
const anything = fc.uint8Array({ maxLength: 60 }).map((bytes) => textOf(bytes));
const payload = fc.oneof({ weight: 4, arbitrary: sensible }, { weight: 1, arbitrary: anything });

describe('a hostile client', () => {
  it('gets one answer to each packet, and breaks nothing', () => {
    fc.assert(
      fc.property(fc.array(payload, { minLength: 1, maxLength: 25 }), (payloads) => {
        const gdb = new GdbClient(job);
        for (const each of payloads) {
          const { payload: answer, leaves } = gdb.reply(each);
          expect(gdb.faults, JSON.stringify(payloads)).toEqual([]);
          if (answer === undefined) expect(leaves).toBe('kill');
          else expect(answer.length).toBeLessThanOrEqual(PACKET_SIZE);
          const [, at, length] = /^m([0-9a-f]{1,16}),([0-9a-f]{1,8})$/.exec(each) ?? [];
          if (at === undefined || !answer || answer.startsWith('E')) continue;
          const space = { kind: 'virtual', cpu: 0 } as const;
          const most = Math.min(parseInt(length, 16), PACKET_SIZE / 2);
          expect(hexOf(gdb.run.readMemory(space, BigInt(`0x${at}`), most)).startsWith(answer)).toBe(true);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('is heard in pieces and with damaged bytes, and no frame is taken for another', () => {
    const damage = fc.record({ at: fc.nat(), byte: fc.integer({ min: 0, max: 255 }) });
    fc.assert(
      fc.property(
        fc.array(payload, { maxLength: 8 }),
        fc.array(damage, { maxLength: 4 }),
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 }),
        (payloads, damages, cuts) => {
          const bytes = Uint8Array.from(payloads.flatMap((each) => [...frameOf(each)]));
          for (const { at, byte } of damages) if (bytes.length > 0) bytes[at % bytes.length] = byte;
          const heard: string[] = [];
          let written = '';
          const link = new GdbLink({
            write: (out) => {
              written += textOf(out);
            },
            packet: (each) => heard.push(each),
            interrupt: () => undefined,
          });
          for (let at = 0, index = 0; at < bytes.length; index++) {
            const length = cuts[index % cuts.length];
            link.receive(bytes.subarray(at, at + length));
            at += length;
          }
          const frames = [...new FrameReader().feed(bytes)];
          const whole = frames.flatMap((each) => (each.kind === 'packet' ? [each.payload] : []));
          if (!whole.includes('QStartNoAckMode')) {
            expect(heard).toEqual(whole);
            expect([...written.matchAll(/\+/g)]).toHaveLength(whole.length);
          }
          if (damages.length === 0) expect(heard).toEqual(payloads.map((each) => textOf(bytesOfText(each))));
        },
      ),
      { numRuns: 300 },
    );
  });
});
