/** Messages of the Debug Adapter Protocol in a stream of bytes: a header with `Content-Length`, an empty line, and JSON. */

/** What came is no message of the protocol; where the next one begins cannot be told any more. The message is for a reader. */
export class FrameError extends Error {
  override readonly name = 'FrameError';
}

const HEADER_END = '\r\n\r\n';
/** Longest header, and longest message, in bytes. */
const MOST_HEADER = 4_096;
const MOST_MESSAGE = 64 * 1024 * 1024;
/** As many characters of what was sent are shown. */
const SHOWN = 60;

export class MessageReader {
  private waiting: Buffer = Buffer.alloc(0);
  /** Of the message whose header has been read. */
  private length: number | undefined;

  /**
   * Takes the next bytes.
   * @returns the messages that they complete
   * @throws FrameError
   */
  *take(bytes: Uint8Array): Generator<object> {
    this.waiting = Buffer.concat([this.waiting, bytes]);
    for (;;) {
      this.length ??= this.header();
      if (this.length === undefined || this.waiting.length < this.length) return;
      const body = this.waiting.toString('utf8', 0, this.length);
      this.waiting = this.waiting.subarray(this.length);
      this.length = undefined;
      yield parsed(body);
    }
  }

  /** Nothing more will come. @throws FrameError where a message was not whole */
  end(): void {
    if (this.length === undefined && this.waiting.length === 0) return;
    const part = this.length === undefined ? 'a header' : `a message of ${this.length} bytes`;
    throw new FrameError(`the input ended within ${part}`);
  }

  /** Takes a header off. @returns the length of what follows; undefined: it is not whole yet */
  private header(): number | undefined {
    const end = this.waiting.indexOf(HEADER_END);
    const text = this.waiting.toString('latin1', 0, end < 0 ? MOST_HEADER : end);
    if (end < 0 && this.waiting.length < MOST_HEADER) return undefined;
    if (end < 0 || end > MOST_HEADER) {
      throw new FrameError(
        `a header does not end within ${MOST_HEADER} bytes: it begins with ${shown(text)}`,
      );
    }
    this.waiting = this.waiting.subarray(end + HEADER_END.length);
    return lengthOf(text);
  }
}

/** A message as it goes out. */
export function framed(message: object): string {
  const json = JSON.stringify(message);
  return `Content-Length: ${Buffer.byteLength(json)}${HEADER_END}${json}`;
}

function lengthOf(header: string): number {
  for (const line of header.split('\r\n')) {
    const [, value] = /^content-length\s*:\s*(.*?)\s*$/i.exec(line) ?? [];
    if (value === undefined) continue;
    const length = /^\d{1,10}$/.test(value) ? Number(value) : NaN;
    if (length <= MOST_MESSAGE) return length;
    throw new FrameError(`Content-Length has to be a number up to ${MOST_MESSAGE}, not ${shown(value)}`);
  }
  throw new FrameError(`a header has no Content-Length: ${shown(header)}`);
}

function parsed(body: string): object {
  try {
    const message: unknown = JSON.parse(body);
    if (typeof message === 'object' && message !== null) return message;
  } catch {
    // Told below: what the parser says is about a place that nobody sees.
  }
  throw new FrameError(`a message is no JSON object: ${shown(body)}`);
}

/** Control characters are shown, not sent. */
function shown(text: string): string {
  return JSON.stringify(text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text);
}
