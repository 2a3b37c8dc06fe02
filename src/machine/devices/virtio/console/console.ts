/**
 * The console device (Virtual I/O Device specification 1.3, section 5.3): port 0 is the guest's console, whose bytes come out where
 * those of its serial line do; further ports, with names, are channels for data, and what this device has behind them sends back
 * every byte that it gets. The driver says by control messages which ports it has opened.
 *
 * Where the specification leaves a choice:
 *
 * | what                            | here                                                              |
 * |---------------------------------|-------------------------------------------------------------------|
 * | bytes to a port that is not open | lost                                                               |
 * | an event for a port that is none | ignored, with a note in the trace                                  |
 * | a control message that is short  | the device needs a reset                                           |
 * | a receive buffer without room    | given back empty                                                   |
 */
import { Kind } from '../../../../trace/vocabulary/events';
import { requireVersion, type Checkpoint, type HardwareState, type RunState } from '../../../snapshot';
import type { Chain, TypeHost, VirtioType } from '../contract';
import {
  Config,
  ConsoleFault,
  ConsoleFeature,
  CONTROL_RECEIVE,
  CONTROL_TRANSMIT,
  Event,
  Message,
  portOf,
  receiveQueueOf,
} from './constants';
import { IncomingQueue, type IncomingHardware } from './incoming';
import { OutgoingQueue, type OutgoingHardware } from './outgoing';

/** Construction of a `VirtioConsole`. */
export interface VirtioConsoleOptions {
  /** Names of the ports beside the console: `org.trapline.echo`. */
  channels: readonly string[];
  columns: number;
  rows: number;
  /** Gets each byte that the guest writes to its console. */
  output: (byte: number) => void;
}

const QUEUE_SIZE = 64;

/** What the hardware has. */
export interface VirtioConsoleHardware extends HardwareState {
  version: 2;
  added: boolean;
  open: boolean[];
  incoming: IncomingHardware[];
  outgoing: OutgoingHardware[];
}

/** The device type. */
export class VirtioConsole implements VirtioType<VirtioConsoleHardware> {
  readonly deviceId = 3;
  readonly classCode = 0x078000;
  readonly features = [ConsoleFeature.SIZE, ConsoleFeature.MULTIPORT, ConsoleFeature.EMERG_WRITE];
  readonly queueSpecs: readonly { readonly name: string; readonly size: number }[];
  /** By queue: even ones, odd ones. */
  private readonly incoming: readonly IncomingQueue[];
  private readonly outgoing: readonly OutgoingQueue[];
  /** The driver has been told of the ports. */
  private added = false;
  /** By port: the driver has opened it. */
  private readonly open: boolean[];

  constructor(
    private readonly host: TypeHost,
    private readonly options: VirtioConsoleOptions,
  ) {
    const { channels } = options;
    const ports = 1 + channels.length;
    this.open = new Array<boolean>(ports).fill(false);
    this.queueSpecs = queuesOf(ports);
    const pairs = Array.from({ length: ports + 1 }, (_, pair) => pair);
    this.incoming = pairs.map((pair) => new IncomingQueue(host, 2 * pair, 2 * pair === CONTROL_RECEIVE));
    this.outgoing = pairs.map((pair) => {
      const queue = 2 * pair + 1;
      return queue === CONTROL_TRANSMIT
        ? new OutgoingQueue(host, queue, (bytes) => this.message(bytes), Message.bytes)
        : new OutgoingQueue(host, queue, (bytes) => this.sent(portOf(queue), bytes));
    });
  }

  get configuration(): Uint8Array {
    const { columns, rows } = this.options;
    const bytes = new Uint8Array(Config.bytes);
    const view = new DataView(bytes.buffer);
    view.setUint16(Config.columns, columns, true);
    view.setUint16(Config.rows, rows, true);
    view.setUint32(Config.maxPorts, this.open.length, true);
    return bytes;
  }

  /** An emergency write (5.3.4.1): the low byte goes out at once, whether or not the device has been set up. */
  writeConfiguration(offset: number, byte: number): void {
    if (offset === Config.emergencyWrite) this.options.output(byte);
  }

  accepts(): boolean {
    return true;
  }

  /** Without MULTIPORT there is the console alone, and it is open. */
  started(): void {
    if (!this.multiport) this.open[0] = true;
  }

  stopped(): void {
    this.added = false;
    this.open.fill(false);
    for (const each of this.outgoing) each.stop();
    for (const each of this.incoming) each.stop(false);
  }

  queueStopped(queue: number): void {
    if (queue % 2 === 0) this.incoming[queue >> 1]?.stop(true);
    else this.outgoing[queue >> 1]?.stop();
  }

  notified(queue: number): void {
    if (queue % 2 === 0) this.incoming[queue >> 1]?.notified();
    else this.outgoing[queue >> 1]?.notified();
  }

  onChain(queue: number, chain: Chain | undefined): void {
    if (queue % 2 === 0) this.incoming[queue >> 1]?.onChain(chain);
    else this.outgoing[queue >> 1]?.onChain(chain);
  }

  onTransfer(queue: number, _tag: number, bytes: Uint8Array): void {
    if (queue % 2 === 0) this.incoming[queue >> 1]?.onTransfer();
    else this.outgoing[queue >> 1]?.onTransfer(bytes);
  }

  onEvent(): void {}

  /** Bytes typed at the console. */
  input(bytes: Uint8Array): void {
    if (this.open[0]) this.incoming[0].add(bytes);
  }

  save(): Checkpoint<VirtioConsoleHardware, RunState> {
    return {
      hardware: {
        version: 2,
        added: this.added,
        open: [...this.open],
        incoming: this.incoming.map((each) => each.saveHardware()),
        outgoing: this.outgoing.map((each) => each.saveHardware()),
      },
      run: {},
    };
  }

  load({ hardware }: Checkpoint<VirtioConsoleHardware, RunState>): void {
    this.adopt(hardware);
  }

  adopt(hardware: VirtioConsoleHardware): void {
    requireVersion('a virtio console', hardware.version, 2);
    this.added = hardware.added;
    hardware.open.forEach((open, port) => (this.open[port] = open));
    this.incoming.forEach((each, i) => each.load(hardware.incoming[i]));
    this.outgoing.forEach((each, i) => each.load(hardware.outgoing[i]));
  }

  private get multiport(): boolean {
    return this.host.has(ConsoleFeature.MULTIPORT);
  }

  private sent(port: number, bytes: Uint8Array): void {
    if (!this.open[port]) return;
    if (port === 0) for (const byte of bytes) this.options.output(byte);
    else this.incoming[receiveQueueOf(port) >> 1].add(bytes);
  }

  /** A control message of the driver's (5.3.6.2); some of its events are answered. */
  private message(bytes: Uint8Array): void {
    if (bytes.length < Message.bytes) {
      this.host.needsReset(ConsoleFault.BadMessage);
      return;
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const port = view.getUint32(Message.id, true);
    const event = view.getUint16(Message.event, true);
    const value = view.getUint16(Message.value, true);
    if (event === Event.DEVICE_READY) {
      if (value === 1) this.addPorts();
    } else if (port >= this.open.length) this.host.bus.trace.instant(Kind.DeviceIgnored, event, port);
    else if (event === Event.PORT_READY) this.portReady(port, value);
    else if (event === Event.PORT_OPEN) this.open[port] = value === 1;
    else this.host.bus.trace.instant(Kind.DeviceIgnored, event, port);
  }

  /** The driver is ready: it is told of each port, once (5.3.6.2.1). */
  private addPorts(): void {
    if (this.added) return;
    this.added = true;
    this.open.forEach((_open, port) => this.tell(port, Event.DEVICE_ADD, 1));
  }

  /** The driver is ready to use a port: it is told what that is, and that somebody is at its other end. */
  private portReady(port: number, value: number): void {
    if (value !== 1) return;
    if (port === 0) this.tell(port, Event.CONSOLE_PORT, 1);
    else this.tell(port, Event.PORT_NAME, 1, this.options.channels[port - 1]);
    this.tell(port, Event.PORT_OPEN, 1);
  }

  private tell(port: number, event: number, value: number, name = ''): void {
    const text = Uint8Array.from(name, (letter) => letter.charCodeAt(0));
    const bytes = new Uint8Array(Message.bytes + text.length);
    const view = new DataView(bytes.buffer);
    view.setUint32(Message.id, port, true);
    view.setUint16(Message.event, event, true);
    view.setUint16(Message.value, value, true);
    bytes.set(text, Message.bytes);
    this.incoming[CONTROL_RECEIVE >> 1].add(bytes);
  }
}

function queuesOf(ports: number): { name: string; size: number }[] {
  const named = (name: string): { name: string; size: number }[] => [
    { name: `${name} rx`, size: QUEUE_SIZE },
    { name: `${name} tx`, size: QUEUE_SIZE },
  ];
  const channels = Array.from({ length: ports - 1 }, (_, i) => named(`port ${i + 1}`)).flat();
  return [...named('console'), ...named('control'), ...channels];
}
