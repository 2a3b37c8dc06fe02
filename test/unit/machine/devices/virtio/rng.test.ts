/** The entropy device (5.4) with a queue in the test's hands. */
import { describe, expect, it } from 'vitest';
import type { Chain, DeviceQueue, TypeHost } from '../../../../../src/machine/devices/virtio/contract';
import { RNG_MOST_BYTES, VirtioRng } from '../../../../../src/machine/devices/virtio/rng';
import { Random } from '../../../../../src/machine/time/random';
import { FakeBus, World } from '../../fake-bus';

const SEED = 42;

function rng(seed = SEED) {
  const log: string[] = [];
  const written: Uint8Array[] = [];
  const queue: DeviceQueue = {
    index: 0,
    running: true,
    fetch: () => void log.push('fetch'),
    unfetch: () => void log.push('unfetch'),
    read: () => void log.push('read'),
    write: (_chain, offset, bytes) => {
      log.push(`write ${bytes.length} at ${offset}`);
      written.push(bytes);
    },
    push: (chain, length) => void log.push(`push ${chain.id} ${length}`),
    flush: () => void log.push('flush'),
  };
  const host: TypeHost = {
    bus: new FakeBus(new World()),
    queues: [queue],
    has: () => false,
    configurationChanged: () => undefined,
    needsReset: () => undefined,
  };
  return { log, written, type: new VirtioRng(host, seed) };
}

const chain = (id: number, ...lengths: number[]): Chain => ({
  id,
  slots: 1,
  readable: [],
  writable: lengths.map((length, i) => ({ address: 0x1000 * (i + 1), length })),
});

describe('the entropy device', () => {
  it('is device 4 with one queue and no configuration', () => {
    const { type } = rng();
    expect(type.deviceId).toBe(4);
    expect(type.queueSpecs).toHaveLength(1);
    expect(type.configuration).toHaveLength(0);
    expect(type.accepts()).toBe(true);
  });

  it('fills a buffer with numbers from its seed, and looks for the next', () => {
    const { type, log, written } = rng();
    type.notified(0);
    type.onChain(0, chain(7, 10, 22));
    type.onTransfer(0);
    expect(log).toEqual(['fetch', 'write 32 at 0', 'push 7 32', 'flush', 'fetch']);
    expect(written[0]).toEqual(new Random(SEED).bytes(32));
  });

  it('asks once, until the queue was empty', () => {
    const { type, log } = rng();
    type.notified(0);
    type.notified(0);
    expect(log).toEqual(['fetch']);
    type.onChain(0, undefined);
    type.notified(0);
    expect(log).toEqual(['fetch', 'fetch']);
  });

  it('fills no more of a large buffer than it does at once', () => {
    const { type, log } = rng();
    type.notified(0);
    type.onChain(0, chain(1, 0xffffffff, 0xffffffff));
    type.onTransfer(0);
    expect(log.slice(1, 3)).toEqual([`write ${RNG_MOST_BYTES} at 0`, `push 1 ${RNG_MOST_BYTES}`]);
  });

  it('gives a buffer without room back', () => {
    const { type, log } = rng();
    type.notified(0);
    type.onChain(0, { id: 3, slots: 1, readable: [{ address: 0, length: 8 }], writable: [] });
    expect(log).toEqual(['fetch', 'push 3 0', 'flush', 'fetch']);
  });

  it('forgets what it was at when it is stopped', () => {
    const { type, log } = rng();
    type.notified(0);
    type.onChain(0, chain(1, 4));
    type.stopped();
    type.onTransfer(0);
    expect(log).not.toContain('push 1 4');
    type.notified(0);
    expect(log.slice(-1)).toEqual(['fetch']);
  });

  it('goes on elsewhere with the same numbers', () => {
    const from = rng();
    from.type.notified(0);
    from.type.onChain(0, chain(1, 16));
    const to = rng(1);
    to.type.adopt(from.type.save().hardware);
    to.type.onTransfer(0);
    expect(to.log).toEqual(['push 1 16', 'flush', 'fetch']);
    to.type.onChain(0, chain(2, 16));
    const random = new Random(SEED);
    expect(from.written[0]).toEqual(random.bytes(16));
    expect(to.written[0]).toEqual(random.bytes(16));
  });
});
