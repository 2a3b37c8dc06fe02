/**
 * One VM's QEMU process: its big lock, which whoever runs a device model holds, and its main loop, a thread that does what no
 * vCPU waits for (a packet from the tap device, a timer).
 */
import type { Site } from '../host';
import { HostLock } from '../threads/lock';
import type { StepTarget, Work } from '../threads/work';
import { Worker } from '../threads/worker';

const BIG_LOCK = 0;
/** QEMU's locks as its threads' tracks name them (`qemu_mutex_lock_iothread`, the "big QEMU lock"). */
export const qemuLocks: Readonly<Record<string, string>> = { [BIG_LOCK]: "QEMU's big lock" };

/** The process. */
export class QemuProcess {
  readonly lock: HostLock;
  readonly mainLoop: Worker;
  /** Whose steps its threads may do, by id. */
  readonly targets = new Map<string, StepTarget>();

  /** @param vm index and name of the VM */
  constructor(
    readonly site: Site,
    readonly vm: { index: number; name: string },
  ) {
    const { tracer, island, scheduler, units, costs } = site;
    const name = `${vm.name}/qemu-main-loop`;
    const track = tracer.addTrack({
      type: 'thread',
      name: 'QEMU main loop',
      group: 'host',
      vm: vm.index,
      locks: qemuLocks,
    });
    this.lock = new HostLock(scheduler, tracer, BIG_LOCK);
    this.mainLoop = new Worker(island, scheduler, tracer, {
      name,
      track,
      takeCycles: costs['qemu.ioThread'],
      lock: this.lock,
      targets: this.targets,
    });
    units.keep(`${vm.name}/qemu-lock`, this.lock);
    units.keep(name, this.mainLoop);
  }

  /**
   * The work of the thread that runs a device's model, which is the one that holds the big lock.
   * @throws Error while nobody does
   */
  workFor(device: string): Work {
    const { owner } = this.lock;
    if (!owner) throw new Error(`${device} works while nobody holds the lock of its QEMU`);
    return owner.work;
  }
}
