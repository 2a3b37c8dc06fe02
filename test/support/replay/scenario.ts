/** Random scenarios and programs for the guest of `replay.c`. */
import { EduDma, EduRegister, EDU_BUFFER } from '../../../src/machine/devices/edu';
import { Reg } from '../../../src/machine/devices/e1000/constants';
import type { RunJob } from '../../../src/protocol/run';
import { randomSource } from '../../conformance/native-oracle/generate';
import { Guest, What, type Operation, type ReplayGuest } from './guest';

/** One VM, or the bare machine. */
export interface ReplayVm {
  name: string;
  vcpus: number;
  /** Its devices are models that threads of a VMM run. */
  emulated: boolean;
  /** By NIC: KVM gathers its writes. */
  coalesced: boolean[];
  edus: number;
}

/** A run that a seed stands for. */
export interface ReplayRun {
  job: RunJob;
  vms: ReplayVm[];
}

type Random = (below: number) => number;

const LINKS = ['left', 'right'] as const;
/** Registers of the NIC that only keep what is written, and that the guest adds to: all have an offset below 64 KiB. */
const PLAIN = [Reg.AIT, Reg.LEDCTL, Reg.TIPG, Reg.FCTTV];
/** GPTC counts packets sent, and is cleared by reading. */
const GPTC = 0x4080;
const READABLE = [Reg.ICR, Reg.ICR, Reg.TDH, Reg.RDH, Reg.TDT, Reg.RDT, Reg.IMS, Reg.STATUS, GPTC, ...PLAIN];
const INTERRUPT_CAUSES = 0xff;

/** A scenario with its guests, or one of a given VMM. */
export function replayRun(guest: ReplayGuest, seed: number, vmm?: 'none' | 'kvm'): ReplayRun {
  const source = randomSource(seed);
  const random: Random = (below) => source() % below;
  const chosen = vmm ?? (random(3) === 0 ? 'none' : 'kvm');
  const count = chosen === 'none' ? 1 : 1 + random(3);
  const vms = Array.from({ length: count }, (_, i) => ({
    name: `vm${i}`,
    vcpus: 1 + random(2),
    emulated: chosen === 'kvm',
    coalesced: Array.from({ length: 1 + random(Guest.nics) }, () => random(3) === 0),
    edus: random(Guest.edus + 1),
  }));
  const scenario = {
    vmm: chosen,
    host: { cpus: chosen === 'none' ? 2 : [1, 2, 4, 12][random(4)] },
    vms: vms.map(({ name, vcpus, coalesced, edus }) => ({
      name,
      vcpus,
      memoryMiB: 16,
      guest: { elf: 'replay.elf' },
      devices: [
        ...coalesced.map((coalescedMmio) => ({
          model: 'e1000',
          coalescedMmio: chosen === 'kvm' && coalescedMmio,
          ...(random(8) > 0 && { link: LINKS[random(2)] }),
        })),
        ...Array.from({ length: edus }, () => ({ model: 'edu' })),
      ],
    })),
    links: LINKS.map((id, link) => ({
      id,
      gbps: [1, 10][random(2)],
      latencyNs: random(2000),
      peers: Array.from({ length: random(3) }, (_, i) => peer(random, `0${link}:0${i}`)),
    })),
    stop: { when: 'guests-exit', afterMs: 100 },
  };
  const programs = vms.map(({ vcpus, coalesced, edus }) => ({
    nics: coalesced.length,
    edus,
    cpus: Array.from({ length: vcpus }, (_, cpu) =>
      program(guest, random, { cpu, vcpus, nics: coalesced.length, edus }),
    ),
  }));
  if (chosen === 'none') for (const vm of vms) vm.coalesced.fill(false);
  return { job: guest.jobOf(JSON.stringify(scenario), programs), vms };
}

/** @param place two bytes of its address, which no other peer has */
function peer(random: Random, place: string): object {
  const mac = `02:00:00:${place}:${(16 + random(240)).toString(16)}`;
  const kinds = [
    { kind: 'sink' },
    { kind: 'echo', turnaroundNs: random(3000), mac },
    { kind: 'generate', mac, count: 1 + random(12), length: 60 + random(400), intervalNs: random(20_000) },
  ];
  return kinds[random(kinds.length)];
}

/** What a program can be made of. */
interface Means {
  cpu: number;
  vcpus: number;
  nics: number;
  edus: number;
}

function program(guest: ReplayGuest, random: Random, means: Means): Operation[] {
  const operations: Operation[] = [];
  for (let unit = 0; unit < means.nics; unit++)
    if (random(2) === 0) operations.push(maskWrite(Reg.IMS, unit, random));
  while (operations.length < Guest.operations) operations.push(...step(guest, random, means));
  return operations.slice(0, Guest.operations);
}

/** A unit that this CPU alone drives, of so many; undefined: it has none. */
function own(random: Random, { cpu, vcpus }: Means, units: number): number | undefined {
  const mine = Array.from({ length: units }, (_, unit) => unit).filter((unit) => unit % vcpus === cpu);
  return mine[random(mine.length || 1)];
}

function step(guest: ReplayGuest, random: Random, means: Means): Operation[] {
  const repeat = { count: 1 + random(12), delay: random(4) * random(30) };
  const nic = random(means.nics);
  const mine = own(random, means, means.nics);
  const edu = own(random, means, means.edus);
  const index = random(Guest.ring);
  switch (random(16)) {
    case 0:
      if (means.edus === 0) return [{ what: What.Pause, ...repeat }];
      return [
        { what: What.Poll, address: guest.area(random(means.edus)) + 4 * random(Guest.area / 4), ...repeat },
      ];
    case 1:
      return [{ what: What.Poll, address: guest.descriptor('tx', nic, index % 4, 3), ...repeat }];
    case 2:
      return [{ what: What.Poll, address: guest.descriptor('rx', nic, index % 6, 2 + random(2)), ...repeat }];
    case 3:
      return [{ what: What.Poll, address: guest.receiveBuffer(nic, index % 6) + 4 * random(5), ...repeat }];
    case 4:
      return [{ what: What.NicRead, unit: nic, offset: READABLE[random(READABLE.length)], ...repeat }];
    case 5:
      return [plainWrite(random, nic)];
    case 6:
    case 7:
    case 8:
      if (mine === undefined) return [];
      return sendAndPoll(guest, random, mine);
    case 9:
      return mine === undefined ? [] : [{ what: What.Refill, unit: mine, count: 1 }];
    case 10:
      return means.cpu === 0 ? [{ what: What.Window, delay: 1 + random(60) }] : [];
    case 11:
      return means.cpu === 0 ? [{ what: What.Requested, unit: nic, ...repeat }] : [];
    default:
      return edu === undefined ? [] : eduStep(guest, random, edu);
  }
}

function maskWrite(offset: number, unit: number, random: Random): Operation {
  return { what: What.NicWrite, unit, count: 1, offset, value: random(INTERRUPT_CAUSES + 1) };
}

function plainWrite(random: Random, unit: number): Operation {
  const value = random(0x10000);
  const once = { unit, count: 1 };
  switch (random(5)) {
    case 0:
      return maskWrite(Reg.IMS, unit, random);
    case 1:
      return maskWrite(Reg.IMC, unit, random);
    case 2:
      return maskWrite(Reg.ICS, unit, random);
    case 3:
      return { what: What.NicAdd, offset: PLAIN[random(PLAIN.length)], value, ...once };
    default:
      return { what: What.NicWrite, offset: PLAIN[random(PLAIN.length)], value, ...once };
  }
}

/** Frames go out, and somebody looks at once where their consequences are to be seen. */
function sendAndPoll(guest: ReplayGuest, random: Random, unit: number): Operation[] {
  const many = { count: 10 + random(40), delay: random(3) * random(20) };
  const looks: Operation[] = [
    { what: What.Poll, address: guest.descriptor('tx', unit, random(6), 3), ...many },
    { what: What.Poll, address: guest.descriptor('rx', unit, random(6), 3), ...many },
    // What comes back comes late: the driver's own way to look for it.
    { what: What.Refill, unit, count: 100 + random(150), delay: random(3) * random(8) },
    { what: What.NicRead, unit, offset: [Reg.ICR, Reg.TDH, Reg.RDH, GPTC][random(4)], ...many, count: 100 },
    { what: What.Requested, unit, ...many },
  ];
  return [
    { what: What.Send, unit, count: 1 + random(4), value: 20 + random(300) },
    looks[random(unit === 0 ? looks.length : looks.length - 1)],
  ];
}

function eduStep(guest: ReplayGuest, random: Random, unit: number): Operation[] {
  const write = (offset: number, value: number): Operation => ({
    what: What.EduWrite,
    unit,
    count: 1,
    offset,
    value,
  });
  const look = (offset: number): Operation => ({
    what: What.EduRead,
    unit,
    offset,
    count: 1 + random(20),
    delay: random(10),
  });
  const words = 1 + random(Guest.area / 8);
  const at = guest.area(unit) + 4 * random(Guest.area / 4 - words);
  const buffer = EDU_BUFFER.base + 4 * random(Guest.area / 4);
  const interrupt = random(2) * EduDma.InterruptAfter;
  switch (random(6)) {
    case 0:
      return [
        write(EduRegister.DMA_SOURCE, at),
        write(EduRegister.DMA_DESTINATION, buffer),
        write(EduRegister.DMA_COUNT, 4 * words),
        { what: What.Store, address: at, value: random(0x7fffffff), count: 1 },
        write(EduRegister.DMA_COMMAND, EduDma.Run | interrupt),
        look(random(2) === 0 ? EduRegister.DMA_COMMAND : EduRegister.IRQ_STATUS),
      ];
    case 1:
      return [
        write(EduRegister.DMA_SOURCE, buffer),
        write(EduRegister.DMA_DESTINATION, at),
        write(EduRegister.DMA_COUNT, 4 * words),
        write(EduRegister.DMA_COMMAND, EduDma.Run | EduDma.ToMemory | interrupt),
        { what: What.Poll, address: at + 4 * random(words), count: 30, delay: random(6) },
        look(EduRegister.DMA_COMMAND),
      ];
    case 2:
      return [
        write(EduRegister.STATUS, random(2) * 0x80),
        write(EduRegister.FACTORIAL, random(14)),
        look([EduRegister.STATUS, EduRegister.FACTORIAL, EduRegister.IRQ_STATUS][random(3)]),
      ];
    case 3:
      return [write(EduRegister.LIVENESS, random(0x7fffffff)), look(EduRegister.LIVENESS)];
    case 4:
      return [
        write(random(3) === 0 ? EduRegister.IRQ_ACK : EduRegister.IRQ_RAISE, random(0x200)),
        look(EduRegister.IRQ_STATUS),
      ];
    default:
      return [
        { what: What.Store, address: at, value: random(0x7fffffff), count: 1 },
        { what: What.Poll, address: at, count: 1 + random(6), delay: random(6) },
      ];
  }
}
