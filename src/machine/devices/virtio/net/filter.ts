/** Which packets the driver wants to receive (5.1.6.5.1 to 5.1.6.5.3), as it has told by the control queue. */
import { Ack, Command, NetFeature } from './constants';

const ADDRESS = 6;
/** Most addresses that each of the two tables takes (QEMU's MAC_TABLE_ENTRIES); with more, all are received. */
const TABLE_ENTRIES = 64;
const VLANS = 4096;
const VLAN_TYPE = 0x8100;
const TYPE_AT = 12;

/** What the hardware has of a `ReceiveFilter`. */
export interface ReceiveFilterHardware {
  mac: Uint8Array;
  modes: Uint8Array;
  unicast: Uint8Array;
  multicast: Uint8Array;
  overflow: boolean[];
  vlans: Uint8Array;
}

/** The filter. Modes are indexed by the commands of class RX. */
export class ReceiveFilter {
  readonly mac: Uint8Array;
  private readonly modes = new Uint8Array(6);
  private unicast: Uint8Array = new Uint8Array(0);
  private multicast: Uint8Array = new Uint8Array(0);
  /** A table got more addresses than it takes: unicast, multicast. */
  private overflow = [false, false];
  private readonly vlans = new Uint8Array(VLANS / 8);

  /** @param ownMac the device's, as after a reset */
  constructor(private readonly ownMac: Uint8Array) {
    this.mac = ownMac.slice();
    this.reset();
  }

  /** As after a reset: everything passes, for a driver that never speaks of it. */
  reset(): void {
    this.mac.set(this.ownMac);
    this.modes.fill(0);
    this.modes[Command.rx.promiscuous] = 1;
    this.unicast = this.multicast = new Uint8Array(0);
    this.overflow = [false, false];
    this.vlans.fill(0);
  }

  accepts(frame: Uint8Array, has: (feature: number) => boolean): boolean {
    if (has(NetFeature.CTRL_VLAN) && !this.vlanWanted(frame)) return false;
    const { modes } = this;
    const { promiscuous, allMulticast, allUnicast, noMulticast, noUnicast, noBroadcast } = Command.rx;
    if (modes[promiscuous] !== 0) return true;
    const destination = frame.subarray(0, ADDRESS);
    if (destination.every((byte) => byte === 0xff)) return modes[noBroadcast] === 0;
    const group = (destination[0] & 1) !== 0;
    if (modes[group ? noMulticast : noUnicast] !== 0) return false;
    if (modes[group ? allMulticast : allUnicast] !== 0 || this.overflow[group ? 1 : 0]) return true;
    if (!group && same(destination, this.mac)) return true;
    return holds(group ? this.multicast : this.unicast, destination);
  }

  /** A command of class RX: `Ack`. */
  setMode(command: number, data: Uint8Array): number {
    if (command >= this.modes.length || data.length !== 1) return Ack.ERROR;
    this.modes[command] = data[0] === 0 ? 0 : 1;
    return Ack.OK;
  }

  /** A command of class MAC. */
  setAddresses(command: number, data: Uint8Array): number {
    if (command === Command.mac.addressSet) {
      if (data.length !== ADDRESS) return Ack.ERROR;
      this.mac.set(data);
      return Ack.OK;
    }
    if (command !== Command.mac.tableSet) return Ack.ERROR;
    const unicast = tableAt(data, 0);
    const multicast = unicast && tableAt(data, unicast.end);
    if (!unicast || multicast?.end !== data.length) return Ack.ERROR;
    this.unicast = unicast.addresses;
    this.multicast = multicast.addresses;
    this.overflow = [unicast.overflow, multicast.overflow];
    return Ack.OK;
  }

  /** A command of class VLAN. */
  setVlan(command: number, data: Uint8Array): number {
    const id = data.length === 2 ? data[0] | (data[1] << 8) : VLANS;
    if (id >= VLANS || (command !== Command.vlan.add && command !== Command.vlan.remove)) return Ack.ERROR;
    if (command === Command.vlan.add) this.vlans[id >> 3] |= 1 << (id & 7);
    else this.vlans[id >> 3] &= ~(1 << (id & 7));
    return Ack.OK;
  }

  saveHardware(): ReceiveFilterHardware {
    const { mac, modes, unicast, multicast, overflow, vlans } = this;
    return {
      mac: mac.slice(),
      modes: modes.slice(),
      unicast: unicast.slice(),
      multicast: multicast.slice(),
      overflow: [...overflow],
      vlans: vlans.slice(),
    };
  }

  load(hardware: ReceiveFilterHardware): void {
    this.mac.set(hardware.mac);
    this.modes.set(hardware.modes);
    this.unicast = hardware.unicast.slice();
    this.multicast = hardware.multicast.slice();
    this.overflow = [...hardware.overflow];
    this.vlans.set(hardware.vlans);
  }

  private vlanWanted(frame: Uint8Array): boolean {
    if (frame.length < TYPE_AT + 4 || ((frame[TYPE_AT] << 8) | frame[TYPE_AT + 1]) !== VLAN_TYPE) return true;
    const id = ((frame[TYPE_AT + 2] & 0x0f) << 8) | frame[TYPE_AT + 3];
    return (this.vlans[id >> 3] & (1 << (id & 7))) !== 0;
  }
}

/** `le32 entries; u8 macs[entries][6]` (5.1.6.5.2); undefined where the data ends before it does. */
function tableAt(
  data: Uint8Array,
  at: number,
): { addresses: Uint8Array; overflow: boolean; end: number } | undefined {
  if (at + 4 > data.length) return undefined;
  const entries = new DataView(data.buffer, data.byteOffset, data.length).getUint32(at, true);
  const end = at + 4 + entries * ADDRESS;
  if (end > data.length) return undefined;
  const overflow = entries > TABLE_ENTRIES;
  return { addresses: overflow ? new Uint8Array(0) : data.slice(at + 4, end), overflow, end };
}

function holds(table: Uint8Array, address: Uint8Array): boolean {
  for (let at = 0; at < table.length; at += ADDRESS) {
    if (same(table.subarray(at, at + ADDRESS), address)) return true;
  }
  return false;
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.every((byte, i) => byte === b[i]);
}
