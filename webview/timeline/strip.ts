/** Dense lanes as pixels: one strip per lane, drawn once per answer and then only placed. */
import type { LaneBins } from '../../src/protocol/viewport';
import { kindRow, type ColourRole } from '../../src/trace/vocabulary/events';
import { densityHeight, fullCount, stackOf } from '../lanes/density';
import type { Rgba, Theme } from '../ui/theme';
import { hatched } from './hatch';

/** Pixels of the tick that marks a fault. */
const FAULT_TICK = 7;

/**
 * Draws bins, one column a pixel, from the bottom up: in a mode lane the share of each mode, elsewhere by how many events a
 * pixel holds. A fault is a tick at the top.
 * @param tracks number of tracks whose modes the lane shows together
 */
export function stripOf(
  bins: LaneBins,
  tracks: number,
  height: number,
  theme: Theme,
  background: Rgba,
): HTMLCanvasElement {
  const width = bins.count.length;
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext('2d');
  if (!context) return canvas;
  const image = context.createImageData(width, height);
  const pixels = image.data;
  /** Fills pixel rows `from` to `to`, counted from the bottom. */
  const fill = (x: number, role: ColourRole, from: number, to: number, alpha: number): void => {
    const colour = theme.rolesRgba[role];
    for (let y = height - to; y < height - from; y++) {
      const [r, g, b] = hatched(role, colour, background, theme, x, y);
      const at = (y * width + x) * 4;
      pixels[at] = r;
      pixels[at + 1] = g;
      pixels[at + 2] = b;
      pixels[at + 3] = alpha;
    }
  };
  const full = fullCount(bins.count);
  for (let x = 0; x < width; x++) {
    if ((bins.row[x] ?? -1) < 0) continue;
    if (bins.shares) {
      for (const { role, from, to } of stackOf(bins.shares, x, tracks, height)) fill(x, role, from, to, 255);
    } else {
      const { role } = kindRow(bins.kind[x] ?? 0);
      const cover = bins.cover[x] ?? 0;
      const share = densityHeight(Math.max(1, bins.count[x] ?? 0), full);
      const alpha = theme.highContrast ? 255 : 255 * (0.7 + 0.3 * Math.max(cover, share));
      fill(x, role, 0, Math.max(2, Math.round(share * height)), alpha);
    }
    if (bins.fault[x] !== 1) continue;
    for (const beside of [x - 1, x])
      if (beside >= 0) fill(beside, 'fault', Math.max(0, height - FAULT_TICK), height, 255);
  }
  context.putImageData(image, 0, 0);
  return canvas;
}
