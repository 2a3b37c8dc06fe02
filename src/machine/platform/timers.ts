/** The old interrupt controllers' ports and the interval timer, which stand beside the APICs on every PC. */
import type { AddressMap } from '../address-map';
import type { RegisterBlock } from '../bus';
import { PIT, Pit, PORT_B } from '../devices/pit';
import { TIMER_GSI, type InterruptFabric } from '../interrupts/fabric';
import { PIC } from '../interrupts/pic';
import type { BoardUnits } from './board-state';
import type { BoardEnvironment } from './environment';
import { placeUnit, type Resettable } from './units';

/** Input of the 8259 that the timer is wired to. */
const TIMER_LINE = 0;
/** In the trace the second 8259 and the trigger registers are told from the first 8259 by so much. */
const SLAVE_OFFSET = 0x10;
const TRIGGER_OFFSET = 0x20;
const PORT_B_OFFSET = 0x10;

/** Puts 8259s and 8254 at their ports. */
export function addTimers<T>(
  env: BoardEnvironment<T>,
  units: BoardUnits,
  ports: AddressMap<T>,
  fabric: InterruptFabric,
): Resettable {
  const { pic } = fabric;
  const name = `${env.name}/pit`;
  const pit = new Pit(name, {
    now: () => env.now(),
    cyclesPerSecond: env.cyclesPerSecond,
    schedule: (time, target) => env.scheduler.schedule(time, target, 0),
    cancel: (handle) => env.scheduler.cancel(handle),
    setOutput: (asserted) => fabric.setPin(TIMER_GSI, name, asserted),
  });
  env.scheduler.register(pit);
  units.add('pit', pit);
  const masterPorts: RegisterBlock = {
    ...pic.masterPorts,
    write: (offset, size, value, initiator) => {
      pic.masterPorts.write(offset, size, value, initiator);
      pit.setListened(pic.lineOpen(TIMER_LINE));
    },
  };
  placeUnit(env, ports, { class: 'pic', name: 'PIC' }, [
    { ...PIC.master, block: masterPorts, offset: 0 },
    { ...PIC.slave, block: pic.slavePorts, offset: SLAVE_OFFSET },
    { ...PIC.edgeLevel, block: pic.edgeLevelPorts, offset: TRIGGER_OFFSET },
  ]);
  placeUnit(env, ports, { class: 'pit', name: 'PIT' }, [
    { ...PIT, block: pit, offset: 0 },
    { ...PORT_B, block: pit.portBBlock, offset: PORT_B_OFFSET },
  ]);
  return pit;
}
