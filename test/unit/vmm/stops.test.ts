/** A run that is stopped between two events goes on as if it had not been. */
import { describe, expect, it } from 'vitest';
import { Recorder } from '../../../src/trace/record/recorder';
import { costKeys, type Costs } from '../../../src/vmm/cost-keys';
import { Host, type Site } from '../../../src/vmm/host';

const costs = Object.fromEntries(Object.keys(costKeys).map((key) => [key, 3])) as Costs;

interface Stage {
  host: Host;
  site: Site;
  log: string[];
}

/** A host with a guest that never runs, and ends with the event `last`. */
function stage(): Stage {
  const host = new Host(new Recorder(), costs, 1e9);
  const log: string[] = [];
  const site = host.addIsland([0]);
  site.island.add({
    runnable: false,
    get ended() {
      return log.includes('last');
    },
    now: () => 0,
    instructions: () => 0,
    limitDeadline: () => undefined,
    runUntil: () => undefined,
  });
  return { host, site, log };
}

/** Events of one instant, the last of them made by the one before. */
function schedule({ host, site: { island }, log }: Stage, stopAt: readonly string[], now = true): void {
  const target = {
    eventTargetId: 'events',
    onEvent: (kind: number) => {
      const name = ['first', 'last', 'after', 'one more'][kind];
      log.push(name);
      if (kind === 2) island.queue.schedule(island.now(), target, 3);
      if (stopAt.includes(name)) host.stops.request();
    },
  };
  island.queue.register(target);
  for (let kind = 0; now && kind < 3; kind++) island.queue.schedule(100, target, kind);
}

describe('a run that is stopped in an event', () => {
  it('stops right behind it, and has the rest of the instant before anything else', () => {
    const free = stage();
    schedule(free, []);
    expect(free.host.run(1000, Infinity)).toBe('ended');
    const cut = stage();
    schedule(cut, ['first', 'last', 'one more']);
    expect([cut.host.run(1000, Infinity), cut.log]).toEqual(['stopped', ['first']]);
    expect([cut.host.run(1000, Infinity), cut.log]).toEqual(['stopped', ['first', 'last']]);
    expect([cut.host.run(1000, Infinity), cut.log]).toEqual(['stopped', free.log]);
    expect(cut.host.run(1000, Infinity)).toBe('ended');
  });

  it('goes on so from a snapshot', () => {
    const cut = stage();
    schedule(cut, ['last']);
    expect(cut.host.run(1000, Infinity)).toBe('stopped');
    const moved = stage();
    schedule(moved, [], false);
    moved.log.push(...cut.log);
    moved.host.units.load(structuredClone(cut.host.units.save()));
    expect(moved.host.run(1000, Infinity)).toBe('ended');
    expect(moved.log).toEqual(['first', 'last', 'after', 'one more']);
  });

  it('forgets a wish to stop that came while nothing ran', () => {
    const one = stage();
    schedule(one, []);
    one.host.stops.request();
    expect(one.host.run(1000, Infinity)).toBe('ended');
  });

  it('refuses guests that there are not', () => {
    const { stops } = stage().host;
    const range = { vm: 1, address: 0, length: 1, read: true, write: true };
    expect(() => stops.setCode([{ vm: 0, address: 0n }])).toThrow('there is no VM 0');
    expect(() => stops.setData([range])).toThrow('there is no VM 1');
  });
});
