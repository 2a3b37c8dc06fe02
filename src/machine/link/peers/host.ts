/** A peer with an IPv4 address that answers as a host does: ARP, ping and the UDP echo service. */
import { requireVersion, type Checkpoint, type HardwareState, type Migratable } from '../../snapshot';
import type { Cycles, EventTarget, Scheduler } from '../../time/event-queue';
import { addressAt, isGroup } from '../address-table';
import type { LinkEnd } from '../link';
import { padded, type FrameReceiver } from '../wire';
import {
  EtherType,
  internetChecksum,
  IpProtocol,
  ipv4Packet,
  parseIpv4,
  pseudoHeader,
  viewOf,
  type Ipv4Packet,
} from './inet';
import { Turnaround, type TurnaroundHardware, type TurnaroundRun } from './turnaround';

const ETHERNET_HEADER = 14;
/** ARP for IPv4 over Ethernet (RFC 826): address spaces 1 and 0x0800, lengths 6 and 4. */
const ARP_ETHERNET_IPV4 = [0, 1, 8, 0, 6, 4];
const ARP_LENGTH = 28;
const Arp = { Request: 1, Reply: 2 } as const;
/** Types of ICMP (RFC 792), and the code of a port where nobody listens. */
const Icmp = { EchoReply: 0, Unreachable: 3, Echo: 8 } as const;
const PORT_UNREACHABLE = 3;
const ICMP_HEADER = 8;
const UDP_HEADER = 8;
/** The echo service (RFC 862). */
const ECHO_PORT = 7;

/** Where a `HostPeer` is, and how fast. */
export interface HostOptions {
  /** Six bytes. */
  mac: Uint8Array;
  /** IPv4 address, as a number of 32 bits. */
  ip: number;
  /** Cycles from the arrival of a frame to the sending of its answer. */
  turnaround: Cycles;
}

/** What a `HostPeer` has done. */
export interface HostCounters {
  arp: number;
  pings: number;
  datagrams: number;
  /** UDP datagrams to ports where nobody listens. */
  unreachable: number;
  /** For this host, and not understood or damaged. */
  dropped: number;
}

/** What the hardware has of a `HostPeer`. */
export interface HostHardware extends HardwareState, TurnaroundHardware {
  version: 1;
  identification: number;
  counters: HostCounters;
}

/**
 * A host on the link that answers ARP requests for its address, ICMP echo requests (ping) and UDP datagrams to port 7; a datagram to
 * another port gets an ICMP port unreachable (RFC 1122, 4.1.3.1). It sends nothing of its own accord, knows one address and no
 * routes: an answer goes to the Ethernet address that the question came from. Fragments are not put together.
 */
export class HostPeer implements FrameReceiver, EventTarget, Migratable<HostHardware, TurnaroundRun> {
  private identification = 0;
  private counts: HostCounters = { arp: 0, pings: 0, datagrams: 0, unreachable: 0, dropped: 0 };
  private readonly turnaround: Turnaround;

  /** Stands at `end`. */
  constructor(
    readonly eventTargetId: string,
    end: LinkEnd,
    scheduler: Scheduler,
    private readonly options: HostOptions,
  ) {
    this.turnaround = new Turnaround(this, end, scheduler, options.turnaround);
    end.attach(this);
  }

  get counters(): Readonly<HostCounters> {
    return this.counts;
  }

  canReceive(): boolean {
    return true;
  }

  receive(frame: Uint8Array): void {
    if (frame.length < ETHERNET_HEADER) return;
    const destination = addressAt(frame, 0);
    if (destination !== addressAt(this.options.mac, 0) && !isGroup(destination)) return;
    const body = frame.subarray(ETHERNET_HEADER);
    const type = viewOf(frame).getUint16(12);
    const sender = frame.slice(6, 12);
    if (type === EtherType.Arp) this.receiveArp(body);
    else if (type === EtherType.Ipv4) this.receiveIpv4(sender, body);
  }

  onEvent(): void {
    this.turnaround.sendNext();
  }

  save(): Checkpoint<HostHardware, TurnaroundRun> {
    const { hardware, run } = this.turnaround.save();
    const { identification } = this;
    return { hardware: { version: 1, ...hardware, identification, counters: { ...this.counts } }, run };
  }

  load({ hardware, run }: Checkpoint<HostHardware, TurnaroundRun>): void {
    this.loadCounts(hardware);
    this.turnaround.load(hardware, run);
  }

  adopt(hardware: HostHardware): void {
    this.loadCounts(hardware);
    this.turnaround.adopt(hardware);
  }

  private loadCounts(hardware: HostHardware): void {
    requireVersion('a host peer', hardware.version, 1);
    this.identification = hardware.identification;
    this.counts = { ...hardware.counters };
  }

  private receiveArp(request: Uint8Array): void {
    const { mac, ip } = this.options;
    if (request.length < ARP_LENGTH || ARP_ETHERNET_IPV4.some((byte, i) => request[i] !== byte)) return;
    const view = viewOf(request);
    if (view.getUint16(6) !== Arp.Request || view.getUint32(24) !== ip) return;
    this.counts.arp += 1;
    const reply = request.slice(0, ARP_LENGTH);
    viewOf(reply).setUint16(6, Arp.Reply);
    reply.set(mac, 8);
    viewOf(reply).setUint32(14, ip);
    reply.set(request.subarray(8, 18), 18);
    this.send(request.slice(8, 14), EtherType.Arp, reply);
  }

  private receiveIpv4(sender: Uint8Array, bytes: Uint8Array): void {
    const packet = parseIpv4(bytes);
    if (packet && packet.destination !== this.options.ip) return;
    const answered =
      packet?.protocol === IpProtocol.Icmp
        ? this.receiveIcmp(sender, packet)
        : packet?.protocol === IpProtocol.Udp && this.receiveUdp(sender, packet);
    if (!answered) this.counts.dropped += 1;
  }

  /** False: it is no sound echo request. */
  private receiveIcmp(sender: Uint8Array, packet: Ipv4Packet): boolean {
    const { payload } = packet;
    if (payload.length < ICMP_HEADER || internetChecksum(payload) !== 0) return false;
    if (payload[0] !== Icmp.Echo || payload[1] !== 0) return false;
    this.counts.pings += 1;
    const reply = payload.slice();
    reply[0] = Icmp.EchoReply;
    this.sendIcmp(sender, packet.source, reply);
    return true;
  }

  /** False: it is damaged. */
  private receiveUdp(sender: Uint8Array, packet: Ipv4Packet): boolean {
    const { source, destination, payload } = packet;
    if (payload.length < UDP_HEADER) return false;
    const view = viewOf(payload);
    const length = view.getUint16(4);
    if (length < UDP_HEADER || length > payload.length) return false;
    const datagram = payload.slice(0, length);
    // A checksum of 0 says that there is none (RFC 768).
    if (view.getUint16(6) !== 0 && this.udpChecksum(source, destination, datagram) !== 0) return false;
    if (view.getUint16(2) === ECHO_PORT) this.echo(sender, source, datagram);
    else this.refuse(sender, packet);
    return true;
  }

  private echo(sender: Uint8Array, to: number, datagram: Uint8Array): void {
    this.counts.datagrams += 1;
    const view = viewOf(datagram);
    view.setUint16(2, view.getUint16(0));
    view.setUint16(0, ECHO_PORT);
    view.setUint16(6, 0);
    // One that comes out as 0 is sent as all ones: 0 says that there is none.
    view.setUint16(6, this.udpChecksum(this.options.ip, to, datagram) || 0xffff);
    this.sendIpv4(sender, to, IpProtocol.Udp, datagram);
  }

  /** Quotes the header and the first 8 bytes of what cannot be delivered (RFC 792). */
  private refuse(sender: Uint8Array, { source, header, payload }: Ipv4Packet): void {
    this.counts.unreachable += 1;
    const message = new Uint8Array(ICMP_HEADER + header.length + UDP_HEADER);
    message[0] = Icmp.Unreachable;
    message[1] = PORT_UNREACHABLE;
    message.set(header, ICMP_HEADER);
    message.set(payload.subarray(0, UDP_HEADER), ICMP_HEADER + header.length);
    this.sendIcmp(sender, source, message);
  }

  private udpChecksum(source: number, destination: number, datagram: Uint8Array): number {
    return internetChecksum(pseudoHeader(source, destination, IpProtocol.Udp, datagram.length), datagram);
  }

  private sendIcmp(to: Uint8Array, ip: number, message: Uint8Array): void {
    const view = viewOf(message);
    view.setUint16(2, 0);
    view.setUint16(2, internetChecksum(message));
    this.sendIpv4(to, ip, IpProtocol.Icmp, message);
  }

  private sendIpv4(to: Uint8Array, ip: number, protocol: number, payload: Uint8Array): void {
    const packet = { source: this.options.ip, destination: ip, protocol, payload };
    this.send(to, EtherType.Ipv4, ipv4Packet(packet, this.identification));
    this.identification = (this.identification + 1) & 0xffff;
  }

  private send(to: Uint8Array, type: number, body: Uint8Array): void {
    const frame = new Uint8Array(ETHERNET_HEADER + body.length);
    frame.set(to);
    frame.set(this.options.mac, 6);
    viewOf(frame).setUint16(12, type);
    frame.set(body, ETHERNET_HEADER);
    this.turnaround.answer(padded(frame));
  }
}
