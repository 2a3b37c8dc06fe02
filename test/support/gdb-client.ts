/** A GDB of plain packets, in the thread of the run: what a stub answers. */
import { GdbStub, type GdbReply } from '../../src/debug/gdb/stub';
import { bytesOfHex, hexOfText } from '../../src/debug/gdb/packet';
import type { RunJob } from '../../src/protocol/run';
import { ControlledRun } from '../../src/run/control/controlled-run';

export class GdbClient {
  readonly run: ControlledRun;
  readonly stub: GdbStub;
  /** What should never happen. */
  readonly faults: unknown[] = [];
  private sent: string[] = [];

  constructor(job: RunJob, vm = 0) {
    this.run = new ControlledRun(job, { streams: false });
    this.stub = new GdbStub(this.run, {
      vm,
      send: (payload) => this.sent.push(payload),
      fault: (error) => this.faults.push(error),
    });
  }

  reply(payload: string): GdbReply {
    this.sent = [];
    return this.stub.handle(payload);
  }

  /** The reply to a packet. */
  ask(payload: string): string | undefined {
    return this.reply(payload).payload;
  }

  /** What is printed besides. */
  get printed(): string {
    const digits = this.sent.map((payload) => payload.slice(1)).join('');
    return new TextDecoder().decode(bytesOfHex(digits));
  }

  monitor(command: string): string {
    this.ask(`qRcmd,${hexOfText(command)}`);
    return this.printed;
  }

  /** A register by its name, as a number. */
  register(name: string): bigint {
    const digits = this.ask(`p${this.number(name).toString(16)}`) ?? '';
    return bytesOfHex(digits)?.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n) ?? -1n;
  }

  /** Number of a register, by the description. */
  number(name: string): number {
    const names = [...this.xml().matchAll(/<reg name="(\w+)"/g)].map(([, each]) => each);
    return names.indexOf(name);
  }

  /** The description, read in pieces. */
  xml(): string {
    let xml = '';
    for (;;) {
      const piece = this.ask(`qXfer:features:read:target.xml:${xml.length.toString(16)},200`) ?? 'l';
      xml += piece.slice(1);
      if (!piece.startsWith('m')) return xml;
    }
  }
}
