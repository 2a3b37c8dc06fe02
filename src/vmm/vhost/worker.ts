/** The kernel thread that works on the queues of one vhost device (`vhost-<pid>` of Linux): it takes no lock of QEMU's. */
import type { Site } from '../host';
import type { StepTarget } from '../threads/work';
import { Worker } from '../threads/worker';

/** One such thread. */
export class VhostWorker {
  readonly thread: Worker;
  /** Whose steps it may do, by id. */
  readonly targets = new Map<string, StepTarget>();

  /**
   * @param vm index and name of the VM
   * @param device its name on its board
   */
  constructor(site: Site, vm: { index: number; name: string }, device: string) {
    const { tracer, island, scheduler, units, costs } = site;
    const name = `${vm.name}/vhost-${device}`;
    const track = tracer.addTrack({ type: 'thread', name: `vhost ${device}`, group: 'host', vm: vm.index });
    const { targets } = this;
    this.thread = new Worker(island, scheduler, tracer, {
      name,
      track,
      takeCycles: costs['vhost.job'],
      targets,
    });
    units.keep(name, this.thread);
  }
}
