/** Splits bytes into lines of bounded length, however the bytes come in pieces. */

/** Characters of a line that are looked at: tracepoints print a few hundred at most. */
export const LONGEST_LINE = 4096;

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** Takes pieces of a file and gives its lines, without their ends. */
export class LineSplitter {
  /** Of the line whose end has not come yet. */
  private readonly begun = new Uint8Array(LONGEST_LINE);
  private length = 0;
  private readonly decoder = new TextDecoder('utf-8');

  /** @param line gets each line; `cut`: it was longer than `LONGEST_LINE`, and the rest is gone */
  constructor(private readonly line: (text: string, cut: boolean) => void) {}

  push(bytes: Uint8Array): void {
    let from = 0;
    for (let end = bytes.indexOf(LINE_FEED); end >= 0; end = bytes.indexOf(LINE_FEED, from)) {
      if (this.length > 0) {
        this.keep(bytes.subarray(from, end));
        this.take();
      } else this.give(bytes.subarray(from, end), end - from > LONGEST_LINE);
      from = end + 1;
    }
    this.keep(bytes.subarray(from));
  }

  /** The last line has no end of its own. */
  finish(): void {
    if (this.length > 0) this.take();
  }

  private take(): void {
    const { length } = this;
    this.length = 0;
    this.give(this.begun.subarray(0, Math.min(length, LONGEST_LINE)), length > LONGEST_LINE);
  }

  private keep(part: Uint8Array): void {
    const room = LONGEST_LINE - Math.min(this.length, LONGEST_LINE);
    if (room > 0) this.begun.set(part.subarray(0, room), this.length);
    this.length += part.length;
  }

  private give(bytes: Uint8Array, cut: boolean): void {
    const end = bytes.at(-1) === CARRIAGE_RETURN ? bytes.length - 1 : bytes.length;
    this.line(this.decoder.decode(bytes.subarray(0, Math.min(end, LONGEST_LINE))), cut);
  }
}
