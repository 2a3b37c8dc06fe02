/** A small number of what `npm run soak -- --only devices` does: a hostile guest at every device and every unit of a board. */
import { describe, expect, it } from 'vitest';
import { EPISODE, episode, noOutcomes, targets } from './device-fuzz/run';

/** Operations of each target. */
const OPERATIONS = 10_000;
const SEED = 20261129;

/** What the trace has to tell of a guest that breaks the rules, by the device that it breaks them with. */
const complaints: Readonly<Record<string, readonly string[]>> = {
  e1000: ['DeviceIgnored', 'DeviceMisused', 'PacketDrop'],
  edu: ['DeviceIgnored'],
  ixgbe: ['DeviceIgnored', 'DeviceMisused', 'PacketDrop'],
  nvme: ['DeviceIgnored', 'DeviceMisused'],
};
const ofVirtio = ['DeviceIgnored', 'DeviceMisused', 'VirtioNeedsReset'];
/** And that it was no guest that only broke rules. */
const work: Readonly<Record<string, readonly string[]>> = {
  e1000: ['PacketTx', 'PacketRx'],
  edu: ['DeviceWork'],
  ixgbe: ['PacketTx', 'PacketRx', 'PacketSwitched', 'Mailbox', 'FunctionReset'],
  nvme: ['IoSubmit', 'IoComplete'],
  iommu: [
    'allowed',
    'refused',
    'stale',
    'hits',
    'nested',
    'invalidations',
    'queueErrors',
    'messages',
    'posts',
    'notifications',
    'blocked',
    'staleInterrupts',
    'faultRecords',
  ],
  'virtio-net': ['PacketTx', 'PacketRx', 'VirtqUsed', 'PacketDrop'],
};

describe('a hostile guest', () => {
  it.each(targets())('finds no way to break $name', (target) => {
    const outcomes = noOutcomes();
    for (let number = 0; number < OPERATIONS / EPISODE; number++)
      expect(episode(target, SEED, number, outcomes)).toBeUndefined();
    expect(outcomes.operations).toBeGreaterThanOrEqual(OPERATIONS);
    const isVirtio = target.name.startsWith('virtio-');
    const expected = [
      ...(complaints[target.name] ?? (isVirtio ? ofVirtio : [])),
      ...(work[target.name] ?? (isVirtio ? ['VirtqUsed'] : [])),
    ];
    for (const kind of expected) expect(outcomes.rows[kind] ?? 0, kind).toBeGreaterThan(0);
  });

  /** Episodes that failed once. */
  it.each([
    ['ixgbe', 16, 'what a queue that is off has counted was no part of a checkpoint'],
    ['iommu', 2201, 'a look at a translation forgot the bits of an entry that it came to twice'],
  ])('is withstood by %s in episode %i: %s', (name, number) => {
    const target = targets().find((each) => each.name === name)!;
    expect(episode(target, 20261201, number, noOutcomes())).toBeUndefined();
  });

  it('meets every device that a board can have, and the units of the board itself', () => {
    const names = targets().map(({ name }) => name);
    expect(names).toEqual(
      expect.arrayContaining(['e1000', 'edu', 'ixgbe', 'nvme', 'virtio-net', 'virtio-console', 'virtio-rng']),
    );
    expect(names).toEqual(
      expect.arrayContaining([
        'UART',
        'IOAPIC',
        'LAPIC',
        'PIC',
        'PIT',
        'HPET',
        'CMOS',
        'fw_cfg',
        'keyboard controller',
        'PCI config',
        'iommu',
      ]),
    );
  });
});
