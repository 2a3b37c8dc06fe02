/** Typing at a serial line, by what was seen and by time. */
import { describe, expect, it } from 'vitest';
import { SerialScript, type SerialStep } from '../../../../src/machine/devices/serial-script';
import { FakeBus, World } from '../fake-bus';

const KIND = 7;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const step = (after: string, send: string, delay = 0): SerialStep => ({
  after: bytes(after),
  send: bytes(send),
  delay,
});

function line(...steps: SerialStep[]) {
  const world = new World();
  const bus = new FakeBus(world, 'line');
  const typed: string[] = [];
  const script = new SerialScript(bus, KIND, steps, (sent) =>
    typed.push(`${world.time} ${new TextDecoder().decode(sent)}`),
  );
  bus.plug({
    onEvent: (kind) => {
      expect(kind).toBe(KIND);
      script.onEvent();
    },
    onDma: () => undefined,
  });
  script.start();
  const prints = (text: string): void => {
    for (const byte of bytes(text)) {
      script.seen(byte);
      world.advanceTo(world.time + 1);
    }
  };
  return { world, script, typed, prints };
}

describe('SerialScript', () => {
  it('types a step when its text was seen since the step before', () => {
    const { typed, prints } = line(step('=> ', 'one'), step('=> ', 'two'), step('x', 'three'));
    prints('boot\n=');
    expect(typed).toEqual([]);
    prints('> ');
    expect(typed).toHaveLength(1);
    prints('x one\n=> '); // the x belongs to nobody: the second step waits for the prompt
    expect(typed).toHaveLength(2);
    prints('y');
    expect(typed).toHaveLength(2);
    prints('x');
    expect(typed.map((each) => each.split(' ')[1])).toEqual(['one', 'two', 'three']);
    prints('=> => x');
    expect(typed).toHaveLength(3);
  });

  it('finds a text that begins within a false beginning of itself', () => {
    for (const [text, stream] of [
      ['aab', 'aaab'],
      ['abab', 'abaabab'],
      ['=> ', '==> '],
      ['aaa', 'aabaaa'],
    ] as const) {
      const { typed, prints } = line(step(text, 'found'));
      prints(stream.slice(0, -1));
      expect([text, typed.length]).toEqual([text, 0]);
      prints(stream.slice(-1));
      expect([text, typed.length]).toEqual([text, 1]);
    }
  });

  it('types after a time, and sees nothing meanwhile', () => {
    const { world, typed, prints } = line(step('', 'a', 100), step('?', 'b', 50), step('!', 'c'));
    world.advanceTo(99);
    expect(typed).toEqual([]);
    world.advanceTo(100);
    expect(typed).toEqual(['100 a']);
    prints('?!'); // at 100 and 101: the answer comes 50 after the question
    world.drain();
    expect(typed).toEqual(['100 a', '150 b']);
    prints('!');
    expect(typed).toHaveLength(3);
  });

  it('types nothing when there is nothing to type', () => {
    const { typed, prints } = line();
    prints('=> ');
    expect(typed).toEqual([]);
  });
});
