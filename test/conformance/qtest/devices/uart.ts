/** COM1: all registers at random, in and out of loopback, with and without FIFOs. */
import { COM1 } from '../../../../src/machine/devices/uart';
import type { Allowance, Judge, QtestDevice } from '../device';
import type { Random } from '../random';
import type { Operation, Step } from '../script';

const Port = { data: 0, ier: 1, fcr: 2, lcr: 3, mcr: 4, lsr: 5, msr: 6, scratch: 7 } as const;
const DLAB = 0x80;
const Mcr = { Out2: 0x08, Loop: 0x10 } as const;
const Ier = { Transmitter: 0x02, Modem: 0x08 } as const;
const Fcr = { Enable: 0x01, ResetTransmitter: 0x04 } as const;
const MSR_CHANGES = 0x0f;
/** Interrupt identification without the bits that tell of FIFOs. */
const CAUSE = 0x0f;
const Cause = { Modem: 0, None: 1, Transmitter: 2 } as const;
const LINE = 1 << COM1.irq;

const out = (port: number, value: number): Operation => ({ op: 'out', size: 1, at: COM1.base + port, value });
const inp = (port: number): Operation => ({ op: 'in', size: 1, at: COM1.base + port });

function operation(random: Random): Operation {
  switch (random.below(12)) {
    case 0:
    case 1:
      return out(Port.data, random.below(256));
    case 2:
      return out(Port.ier, random.below(32));
    case 3:
      return out(Port.fcr, random.below(256));
    case 4:
      return out(Port.lcr, random.oneIn(4) ? random.below(256) : random.below(128));
    case 5:
      return out(Port.mcr, random.below(256));
    case 6:
      return out(random.below(8), random.below(256));
    default:
      return inp(random.below(8));
  }
}

/** What of the registers decides where the two may differ. */
class Follower {
  private mcr = 0;
  private mcrWritten = false;
  private ier = 0;
  private fcr = 0;
  private dlab = false;
  /** A modem input may have changed by loopback since the modem status was read. */
  private modemChanged = false;
  /** QEMU has a transmitter interrupt for an empty FIFO that was reset. */
  private resetPending = false;

  follow(step: Step): Allowance[] {
    const { operation } = step;
    const allowed: Allowance[] = [];
    if (operation.op === 'out') this.written(operation.at - COM1.base, operation.value);
    else if (operation.op === 'in') allowed.push(...this.read(operation.at - COM1.base, step));
    if (this.modemChanged && (this.ier & Ier.Modem) !== 0)
      allowed.push({ difference: 'modem changes', lines: LINE });
    if (this.resetPending && (this.ier & Ier.Transmitter) !== 0)
      allowed.push({ difference: 'transmitter reset', lines: LINE });
    if ((this.mcr & (Mcr.Out2 | Mcr.Loop)) !== Mcr.Out2) allowed.push({ difference: 'gate', lines: LINE });
    return allowed;
  }

  private written(port: number, value: number): void {
    if (port === Port.mcr) {
      this.modemChanged ||= ((this.mcr | value) & Mcr.Loop) !== 0;
      this.mcr = value;
      this.mcrWritten = true;
    } else if (port === Port.lcr) this.dlab = (value & DLAB) !== 0;
    else if (port === Port.fcr) {
      const cleared = ((value ^ this.fcr) & Fcr.Enable) !== 0 || (value & Fcr.ResetTransmitter) !== 0;
      this.resetPending ||= cleared;
      this.fcr = value;
    } else if (port === Port.data && !this.dlab) this.resetPending = false;
    else if (port === Port.ier && !this.dlab) {
      if (((value ^ this.ier) & Ier.Transmitter) !== 0) this.resetPending = false;
      this.ier = value;
    }
  }

  private read(port: number, { qemu, trapline }: Step): Allowance[] {
    if (port === Port.mcr && !this.mcrWritten) return [{ difference: 'reset', value: Mcr.Out2 }];
    if (port === Port.msr && this.modemChanged) {
      this.modemChanged = false;
      return [{ difference: 'modem changes', value: MSR_CHANGES }];
    }
    if (port !== Port.fcr) return [];
    const [theirs, ours] = [qemu, trapline].map(({ value }) => Number(value) & CAUSE);
    const allowed: Allowance[] = [];
    if (this.resetPending && theirs === Cause.Transmitter) {
      this.resetPending = false;
      allowed.push({ difference: 'transmitter reset', value: theirs ^ ours });
    }
    if (this.modemChanged && (this.ier & Ier.Modem) !== 0 && ours === Cause.Modem && theirs === Cause.None)
      allowed.push({ difference: 'modem changes', value: theirs ^ ours });
    return allowed;
  }
}

function judge(): Judge {
  const follower = new Follower();
  return (step) => follower.follow(step);
}

export const uart: QtestDevice = {
  name: 'uart',
  qemu: ['-chardev', 'null,id=com1', '-serial', 'chardev:com1'],
  models: [],
  lines: LINE,
  differences: {
    gate: {
      qemu: 'drives IRQ 4 whatever MCR says',
      trapline:
        'drives it while OUT2 is set and no loopback inactivates it: on a PC that output gates the interrupt',
      section: 'PC16550D 8.8 (bits 3 and 4 of MCR); IBM PC AT Technical Reference, serial adapter',
    },
    reset: {
      qemu: 'has OUT2 set after reset',
      trapline: 'has all bits of MCR clear',
      section: 'PC16550D table III (reset configuration)',
    },
    'modem changes': {
      qemu: 'has no change bits and no modem interrupt for what loopback does to the modem inputs',
      trapline: 'has them: in loopback the sources of these are the four low bits of MCR',
      section: 'PC16550D 8.8 (bit 4 of MCR) and 8.9',
    },
    'transmitter reset': {
      qemu: 'has a transmitter interrupt after a reset of the transmitter FIFO, which was empty',
      trapline: 'has one when the holding register or FIFO becomes empty, which it does by sending',
      section: 'PC16550D 8.6 (table IV) and 8.4',
    },
  },
  prologue: [],
  begin: (random) => () => [operation(random)],
  judge,
};
