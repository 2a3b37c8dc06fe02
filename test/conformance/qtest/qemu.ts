/**
 * QEMU's devices at the other end of the qtest protocol (QEMU, docs/devel/testing and softmmu/qtest.c): a line for each command on its
 * standard input, a line for each answer on its standard output, and lines of their own for interrupt inputs that change.
 */
import { spawn, spawnSync, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { setTimeout as wait } from 'node:timers/promises';
import type { Controller, Operation, Outcome } from './script';

const PROGRAM = 'qemu-system-x86_64';
/** Commands in one write: enough to keep both sides busy, few enough that neither pipe is ever full with both waiting. */
const BATCH = 512;
/** The main counter of its HPET tells how far its own time has come. */
const HPET_ENABLE = 'writel 0xfed00010 1';
const HPET_READ = 'readq 0xfed000f0';
const HPET_SECOND = 100_000_000;
/** Answers that QEMU's main loop gives at least once between having work and having done it. */
const REST_TURNS = 4;
/** Milliseconds in which a thread of its own gets to run. */
const THREAD_MS = 10;
/** Looks at what a thread is to write, before it is taken for never coming; and between two pauses of a millisecond. */
const MOST_POLLS = 50_000;
const POLLS_PER_WAIT = 50;
/** A command without effect. */
const NOTHING = 'endianness';
/** More reads of it than two seconds take, of which each lets QEMU jump to its next timer. */
const MOST_READS = 1_000_000;
/** QOM paths of the interrupt controllers of its machine `pc`. */
const PATHS: Readonly<Record<Controller, string>> = {
  ioapic: '/machine/i440fx/ioapic',
  'master PIC': '/machine/unattached/device[6]',
  'slave PIC': '/machine/unattached/device[7]',
};
const WIDTH = { 1: 'b', 2: 'w', 4: 'l' } as const;

/** Why there is no QEMU to compare with; undefined when there is. */
export function whyNoQemu(): string | undefined {
  const { status, error } = spawnSync(PROGRAM, ['--version'], { stdio: 'ignore' });
  return error || status !== 0 ? `${PROGRAM} is not installed` : undefined;
}

/** How a QEMU is started. */
export interface QemuOptions {
  /** Its devices. */
  devices: readonly string[];
  /** Firmware image that does nothing but halt; time then goes on by jumps from timer to timer. Absent: time stands still. */
  firmware?: string;
}

/** A running QEMU. */
export class Qemu {
  private readonly process: ChildProcessWithoutNullStreams;
  private pending = '';
  private lines = 0;
  private answers: { value: string; lines: number }[] = [];
  private awaited = 0;
  private arrived: (() => void) | undefined;
  /** Inputs that scripts drive, by name and number: whether they are asserted. */
  private readonly driven = new Map<string, boolean>();
  private errors = '';
  private ended = false;

  constructor({ devices, firmware }: QemuOptions) {
    const time = firmware === undefined ? ['-S'] : ['-bios', firmware, '-icount', 'shift=0,sleep=off'];
    const quiet = ['-display', 'none', '-nodefaults', '-qtest', 'stdio', '-qtest-log', 'none'];
    const machine = ['-accel', 'tcg', '-machine', 'pc', '-m', '16', ...time];
    this.process = spawn(PROGRAM, [...machine, ...quiet, ...devices]);
    this.process.stdout.setEncoding('utf8').on('data', (text: string) => this.received(text));
    this.process.stderr.setEncoding('utf8').on('data', (text: string) => (this.errors += text));
    this.process.stdin.on('error', () => undefined);
    process.once('exit', this.kill);
    const end = (): void => {
      this.ended = true;
      this.arrived?.();
    };
    this.process.on('close', end).on('error', end);
  }

  /**
   * Does the operations in order.
   * @throws Error when QEMU ends before its last answer, or refuses a command
   */
  async perform(operations: readonly Operation[]): Promise<Outcome[]> {
    const outcomes: Outcome[] = [];
    for (let first = 0; first < operations.length;) {
      const operation = operations[first];
      if (operation.op === 'settle') {
        await this.settle(operation.idle);
        outcomes.push({ value: 0, lines: this.lines });
        first += 1;
        continue;
      }
      if (operation.op === 'rest') {
        await this.rest(operation.until);
        outcomes.push({ value: 0, lines: this.lines });
        first += 1;
        continue;
      }
      let end = first;
      while (end < operations.length && end - first < BATCH && !waits(operations[end])) end += 1;
      const batch = operations.slice(first, end);
      const answers = await this.ask(batch.map((operation) => this.command(operation)));
      batch.forEach((operation, i) => outcomes.push(outcomeOf(operation, answers[i])));
      first = end;
    }
    return outcomes;
  }

  /** Reports the IOAPIC's inputs from now on, and leads the PCI pins to IRQ 10 and 11 as a PC's firmware does. */
  async setUp(): Promise<void> {
    const route = (value: number): string[] => [
      'outl 0xcf8 0x80000860',
      `outl 0xcfc 0x${value.toString(16)}`,
    ];
    await this.ask(['irq_intercept_in ioapic', ...route(0x0b0b0a0a), 'outl 0xcf8 0', HPET_ENABLE]);
  }

  private async rest(until: { at: number; bits: number; value: number } | undefined): Promise<void> {
    for (let reads = 0; until !== undefined && reads < MOST_POLLS; reads++) {
      const [{ value }] = await this.ask([`readl ${until.at}`]);
      if ((Number(value.slice(3)) & until.bits) === until.value) break;
      // Most of it is there soon; a thread that is not may need the processor that asks.
      if (reads % POLLS_PER_WAIT === POLLS_PER_WAIT - 1) await wait(1);
    }
    for (let turn = 0; turn < REST_TURNS; turn++) await this.ask([NOTHING]);
  }

  /** Lets two seconds of its own time pass, and with them every timer that was due. */
  private async settle(idle: { at: number; bits: number } | undefined): Promise<void> {
    const read = async (command: string): Promise<number> =>
      Number((await this.ask([command]))[0].value.slice(3));
    const end = (await read(HPET_READ)) + 2 * HPET_SECOND;
    for (let reads = 0; reads < MOST_READS; reads++) {
      const busy = idle !== undefined && ((await read(`readl ${idle.at}`)) & idle.bits) !== 0;
      if (busy || (await read(HPET_READ)) <= end) continue;
      if (idle === undefined) return;
      // The thread says that it is done before it interrupts.
      await wait(THREAD_MS);
      await this.ask([NOTHING]);
      return;
    }
    throw new Error(`${PROGRAM}: its time stands still, or it never comes to rest`);
  }

  /** Ends it. */
  close(): void {
    process.off('exit', this.kill);
    this.kill();
  }

  private readonly kill = (): void => void this.process.kill('SIGKILL');

  private command(operation: Operation): string {
    if (operation.op !== 'line') return commandOf(operation);
    const { of, line, asserted } = operation;
    const input = `${of} ${line}`;
    // To QEMU's controllers a level that is set again may be an edge; to a wire it is nothing.
    if ((this.driven.get(input) ?? false) === asserted) return NOTHING;
    this.driven.set(input, asserted);
    return commandOf(operation);
  }

  private async ask(commands: readonly string[]): Promise<{ value: string; lines: number }[]> {
    this.answers = [];
    this.awaited = commands.length;
    this.process.stdin.write(commands.join('\n') + '\n');
    while (this.answers.length < this.awaited && !this.ended) {
      await new Promise<void>((resolve) => (this.arrived = resolve));
    }
    if (this.answers.length < this.awaited) {
      const command = commands[this.answers.length] ?? '';
      throw new Error(`${PROGRAM} ended at \`${command}\`: ${this.errors.trim()}`);
    }
    return this.answers;
  }

  private received(text: string): void {
    const all = this.pending + text;
    let from = 0;
    for (let end = all.indexOf('\n', from); end >= 0; end = all.indexOf('\n', from)) {
      this.line(all.slice(from, end));
      from = end + 1;
    }
    this.pending = all.slice(from);
    if (this.answers.length >= this.awaited) this.arrived?.();
  }

  private line(text: string): void {
    if (text.startsWith('IRQ ')) {
      const [, what, number] = text.split(' ');
      const bit = 1 << Number(number);
      this.lines = what === 'raise' ? this.lines | bit : this.lines & ~bit;
    } else this.answers.push({ value: text, lines: this.lines });
  }
}

/** Whether QEMU needs a while for it. */
function waits({ op }: Operation): boolean {
  return op === 'settle' || op === 'rest';
}

function commandOf(operation: Operation): string {
  switch (operation.op) {
    case 'in':
      return `in${WIDTH[operation.size]} ${operation.at}`;
    case 'out':
      return `out${WIDTH[operation.size]} ${operation.at} ${operation.value}`;
    case 'read':
      return `read${WIDTH[operation.size]} ${operation.at}`;
    case 'write':
      return `write${WIDTH[operation.size]} ${operation.at} ${operation.value}`;
    case 'load':
      return `read ${operation.at} ${operation.length}`;
    case 'store':
      return `write ${operation.at} ${operation.bytes.length / 2} 0x${operation.bytes}`;
    case 'line':
      return `set_irq_in ${PATHS[operation.of]} unnamed-gpio-in ${operation.line} ${Number(operation.asserted)}`;
    case 'settle':
    case 'rest':
      throw new Error('time is no command');
  }
}

function outcomeOf(operation: Operation, { value, lines }: { value: string; lines: number }): Outcome {
  if (!value.startsWith('OK')) throw new Error(`${PROGRAM} says \`${value}\` to \`${commandOf(operation)}\``);
  const said = value.slice(3);
  if (operation.op === 'load') return { value: said.slice(2), lines };
  const reads = operation.op === 'in' || operation.op === 'read';
  return { value: reads ? Number(said) : 0, lines };
}
