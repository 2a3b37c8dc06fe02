/** The old interrupt controllers and the interval timer, which KVM serves in the kernel as it does the APICs. */
import type { RegisterBlock } from '../../machine/bus';
import { PIT, Pit, PORT_B } from '../../machine/devices/pit';
import { PIC } from '../../machine/interrupts/pic';
import { DeviceTrack } from '../device-track';
import type { Host } from '../host';
import type { KvmVm } from './vm';

/** The I/O APIC's input that the timer is wired to; the 8259 has it at input 0. */
const TIMER_INPUT = 2;
const TIMER_LINE = 0;

/** In the trace the second 8259 and the trigger registers are told from the first 8259 by so much. */
const SLAVE_OFFSET = 0x10;
const TRIGGER_OFFSET = 0x20;
const PORT_B_OFFSET = 0x10;

/** Puts the 8259s and the 8254 at the ports of a VM. */
export function addLegacyDevices(host: Host, vm: KvmVm): void {
  const { pic } = vm.irqchip;
  host.units.keep(`${vm.name}/pic`, pic);
  const picTrack = new DeviceTrack(host, vm, 'PIC', true);
  picTrack.place(vm.ports, { ...PIC.slave, block: pic.slavePorts, offset: SLAVE_OFFSET });
  picTrack.place(vm.ports, { ...PIC.edgeLevel, block: pic.edgeLevelPorts, offset: TRIGGER_OFFSET });

  const name = `${vm.name}/pit`;
  const pit = new Pit(name, {
    now: () => host.now(),
    cyclesPerSecond: host.frequencyHz,
    schedule: (time, target) => host.queue.schedule(time, target, 0),
    cancel: (handle) => host.queue.cancel(handle),
    setOutput: (asserted) => vm.irqchip.setPin(TIMER_INPUT, name, asserted),
  });
  host.queue.register(pit);
  host.units.keep(name, pit);
  const masterPorts: RegisterBlock = {
    ...pic.masterPorts,
    write: (offset, size, value) => {
      pic.masterPorts.write(offset, size, value);
      pit.setListened(pic.lineOpen(TIMER_LINE));
    },
  };
  picTrack.place(vm.ports, { ...PIC.master, block: masterPorts, offset: 0 });
  const pitTrack = new DeviceTrack(host, vm, 'PIT', true);
  pitTrack.place(vm.ports, { ...PIT, block: pit, offset: 0 });
  pitTrack.place(vm.ports, { ...PORT_B, block: pit.portBBlock, offset: PORT_B_OFFSET });
}
