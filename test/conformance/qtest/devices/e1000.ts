/**
 * Two e1000s on a cable: registers, EEPROM and PHY by both of their ways, interrupt causes, statistics, and packets of all kinds
 * of descriptors from one to the other through its filters. What is sent is compared as it is received.
 */
import {
  Ctrl,
  Rctl,
  Reg,
  STATISTICS,
  Stat,
  Tctl,
  WAKE_UP_TABLES,
} from '../../../../src/machine/devices/e1000/constants';
import type { DeviceSpec } from '../../../../src/machine/platform/device-models';
import type { Allowance, Judge, QtestDevice } from '../device';
import { FIRST_SLOT, turnOn } from '../pci';
import type { Random } from '../random';
import type { Operation, Step } from '../script';
import { ADDRESSES, LONGEST, descriptorOf, emptyDescriptor, packet } from './e1000/packets';
import { e1000Avoided, e1000Differences, registerMasks } from './e1000/differences';

const NICS = [0, 1] as const;
type Nic = (typeof NICS)[number];

const BAR = [0xf0000000, 0xf0020000] as const;
/** In RAM, for each NIC. */
const AREA = 0x400000;
const At = {
  transmitRing: 0x200000,
  transmitData: 0x210000,
  receiveRing: 0x300000,
  receiveData: 0x310000,
} as const;
const RING = 32;
const DESCRIPTOR = 16;
const RING_BYTES = RING * DESCRIPTOR;
const RECEIVE_BUFFER = 0x4000;
const LINE = 1 << 11;
/** All causes but those that the two raise at different times. */
const CAUSES = 0x281;
const LARGEST_LOAD = 1600;

const write = (nic: Nic, register: number, value: number): Operation => ({
  op: 'write',
  size: 4,
  at: BAR[nic] + register,
  value: value >>> 0,
});
const read = (nic: Nic, register: number): Operation => ({ op: 'read', size: 4, at: BAR[nic] + register });
const inArea = (nic: Nic, at: number): number => nic * AREA + at;

/** What a script's NICs are set to. */
interface Setting {
  vlan: boolean;
  /** RCTL but for EN. */
  rctl: number;
}

function setting(random: Random): Setting {
  const vlan = random.oneIn(2);
  const size = random.pick([0, 1, 2, 3]) << 16;
  const large = random.oneIn(4) ? Rctl.BSEX | (random.between(1, 3) << 16) : size;
  const filters = random.oneIn(2)
    ? Rctl.UPE | Rctl.MPE | Rctl.BAM
    : random.pick([0, Rctl.UPE]) | random.pick([0, Rctl.MPE | Rctl.BAM]) | random.pick([0, Rctl.BAM]);
  const tags = vlan && random.oneIn(2) ? Rctl.VFE : 0;
  const offset = random.below(4) << 12;
  const few = random.below(3) << 8;
  const long = random.oneIn(4) ? Rctl.LPE : 0;
  return { vlan, rctl: Rctl.SECRC | large | filters | tags | offset | few | long };
}

function setUp(random: Random, { vlan, rctl }: Setting): Operation[] {
  const each = (nic: Nic): Operation[] => [
    write(nic, Reg.CTRL, Ctrl.FD | Ctrl.SLU | Ctrl.SPEED_1000 | (vlan ? Ctrl.VME : 0)),
    write(nic, Reg.TDBAL, inArea(nic, At.transmitRing)),
    write(nic, Reg.TDBAH, 0),
    write(nic, Reg.TDLEN, RING_BYTES),
    write(nic, Reg.TDH, 0),
    write(nic, Reg.TDT, 0),
    write(nic, Reg.TCTL, Tctl.EN | Tctl.PSP),
    write(nic, Reg.RDBAL, inArea(nic, At.receiveRing)),
    write(nic, Reg.RDBAH, 0),
    write(nic, Reg.RDLEN, RING_BYTES),
    write(nic, Reg.RDH, 0),
    write(nic, Reg.RDT, 0),
    ...ADDRESSES.multicast.flatMap((address) => (random.oneIn(2) ? admit(nic, address, rctl) : [])),
    ...(random.oneIn(2) ? receiveAddress(nic, random.between(1, 15), random.pick(ADDRESSES.others)) : []),
    write(nic, Reg.VFTA, random.below(256)),
    write(nic, Reg.RCTL, rctl | Rctl.EN),
  ];
  return [...NICS.flatMap(each), { op: 'settle' }];
}

/** Opens the table of multicast addresses for one. */
function admit(nic: Nic, address: string, rctl: number): Operation[] {
  const shift = [4, 3, 2, 0][(rctl >> 12) & 3];
  const [fifth, sixth] = Buffer.from(address, 'hex').subarray(4);
  const hash = ((fifth | (sixth << 8)) >> shift) & 0xfff;
  return [write(nic, Reg.MTA + 4 * (hash >> 5), 1 << (hash & 31))];
}

function receiveAddress(nic: Nic, entry: number, address: string): Operation[] {
  const bytes = Buffer.from(address, 'hex');
  const valid = 0x80000000;
  return [
    write(nic, Reg.RAL0 + 8 * entry, bytes.readUInt32LE(0)),
    write(nic, Reg.RAL0 + 8 * entry + 4, bytes.readUInt16LE(4) + valid),
  ];
}

/** The script of one seed: it knows where the rings' tails are. */
class Script {
  private readonly tails: [number, number] = [0, 0];
  /** A context for checksums has been given since the beginning. */
  private readonly contexts: [boolean, boolean] = [false, false];
  private begun = false;
  /** The head is set before each transmission: the turns of the script then do not need each other. */
  private readonly rewinds: boolean;
  private readonly setting: Setting;

  constructor(private readonly random: Random) {
    this.setting = setting(random);
    this.rewinds = random.oneIn(2);
  }

  turn(): readonly Operation[] {
    const { random } = this;
    if (!this.begun) {
      this.begun = true;
      return setUp(random, this.setting);
    }
    const nic = random.pick(NICS);
    switch (random.below(10)) {
      case 0:
      case 1:
      case 2:
        return random.oneIn(10) ? this.loopedBack(nic) : this.transmission(nic);
      case 3:
        return this.plainRegister(nic);
      case 4:
        return phy(random, nic);
      case 5:
        return random.oneIn(4) ? microwire(random, nic) : eerd(random, nic);
      case 6:
        return interrupts(random, nic);
      case 7:
        return this.statistics(nic);
      default:
        return [read(nic, random.pick(Object.values(Reg).filter((at) => at !== Reg.EERD)))];
    }
  }

  /** Fresh receive descriptors, then some packets, then all that has become of them. */
  private transmission(nic: Nic, other: Nic = nic === 0 ? 1 : 0): Operation[] {
    const { random, contexts } = this;
    const head = random.below(RING);
    const script: Operation[] = [
      { op: 'store', at: inArea(other, At.receiveRing), bytes: receiveRing(other) },
      write(other, Reg.RDH, head),
      write(other, Reg.RDT, (head + RING - 1) % RING),
    ];
    let tail = this.tails[nic];
    let bytes = 0;
    // What they come to fits into the receive ring with the smallest buffers.
    for (let n = 0; n === 0 || (n === 1 && bytes <= LONGEST && random.oneIn(2)); n++) {
      const next = packet(random, { sender: nic, vlan: this.setting.vlan }, contexts[nic]);
      bytes += next.data.length;
      contexts[nic] ||= next.setsContext;
      let address = inArea(nic, At.transmitData) + n * 0x8000 + random.below(64);
      script.push({ op: 'store', at: address, bytes: Buffer.from(next.data).toString('hex') });
      for (const part of next.descriptors) {
        const at = inArea(nic, At.transmitRing) + tail * DESCRIPTOR;
        script.push({ op: 'store', at, bytes: descriptorOf(part, address) });
        address += typeof part === 'string' ? 0 : part.bytes;
        tail = (tail + 1) % RING;
      }
    }
    const buffers = [0, 1, random.between(2, 5)].map((n) => (head + n) % RING);
    const length = random.pick([64, 256, LARGEST_LOAD]);
    const first = this.tails[nic];
    this.tails[nic] = tail;
    return [
      ...script,
      ...(this.rewinds ? [write(nic, Reg.TDH, first)] : []),
      write(nic, Reg.TDT, tail),
      read(nic, Reg.TDH),
      read(other, Reg.RDH),
      { op: 'load', at: inArea(nic, At.transmitRing), length: RING_BYTES },
      { op: 'load', at: inArea(other, At.receiveRing), length: RING_BYTES },
      ...buffers.map((n): Operation => {
        return { op: 'load', at: inArea(other, At.receiveData) + n * RECEIVE_BUFFER, length };
      }),
      ...(random.oneIn(2) ? [read(nic, Reg.ICR), read(other, Reg.ICR)] : []),
    ];
  }

  /** What is sent while the PHY is in loopback comes back. */
  private loopedBack(nic: Nic): Operation[] {
    const control = (value: number): Operation[] => [
      write(nic, Reg.MDIC, value | (1 << 21) | (MDIC_WRITE << 26)),
      read(nic, Reg.MDIC),
    ];
    return [...control(PHY_LOOPBACK), ...this.transmission(nic, nic), ...control(PHY_NORMAL)];
  }

  private plainRegister(nic: Nic): Operation[] {
    const { random } = this;
    const register = random.pick(PLAIN);
    return [write(nic, register, random.word()), read(nic, register)];
  }

  private statistics(nic: Nic): Operation[] {
    const { random } = this;
    const all = random.oneIn(4) ? EVERY_STATISTIC : Object.values(Stat);
    return [read(nic, random.pick(all.filter((at) => !this.setting.vlan || !TAGGED_DIFFER.has(at))))];
  }
}

/** Words of the EEPROM that both have alike: the address, and what the device is. */
const KNOWN_WORDS = [0, 1, 2, 0x0b, 0x0c, 0x0d, 0x0e] as const;

const EVERY_STATISTIC: readonly number[] = Array.from({ length: 0x40 }, (_, n) => STATISTICS.first + 4 * n);

/** Counters of bytes, which QEMU counts without tags. */
const TAGGED_DIFFER = new Set<number>([Stat.GORCL, Stat.GORCH, Stat.GOTCL, Stat.GOTCH, Stat.TOTL, Stat.TOTH]);

/** Registers of the PHY that both have. */
const PHY_READABLE = new Set([0, 1, 2, 3, 4, 5, 9, 10, 16, 17, 20]);
const PHY_WRITABLE = new Set([0, 4, 9, 16, 20]);
/** Bits of these that differ: negotiation completed, the link in the specific status, and what the specific controls begin with. */
const PHY_DIFFERS = new Map([
  [1, 0x20],
  [16, 0xffff],
  [17, 0x08],
  [20, 0xffff],
]);

/** Registers that keep what is written and steer nothing that the scripts do. */
const PLAIN: readonly number[] = [
  Reg.LEDCTL,
  Reg.WUC,
  Reg.WUFC,
  Reg.WUS,
  Reg.AIT,
  Reg.RAL0 + 8 * 14,
  Reg.VFTA + 4 * 100,
  Reg.FCAL,
  Reg.FCAH,
  Reg.FCT,
  Reg.FCTTV,
  Reg.FCRTL,
  Reg.TIPG,
  Reg.IPAV,
  Reg.RDFH,
  Reg.RDFTS,
  Reg.TDFT,
  Reg.TDFPC,
  ...Object.values(WAKE_UP_TABLES).map(({ at, step, entries }) => at + step * (entries - 1)),
];

function receiveRing(nic: Nic): string {
  return Array.from({ length: RING }, (_, n) =>
    emptyDescriptor(inArea(nic, At.receiveData) + n * RECEIVE_BUFFER),
  ).join('');
}

const EECD_SELECT = 2;
/** Grant and data out. */
const EECD_AT_REST = 0x88;
/** Control register of the PHY: 1000 Mb/s, full duplex; in loopback, or with negotiation. */
const PHY_LOOPBACK = 0x4140;
const PHY_NORMAL = 0x1140;
const MDIC_WRITE = 1;
const MDIC_READ = 2;
const MDIC_INTERRUPT = 1 << 29;

/** One access of the PHY by MDIC. Neither resets it nor has it negotiate: that takes time. */
function phy(random: Random, nic: Nic): Operation[] {
  const register = random.below(32);
  const reading = random.oneIn(2) || register === 0;
  const operation = reading ? MDIC_READ : MDIC_WRITE;
  const commandFor = (address: number): number =>
    random.below(0x10000) | (register << 16) | (address << 21) | (operation << 26);
  const first = [write(nic, Reg.MDIC, commandFor(1)), read(nic, Reg.MDIC)];
  if (random.oneIn(8)) return [write(nic, Reg.MDIC, commandFor(1) | MDIC_INTERRUPT), ...first];
  // QEMU takes whether to interrupt from the command before, if this one is not for its PHY.
  return random.oneIn(8) ? [...first, write(nic, Reg.MDIC, commandFor(random.below(32)))] : first;
}

function eerd(random: Random, nic: Nic): Operation[] {
  return [write(nic, Reg.EERD, (random.pick(KNOWN_WORDS) << 8) | 1), read(nic, Reg.EERD)];
}

/** A whole read of one word by the pins of EECD. */
function microwire(random: Random, nic: Nic): Operation[] {
  const { clock, select, input, request } = { clock: 1, select: 2, input: 4, request: 0x40 };
  const word = random.pick(KNOWN_WORDS);
  const bits = [...(0b110 * 64 + word).toString(2)].map(Number);
  const pulse = (level: number, looks: Operation[] = []): Operation[] => {
    const pins = select | request | (level === 1 ? input : 0);
    return [
      write(nic, Reg.EECD, pins),
      write(nic, Reg.EECD, pins | clock),
      ...looks,
      write(nic, Reg.EECD, pins),
    ];
  };
  // A bit is looked at while the clock is high, as drivers do: QEMU's is the next one after that.
  const out = Array.from({ length: 16 }, () => pulse(0, [read(nic, Reg.EECD)])).flat();
  return [
    write(nic, Reg.EECD, request),
    write(nic, Reg.EECD, request | select),
    ...bits.flatMap((level) => pulse(level)),
    ...out,
    write(nic, Reg.EECD, request),
    write(nic, Reg.EECD, 0),
  ];
}

function interrupts(random: Random, nic: Nic): Operation[] {
  const causes = random.word() & CAUSES;
  switch (random.below(5)) {
    case 0:
      return [write(nic, Reg.ICS, causes), read(nic, Reg.IMS)];
    case 1:
      return [write(nic, Reg.IMS, causes), read(nic, Reg.IMS)];
    case 2:
      return [write(nic, Reg.IMC, random.word()), read(nic, Reg.IMS)];
    case 3:
      return [write(nic, Reg.ICR, random.word())];
    default:
      return [read(nic, Reg.ICR)];
  }
}

/** Follows what decides where the two may differ. */
class Follower {
  /** By NIC: the last command given to MDIC. */
  private readonly mdic = [0, 0];
  /** By NIC: the pins of the EEPROM as they were written last. */
  private readonly eecd = [0, 0];

  follow({ operation, qemu, trapline }: Step): Allowance[] {
    if (operation.op === 'load') return loaded(operation.at, String(qemu.value), String(trapline.value));
    if (operation.op !== 'read' && operation.op !== 'write') return [];
    const nic = operation.at < BAR[1] ? 0 : 1;
    const register = operation.at - BAR[nic];
    if (operation.op === 'write') {
      if (register === Reg.MDIC) this.mdic[nic] = operation.value;
      if (register === Reg.EECD) this.eecd[nic] = operation.value;
      return [];
    }
    if (register === Reg.EECD && (this.eecd[nic] & EECD_SELECT) === 0)
      return [{ difference: 'EEPROM at rest', value: EECD_AT_REST }];
    return register === Reg.MDIC ? this.phyMask(nic) : registerMasks(register);
  }

  private phyMask(nic: Nic): Allowance[] {
    const command = this.mdic[nic];
    const address = (command >> 21) & 31;
    const register = (command >> 16) & 31;
    const known = ((command >> 26) & 3) === MDIC_WRITE ? PHY_WRITABLE : PHY_READABLE;
    const differs = address === 1 && known.has(register) ? (PHY_DIFFERS.get(register) ?? 0) : 'any';
    return [{ difference: 'PHY registers', value: differs }];
  }
}

/** Descriptors of a receive ring. */
function loaded(at: number, qemu: string, trapline: string): Allowance[] {
  if (at % AREA !== At.receiveRing) return [];
  const allowed: Allowance[] = [];
  for (let n = 0; n < RING; n++) {
    const first = n * DESCRIPTOR;
    allowed.push({ difference: 'packet checksum', bytes: [first + 10, first + 11] });
    const ends = [qemu, trapline].some(
      (text) => (parseInt(text.slice(2 * first + 24, 2 * first + 26), 16) & 2) !== 0,
    );
    if (!ends)
      allowed.push({ difference: 'tag before the end', bytes: [first + 12, first + 14, first + 15] });
  }
  return allowed;
}

function judge(): Judge {
  const follower = new Follower();
  return (step) => follower.follow(step);
}

const models: DeviceSpec[] = NICS.map((nic) => ({
  model: 'e1000',
  name: `e1000.${nic}`,
  mac: Uint8Array.from(Buffer.from(ADDRESSES.own[nic], 'hex')),
  coalesced: false,
}));

export const e1000: QtestDevice = {
  name: 'e1000',
  qemu: NICS.flatMap((nic) => {
    const mac = (ADDRESSES.own[nic].match(/../g) ?? []).join(':');
    const timeless = 'mitigation=off,autonegotiation=off,romfile=';
    return [
      '-netdev',
      `hubport,id=net${nic},hubid=0`,
      '-device',
      `e1000,netdev=net${nic},mac=${mac},addr=${FIRST_SLOT + nic},${timeless}`,
    ];
  }),
  models,
  timed: true,
  lines: LINE,
  differences: e1000Differences,
  avoided: e1000Avoided,
  prologue: NICS.flatMap((nic) => turnOn(FIRST_SLOT + nic, { 0: BAR[nic] })),
  begin: (random) => {
    const script = new Script(random);
    return () => script.turn();
  },
  judge,
};
