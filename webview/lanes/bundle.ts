/** Arrows that run side by side, as one. */

export interface Arrow {
  /** Where it leaves and arrives: pixels across, and which row it is. */
  x0: number;
  from: number;
  x1: number;
  to: number;
  trunk: boolean;
}

export interface Bundle extends Arrow {
  /** Arrows in it. */
  count: number;
}

/** Arrows whose ends are nearer than this are one. */
export const NEAR = 6;

/** Joins arrows between the same two rows whose ends lie within `NEAR` pixels of the first one's. */
export function bundled(arrows: readonly Arrow[]): Bundle[] {
  const bundles: Bundle[] = [];
  const byRows = new Map<string, Bundle[]>();
  for (const arrow of arrows) {
    const key = `${arrow.from} ${arrow.to}`;
    const near = byRows.get(key) ?? [];
    const found = near.find(
      (bundle) => Math.abs(bundle.x0 - arrow.x0) < NEAR && Math.abs(bundle.x1 - arrow.x1) < NEAR,
    );
    if (found) {
      found.count++;
      found.trunk ||= arrow.trunk;
      continue;
    }
    const bundle = { ...arrow, count: 1 };
    bundles.push(bundle);
    byRows.set(key, [...near, bundle]);
  }
  return bundles;
}
