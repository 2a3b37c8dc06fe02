/** A type and queues that do nothing but remember what they were told, and a device made of them. */
import type { IrqLine, MsiPort } from '../../../../../src/machine/bus';
import type {
  Chain,
  QueueHost,
  QueueLayout,
  TypeHost,
  VirtioType,
  Virtqueue,
} from '../../../../../src/machine/devices/virtio/contract';
import { QUEUE_TAG_STEP } from '../../../../../src/machine/devices/virtio/contract';
import { VirtioDevice, type QueueFactory } from '../../../../../src/machine/devices/virtio/device';
import { VirtioMmio } from '../../../../../src/machine/devices/virtio/mmio';
import type { VirtioOptions } from '../../../../../src/machine/devices/virtio/options';
import { VirtioPci } from '../../../../../src/machine/devices/virtio/pci/virtio-pci';
import type { Checkpoint, HardwareState, RunState } from '../../../../../src/machine/snapshot';
import { Command } from '../../../../../src/machine/pci/config';
import { FakeBus, World } from '../../fake-bus';

/** Keeps messages, and has the pin go through the function as a board has it. */
export class MessageBus extends FakeBus {
  readonly messages: [address: number, data: number][] = [];
  /** Through what the pin goes. */
  gate: (asserted: boolean) => void = () => undefined;
  override readonly msi: MsiPort = {
    send: (_requester, address, data) => void this.messages.push([address, data]),
  };
  override readonly irq: IrqLine = {
    set: (asserted) => {
      this.line = asserted;
      this.gate(asserted);
    },
  };
}

interface FakeQueueState extends HardwareState {
  layout: QueueLayout | undefined;
}

/** A queue whose work is what a test has it do. */
export class FakeQueue implements Virtqueue {
  readonly log: string[] = [];
  layout: QueueLayout | undefined;
  private serial = 0;

  constructor(
    readonly index: number,
    readonly size: number,
    readonly host: QueueHost,
  ) {}

  get running(): boolean {
    return this.layout !== undefined;
  }

  /** Begins a transaction. */
  transfer(address: number): void {
    this.serial += 1;
    const tag = this.serial * QUEUE_TAG_STEP + this.index;
    this.host.bus.dma.write(this.host.requester(), address, Uint8Array.of(0xaa), tag);
  }

  start(layout: QueueLayout): void {
    this.layout = layout;
    this.log.push('start');
  }

  reset(): void {
    this.layout = undefined;
  }

  kicked(data: number | undefined): void {
    this.log.push(data === undefined ? 'kicked' : `kicked ${data.toString(16)}`);
  }

  onDma(tag: number): void {
    this.log.push(`done ${Math.floor(tag / QUEUE_TAG_STEP)}`);
  }

  fetch(): void {
    this.log.push('fetch');
  }

  unfetch(): void {
    this.log.push('unfetch');
  }

  read(): void {
    this.log.push('read');
  }

  write(): void {
    this.log.push('write');
  }

  push(chain: Chain, written: number): void {
    this.log.push(`push ${chain.id} ${written}`);
  }

  flush(): void {
    this.log.push('flush');
  }

  save(): Checkpoint<FakeQueueState, RunState> {
    return { hardware: { version: 1, layout: this.layout }, run: {} };
  }

  load({ hardware }: Checkpoint<FakeQueueState, RunState>): void {
    this.adopt(hardware);
  }

  adopt(hardware: FakeQueueState): void {
    this.layout = hardware.layout;
  }
}

/** Feature bits of the fake type. `needy` is no good without `base`. */
export const FakeFeature = { base: 0, needy: 5, high: 50 } as const;
export const FAKE_SIZES = [256, 8] as const;
export const FAKE_CONFIG_BYTES = 12;
/** Bytes of the configuration that the driver may write. */
const WRITABLE = 4;
/** The byte that it may write by the legacy interface only. */
export const LEGACY_BYTE = WRITABLE;

interface FakeTypeState extends HardwareState {
  bytes: Uint8Array;
}

/** A network device by its number, with a small configuration. */
export class FakeType implements VirtioType {
  readonly deviceId = 1;
  readonly classCode = 0x020000;
  readonly features = [FakeFeature.base, FakeFeature.needy, FakeFeature.high];
  readonly queueSpecs = FAKE_SIZES.map((size, index) => ({ name: `q${index}`, size }));
  readonly configuration = Uint8Array.from({ length: FAKE_CONFIG_BYTES }, (_, i) => 0x10 + i);
  readonly log: string[] = [];

  constructor(readonly host: TypeHost) {}

  writeConfiguration(offset: number, byte: number, legacy: boolean): void {
    if (offset < WRITABLE || (legacy && offset === LEGACY_BYTE)) this.configuration[offset] = byte;
  }

  accepts(has: (feature: number) => boolean): boolean {
    return has(FakeFeature.base) || !has(FakeFeature.needy);
  }

  started(): void {
    this.log.push('started');
  }

  stopped(): void {
    this.log.push('stopped');
  }

  queueStopped(queue: number): void {
    this.log.push(`queue ${queue} stopped`);
  }

  notified(queue: number): void {
    this.log.push(`notified ${queue}`);
  }

  onChain(): void {
    this.log.push('chain');
  }

  onTransfer(): void {
    this.log.push('transfer');
  }

  onEvent(kind: number, arg: number): void {
    this.log.push(`event ${kind} ${arg}`);
  }

  /** The configuration changes by itself. */
  change(at: number, byte: number): void {
    this.configuration[at] = byte;
    this.host.configurationChanged();
  }

  save(): Checkpoint<FakeTypeState, RunState> {
    return { hardware: { version: 1, bytes: this.configuration.slice() }, run: {} };
  }

  load({ hardware }: Checkpoint<FakeTypeState, RunState>): void {
    this.adopt(hardware);
  }

  adopt(hardware: FakeTypeState): void {
    this.configuration.set(hardware.bytes);
  }
}

/** A device of fakes on a bus of a world; a transport is to be put around it. */
export function fakeDevice(options: Partial<VirtioOptions> = {}) {
  const world = new World();
  const bus = new MessageBus(world, 'virtio');
  const queues: FakeQueue[] = [];
  const types: FakeType[] = [];
  const make: QueueFactory = (index, size, host) => {
    const queue = new FakeQueue(index, size, host);
    queues.push(queue);
    return queue;
  };
  const device = new VirtioDevice({
    control: bus,
    type: (host) => {
      const type = new FakeType(host);
      types.push(type);
      return type;
    },
    queue: make,
    options,
  });
  return { world, bus, queues, device, type: types[0] };
}

/** Where a function of a test stands. */
export const REQUESTER = 0x18;

/** Puts a device on PCI, as a board does; `pin` tells what leaves the function. */
export function onPci<D extends { device: VirtioDevice; bus: MessageBus }>(parts: D) {
  const pci = new VirtioPci(parts.device);
  const pin = { level: false };
  pci.pci.place(REQUESTER, {
    barChanged: () => undefined,
    interruptChanged: (asserted) => void (pin.level = asserted),
  });
  parts.bus.gate = (asserted) => pci.pci.setInterrupt(asserted);
  parts.bus.plug(pci);
  pci.pci.write(4, 2, Command.IoSpace | Command.MemorySpace | Command.BusMaster);
  return { ...parts, pci, fn: pci.pci, pin };
}

/** Puts a device on MMIO. */
export function onMmio<D extends { device: VirtioDevice; bus: MessageBus }>(parts: D) {
  const mmio = new VirtioMmio(parts.device);
  parts.bus.plug(mmio);
  const get = (at: number): number => mmio.read(at, 4);
  const set = (at: number, value: number): void => mmio.write(at, 4, value);
  return { ...parts, mmio, get, set };
}
