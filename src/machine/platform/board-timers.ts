/** The old interrupt controllers' ports, the interval timer and the HPET, which stand beside the APICs on every PC. */
import type { AddressMap } from '../address-map';
import { NO_CPU, type IrqLine, type RegisterBlock } from '../bus';
import { HPET, Hpet } from '../devices/hpet';
import { hpetHalves } from '../devices/hpet-descriptions';
import { PIT, Pit, pitDescriptions, PORT_B } from '../devices/pit';
import { RTC_IRQ } from '../devices/rtc';
import { TIMER_GSI, type InterruptFabric } from '../interrupts/fabric';
import { PIC } from '../interrupts/pic';
import type { BoardUnits } from './board-state';
import type { BoardEnvironment } from './environment';
import { ReplaceableLine } from './replaceable-line';
import { placeUnit, type Resettable } from './units';

/** Input of the 8259 that the timer is wired to. */
const TIMER_LINE = 0;
/** The mask of the first 8259 as a BIOS leaves it that serves the timer: that and the cascade are open. */
const MASK_OF_BIOS = 0xfa;
const MASK_PORT = 1;
/** In the trace the second 8259 and the trigger registers are told from the first 8259 by so much. */
const SLAVE_OFFSET = 0x10;
const TRIGGER_OFFSET = 0x20;
const PORT_B_OFFSET = 0x10;

/** The timers of one board. */
export class BoardTimers<T> implements Resettable {
  private readonly pit: Pit;
  private readonly hpet: Hpet;
  private readonly pitWire: ReplaceableLine;
  private readonly rtcWire: ReplaceableLine;
  private readonly masterPorts: RegisterBlock;

  /** Puts 8259s, 8254 and HPET at their places. */
  constructor(
    private readonly env: BoardEnvironment<T>,
    private readonly units: BoardUnits,
    memory: AddressMap<T>,
    ports: AddressMap<T>,
    private readonly fabric: InterruptFabric,
  ) {
    const { name } = env;
    const pitName = `${name}/pit`;
    this.pitWire = this.replaceable('pit', {
      set: (asserted) => fabric.setPin(TIMER_GSI, pitName, asserted),
    });
    this.rtcWire = this.replaceable('cmos', env.line(RTC_IRQ, `${name}/cmos`));
    const clock = {
      now: () => env.now(),
      cyclesPerSecond: env.cyclesPerSecond,
      schedule: (time: number, target: Pit | Hpet) => env.scheduler.schedule(time, target, 0),
      cancel: (handle: number) => env.scheduler.cancel(handle),
    };
    this.pit = new Pit(pitName, { ...clock, setOutput: (asserted) => this.pitWire.set(asserted) });
    this.hpet = new Hpet(`${name}/hpet`, {
      ...clock,
      line: (input, timer) => env.line(input, `${name}/hpet.${timer}`),
      replacesLegacy: (on) => {
        this.pitWire.setReplaced(on);
        this.rtcWire.setReplaced(on);
      },
    });
    for (const timer of [this.pit, this.hpet]) {
      env.scheduler.register(timer);
    }
    units.add('pit', this.pit);
    units.add('hpet', this.hpet);
    const { masterPorts } = fabric.pic;
    this.masterPorts = {
      ...masterPorts,
      write: (offset, size, value, initiator) => {
        masterPorts.write(offset, size, value, initiator);
        this.pit.setListened(fabric.pic.lineOpen(TIMER_LINE));
      },
    };
    this.place(memory, ports);
  }

  /** Where the RTC's interrupt goes. */
  get rtcLine(): IrqLine {
    return this.rtcWire;
  }

  /** The BIOS opens line 0 of the 8259s, and its interrupt handler counts the ticks. */
  openByBios(): void {
    this.masterPorts.write(MASK_PORT, 1, MASK_OF_BIOS, NO_CPU);
  }

  reset(): void {
    for (const unit of [this.pitWire, this.rtcWire, this.pit, this.hpet]) unit.reset();
  }

  private replaceable(source: string, wire: IrqLine): ReplaceableLine {
    const line = new ReplaceableLine(wire);
    this.units.add(`${source}/wire`, line);
    return line;
  }

  private place(memory: AddressMap<T>, ports: AddressMap<T>): void {
    const { env, pit, hpet, masterPorts } = this;
    const { pic } = this.fabric;
    placeUnit(env, ports, { class: 'pic', name: 'PIC' }, [
      { ...PIC.master, block: masterPorts, offset: 0 },
      { ...PIC.slave, block: pic.slavePorts, offset: SLAVE_OFFSET },
      { ...PIC.edgeLevel, block: pic.edgeLevelPorts, offset: TRIGGER_OFFSET },
    ]);
    const pitParts = [
      { ...PIT, block: pit, offset: 0 },
      { ...PORT_B, block: pit.portBBlock, offset: PORT_B_OFFSET },
    ];
    placeUnit(env, ports, { class: 'pit', name: 'PIT' }, pitParts, pitDescriptions);
    const hpetParts = [{ ...HPET, block: hpet, offset: 0 }];
    placeUnit(env, memory, { class: 'chipset', name: 'HPET' }, hpetParts, hpetHalves);
  }
}
