/**
 * The target's side of GDB's remote serial protocol over one run (GDB manual, appendix E): a packet in, its reply out. Threads are
 * the vCPUs of one VM, counted from 1; other VMs run beside it.
 */
import { QueryError } from '../../trace/query/query';
import { GdbError } from './errors';
import { Monitor, type GdbRun, type MonitorSettings } from './monitor';
import { GdbMotion, type GdbStop } from './motion';
import { bytesOfHex, bytesOfText, hexOf, hexOfText, PACKET_SIZE, textOf } from './packet';
import { GdbPoints } from './points';
import { modeNote, registerHex, targetFor, type Target } from './target';

/** What a packet comes to. */
export interface GdbReply {
  /** Absent: the packet is not answered. */
  readonly payload?: string;
  /** GDB lets go of the run, which is to go on, or wants it to end. */
  readonly leaves?: 'detach' | 'kill';
}

export interface GdbStubOptions {
  /** Whose vCPUs are the threads: position of the VM. Default 0. */
  readonly vm?: number;
  /** Sends a packet before the reply. */
  readonly send?: (payload: string) => void;
  /** Is told what should never happen. */
  readonly fault?: (error: unknown) => void;
}

type Handler = (rest: string) => GdbReply;

const OK: GdbReply = { payload: 'OK' };
/** GDB takes it for "not supported" (E.1). */
const UNSUPPORTED: GdbReply = { payload: '' };
/** EFAULT: an error by its number, since GDB before 16 takes an error with a text for the bytes that were read. */
const UNREADABLE: GdbReply = { payload: 'E0e' };

const FEATURES = [
  `PacketSize=${PACKET_SIZE.toString(16)}`,
  ...['qXfer:features:read+', 'ReverseStep+', 'ReverseContinue+', 'swbreak+', 'hwbreak+'],
  ...['vContSupported+', 'QStartNoAckMode+'],
].join(';');
const VCONT = 'vCont;c;C;s;S;t;r';
/** Most bytes that one `m` packet reads: as many as one reply holds. */
const LONGEST_READ = PACKET_SIZE / 2 - 1;
/** Most threads in one reply. */
const THREADS_AT_ONCE = 512;

export class GdbStub {
  private readonly points: GdbPoints;
  private readonly motion: GdbMotion;
  private readonly monitor: Monitor;
  private readonly settings: MonitorSettings = { discardsFuture: false };
  private readonly send: (payload: string) => void;
  private readonly fault: (error: unknown) => void;
  /** vCPUs of the VM, by their positions in the run. */
  private readonly cpus: readonly number[];
  private target: Target;
  /** The vCPU that stopped last, the one that GDB reads, and the one that it lets step. */
  private stopped: number;
  private looksAt: number;
  private steps: number | undefined;
  private listed = 0;
  private told: GdbStop;
  private noted: string | undefined;

  /** @throws RangeError when the run has no such VM */
  constructor(
    private readonly run: GdbRun,
    { vm = 0, send = () => undefined, fault = () => undefined }: GdbStubOptions = {},
  ) {
    this.send = send;
    this.fault = fault;
    this.cpus = run.cpus.filter((each) => each.vm === vm).map(({ index }) => index);
    const [first] = this.cpus;
    if (first === undefined) throw new RangeError(`there is no VM ${vm}`);
    this.stopped = first;
    this.looksAt = first;
    this.target = targetFor(run.registers(first).mode);
    this.told = { signal: 5, cpu: first, reason: '' };
    this.points = new GdbPoints(run, vm);
    this.motion = new GdbMotion(run, this.points);
    this.monitor = new Monitor({
      run,
      points: this.points,
      motion: this.motion,
      vm,
      cpu: () => this.looksAt,
      modeNote: () => this.modeNote(),
      settings: this.settings,
    });
  }

  /** Another GDB has connected: it knows nothing of what the last one set. */
  connect(): void {
    this.points.clear();
    this.target = targetFor(this.run.registers(this.stopped).mode);
    this.looksAt = this.stopped;
    this.steps = undefined;
    this.noted = undefined;
  }

  /** Serves a packet. Never throws. */
  handle(payload: string): GdbReply {
    try {
      return this.serve(payload);
    } catch (error) {
      const isSaid = error instanceof GdbError || error instanceof RangeError || error instanceof QueryError;
      if (!isSaid) this.fault(error);
      return refusal(error instanceof Error ? error.message : String(error));
    }
  }

  private serve(payload: string): GdbReply {
    const name = LONG_NAMES.find((each) =>
      each === 'qSupported' || /[:;,]$/.test(each) ? payload.startsWith(each) : payload === each,
    );
    if (name !== undefined) return this.handlers[name](payload.slice(name.length));
    const letter = payload.charAt(0);
    return isLetter(letter) ? this.handlers[letter](payload.slice(1)) : UNSUPPORTED;
  }

  private readonly handlers: Readonly<Record<LongName | Letter, Handler>> = {
    '?': () => this.stopReply(this.told),
    '!': () => UNSUPPORTED,
    g: () => this.readRegisters(),
    G: (rest) => this.writeRegisters(rest),
    p: (rest) => this.readRegister(rest),
    P: (rest) => this.writeRegister(rest),
    m: (rest) => this.readMemory(rest),
    M: (rest) => this.writeMemory(rest, bytesOfHex),
    X: (rest) => this.writeMemory(rest, bytesOfText),
    Z: (rest) => this.setPoint(rest),
    z: (rest) => this.setPoint(rest, true),
    H: (rest) => this.choose(rest),
    T: (rest) => (this.cpuOf(rest) === undefined ? refusal('There is no such thread.') : OK),
    c: (rest) => this.plainResume(rest, () => this.motion.forward()),
    C: () => this.resume(() => this.motion.forward()),
    s: (rest) => this.plainResume(rest, () => this.motion.step(this.stepping)),
    S: () => this.resume(() => this.motion.step(this.stepping)),
    bc: () => this.resume(() => this.motion.backward()),
    bs: () => this.resume(() => this.motion.stepBack(this.stepping)),
    D: () => this.leave('detach'),
    k: () => ({ leaves: 'kill' }),
    'vKill;': () => ({ ...OK, leaves: 'kill' }),
    'vCont?': () => ({ payload: VCONT }),
    'vCont;': (rest) => this.resumeBy(rest),
    qSupported: () => ({ payload: FEATURES }),
    'qXfer:features:read:': (rest) => this.describe(rest),
    qfThreadInfo: () => this.listThreads(true),
    qsThreadInfo: () => this.listThreads(false),
    'qThreadExtraInfo,': (rest) => this.describeThread(rest),
    qC: () => ({ payload: `QC${threadOf(this.run, this.stopped)}` }),
    qAttached: () => ({ payload: '1' }),
    qOffsets: () => ({ payload: 'Text=0;Data=0;Bss=0' }),
    'qSymbol::': () => OK,
    'qRcmd,': (rest) => this.command(rest),
  };

  // --- registers ----------------------------------------------------------------------------------------------------

  private readRegisters(): GdbReply {
    const file = this.run.registers(this.looksAt);
    return { payload: this.target.registers.map((each) => registerHex(each, file)).join('') };
  }

  /** Registers that keep their value are not written: most cannot be. */
  private writeRegisters(digits: string): GdbReply {
    const file = this.run.registers(this.looksAt);
    const changes: [number, string][] = [];
    let at = 0;
    this.target.registers.forEach((register, number) => {
      const wanted = digits.slice(at, at + register.bits / 4).toLowerCase();
      at += register.bits / 4;
      if (wanted !== registerHex(register, file) && !wanted.startsWith('x')) changes.push([number, wanted]);
    });
    if (digits.length !== at) throw new GdbError(`All registers have ${at} digits, not ${digits.length}.`);
    for (const [number, wanted] of changes) this.write(number, wanted, true);
    for (const [number, wanted] of changes) this.write(number, wanted);
    return OK;
  }

  private readRegister(rest: string): GdbReply {
    const register = this.target.registers[numberOf(rest)];
    if (!register) throw new GdbError(`There is no register ${rest}.`);
    return { payload: registerHex(register, this.run.registers(this.looksAt)) };
  }

  private writeRegister(rest: string): GdbReply {
    const [number = '', digits = ''] = rest.split('=', 2);
    this.write(numberOf(number), digits);
    return OK;
  }

  /** @param onlyChecks throws what the write would, and leaves the register as it is */
  private write(number: number, digits: string, onlyChecks = false): void {
    const register = this.target.registers[number];
    const bytes = bytesOfHex(digits);
    if (!register || !bytes || 8 * bytes.length !== register.bits)
      throw new GdbError('There is no such register, or its value has another length.');
    if (register.write === undefined) throw new GdbError(`Register ${register.name} cannot be written.`);
    this.checkWrite();
    if (onlyChecks) return;
    const value = bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
    this.run.writeRegister(this.looksAt, register.write, value);
  }

  /** @throws GdbError where a write would discard a future that the user may want to keep */
  private checkWrite(): void {
    if (!this.run.hasFuture || this.settings.discardsFuture) return;
    throw new GdbError(
      'The run has been simulated beyond this moment, and a write here would discard that: give "monitor past-writes discard" first.',
    );
  }

  // --- memory -------------------------------------------------------------------------------------------------------

  private readMemory(rest: string): GdbReply {
    const { address, length } = stretchOf(rest);
    const space = { kind: 'virtual', cpu: this.looksAt } as const;
    const bytes = this.run.readMemory(space, address, Math.min(length, LONGEST_READ));
    if (bytes.length === 0 && length > 0) return UNREADABLE;
    return { payload: hexOf(bytes) };
  }

  private writeMemory(rest: string, decode: (text: string) => Uint8Array | undefined): GdbReply {
    const colon = rest.indexOf(':');
    const { address, length } = stretchOf(rest.slice(0, Math.max(0, colon)));
    const bytes = decode(rest.slice(colon + 1));
    if (bytes?.length !== length) throw new GdbError('There are more or fewer bytes than was said.');
    if (length === 0) return OK;
    this.checkWrite();
    this.run.writeMemory({ kind: 'virtual', cpu: this.looksAt }, address, bytes);
    return OK;
  }

  private setPoint(rest: string, removes = false): GdbReply {
    const [, kind = '', at, many] = /^([0-9]),([0-9a-f]{1,16}),([0-9a-f]{1,8})(?:;|$)/i.exec(rest) ?? [];
    if (at === undefined || many === undefined) throw new GdbError('The packet is damaged.');
    if (kind > '4') return UNSUPPORTED;
    const [address, length] = [BigInt(`0x${at}`), parseInt(many, 16)];
    if (removes) this.points.remove(kind, address, length);
    else this.points.add(kind, address, length, this.looksAt);
    return OK;
  }

  // --- threads ------------------------------------------------------------------------------------------------------

  /** The vCPU of a thread's number; undefined: there is none. */
  private cpuOf(thread: string): number | undefined {
    return /^[0-9a-f]{1,8}$/i.test(thread) ? this.cpus[parseInt(thread, 16) - 1] : undefined;
  }

  private choose(rest: string): GdbReply {
    const [kind, thread] = [rest.charAt(0), rest.slice(1)];
    const isAny = thread === '0' || thread === '-1' || thread === '';
    const cpu = isAny ? undefined : this.cpuOf(thread);
    if (!isAny && cpu === undefined) return refusal('There is no such thread.');
    if (kind === 'g') this.looksAt = cpu ?? this.stopped;
    else if (kind === 'c') this.steps = cpu;
    else return UNSUPPORTED;
    return OK;
  }

  private get stepping(): number {
    return this.steps ?? this.stopped;
  }

  private listThreads(isFirst: boolean): GdbReply {
    if (isFirst) this.listed = 0;
    const some = this.cpus.slice(this.listed, this.listed + THREADS_AT_ONCE);
    this.listed += some.length;
    return { payload: some.length > 0 ? `m${some.map((cpu) => threadOf(this.run, cpu)).join(',')}` : 'l' };
  }

  private describeThread(thread: string): GdbReply {
    const cpu = this.cpuOf(thread);
    const found = cpu === undefined ? undefined : this.run.cpus[cpu];
    if (cpu === undefined || !found) throw new GdbError('There is no such thread.');
    const { mode, cpl, activity } = this.run.registers(cpu);
    return {
      payload: hexOfText(`${found.vmName} vCPU ${found.number}: ${activity}, ${mode} mode, CPL ${cpl}`),
    };
  }

  // --- motions ------------------------------------------------------------------------------------------------------

  private plainResume(rest: string, move: () => GdbStop): GdbReply {
    if (rest !== '')
      throw new GdbError('The run goes on from where it is: write the instruction pointer first.');
    return this.resume(move);
  }

  /** Actions of `vCont`, from left to right; the first that names a thread counts for it, and one without names all others. */
  private resumeBy(rest: string): GdbReply {
    for (const action of rest.split(';')) {
      const [what = '', thread] = action.split(':', 2);
      const isAny = thread === undefined || thread === '-1' || thread === '0';
      const cpu = isAny ? this.stepping : this.cpuOf(thread);
      if (cpu === undefined) return refusal('There is no such thread.');
      const [, low, high] = /^r([0-9a-f]{1,16}),([0-9a-f]{1,16})$/i.exec(what) ?? [];
      if (low !== undefined && high !== undefined)
        return this.resume(() => this.motion.stepWithin(cpu, BigInt(`0x${low}`), BigInt(`0x${high}`)));
      if (/^(?:s|S[0-9a-f]{2})$/i.test(what)) return this.resume(() => this.motion.step(cpu));
      if (/^(?:c|C[0-9a-f]{2})$/i.test(what)) return this.resume(() => this.motion.forward());
      if (what !== 't') throw new GdbError(`There is no action "${what}".`);
    }
    return OK;
  }

  private resume(move: () => GdbStop): GdbReply {
    const stop = move();
    // What another VM did is told as a stop of the vCPU that was looked at.
    const cpu = this.cpus.includes(stop.cpu) ? stop.cpu : this.stopped;
    this.told = { ...stop, cpu };
    this.stopped = cpu;
    this.looksAt = cpu;
    const note = this.modeNote();
    for (const text of [stop.note, note === this.noted ? undefined : note])
      if (text !== undefined) this.send(`O${hexOfText(`${text}\n`)}`);
    this.noted = note;
    return this.stopReply(this.told);
  }

  private stopReply({ signal, cpu, reason }: GdbStop): GdbReply {
    const { registers, expedited } = this.target;
    const file = this.run.registers(cpu);
    const values = expedited.map(
      (number) => `${number.toString(16).padStart(2, '0')}:${registerHex(registers[number], file)};`,
    );
    const number = signal.toString(16).padStart(2, '0');
    return { payload: `T${number}${values.join('')}thread:${threadOf(this.run, cpu)};${reason}` };
  }

  private modeNote(): string | undefined {
    return modeNote(this.target, this.run.registers(this.looksAt).mode);
  }

  private leave(how: 'detach' | 'kill'): GdbReply {
    this.points.clear();
    return { ...OK, leaves: how };
  }

  // --- what there is ------------------------------------------------------------------------------------------------

  private describe(rest: string): GdbReply {
    const [, annex, from, most] = /^([^:]*):([0-9a-f]{1,8}),([0-9a-f]{1,8})$/i.exec(rest) ?? [];
    if (annex !== 'target.xml' || from === undefined || most === undefined)
      return refusal('There is no such file.');
    const { xml } = this.target;
    const start = parseInt(from, 16);
    // Escapes may double what is sent.
    const end = start + Math.min(parseInt(most, 16), PACKET_SIZE / 2 - 1);
    return { payload: `${end >= xml.length ? 'l' : 'm'}${xml.slice(start, end)}` };
  }

  private command(digits: string): GdbReply {
    const bytes = bytesOfHex(digits);
    if (!bytes) throw new GdbError('The packet is damaged.');
    const printed = this.printed(new TextDecoder().decode(bytes));
    const out = hexOfText(`${printed}\n`);
    for (let at = 0; at < out.length; at += PACKET_SIZE / 2)
      this.send(`O${out.slice(at, at + PACKET_SIZE / 2)}`);
    return OK;
  }

  /** What is wrong with a command is printed as well: GDB would show a number. */
  private printed(line: string): string {
    try {
      return this.monitor.execute(line);
    } catch (error) {
      if (error instanceof GdbError || error instanceof RangeError || error instanceof QueryError)
        return `Error: ${error.message}`;
      throw error;
    }
  }
}

/** Packets of one letter. */
const LETTERS = [...'?!gGpPmMXZzHTcCsSDk'] as Letter[];
type Letter =
  | '?'
  | '!'
  | 'g'
  | 'G'
  | 'p'
  | 'P'
  | 'm'
  | 'M'
  | 'X'
  | 'Z'
  | 'z'
  | 'H'
  | 'T'
  | 'c'
  | 'C'
  | 's'
  | 'S'
  | 'D'
  | 'k';

function isLetter(text: string): text is Letter {
  return (LETTERS as string[]).includes(text);
}

/** Packets with a longer name; one that ends with a mark, and `qSupported`, go on behind it. */
const LONG_NAMES = [
  ...([
    'bc',
    'bs',
    'vKill;',
    'vCont?',
    'vCont;',
    'qSupported',
    'qXfer:features:read:',
    'qfThreadInfo',
  ] as const),
  ...(['qsThreadInfo', 'qThreadExtraInfo,', 'qC', 'qAttached', 'qOffsets', 'qSymbol::', 'qRcmd,'] as const),
] as const;
type LongName = (typeof LONG_NAMES)[number];

/** Thread of a vCPU, as its number in hexadecimal. */
function threadOf(run: GdbRun, cpu: number): string {
  return ((run.cpus[cpu]?.number ?? 0) + 1).toString(16);
}

/** An error with its text, which GDB prints (E.1.1). */
function refusal(message: string): GdbReply {
  return { payload: `E.${textOf(new TextEncoder().encode(message))}` };
}

function numberOf(digits: string): number {
  return /^[0-9a-f]{1,8}$/i.test(digits) ? parseInt(digits, 16) : -1;
}

/** `addr,length`. */
function stretchOf(text: string): { address: bigint; length: number } {
  const [, at, many] = /^([0-9a-f]{1,16}),([0-9a-f]{1,8})$/i.exec(text) ?? [];
  if (at === undefined || many === undefined) throw new GdbError('The packet is damaged.');
  return { address: BigInt(`0x${at}`), length: parseInt(many, 16) };
}
