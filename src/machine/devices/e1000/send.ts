/** From the transmit part of the packet buffer to the wire: one frame after the other, whenever the wire is free. */
import { Kind } from '../../../trace/vocabulary/events';
import { DropReason, FCS } from '../intel-nic/constants';
import { PacketBuffer, type PacketBufferHardware, type PacketBufferRun } from '../intel-nic/packet-buffer';
import type { Timers } from '../intel-nic/timers';
import { Rctl, Reg, Stat, Tctl, Timer } from './constants';
import type { E1000Core } from './core';

/** What the run has of a `Sender`: the running number of packets, and the rows of the frames that wait. */
export interface SenderRun {
  packets: number;
  buffer: PacketBufferRun;
}

/** The way back to the receiver. */
export interface LoopBack {
  /** Whether the PHY is in loopback; RCTL.LBM closes the way too. */
  phyLoops(): boolean;
  receive(frame: Uint8Array): void;
}

/** The transmit part of the packet buffer. */
export class Sender {
  /** Frames that wait for the wire. */
  readonly buffer: PacketBuffer<Uint8Array>;
  /** Packets handed to the wire so far. */
  private packets = 0;

  /** @param loopBack gets the frames instead of the wire while it is closed */
  constructor(
    private readonly core: E1000Core,
    private readonly timers: Timers,
    private readonly loopBack: LoopBack,
  ) {
    this.buffer = new PacketBuffer<Uint8Array>(() => core.packetBuffer().transmit);
  }

  /** Hands over what the wire takes now, while the transmitter is on (13.4.33: what is left stays until it is on again). */
  drain(): void {
    const { core, buffer, timers } = this;
    for (let entry = buffer.first; entry; entry = buffer.first) {
      if ((core.get(Reg.TCTL) & Tctl.EN) === 0) return;
      const wait = this.loops || !core.linkUp ? 0 : (core.wire?.roomIn(0) ?? 0);
      if (wait > 0) {
        if (!timers.running(Timer.Wire)) timers.start(Timer.Wire, wait);
        return;
      }
      buffer.shift();
      core.bus.trace.cause = entry.cause;
      this.send(entry.frame);
    }
  }

  reset(): void {
    this.timers.stop(Timer.Wire);
    this.buffer.clear();
  }

  saveHardware(): PacketBufferHardware<Uint8Array> {
    return this.buffer.saveHardware();
  }

  saveRun(): SenderRun {
    return { packets: this.packets, buffer: this.buffer.saveRun() };
  }

  load(hardware: PacketBufferHardware<Uint8Array>, run: SenderRun | undefined): void {
    this.buffer.load(hardware, run?.buffer);
    this.packets = run?.packets ?? 0;
  }

  private get loops(): boolean {
    return this.loopBack.phyLoops() || (this.core.get(Reg.RCTL) & Rctl.LBM) === Rctl.LBM;
  }

  private send(frame: Uint8Array): void {
    const { core } = this;
    const { trace } = core.bus;
    if (this.loops) {
      // It has left the MAC all the same.
      this.count(frame);
      this.loopBack.receive(frame);
      return;
    }
    if (!core.wire || !core.linkUp) {
      trace.instant(Kind.PacketDrop, frame.length, DropReason.LinkDown);
      return;
    }
    const number = this.packets++;
    this.count(frame);
    trace.instant(Kind.PacketTx, frame.length, number);
    core.wire.send(frame, number);
  }

  private count(frame: Uint8Array): void {
    const { core } = this;
    const onWire = frame.length + FCS;
    for (const counter of [Stat.GPTC, Stat.TPT]) core.count(counter);
    for (const counter of [Stat.GOTCL, Stat.TOTL]) core.countLong(counter, onWire);
    core.countSize(Stat.PTC64, onWire);
    if ((frame[0] & 1) !== 0)
      core.count(frame.subarray(0, 6).every((byte) => byte === 0xff) ? Stat.BPTC : Stat.MPTC);
  }
}
