/**
 * The console device of virtio on PCI with one port beside the console: negotiation with and without several ports, the control
 * messages in any order, bytes that go out, and rules that a driver breaks. What lies behind the second port of Trapline's sends
 * back what it gets, QEMU's takes it: no buffer waits for that here.
 */
import { ConsoleFeature, Event } from '../../../../src/machine/devices/virtio/console/constants';
import { Common } from '../../../../src/machine/devices/virtio/pci/layout';
import type { Allowance, Judge, QtestDevice } from '../device';
import { FIRST_SLOT, turnOn } from '../pci';
import type { Random } from '../random';
import type { Operation, Step } from '../script';
import { disorder, DisorderFollower, disorderDifferences } from './virtio/disorder';
import {
  DESCRIPTOR,
  DriverQueue,
  little,
  MOST_SLOTS,
  QUEUE_BYTES,
  ringFeatures,
  VirtioRegisters,
  type Buffer,
  type RingFeatures,
} from './virtio/driver';
import { FunctionFollower, sharedLine, usedDescriptors, virtioDifferences } from './virtio/follow';
import { breakRule, misuseAvoided } from './virtio/misuse';

const BAR = 0xf0000000;
const LINE = 1 << 11;
const DISORDER = 10;
const BASE = 0x200000;
const DATA = 0x240000;
const MESSAGES = 0x280000;
/** Bytes of a control buffer, and places for them. */
const MESSAGE = 64;
const PLACES = 64;
const PORTS = 2;
const NAME = 'org.trapline.echo';
/** Bytes of a message before what follows it. */
const HEADER = 8;
/** Queues: console, control, second port; QEMU's are 128 long but for the control queues. */
const Queue = { consoleOut: 1, controlIn: 2, controlOut: 3, portOut: 5 } as const;
const QUEUES = [0, 1, 2, 3, 4, 5] as const;
const LARGEST = 64;
const CONFIGURATION_BYTES = 8;

/** One life of the driver. */
class Session {
  private readonly registers = new VirtioRegisters(BAR);
  private readonly rings: RingFeatures;
  private readonly queues: readonly DriverQueue[];
  private readonly ports: boolean;
  /** Buffers for control messages that the device has, by their places, the first ones first. */
  private readonly waiting: number[] = [];
  private place = 0;
  /** The driver has said that it is ready. */
  private ready = false;

  constructor(private readonly random: Random) {
    const rings = ringFeatures(random);
    this.rings = rings;
    this.ports = !random.oneIn(4);
    const size = (): number =>
      rings.packed && random.oneIn(2) ? random.between(8, MOST_SLOTS) : random.pick([8, 16, 32]);
    this.queues = QUEUES.map(
      (index) => new DriverQueue(this.registers, index, BASE + index * QUEUE_BYTES, size(), rings),
    );
  }

  operations(): Operation[] {
    const { random, registers, queues, ports, rings } = this;
    const emergency = random.oneIn(2) ? [ConsoleFeature.EMERG_WRITE] : [];
    const script = [
      ...registers.negotiate(rings, [...emergency, ...(ports ? [ConsoleFeature.MULTIPORT] : [])]),
      ...queues.flatMap((queue) => queue.setUp()),
      registers.driverOk(),
    ];
    for (let rounds = random.between(1, 10); rounds > 0; rounds--) {
      script.push(...(ports && random.oneIn(2) ? this.message() : this.output()));
      if (random.oneIn(3)) script.push(this.look());
      if (random.oneIn(2)) script.push(registers.isr());
    }
    if (random.oneIn(4)) script.push(...breakRule(random, queues[Queue.consoleOut], registers));
    return script;
  }

  private look(): Operation {
    const { random, registers } = this;
    const size = random.pick([1, 2, 4] as const);
    return registers.configuration(random.below(CONFIGURATION_BYTES / size) * size, size);
  }

  /** Bytes of a port's. */
  private output(): Operation[] {
    const { random, queues, ports } = this;
    const queue = queues[ports && random.oneIn(2) ? Queue.portOut : Queue.consoleOut];
    const script: Operation[] = [];
    let address = DATA + random.below(64);
    for (let n = random.between(1, 3); n > 0; n--) {
      const parts = Array.from({ length: random.between(1, 3) }, () => {
        const length = random.between(1, random.oneIn(8) ? 6000 : 100);
        const part: Buffer = { address, length, write: false };
        address += length;
        return part;
      });
      const direct = queue.direct(random, parts.length);
      if (queue.slots(parts.length, direct) > queue.room) break;
      script.push(...queue.add(parts, direct, random.below(queue.size)));
    }
    queue.used();
    return [...script, ...queue.suppression(random), queue.kick(), { op: 'rest' }, queue.looks()];
  }

  /** A control message of the driver's, and those that answer it. */
  private message(): Operation[] {
    const { random, queues } = this;
    const out = queues[Queue.controlOut];
    const incoming = queues[Queue.controlIn];
    const script: Operation[] = [];
    // QEMU loses a message that finds no buffer.
    while (this.waiting.length < 4 && incoming.room > 0) script.push(...this.post());
    const [port, event, value] = this.meaning();
    const at = MESSAGES + PLACES * MESSAGE + random.below(64);
    const parts: Buffer[] = random.oneIn(3)
      ? [
          { address: at, length: 3, write: false },
          { address: at + 3, length: HEADER - 3, write: false },
        ]
      : [{ address: at, length: HEADER, write: false }];
    script.push(
      incoming.kick(),
      { op: 'store', at, bytes: little(port, 4) + little(event, 2) + little(value, 2) },
      ...out.add(parts, out.direct(random, parts.length), random.below(out.size)),
      ...out.suppression(random),
      ...incoming.suppression(random),
      out.kick(),
      { op: 'rest' },
      out.looks(),
      incoming.looks(),
    );
    out.used();
    const answers = answersTo(port, event, value);
    const taken = this.waiting.splice(0, answers);
    incoming.used(answers);
    return [
      ...script,
      ...taken.map((place): Operation => ({ op: 'load', at: MESSAGES + place * MESSAGE, length: 32 })),
    ];
  }

  private post(): Operation[] {
    const { random, queues } = this;
    const queue = queues[Queue.controlIn];
    const place = this.place;
    this.place = (place + 1) % PLACES;
    this.waiting.push(place);
    const address = MESSAGES + place * MESSAGE;
    return [
      { op: 'store', at: address, bytes: '00'.repeat(MESSAGE) },
      ...queue.add(
        [{ address, length: MESSAGE, write: true }],
        queue.direct(random, 1),
        random.below(queue.size),
      ),
    ];
  }

  private meaning(): [port: number, event: number, value: number] {
    const { random } = this;
    const port = random.oneIn(6) ? random.between(PORTS, 100) : random.below(PORTS);
    const value = random.oneIn(6) ? 0 : 1;
    if (random.oneIn(6)) return [port, random.between(Event.PORT_NAME + 1, 0xffff), value];
    const event = random.pick([
      Event.DEVICE_READY,
      Event.PORT_READY,
      Event.PORT_OPEN,
      Event.PORT_OPEN,
      Event.RESIZE,
    ]);
    const again = event === Event.DEVICE_READY && this.ready;
    this.ready ||= event === Event.DEVICE_READY && value === 1;
    return [port, event, again ? 0 : value];
  }
}

/** Messages that answer one: the ports that there are; what a port is, and that somebody is at its other end. */
function answersTo(port: number, event: number, value: number): number {
  if (event === Event.DEVICE_READY) return value === 1 ? PORTS : 0;
  return event === Event.PORT_READY && value === 1 && port < PORTS ? 2 : 0;
}

class Follower {
  private readonly device = new FunctionFollower({ bar: BAR, line: LINE });
  private readonly order = new DisorderFollower(
    BAR,
    QUEUES.map(() => LARGEST),
    () => true,
    true,
  );

  follow(step: Step): Allowance[] {
    const { operation, qemu, trapline } = step;
    const found = [
      ...this.device.follow(step),
      ...this.order.follow(step),
      ...sharedLine([this.device], LINE, step),
    ];
    if (operation.op === 'read' && operation.at === BAR + Common.DEVICE_FEATURE)
      found.push({ difference: 'console size', value: 1 << ConsoleFeature.SIZE });
    if (operation.op !== 'load' || operation.at >= MESSAGES) return found;
    const within = (operation.at - BASE) % QUEUE_BYTES;
    if (Math.floor((operation.at - BASE) / QUEUE_BYTES) === Queue.controlIn)
      found.push(...namesEnd(within === 0, qemu.value, trapline.value));
    if (within === 0) found.push(...usedDescriptors(qemu.value, trapline.value));
    else if (Math.floor((operation.at - BASE) / QUEUE_BYTES) === Queue.controlIn)
      found.push({ difference: 'suppression', bytes: [0] });
    return found;
  }
}

/** Lengths of used buffers that have the name of a port. */
function namesEnd(packed: boolean, qemu: unknown, trapline: unknown): Allowance[] {
  const [theirs, ours] = [qemu, trapline].map((text) => Buffer.from(String(text), 'hex'));
  const { first, step } = packed ? { first: 8, step: DESCRIPTOR } : { first: 8, step: 8 };
  const bytes: number[] = [];
  for (let at = first; at < ours.length; at += step) {
    if (ours[at] === HEADER + NAME.length && theirs[at] === ours[at] + 1) bytes.push(at);
  }
  return bytes.length > 0 ? [{ difference: 'end of names', bytes }] : [];
}

function judge(): Judge {
  const follower = new Follower();
  return (step) => follower.follow(step);
}

function begin(random: Random): () => readonly Operation[] {
  return () =>
    random.oneIn(DISORDER) ? disorder(random, new VirtioRegisters(BAR)) : new Session(random).operations();
}

export const virtioConsole: QtestDevice = {
  name: 'virtio-console',
  qemu: [
    '-chardev',
    'file,id=console,path=/dev/null',
    '-chardev',
    'file,id=port,path=/dev/null',
    '-device',
    `virtio-serial-pci,id=serial,addr=${FIRST_SLOT},max_ports=${PORTS},disable-legacy=on,packed=on,ioeventfd=off,vectors=7`,
    '-device',
    'virtconsole,bus=serial.0,nr=0,chardev=console',
    '-device',
    `virtserialport,bus=serial.0,nr=1,chardev=port,name=${NAME}`,
  ],
  models: [
    {
      model: 'virtio-console',
      name: 'virtio-console',
      virtio: { interfaces: 'modern' },
      console: { channels: [NAME], columns: 0, rows: 0 },
    },
  ],
  // QEMU's touches no queue while its machine is stopped.
  timed: true,
  lines: LINE,
  differences: {
    ...virtioDifferences,
    ...disorderDifferences,
    suppression: {
      qemu: 'never asks for no notification of buffers for control messages',
      trapline: 'asks for none from when it takes one for a message until it finds none',
      section: 'virtio 1.3, 2.7.10 (a hint, which no driver may rely on)',
    },
    'end of names': {
      qemu: 'ends the name of a port with a zero, and counts it',
      trapline: 'ends it with its last letter',
      section: 'virtio 1.3, 5.3.6.2 (VIRTIO_CONSOLE_PORT_NAME: without a NUL terminator)',
    },
    'console size': {
      qemu: 'does not tell the size of its console',
      trapline: 'offers VIRTIO_CONSOLE_F_SIZE',
      section: 'virtio 1.3, 5.3.3',
    },
  },
  avoided: [
    ...misuseAvoided,
    {
      qemu: 'adds all ports again for a driver that says once more that it is ready',
      trapline: 'adds each port once',
      section: 'virtio 1.3, 5.3.6.2.1 (the device must not add a port that exists)',
    },
  ],
  prologue: turnOn(FIRST_SLOT, { 4: BAR }),
  begin,
  judge,
};
