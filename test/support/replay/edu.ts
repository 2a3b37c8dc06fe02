/** What the registers of an edu are at each time by the rows of its trace. */
import { EduCause, EduDma, EduRegister, EduStatus } from '../../../src/machine/devices/edu';
import { Kind } from '../../../src/trace/vocabulary/events';
import type { Effect, Rows } from './rows';

const DMA_REGISTERS: readonly number[] = [
  EduRegister.DMA_SOURCE,
  EduRegister.DMA_DESTINATION,
  EduRegister.DMA_COUNT,
  EduRegister.DMA_COMMAND,
];
const COMMAND = DMA_REGISTERS.indexOf(EduRegister.DMA_COMMAND);

/** What the device may have in it. */
interface State {
  liveness: number;
  factorial: number;
  computing: boolean;
  /** The factorial's time is over, and the device does not know yet. */
  due: boolean;
  signals: boolean;
  causes: number;
  asserted: boolean;
  dma: readonly number[];
}

const RESET: State = {
  liveness: 0,
  factorial: 0,
  computing: false,
  due: false,
  signals: false,
  causes: 0,
  asserted: false,
  dma: [0, 0, 0, 0],
};

const hex = (value: number): string => value.toString(16);

/**
 * Replays the rows of one edu. There is one state that it can be in, but for a factorial under a VMM: a thread comes to the
 * device's timer some time after it has expired, of which there is no row, so that both states are possible for a while.
 */
export class ReplayedEdu {
  readonly wrong: string[] = [];
  private states: readonly State[] = [RESET];

  /** @param lateTimers a timer's work waits for a thread */
  constructor(
    private readonly rows: Rows,
    private readonly lateTimers: boolean,
  ) {}

  replay(effects: readonly Effect[]): void {
    const begun = effects.flatMap(({ row }) =>
      row.kind === Kind.DeviceWork ? [{ time: row.start, row, begins: true }] : [],
    );
    const all = [...begun, ...effects.map((each) => ({ ...each, begins: false }))];
    // Of one time the device's ends go first: an access that comes at the time of an event waits for it.
    const order = ({ time, row }: Effect): number => (time > row.start ? 0 : 1);
    all.sort((x, y) => x.time - y.time || order(x) - order(y) || x.row.row - y.row.row);
    for (const { begins, ...effect } of all) {
      if (begins) this.begin(effect.time, this.rows.row(effect.row.cause).b);
      else this.next(effect);
      this.fork();
    }
  }

  private next({ time, row }: Effect): void {
    switch (row.kind) {
      case Kind.MmioWrite:
        return this.each((state) => written(state, row.a, row.b));
      case Kind.MmioRead:
        return this.read(time, row.a, row.b);
      case Kind.DeviceWork:
        return this.each((state) => (this.lateTimers ? { ...state, due: true } : computed(state)));
      case Kind.DmaRead:
      case Kind.DmaWrite:
        this.keep(time, (state) => transferring(state), 'DMA that nobody asked for');
        return this.each(transferred);
      case Kind.IrqRaise:
      case Kind.IrqLower: {
        const asserted = row.kind === Kind.IrqRaise;
        this.keep(
          time,
          (state) => state.asserted !== asserted && asserted === (state.causes !== 0),
          `the line goes ${asserted ? 'up' : 'down'}`,
        );
        return this.each((state) => ({ ...state, asserted }));
      }
    }
  }

  private begin(time: number, value: number): void {
    this.keep(time, ({ computing }) => !computing, 'a factorial begins in the midst of another');
    this.each((state) => ({ ...state, factorial: value, computing: true, due: false }));
  }

  private read(time: number, offset: number, value: number): void {
    this.keep(
      time,
      (state) => (registerAt(state, offset) ?? value) === value,
      `register ${hex(offset)} reads ${hex(value)}`,
    );
    if (offset === EduRegister.IRQ_STATUS && value !== 0)
      this.keep(time, ({ asserted }) => asserted, `IRQ_STATUS reads ${hex(value)} before the line goes up`);
  }

  private each(change: (state: State) => State): void {
    this.states = this.states.map(change);
  }

  /** Only the states in which something can be seen remain. */
  private keep(time: number, shows: (state: State) => boolean, what: string): void {
    const left = this.states.filter(shows);
    if (left.length > 0) this.states = left;
    else this.wrong.push(`at ${time}: ${what}, which is not so by the rows: ${JSON.stringify(this.states)}`);
  }

  /** Of each state in which the factorial is due there is one in which the device knows. */
  private fork(): void {
    if (!this.states.some(({ due }) => due)) return;
    const all = this.states.flatMap((state) => (state.due ? [state, computed(state)] : [state]));
    this.states = [...new Map(all.map((state) => [JSON.stringify(state), state])).values()];
  }
}

function computed(state: State): State {
  const causes = state.causes | (state.signals ? EduCause.Factorial : 0);
  return { ...state, due: false, computing: false, factorial: factorialOf(state.factorial), causes };
}

function transferring({ dma }: State): boolean {
  return (dma[COMMAND] & EduDma.Run) !== 0;
}

function transferred(state: State): State {
  const command = state.dma[COMMAND];
  const causes = state.causes | ((command & EduDma.InterruptAfter) !== 0 ? EduCause.Dma : 0);
  return { ...state, causes, dma: state.dma.with(COMMAND, command & ~EduDma.Run) };
}

function written(state: State, offset: number, value: number): State {
  const dma = DMA_REGISTERS.indexOf(offset);
  // While a transfer runs its registers stand still.
  if (dma >= 0) return transferring(state) ? state : { ...state, dma: state.dma.with(dma, value) };
  switch (offset) {
    case EduRegister.LIVENESS:
      return { ...state, liveness: ~value >>> 0 };
    case EduRegister.STATUS:
      return { ...state, signals: (value & EduStatus.InterruptAfter) !== 0 };
    case EduRegister.IRQ_RAISE:
      return { ...state, causes: (state.causes | value) >>> 0 };
    case EduRegister.IRQ_ACK:
      return { ...state, causes: (state.causes & ~value) >>> 0 };
    default:
      return state;
  }
}

function registerAt(state: State, offset: number): number | undefined {
  switch (offset) {
    case EduRegister.LIVENESS:
      return state.liveness;
    case EduRegister.FACTORIAL:
      return state.factorial;
    case EduRegister.STATUS:
      return (state.computing ? EduStatus.Computing : 0) | (state.signals ? EduStatus.InterruptAfter : 0);
    case EduRegister.IRQ_STATUS:
      return state.causes;
    default:
      return state.dma[DMA_REGISTERS.indexOf(offset)];
  }
}

function factorialOf(value: number): number {
  let product = 1n;
  for (let factor = 2n; factor <= BigInt(value); factor++) product *= factor;
  return Number(BigInt.asUintN(32, product));
}
