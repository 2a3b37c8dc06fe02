/** Lanes as a reader wants them. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defaultChoices, type LaneChoices } from '../../../src/protocol/choices';
import { lanesOf } from '../../../src/trace/query/lanes';
import { arrange, moved } from '../../../webview/lanes/arrange';
import { layoutOf, rowAt, topOf } from '../../../webview/lanes/layout';
import { Synthetic } from '../../webview/page/synthetic';

const trace = new Synthetic();
for (let i = 0; i < 8; i++) trace.send();
const meta = trace.meta('finished');
const lanes = lanesOf(meta);
const ids = lanes.map(({ id }) => id);
const track = (id: number) => meta.tracks.find((each) => each.id === id);
const arranged = (change: Partial<LaneChoices>) => arrange(lanes, { ...defaultChoices, ...change }, track);
const shownIds = (change: Partial<LaneChoices>): string[] => {
  const { pinned, lanes: rest } = arranged(change);
  return [...pinned, ...rest].map(({ id }) => id);
};

describe('lanes', () => {
  it('are all there once whatever is chosen, less those that are hidden', () => {
    const some = fc.subarray(ids);
    const choices = fc.record({
      grouping: fc.constantFrom('machine' as const, 'type' as const),
      pinned: some,
      hidden: some,
      order: fc.shuffledSubarray(ids),
    });
    fc.assert(
      fc.property(choices, (change) => {
        const wanted = ids.filter((id) => !change.hidden.includes(id));
        expect(shownIds(change).sort()).toEqual(wanted.sort());
        const { pinned, lanes: rest } = arranged(change);
        expect(new Set(pinned.map(({ id }) => id))).toEqual(
          new Set(wanted.filter((id) => change.pinned.includes(id))),
        );
        // Lanes of one heading stand side by side.
        const headings = rest.map(({ group }) => group).filter((group, i, all) => group !== all[i - 1]);
        expect(new Set(headings).size).toBe(headings.length);
      }),
    );
  });

  it('leave the modes at the top until the reader chooses', () => {
    expect(arranged({}).pinned.map(({ kind }) => kind)).toEqual(['mode']);
    expect(arranged({ pinned: [] }).pinned).toEqual([]);
  });

  it('stand by what they are when that is wanted', () => {
    const of = new Map(arranged({ grouping: 'type', pinned: [] }).lanes.map(({ id, group }) => [id, group]));
    for (const lane of lanes) {
      const { type } = track(lane.trackIds[0] ?? -1) ?? {};
      if (type === 'vcpu') expect(of.get(lane.id)).toBe('vCPUs');
      if (type === 'device' || type === 'dma') expect(of.get(lane.id)).toBe('Devices');
      if (type === 'iommu' || type === 'domain') expect(of.get(lane.id)).toBe('IOMMU');
    }
  });

  it('are moved where the reader drops them, under their heading', () => {
    const { lanes: rest } = arranged({ pinned: [] });
    const group = rest[0]?.group;
    const own = rest.filter((lane) => lane.group === group).map(({ id }) => id);
    fc.assert(
      fc.property(
        fc.constantFrom(...own),
        fc.option(fc.constantFrom(...own), { nil: undefined }),
        (id, before) => {
          fc.pre(id !== before);
          const order = moved(rest, id, before);
          expect(order[before === undefined ? order.length - 1 : order.indexOf(before) - 1]).toBe(id);
          const after = shownIds({ pinned: [], order });
          expect(after.filter((each) => own.includes(each))).toEqual(order);
          expect(after.filter((each) => !own.includes(each))).toEqual(
            rest.map((lane) => lane.id).filter((each) => !own.includes(each)),
          );
        },
      ),
    );
  });
});

it('what is pinned does not scroll, and what scrolls does not show through', () => {
  const { pinned, lanes: rest } = arranged({});
  const layout = layoutOf(rest, new Set(), pinned);
  expect(layout.pinnedHeight).toBeGreaterThan(0);
  fc.assert(
    fc.property(fc.integer({ min: 0, max: layout.height }), fc.integer({ min: 0, max: 400 }), (scroll, y) => {
      const row = rowAt(layout, y, scroll);
      if (!row) {
        expect(y + scroll).toBeGreaterThanOrEqual(layout.height);
        return;
      }
      expect(row.type === 'lane' && row.pinned).toBe(y < layout.pinnedHeight);
      const top = topOf(row, scroll);
      expect(y).toBeGreaterThanOrEqual(top);
      expect(y).toBeLessThan(top + row.height);
    }),
  );
});
