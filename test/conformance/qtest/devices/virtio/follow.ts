/** Where virtio devices of QEMU and of Trapline may differ whatever their type, and how much of it a step may show. */
import {
  Common,
  Isr,
  NOTIFY_MULTIPLIER,
  STRUCTURE_BYTES,
  Structure,
} from '../../../../../src/machine/devices/virtio/pci/layout';
import { Feature } from '../../../../../src/machine/devices/virtio/features';
import type { Allowance, Difference } from '../../device';
import type { Step } from '../../script';
import { DESCRIPTOR, Flag, PACKED_FLAGS_AT, Status } from './driver';

/** What any of them may show. */
export const virtioDifferences = {
  time: {
    qemu: 'serves the queue when its main loop comes to it',
    trapline: 'serves it as fast as its bus is, here in no time',
    section: 'virtio 1.3 gives no time',
  },
  'written buffers': {
    qemu: 'does not say in a used descriptor that it has written',
    trapline: 'sets VIRTQ_DESC_F_WRITE there when it has',
    section: 'virtio 1.3, 2.8.3 and 2.8.4',
  },
  'address of used buffers': {
    qemu: 'leaves the address in a used descriptor, which it writes in part',
    trapline: 'writes the whole descriptor, with zeros where nothing is said',
    section: 'virtio 1.3, 2.8.4 (of a used descriptor the address is unused)',
  },
  'first interrupt': {
    qemu: 'interrupts for the first used buffers of a queue whatever used_event says',
    trapline: 'interrupts when the used index passes used_event',
    section: 'virtio 1.3, 2.7.7.2 and 2.8.10',
  },
  'interrupt at a lap': {
    qemu: 'interrupts at the end of a packed ring for an event of the next lap, too',
    trapline: 'interrupts when the descriptor of the event is used, in its lap',
    section: 'virtio 1.3, 2.8.10 and 2.8.14 (the event has the ring wrap counter)',
  },
  'configuration interrupt': {
    qemu: 'sets both bits of the ISR status when the configuration changes',
    trapline: 'sets the second one alone',
    section: 'virtio 1.3, 4.1.4.5 and 4.1.5.4',
  },
  generation: {
    qemu: 'gives the configuration another generation when the device needs a reset',
    trapline: 'leaves it, for no byte of the configuration has changed',
    section: 'virtio 1.3, 4.1.4.3.1',
  },
} satisfies Record<string, Difference>;

/** How a function's scripts use it. */
export interface FollowedFunction {
  bar: number;
  /** Bits of the IOAPIC's inputs. */
  line: number;
}

/** Follows one function: what it has negotiated, and QEMU's interrupts for good measure. */
export class FunctionFollower {
  /** Features as the driver wrote them. */
  readonly words = [0, 0];
  private word = 0;
  /** Queues that have been enabled, and whose first used buffers QEMU may have told of without being asked. */
  private excuses = 0;
  /** It has needed a reset. */
  private neededReset = false;

  constructor(private readonly followed: FollowedFunction) {}

  has(feature: number): boolean {
    return ((this.words[feature >> 5] >>> (feature & 31)) & 1) !== 0;
  }

  /** By which difference QEMU's interrupt may stand without Trapline's; undefined: it may not. */
  get more(): keyof typeof virtioDifferences | undefined {
    if (this.excuses > 0) return 'first interrupt';
    const laps = this.has(Feature.EVENT_IDX) && this.has(Feature.RING_PACKED);
    return laps ? 'interrupt at a lap' : undefined;
  }

  /** What a step of this function may show by its interrupts. */
  follow({ operation, qemu, trapline }: Step): Allowance[] {
    const { bar, line } = this.followed;
    if (operation.op === 'write') return this.written(operation.at - bar, operation.value);
    if (operation.op !== 'read') return [];
    if (operation.at === bar + Common.CONFIG_GENERATION && this.neededReset)
      return [{ difference: 'generation', value: 0xff }];
    if (operation.at !== bar + Structure.isr) return [];
    if ((Number(trapline.value) & Isr.configuration) !== 0) this.neededReset = true;
    if (qemu.value === (Isr.queue | Isr.configuration) && trapline.value === Isr.configuration)
      return [{ difference: 'configuration interrupt', value: Isr.queue }];
    const { more } = this;
    if (more === undefined || qemu.value !== Isr.queue || trapline.value !== 0) return [];
    if (this.excuses > 0) this.excuses -= 1;
    return [{ difference: more, lines: line, value: Isr.queue }];
  }

  private written(at: number, value: number): Allowance[] {
    if (at >= Structure.notify && at < Structure.notify + STRUCTURE_BYTES && at % NOTIFY_MULTIPLIER === 0)
      return [{ difference: 'time', lines: this.followed.line }];
    if (at === Common.DEVICE_STATUS && (value & Status.driverOk) === 0) this.excuses = 0;
    else if (at === Common.DRIVER_FEATURE_SELECT) this.word = value;
    else if (at === Common.DRIVER_FEATURE) this.words[this.word & 1] = value;
    else if (at === Common.QUEUE_ENABLE && value === 1 && this.has(Feature.EVENT_IDX)) this.excuses += 1;
    return [];
  }
}

/** Used descriptors of a packed ring, which both write over available ones. */
export function usedDescriptors(qemu: unknown, trapline: unknown): Allowance[] {
  const [theirs, ours] = [qemu, trapline].map((text) => Buffer.from(String(text), 'hex'));
  const flags = (bytes: Buffer, at: number): number => bytes.readUInt16LE(at + PACKED_FLAGS_AT);
  const used = (bits: number): boolean => ((bits & Flag.used) !== 0) === ((bits & Flag.avail) !== 0);
  return Array.from({ length: ours.length / DESCRIPTOR }, (_, n) => n * DESCRIPTOR).flatMap(
    (at): Allowance[] => {
      const differ = flags(theirs, at) ^ flags(ours, at);
      if (!used(flags(ours, at)) || (differ & ~Flag.write) !== 0) return [];
      if (differ !== 0 && (flags(ours, at) & Flag.write) === 0) return [];
      const address = Array.from({ length: 8 }, (_unused, i) => at + i);
      return [
        { difference: 'written buffers', bytes: differ === 0 ? [] : [at + PACKED_FLAGS_AT] },
        { difference: 'address of used buffers', bytes: address.filter((each) => ours[each] === 0) },
      ];
    },
  );
}

/** The input that several functions share: QEMU's interrupts that may stand without Trapline's. */
export function sharedLine(
  functions: readonly FunctionFollower[],
  line: number,
  { qemu, trapline }: Step,
): Allowance[] {
  if ((qemu.lines & ~trapline.lines & line) === 0) return [];
  return functions.flatMap(({ more }) => (more === undefined ? [] : [{ difference: more, lines: line }]));
}
