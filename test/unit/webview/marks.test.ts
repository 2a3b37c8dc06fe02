/** What a reader measures by: edges, idle time, arrows that run together. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { modeRoles } from '../../../src/protocol/viewport';
import { bundled, NEAR } from '../../../webview/lanes/bundle';
import { nearestEdge } from '../../../webview/lanes/snap';
import { idleStretches } from '../../../webview/time/idle';

describe('snapping', () => {
  it('takes the nearest edge within reach, of any lane, and else nothing', () => {
    const spans = fc.array(fc.tuple(fc.integer({ min: 0, max: 2000 }), fc.integer({ min: 0, max: 60 })), {
      minLength: 1,
      maxLength: 20,
    });
    const time = fc.integer({ min: 0, max: 2100 });
    fc.assert(
      fc.property(
        fc.array(spans, { maxLength: 4 }),
        time,
        fc.integer({ min: 0, max: 40 }),
        (lanes, at, reach) => {
          const sorted = lanes.map((lane) => [...lane].sort(([a], [b]) => a - b));
          const columns = sorted.map((lane) => ({
            start: Float64Array.from(lane, ([start]) => start),
            duration: Float64Array.from(lane, ([, duration]) => duration),
          }));
          const edges = lanes.flat().flatMap(([start, duration]) => [start, start + duration]);
          const nearest = Math.min(Infinity, ...edges.map((edge) => Math.abs(edge - at)));
          const found = nearestEdge(columns, at, reach);
          expect(Math.abs(found - at)).toBe(nearest <= reach ? nearest : 0);
          if (nearest <= reach) expect(edges).toContain(found);
        },
      ),
    );
  });
});

describe('idle time', () => {
  const MODES = modeRoles.length;
  const at = (role: (typeof modeRoles)[number]): number => modeRoles.indexOf(role);

  it('is where nobody works and nothing begins, and every such bin but a lone one is in it', () => {
    const bin = fc.constantFrom('asleep', 'idle', 'guest-kernel', 'event', 'nothing');
    fc.assert(
      fc.property(fc.array(bin, { maxLength: 60 }), (bins) => {
        const shares = new Float32Array(bins.length * MODES);
        const count = new Uint32Array(bins.length);
        bins.forEach((what, x) => {
          if (what === 'event') count[x] = 1;
          if (what === 'nothing') return;
          shares[x * MODES + at(what === 'event' ? 'asleep' : what)] = 1;
        });
        const idle = (x: number): boolean => bins[x] === 'asleep' || bins[x] === 'idle';
        const stretches = idleStretches({ shares }, { count }, 1000, 8);
        bins.forEach((_, x) => {
          const inside = stretches.some(({ from, to }) => from <= 1000 + 8 * x && 1000 + 8 * (x + 1) <= to);
          expect(inside).toBe(idle(x) && (idle(x - 1) || idle(x + 1)));
        });
      }),
    );
  });
});

describe('arrows', () => {
  it('that run together are one, and none is lost', () => {
    const arrow = fc.record({
      x0: fc.integer({ min: 0, max: 60 }),
      from: fc.integer({ min: 0, max: 2 }),
      x1: fc.integer({ min: 0, max: 60 }),
      to: fc.integer({ min: 0, max: 2 }),
      trunk: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(arrow, { maxLength: 40 }), (arrows) => {
        const bundles = bundled(arrows);
        expect(bundles.reduce((sum, { count }) => sum + count, 0)).toBe(arrows.length);
        bundles.forEach((p, i) =>
          bundles.slice(i + 1).forEach((q) => {
            if (p.from !== q.from || p.to !== q.to) return;
            expect(Math.max(Math.abs(p.x0 - q.x0), Math.abs(p.x1 - q.x1))).toBeGreaterThanOrEqual(NEAR);
          }),
        );
        expect(bundles.some(({ trunk }) => trunk)).toBe(arrows.some(({ trunk }) => trunk));
      }),
    );
  });
});
