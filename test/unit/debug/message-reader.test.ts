/** Messages of the debug protocol in a stream: however it is cut, and what is no message. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { framed, FrameError, MessageReader } from '../../../src/debug/message-reader';

function read(reader: MessageReader, bytes: Uint8Array): object[] {
  return [...reader.take(bytes)];
}

describe('messages', () => {
  it('come as they were sent, however the bytes are cut', () => {
    const messages = fc.array(fc.dictionary(fc.string(), fc.string({ unit: 'grapheme' })), { maxLength: 6 });
    fc.assert(
      fc.property(messages, fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (sent, cuts) => {
        const bytes = Buffer.from(sent.map(framed).join(''));
        const reader = new MessageReader();
        const got: object[] = [];
        for (let at = 0, turn = 0; at < bytes.length; turn++) {
          const length = cuts[turn % cuts.length];
          got.push(...read(reader, bytes.subarray(at, at + length)));
          at += length;
        }
        expect(got).toEqual(JSON.parse(JSON.stringify(sent)));
        expect(() => reader.end()).not.toThrow();
      }),
    );
  });

  it('may have other fields in their headers', () => {
    const text = 'Content-Type: application/json\r\ncontent-length:2\r\n\r\n{}';
    expect(read(new MessageReader(), Buffer.from(text))).toEqual([{}]);
  });

  it.each([
    ['Content-Length: many\r\n\r\n{}', /Content-Length has to be a number up to \d+, not "many"/],
    ['Content-Length: -2\r\n\r\n{}', /not "-2"/],
    ['Content-Length: 99999999999\r\n\r\n', /not "99999999999"/],
    ['{"seq":1}\r\n\r\n', /has no Content-Length: "\{\\"seq\\":1\}"/],
    ['Content-Length: 5\r\n\r\nhello', /no JSON object: "hello"/],
    ['Content-Length: 4\r\n\r\nnull', /no JSON object: "null"/],
    ['x'.repeat(5000), /does not end within 4096 bytes: it begins with "xxx/],
  ])('are refused with what is wrong: %j', (text, sentence) => {
    const reader = new MessageReader();
    expect(() => read(reader, Buffer.from(text))).toThrow(FrameError);
    expect(() => read(new MessageReader(), Buffer.from(text))).toThrow(sentence);
  });

  it('that break off are told so', () => {
    const reader = new MessageReader();
    read(reader, Buffer.from('Content-Length: 10\r\n\r\n{"a'));
    expect(() => reader.end()).toThrow('ended within a message of 10 bytes');
    const other = new MessageReader();
    read(other, Buffer.from('Content-'));
    expect(() => other.end()).toThrow('ended within a header');
  });

  it('of random bytes are messages or refused, and nothing else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          read(new MessageReader(), bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(FrameError);
        }
      }),
    );
  });
});
