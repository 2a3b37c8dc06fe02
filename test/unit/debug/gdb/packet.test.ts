/** Frames and acknowledgements of the remote protocol, by the examples and rules of the GDB manual, E.1 and E.11. */
import { describe, expect, it } from 'vitest';
import { GdbLink } from '../../../../src/debug/gdb/link';
import {
  bytesOfHex,
  bytesOfText,
  FrameReader,
  frameOf,
  PACKET_SIZE,
  textOf,
} from '../../../../src/debug/gdb/packet';

const read = (text: string): unknown[] => [...new FrameReader().feed(bytesOfText(text))];
const packet = (payload: string): object => ({ kind: 'packet', payload });

describe('frames', () => {
  it('have the sum of their bytes modulo 256 behind them', () => {
    // 'O' + 'K' = 0x4f + 0x4b = 0x9a
    expect(textOf(frameOf('OK'))).toBe('$OK#9a');
    expect(textOf(frameOf(''))).toBe('$#00');
    expect(read('$OK#9a')).toEqual([packet('OK')]);
    expect(read('$OK#9A')).toEqual([packet('OK')]);
  });

  it('are found however bytes are cut, between acknowledgements and noise', () => {
    const bytes = bytesOfText('+xx$g#67-\x03$m0,4#fd');
    const whole = [...new FrameReader().feed(bytes)];
    expect(whole).toEqual([
      { kind: 'acknowledged' },
      packet('g'),
      { kind: 'resend' },
      { kind: 'interrupt' },
      packet('m0,4'),
    ]);
    const reader = new FrameReader();
    expect([...bytes].flatMap((byte) => [...reader.feed(Uint8Array.of(byte))])).toEqual(whole);
  });

  it('escape #, $, } and * by 0x7d and the byte xor 0x20', () => {
    expect(textOf(frameOf('#$}*')).slice(0, -3)).toBe('$}\x03}\x04}]}\n');
    const every = textOf(Array.from({ length: 256 }, (_, byte) => byte));
    expect([...new FrameReader().feed(frameOf(every))]).toEqual([packet(every)]);
  });

  it('with a wrong sum, without digits, or too long are damaged; a packet that breaks off is none', () => {
    expect(read('$OK#9b')).toEqual([{ kind: 'damaged' }]);
    expect(read('$OK#zz')).toEqual([{ kind: 'damaged' }]);
    expect(read('$O$OK#9a')).toEqual([packet('OK')]);
    const long = frameOf('a'.repeat(PACKET_SIZE + 1));
    expect([...new FrameReader().feed(long)]).toEqual([{ kind: 'damaged' }]);
    expect([...new FrameReader().feed(frameOf('a'.repeat(PACKET_SIZE)))]).toHaveLength(1);
  });

  it('an interrupt within a packet is a byte of it', () => {
    expect(read('$X\x03#5b')).toEqual([packet('X\x03')]);
  });

  it('hexadecimal digits are whole bytes or nothing', () => {
    expect(bytesOfHex('00fF7a')).toEqual(Uint8Array.of(0, 255, 0x7a));
    expect(bytesOfHex('')).toEqual(new Uint8Array());
    for (const wrong of ['0', '0x', 'zz', '12 ']) expect(bytesOfHex(wrong)).toBeUndefined();
  });
});

describe('a line', () => {
  function line(): { link: GdbLink; written: () => string; heard: string[] } {
    let out = '';
    const heard: string[] = [];
    const link = new GdbLink({
      write: (bytes) => {
        out += textOf(bytes);
      },
      packet: (payload) => heard.push(payload),
      interrupt: () => heard.push('interrupt'),
    });
    const written = (): string => {
      const text = out;
      out = '';
      return text;
    };
    return { link, written, heard };
  }
  const send = (link: GdbLink, text: string): void => link.receive(bytesOfText(text));

  it('acknowledges what is whole, asks again for what is not, and repeats what was lost', () => {
    const { link, written, heard } = line();
    send(link, '$g#67');
    expect(written()).toBe('+');
    send(link, '$g#68');
    expect(written()).toBe('-');
    send(link, '-');
    expect(written()).toBe('');
    link.send('OK');
    expect(written()).toBe('$OK#9a');
    send(link, '-');
    expect(written()).toBe('$OK#9a');
    send(link, '\x03');
    expect(heard).toEqual(['g', 'interrupt']);
  });

  it('does so no more once both sides have agreed', () => {
    const { link, written, heard } = line();
    send(link, textOf(frameOf('QStartNoAckMode')));
    expect(written()).toBe('+$OK#9a');
    send(link, '+$g#67$g#00-');
    expect(written()).toBe('');
    expect(heard).toEqual(['g']);
  });
});
