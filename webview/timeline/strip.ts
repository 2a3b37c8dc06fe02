/** Dense lanes as pixels: one strip per lane, drawn once per answer and then only placed. */
import type { Lane, LaneBins } from '../../src/protocol/viewport';
import { kindRow } from '../../src/trace/events';
import type { Rgba, Theme } from '../ui/theme';
import { hatched, heightOf } from './hatch';

/** Events in one pixel that fill the whole height; fewer fill less, on a logarithmic scale. */
const FULL_COUNT = 1024;
/** Least height of a pixel that holds anything. */
const LEAST = 0.22;

/** Share of the height that a number of events fills: 1 is little, a thousand is all. */
export function densityHeight(count: number): number {
  if (count <= 0) return 0;
  const share = Math.log2(1 + count) / Math.log2(1 + FULL_COUNT);
  return Math.min(1, LEAST + (1 - LEAST) * share);
}

/**
 * Draws bins, one column a pixel, from the bottom up: in a mode lane by what the mode costs, elsewhere by how many
 * events a pixel holds.
 */
export function stripOf(
  bins: LaneBins,
  kind: Lane['kind'],
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
  for (let x = 0; x < width; x++) {
    if ((bins.row[x] ?? -1) < 0) continue;
    const { role } = kindRow(bins.kind[x] ?? 0);
    const colour = theme.rolesRgba[role];
    const count = Math.max(1, bins.count[x] ?? 0);
    const cover = bins.cover[x] ?? 0;
    const share = kind === 'mode' ? heightOf(role) : densityHeight(count);
    const alpha = theme.highContrast
      ? 255
      : 255 * (kind === 'mode' ? 0.3 + 0.7 * cover : 0.7 + 0.3 * Math.max(cover, share));
    for (let y = height - Math.max(2, Math.round(share * height)); y < height; y++) {
      const [r, g, b] = hatched(role, colour, background, theme, x, y);
      const at = (y * width + x) * 4;
      pixels[at] = r;
      pixels[at + 1] = g;
      pixels[at + 2] = b;
      pixels[at + 3] = alpha;
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}
