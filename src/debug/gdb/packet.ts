/**
 * Frames of GDB's remote serial protocol (GDB manual, appendix E.1): `$payload#checksum`, acknowledgements, and the byte that
 * interrupts. Payloads are strings in which each character is one byte.
 */

/** Longest payload that is taken, in bytes; told to GDB as PacketSize. */
export const PACKET_SIZE = 0x8000;

/** The byte that interrupts a target that runs (Ctrl-C). */
const INTERRUPT = 0x03;
const START = 0x24; // $
const END = 0x23; // #
const ESCAPE = 0x7d; // }
const ESCAPED_BY = 0x20;
const ACK = 0x2b; // +
const NAK = 0x2d; // -

/** What has come in. */
export type Frame =
  | { readonly kind: 'packet'; readonly payload: string }
  | { readonly kind: 'acknowledged' }
  | { readonly kind: 'resend' }
  | { readonly kind: 'interrupt' }
  /** A packet whose checksum is wrong, or that is too long. */
  | { readonly kind: 'damaged' };

const BARE: Readonly<Record<number, Frame>> = {
  [ACK]: { kind: 'acknowledged' },
  [NAK]: { kind: 'resend' },
  [INTERRUPT]: { kind: 'interrupt' },
};

/** Finds frames in bytes, however these are cut. Bytes between frames that mean nothing are dropped. */
export class FrameReader {
  private state: 'between' | 'body' | 'escaped' | 'checksum' = 'between';
  private body: number[] = [];
  private tooLong = false;
  private sum = 0;
  private digits = '';

  *feed(bytes: Uint8Array): Generator<Frame> {
    for (const byte of bytes) {
      const frame = this.take(byte);
      if (frame) yield frame;
    }
  }

  private take(byte: number): Frame | undefined {
    if (this.state === 'between') {
      if (byte === START) this.begin();
      return BARE[byte];
    }
    if (this.state === 'checksum') {
      this.digits += String.fromCharCode(byte);
      return this.digits.length === 2 ? this.end() : undefined;
    }
    // A dollar sign within a packet is always escaped: one that is not begins another, the rest of this one was lost.
    if (byte === START) this.begin();
    else if (byte === END) this.state = 'checksum';
    else this.add(byte);
    return undefined;
  }

  private begin(): void {
    this.state = 'body';
    this.body = [];
    this.tooLong = false;
    this.sum = 0;
    this.digits = '';
  }

  private add(byte: number): void {
    this.sum = (this.sum + byte) & 0xff;
    if (this.state === 'escaped') {
      this.state = 'body';
      this.put(byte ^ ESCAPED_BY);
    } else if (byte === ESCAPE) this.state = 'escaped';
    else this.put(byte);
  }

  private put(byte: number): void {
    if (this.body.length < PACKET_SIZE) this.body.push(byte);
    else this.tooLong = true;
  }

  private end(): Frame {
    this.state = 'between';
    const isGood =
      !this.tooLong && /^[0-9a-f]{2}$/i.test(this.digits) && parseInt(this.digits, 16) === this.sum;
    return isGood ? { kind: 'packet', payload: textOf(this.body) } : { kind: 'damaged' };
  }
}

/** A payload as a frame. */
export function frameOf(payload: string): Uint8Array {
  const bytes: number[] = [START];
  let sum = 0;
  const put = (byte: number): void => {
    bytes.push(byte);
    sum = (sum + byte) & 0xff;
  };
  for (let i = 0; i < payload.length; i++) {
    const byte = payload.charCodeAt(i) & 0xff;
    if (byte === START || byte === END || byte === ESCAPE || byte === RUN_LENGTH) {
      put(ESCAPE);
      put(byte ^ ESCAPED_BY);
    } else put(byte);
  }
  const checksum = sum.toString(16).padStart(2, '0');
  return Uint8Array.from([...bytes, END, ...[...checksum].map((digit) => digit.charCodeAt(0))]);
}

/** Begins a run of one character in what GDB is sent. */
const RUN_LENGTH = 0x2a; // *

export const ACKNOWLEDGED = Uint8Array.of(ACK);
export const SEND_AGAIN = Uint8Array.of(NAK);

/** Bytes as characters. */
export function textOf(bytes: Iterable<number>): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

/** Characters as bytes. */
export function bytesOfText(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0) & 0xff);
}

/** Bytes as hexadecimal digits, the first byte first. */
export function hexOf(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0');
  return text;
}

/** Text as hexadecimal digits of its UTF-8. */
export function hexOfText(text: string): string {
  return hexOf(new TextEncoder().encode(text));
}

/** @returns undefined where the digits are no whole bytes */
export function bytesOfHex(digits: string): Uint8Array | undefined {
  if (!/^(?:[0-9a-f]{2})*$/i.test(digits)) return undefined;
  return Uint8Array.from({ length: digits.length / 2 }, (_, index) =>
    parseInt(digits.slice(2 * index, 2 * index + 2), 16),
  );
}
