/** One counter of an Intel 8254 (data sheet 231164, "Mode definitions"), as a function of the ticks of its clock. */
/** Modes; bit 2 of the field has no meaning in modes 2 and 3, but is read back as it was written. */
const Mode = {
  terminalCount: 0,
  oneShot: 1,
  rate: 2,
  square: 3,
  softwareStrobe: 4,
  hardwareStrobe: 5,
} as const;
/** Which bytes of the counter are read and written, at bits 5:4 of the control word. */
const Access = { latch: 0, low: 1, high: 2, both: 3 } as const;
const FULL = 0x10000;
const FULL_BCD = 10_000;

/** State of a counter: a part of the chip's hardware. */
export interface PitChannelState {
  mode: number;
  /** The field of the control word that `mode` came from. */
  writtenMode: number;
  access: number;
  bcd: boolean;
  /** What was loaded, 1..65536; 0: nothing has been since the control word. */
  count: number;
  /** Tick of the chip's clock at which counting began. */
  start: number;
  gate: boolean;
  /** Low byte of a count whose high byte is to come; -1: none is under way. */
  partial: number;
  /** The next byte to read is the high one. */
  readHigh: boolean;
  /** Latched count and status; -1: none. */
  latched: number;
  status: number;
  /** Counting waits for a rising gate (modes 1 and 5), or was stopped by a low one at this many elapsed ticks. */
  waiting: boolean;
  heldAt: number;
}

/** A counter. Every call is told the present tick. */
export class PitChannel {
  private state: PitChannelState = {
    mode: Mode.square,
    writtenMode: Mode.square,
    access: Access.both,
    bcd: false,
    count: 0,
    start: 0,
    gate: true,
    partial: -1,
    readHigh: false,
    latched: -1,
    status: -1,
    waiting: false,
    heldAt: 0,
  };

  /** A control word for this counter, without its two bits of selection. */
  control(word: number, ticks: number): void {
    const { state } = this;
    const access = (word >> 4) & 3;
    if (access === Access.latch) {
      this.latchCount(ticks);
      return;
    }
    const mode = (word >> 1) & 7;
    Object.assign(state, {
      mode: mode > 5 ? mode & 3 : mode,
      writtenMode: mode,
      access,
      bcd: (word & 1) !== 0,
      count: 0,
      partial: -1,
      readHigh: false,
      latched: -1,
      status: -1,
      waiting: false,
    });
  }

  /** A byte of the count. */
  write(byte: number, ticks: number): void {
    const { state } = this;
    if (state.access === Access.low) this.loadCount(byte, ticks);
    else if (state.access === Access.high) this.loadCount(byte << 8, ticks);
    else if (state.partial < 0) state.partial = byte;
    else {
      const count = state.partial | (byte << 8);
      state.partial = -1;
      this.loadCount(count, ticks);
    }
  }

  /** A byte of the latched status, of the latched count, or of the counter as it stands. */
  read(ticks: number): number {
    const { state } = this;
    if (state.status >= 0) {
      const { status } = state;
      state.status = -1;
      return status;
    }
    const value = state.latched >= 0 ? state.latched : this.shown(ticks);
    const high = state.access === Access.high || (state.access === Access.both && state.readHigh);
    if (state.access === Access.both) state.readHigh = !state.readHigh;
    if (state.access !== Access.both || high) state.latched = -1;
    return high ? value >> 8 : value & 0xff;
  }

  latchCount(ticks: number): void {
    if (this.state.latched < 0) this.state.latched = this.shown(ticks);
  }

  /** Read-back status: output, "null count", access, mode, BCD. */
  latchStatus(ticks: number): void {
    if (this.state.status < 0) this.state.status = this.look(ticks).status;
  }

  /** The count and the read-back status as they are at a tick, latched or not. */
  look(ticks: number): { count: number; status: number } {
    const { state } = this;
    const output = this.output(ticks) ? 0x80 : 0;
    const none = state.count === 0 ? 0x40 : 0;
    const status = output | none | (state.access << 4) | (state.writtenMode << 1) | (state.bcd ? 1 : 0);
    return { count: this.shown(ticks), status };
  }

  setGate(gate: boolean, ticks: number): void {
    const { state } = this;
    if (gate === state.gate) return;
    const triggered = state.mode === Mode.oneShot || state.mode === Mode.hardwareStrobe;
    const periodic = state.mode === Mode.rate || state.mode === Mode.square;
    if (!gate) state.heldAt = this.elapsed(ticks);
    state.gate = gate;
    if (!gate) return;
    if (triggered || periodic) state.start = ticks;
    else state.start = ticks - state.heldAt;
    state.waiting = false;
  }

  /** Level of the output pin. */
  output(ticks: number): boolean {
    const { state } = this;
    const { mode, count } = state;
    // After the control word the output is low in mode 0 and high in all others, until counting begins.
    if (count === 0) return mode !== Mode.terminalCount;
    const passed = this.elapsed(ticks);
    switch (mode) {
      case Mode.terminalCount:
        return passed >= count;
      case Mode.oneShot:
        return state.waiting || passed >= count;
      case Mode.rate:
        return !state.gate || passed % count !== count - 1;
      case Mode.square:
        return !state.gate || passed % count < Math.ceil(count / 2);
      default:
        return state.waiting || passed !== count; // a strobe: low for one tick
    }
  }

  /** The next tick after the present one at which the output changes; undefined when it never does by itself. */
  nextChange(ticks: number): number | undefined {
    const { mode, count, gate, waiting, start } = this.state;
    const stops = mode !== Mode.oneShot && mode !== Mode.hardwareStrobe;
    if (count === 0 || waiting || (stops && !gate)) return undefined;
    const passed = this.elapsed(ticks);
    const period = passed - (passed % count);
    const candidates: Record<number, number[]> = {
      [Mode.terminalCount]: [count],
      [Mode.oneShot]: [count],
      [Mode.rate]: [period + count - 1, period + count, period + 2 * count - 1],
      [Mode.square]: [period + Math.ceil(count / 2), period + count],
    };
    const next = (candidates[mode] ?? [count, count + 1]).find((each) => each > passed);
    return next === undefined ? undefined : start + next;
  }

  save(): PitChannelState {
    return { ...this.state };
  }

  load(state: PitChannelState): void {
    this.state = { ...state };
  }

  private loadCount(written: number, ticks: number): void {
    const { state } = this;
    const value = state.bcd ? fromBcd(written) : written;
    const again = state.count !== 0;
    state.count = value === 0 ? (state.bcd ? FULL_BCD : FULL) : value;
    const periodic = state.mode === Mode.rate || state.mode === Mode.square;
    // A periodic counter goes on, and takes the new count from now; a triggered one waits for its gate.
    if (state.mode === Mode.oneShot || state.mode === Mode.hardwareStrobe) state.waiting ||= !again;
    else if (!again || !periodic || state.gate) state.start = ticks;
    state.heldAt = 0;
  }

  private elapsed(ticks: number): number {
    const { gate, mode, heldAt, start } = this.state;
    const held = !gate && mode !== Mode.oneShot && mode !== Mode.hardwareStrobe;
    return held ? heldAt : ticks - start;
  }

  /** The counting element as it is read. */
  private shown(ticks: number): number {
    const { state } = this;
    if (state.count === 0) return 0;
    const passed = this.elapsed(ticks);
    const full = state.bcd ? FULL_BCD : FULL;
    let value: number;
    if (state.mode === Mode.rate) value = state.count - (passed % state.count);
    else if (state.mode === Mode.square) value = state.count - ((2 * passed) % state.count);
    else value = (((state.count - passed) % full) + full) % full;
    const low = value % full;
    return state.bcd ? toBcd(low) : low & 0xffff;
  }
}

function fromBcd(value: number): number {
  return (value & 15) + 10 * ((value >> 4) & 15) + 100 * ((value >> 8) & 15) + 1000 * ((value >> 12) & 15);
}

function toBcd(value: number): number {
  return [1, 10, 100, 1000].reduce(
    (bits, unit, digit) => bits | ((Math.floor(value / unit) % 10) << (4 * digit)),
    0,
  );
}
