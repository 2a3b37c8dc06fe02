/** Numbers of the network device (Virtual I/O Device specification 1.3, section 5.1). */

/** Feature bits (5.1.3). */
export const NetFeature = {
  CSUM: 0,
  GUEST_CSUM: 1,
  MTU: 3,
  MAC: 5,
  HOST_TSO4: 11,
  HOST_TSO6: 12,
  HOST_ECN: 13,
  MRG_RXBUF: 15,
  STATUS: 16,
  CTRL_VQ: 17,
  CTRL_RX: 18,
  CTRL_VLAN: 19,
  CTRL_RX_EXTRA: 20,
  MQ: 22,
  CTRL_MAC_ADDR: 23,
} as const;

/** Which feature needs which other one, or one of these (5.1.3.1). */
export const requiredFeatures: readonly (readonly [feature: number, ...oneOf: number[]])[] = [
  [NetFeature.HOST_TSO4, NetFeature.CSUM],
  [NetFeature.HOST_TSO6, NetFeature.CSUM],
  [NetFeature.HOST_ECN, NetFeature.HOST_TSO4, NetFeature.HOST_TSO6],
  [NetFeature.CTRL_RX, NetFeature.CTRL_VQ],
  [NetFeature.CTRL_VLAN, NetFeature.CTRL_VQ],
  [NetFeature.CTRL_RX_EXTRA, NetFeature.CTRL_VQ],
  [NetFeature.MQ, NetFeature.CTRL_VQ],
  [NetFeature.CTRL_MAC_ADDR, NetFeature.CTRL_VQ],
];

/** Fields of the header before each packet (5.1.6). */
export const Header = {
  flags: 0,
  gsoType: 1,
  headerLength: 2,
  gsoSize: 4,
  checksumStart: 6,
  checksumOffset: 8,
  /** Not there without VERSION_1 and MRG_RXBUF. */
  buffers: 10,
} as const;
export const HEADER_BYTES = { short: 10, whole: 12 } as const;
/** Bit of the header's flags: the checksum is left to the device. */
export const NEEDS_CSUM = 1;
/** Kinds of large packets; the bit ECN may stand beside TCP's. */
export const Gso = { NONE: 0, TCPV4: 1, TCPV6: 4, ECN: 0x80 } as const;
/** Longest packet that a driver may hand over: of a large one, with its Ethernet header (5.1.6.2). */
export const PACKET_MAX = 65550;

/** Offsets in the configuration space (5.1.4), and its length. */
export const Config = { mac: 0, status: 6, maxPairs: 8, mtu: 10, bytes: 12 } as const;
/** Bit of the status field. */
export const LINK_UP = 1;

/** Classes and commands of the control queue (5.1.6.5). */
export const Command = {
  rx: {
    class: 0,
    promiscuous: 0,
    allMulticast: 1,
    allUnicast: 2,
    noMulticast: 3,
    noUnicast: 4,
    noBroadcast: 5,
  },
  mac: { class: 1, tableSet: 0, addressSet: 1 },
  vlan: { class: 2, add: 0, remove: 1 },
  mq: { class: 4, pairsSet: 0 },
} as const;
/** What the device answers to a command. */
export const Ack = { OK: 0, ERROR: 1 } as const;

/** Why a packet is lost: numbers that no fault of a queue has. */
export const NetDrop = {
  QueueFull: 0x80,
  LinkDown: 0x81,
  Oversize: 0x82,
  BadOffload: 0x83,
  SmallBuffer: 0x84,
  NotReady: 0x85,
  NotInUse: 0x86,
} as const;
/** Why the device needs a reset. */
export const NetFault = { NoHeader: 0x100, NoCommand: 0x101 } as const;
/** In words, for the trace. */
export const netReasons: Readonly<Record<string, string>> = {
  [NetDrop.QueueFull]: "the host's queue is full",
  [NetDrop.LinkDown]: 'the link is down',
  [NetDrop.Oversize]: 'longer than a packet may be',
  [NetDrop.BadOffload]: 'its header asks for what the packet does not allow',
  [NetDrop.SmallBuffer]: "it does not fit into the driver's buffer",
  [NetDrop.NotReady]: 'the driver has not set the device up',
  [NetDrop.NotInUse]: 'the driver has taken its queue out of use',
  [NetFault.NoHeader]: 'a packet is shorter than its header',
  [NetFault.NoCommand]: 'a command has no class, or no room for its answer',
};

/** Times that the device waits for: the wire of a transmit queue is free. */
export const NetEvent = { Wire: 0 } as const;
