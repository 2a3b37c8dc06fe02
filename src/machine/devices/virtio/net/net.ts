/**
 * The network device (Virtual I/O Device specification 1.3, section 5.1): mergeable receive buffers, checksums and TCP
 * segmentation on the way out, several pairs of queues, receive filters and commands by the control queue. Frames of the wire are
 * Ethernet frames without check sequence, of ordinary length: large packets are never received.
 *
 * Where the specification leaves a choice:
 *
 * | what                                    | here                                                                  |
 * |-----------------------------------------|-----------------------------------------------------------------------|
 * | a packet shorter than its header        | the device needs a reset                                              |
 * | a packet whose header is not true of it | lost, with a row in the trace; its buffer is returned                 |
 * | a frame longer than the network's MTU   | lost, with a row, and so is all of a large packet with such a segment |
 * | a packet without a buffer large enough  | lost; the buffer stays                                                |
 * | packets that wait for a receive queue   | lost with a row when the driver takes its pair out of use             |
 * | checksums of received packets           | complete: flags is 0, and num_buffers is 1 where nothing is merged    |
 * | short packets                           | padded to what Ethernet demands                                       |
 */
import { Kind } from '../../../../trace/vocabulary/events';
import { FRAME_MIN, type NetworkPort, type Wire } from '../../../link/wire';
import { requireVersion, type Checkpoint, type HardwareState, type RunState } from '../../../snapshot';
import type { Cycles } from '../../../time/event-queue';
import type { Chain, TypeHost, VirtioType } from '../contract';
import { Feature } from '../features';
import {
  Ack,
  Command,
  Config,
  HEADER_BYTES,
  LINK_UP,
  NetDrop,
  NetFeature,
  requiredFeatures,
} from './constants';
import { ControlQueue, type ControlHardware } from './control';
import { ReceiveFilter, type ReceiveFilterHardware } from './filter';
import { payloadBytes } from './offload';
import { ReceiveQueue, type ReceiveHardware, type ReceiveRun } from './receive';
import { Steering } from './steering';
import { TransmitQueue, type TransmitHardware, type TransmitRun } from './transmit';

/** Construction of a `VirtioNet`. */
export interface VirtioNetOptions {
  /** Six bytes. */
  mac: Uint8Array;
  /** Pairs of a receive and a transmit queue: 1 to 8; with more than one the device offers MQ. */
  pairs: number;
  /** Sent packets whose buffers are shown to the driver together, while there are more to send: 1 is each by itself. */
  batch: number;
  /** Whether the device offers checksums and TCP segmentation. */
  offloads: boolean;
  /** Whether it offers merged receive buffers. */
  mergeable: boolean;
  /** Longest payload of a frame that the network carries. */
  mtu: number;
}

const QUEUE_SIZE = 256;
const CONTROL_SIZE = 64;

/** What the hardware has. */
export interface VirtioNetHardware extends HardwareState {
  version: 1;
  running: boolean;
  pairs: number;
  transmit: TransmitHardware[];
  receive: ReceiveHardware[];
  control: ControlHardware;
  filter: ReceiveFilterHardware;
  steering: Uint8Array;
}

/** What the run knows of it. */
export interface VirtioNetRun extends RunState {
  transmit: TransmitRun[];
  receive: ReceiveRun[];
  sent: number;
  received: number;
}

/** What a queue is for. */
type Role = 'receive' | 'transmit' | 'control';

/** The device type. */
export class VirtioNet implements VirtioType<VirtioNetHardware, VirtioNetRun>, NetworkPort {
  readonly network: NetworkPort = this;
  readonly deviceId = 1;
  readonly classCode = 0x020000;
  readonly features: readonly number[];
  readonly queueSpecs: readonly { readonly name: string; readonly size: number }[];
  readonly queueFull = NetDrop.QueueFull;
  private readonly receivers: readonly ReceiveQueue[];
  private readonly transmitters: readonly TransmitQueue[];
  /** One on each queue that is the control queue under some set of features. */
  private readonly controls: ReadonlyMap<number, ControlQueue>;
  private readonly filter: ReceiveFilter;
  private readonly steering = new Steering();
  private wire: Wire | undefined;
  private running = false;
  /** Pairs that the driver uses. */
  private pairs = 1;
  private sent = 0;
  private received = 0;

  constructor(
    private readonly host: TypeHost,
    private readonly options: VirtioNetOptions,
  ) {
    this.features = featuresOf(options);
    this.queueSpecs = queuesOf(options.pairs);
    this.filter = new ReceiveFilter(options.mac);
    const numbers = Array.from({ length: options.pairs }, (_, pair) => pair);
    const receiving = {
      headerBytes: () => this.headerBytes,
      merges: () => host.has(NetFeature.MRG_RXBUF),
      room: () => this.wire?.onRoom(),
      inUse: (queue: number) => queue >> 1 < this.pairs,
      count: () => this.received++,
    };
    const sending = {
      headerBytes: () => this.headerBytes,
      batch: options.batch,
      carries: (frame: Uint8Array) => payloadBytes(frame) <= options.mtu,
      roomIn: () => this.roomIn(),
      send: (frame: Uint8Array, pair: number) => this.send(frame, pair),
    };
    this.receivers = numbers.map((pair) => new ReceiveQueue(host, 2 * pair, receiving));
    this.transmitters = numbers.map((pair) => new TransmitQueue(host, 2 * pair + 1, pair, sending));
    const places = new Set([2, 2 * options.pairs]);
    this.controls = new Map(
      [...places].map((index) => [
        index,
        new ControlQueue(host, index, (commandClass, command, data) =>
          this.command(commandClass, command, data),
        ),
      ]),
    );
  }

  get configuration(): Uint8Array {
    const { options, filter } = this;
    const bytes = new Uint8Array(Config.bytes);
    const view = new DataView(bytes.buffer);
    bytes.set(filter.mac, Config.mac);
    view.setUint16(Config.status, this.wire ? LINK_UP : 0, true);
    view.setUint16(Config.maxPairs, options.pairs, true);
    view.setUint16(Config.mtu, options.mtu, true);
    return bytes;
  }

  /** Read-only, but for the address where the driver uses the legacy interface (5.1.4, 5.1.4.3). */
  writeConfiguration(offset: number, byte: number, legacy: boolean): void {
    if (legacy && offset < this.filter.mac.length) this.filter.mac[offset] = byte;
  }

  accepts(has: (feature: number) => boolean): boolean {
    return requiredFeatures.every(([feature, ...oneOf]) => !has(feature) || oneOf.some(has));
  }

  started(): void {
    this.running = true;
    this.wire?.onRoom();
  }

  stopped(): void {
    this.running = false;
    this.pairs = 1;
    for (const each of this.transmitters) each.stop();
    for (const each of this.receivers) each.stop(false);
    for (const each of this.controls.values()) each.stop();
    this.filter.reset();
    this.steering.reset();
  }

  queueStopped(queue: number): void {
    const role = this.roleOf(queue);
    if (role === 'control') this.controls.get(queue)?.stop();
    else if (role === 'transmit') this.transmitters[queue >> 1]?.stop();
    else this.receivers[queue >> 1]?.stop(true);
  }

  notified(queue: number): void {
    const role = this.roleOf(queue);
    if (role === 'control') this.controls.get(queue)?.notified();
    else if (role === 'transmit') this.transmitters[queue >> 1]?.notified();
    else this.receivers[queue >> 1]?.notified();
  }

  onChain(queue: number, chain: Chain | undefined): void {
    const role = this.roleOf(queue);
    if (role === 'control') this.controls.get(queue)?.onChain(chain);
    else if (role === 'transmit') this.transmitters[queue >> 1]?.onChain(chain);
    else this.receivers[queue >> 1]?.onChain(chain);
  }

  onTransfer(queue: number, tag: number, bytes: Uint8Array): void {
    const role = this.roleOf(queue);
    if (role === 'control') this.controls.get(queue)?.onTransfer(tag, bytes);
    else if (role === 'transmit') this.transmitters[queue >> 1]?.onTransfer(bytes);
    else this.receivers[queue >> 1]?.onTransfer();
  }

  onEvent(_kind: number, queue: number): void {
    this.transmitters[queue >> 1]?.onWire();
  }

  connect(wire: Wire): void {
    this.wire = wire;
  }

  /** The driver has set the device up, and the NIC has room. */
  canReceive(): boolean {
    return this.running && this.receivers.slice(0, this.pairs).every(({ hasRoom }) => hasRoom);
  }

  receive(frame: Uint8Array): void {
    const { host, filter, steering, pairs, options } = this;
    if (!this.running) {
      host.bus.trace.instant(Kind.PacketDrop, frame.length, NetDrop.NotReady);
      return;
    }
    if (!filter.accepts(frame, (feature) => host.has(feature))) return;
    // A driver that has been told of the MTU need not have room for more (5.1.4.1).
    if (host.has(NetFeature.MTU) && payloadBytes(frame) > options.mtu) {
      host.bus.trace.instant(Kind.PacketDrop, frame.length, NetDrop.Oversize);
      return;
    }
    this.receivers[steering.pairOf(frame, pairs)].arrived(frame);
  }

  save(): Checkpoint<VirtioNetHardware, VirtioNetRun> {
    const { running, pairs, sent, received } = this;
    return {
      hardware: {
        version: 1,
        running,
        pairs,
        transmit: this.transmitters.map((each) => each.saveHardware()),
        receive: this.receivers.map((each) => each.saveHardware()),
        control: this.control.saveHardware(),
        filter: this.filter.saveHardware(),
        steering: this.steering.saveHardware(),
      },
      run: {
        transmit: this.transmitters.map((each) => each.saveRun()),
        receive: this.receivers.map((each) => each.saveRun()),
        sent,
        received,
      },
    };
  }

  load({ hardware, run }: Checkpoint<VirtioNetHardware, VirtioNetRun>): void {
    this.loadParts(hardware, run);
    this.sent = run.sent;
    this.received = run.received;
  }

  adopt(hardware: VirtioNetHardware): void {
    this.loadParts(hardware, undefined);
  }

  private loadParts(hardware: VirtioNetHardware, run: VirtioNetRun | undefined): void {
    requireVersion('a virtio network device', hardware.version, 1);
    this.running = hardware.running;
    this.pairs = hardware.pairs;
    this.transmitters.forEach((each, i) => each.load(hardware.transmit[i], run?.transmit[i]));
    this.receivers.forEach((each, i) => each.load(hardware.receive[i], run?.receive[i]));
    this.control.load(hardware.control);
    this.filter.load(hardware.filter);
    this.steering.load(hardware.steering);
  }

  /** Queues come in pairs; the control queue follows the last pair that there can be (5.1.2). */
  private roleOf(queue: number): Role {
    if (queue === this.controlIndex) return 'control';
    return queue % 2 === 0 ? 'receive' : 'transmit';
  }

  private get controlIndex(): number {
    return this.host.has(NetFeature.MQ) ? 2 * this.options.pairs : 2;
  }

  private get control(): ControlQueue {
    return this.controls.get(this.controlIndex)!;
  }

  private get headerBytes(): number {
    const { host } = this;
    const whole = host.has(Feature.VERSION_1) || host.has(NetFeature.MRG_RXBUF);
    return whole ? HEADER_BYTES.whole : HEADER_BYTES.short;
  }

  private roomIn(): Cycles {
    return this.wire?.roomIn(0) ?? 0;
  }

  private send(frame: Uint8Array, pair: number): void {
    const { wire, host, steering } = this;
    const { trace } = host.bus;
    if (!wire) {
      trace.instant(Kind.PacketDrop, frame.length, NetDrop.LinkDown);
      return;
    }
    steering.sent(frame, pair);
    const number = this.sent++;
    trace.instant(Kind.PacketTx, frame.length, number);
    wire.send(padded(frame), number);
  }

  private command(commandClass: number, command: number, data: Uint8Array): number {
    const { host, filter } = this;
    switch (commandClass) {
      case Command.rx.class: {
        const extra = command > Command.rx.allMulticast;
        return host.has(extra ? NetFeature.CTRL_RX_EXTRA : NetFeature.CTRL_RX)
          ? filter.setMode(command, data)
          : Ack.ERROR;
      }
      case Command.mac.class: {
        const feature = command === Command.mac.addressSet ? NetFeature.CTRL_MAC_ADDR : NetFeature.CTRL_RX;
        return host.has(feature) ? filter.setAddresses(command, data) : Ack.ERROR;
      }
      case Command.vlan.class:
        return host.has(NetFeature.CTRL_VLAN) ? filter.setVlan(command, data) : Ack.ERROR;
      case Command.mq.class:
        return this.setPairs(command, data);
      default:
        return Ack.ERROR;
    }
  }

  /** 5.1.6.5.6: at least one pair, and no more than there are. */
  private setPairs(command: number, data: Uint8Array): number {
    const pairs = data.length === 2 ? data[0] | (data[1] << 8) : 0;
    const fits = pairs >= 1 && pairs <= this.options.pairs;
    if (!this.host.has(NetFeature.MQ) || command !== Command.mq.pairsSet || !fits) return Ack.ERROR;
    this.pairs = pairs;
    for (const each of this.receivers.slice(pairs)) each.retire();
    return Ack.OK;
  }
}

function featuresOf({ offloads, mergeable, pairs }: VirtioNetOptions): number[] {
  const f = NetFeature;
  return [
    f.MAC,
    f.MTU,
    f.STATUS,
    f.CTRL_VQ,
    f.CTRL_RX,
    f.CTRL_VLAN,
    f.CTRL_RX_EXTRA,
    f.CTRL_MAC_ADDR,
    ...(offloads ? [f.CSUM, f.GUEST_CSUM, f.HOST_TSO4, f.HOST_TSO6, f.HOST_ECN] : []),
    ...(mergeable ? [f.MRG_RXBUF] : []),
    ...(pairs > 1 ? [f.MQ] : []),
  ];
}

function queuesOf(pairs: number): { name: string; size: number }[] {
  const data = Array.from({ length: pairs }, (_, pair) => [
    { name: `rx${pair}`, size: QUEUE_SIZE },
    { name: `tx${pair}`, size: QUEUE_SIZE },
  ]).flat();
  return [...data, { name: 'ctrl', size: CONTROL_SIZE }];
}

function padded(frame: Uint8Array): Uint8Array {
  if (frame.length >= FRAME_MIN) return frame;
  const whole = new Uint8Array(FRAME_MIN);
  whole.set(frame);
  return whole;
}
