import { describe, expect, it } from 'vitest';
import { Rctl, Reg, TxCmd } from '../../../../src/machine/devices/e1000/constants';
import type { E1000 } from '../../../../src/machine/devices/e1000/e1000';
import { EchoPeer } from '../../../../src/machine/link/peers/echo';
import { Kind } from '../../../../src/trace/vocabulary/events';
import { frameTo, MAC, Nic } from '../devices/e1000/nic';
import { cableWorld } from './cable-world';

const PEER = [0x02, 0, 0, 0, 0, 7];

describe('e1000, cable and echo together', () => {
  it('brings each packet back, and its arrival leads back to the doorbell', () => {
    const { world, cable } = cableWorld();
    const nic = new Nic({}, world);
    const echo = new EchoPeer('echo', cable.ends[1], world.queue, { turnaround: 50, swap: true });
    world.queue.register(echo);
    const device: E1000 = nic.device;
    device.connect(cable.ends[0]);
    cable.ends[0].attach(device);
    nic.start(7, Rctl.EN | Rctl.BAM | Rctl.SECRC);
    for (let i = 0; i < 3; i++) {
      const frame = frameTo(PEER, 64 + i);
      frame.set(MAC, 6);
      nic.fill(i, frame, TxCmd.EOP | TxCmd.IFCS | TxCmd.RS);
    }
    nic.set(Reg.TDT, 3);
    world.drain();
    expect(nic.get(Reg.RDH)).toBe(3);
    const received = world.ofKind(Kind.PacketRx);
    expect(received.map(({ a, b }) => [a, b])).toEqual([
      [64, 0],
      [65, 1],
      [66, 2],
    ]);
    for (const note of received) {
      const kinds = world.chain(note).map(({ kind }) => kind);
      expect(kinds.filter((kind) => kind === Kind.LinkTransit)).toHaveLength(2);
      expect(kinds.filter((kind) => kind === Kind.PacketTx)).toHaveLength(1);
      expect(kinds).toContain(Kind.Doorbell);
    }
  });
});
