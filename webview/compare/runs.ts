/** How runs are told apart: by a letter, and in charts by a colour with a pattern. */
import { h } from '../ui/dom';
import type { Theme } from '../ui/theme';

/** Looks there are; runs beyond begin again, with their own letters. */
const LOOKS = 6;
/** Edge of a pattern's tile in pixels. */
const TILE = 6;

/** Whether a pixel of a tile is left in the background's colour. */
const patterns: readonly ((x: number, y: number) => boolean)[] = [
  () => false,
  (x, y) => (x + y) % TILE < 2,
  (x, y) => x % 3 === 0 && y % 3 === 0,
  (x) => x % 3 === 0,
  (x, y) => (x - y + TILE) % TILE < 2,
  (_, y) => y % 3 === 0,
];

/** Dashes of lines. */
const dashes: readonly number[][] = [[], [6, 3], [2, 2], [9, 3, 2, 3], [4, 4], [1, 3]];

/** `A`, `B` … `Z`, `A2`. */
export function letterOf(run: number): string {
  const round = Math.floor(run / 26);
  return String.fromCharCode(65 + (run % 26)) + (round === 0 ? '' : String(round + 1));
}

/** The run's letter on its colour. */
export function letterMark(run: number): HTMLElement {
  return h('span', { class: `mark run-${run % LOOKS}`, text: letterOf(run) });
}

/** Colour of a run in the theme. */
export function colourOf(run: number): string {
  return getComputedStyle(document.body).getPropertyValue(`--run-${run % LOOKS}`).trim() || '#808080';
}

export function dashOf(run: number): number[] {
  return dashes[run % LOOKS] ?? [];
}

/** A fill for a run's bars. */
export function fillOf(run: number, theme: Theme): string | CanvasPattern {
  const colour = colourOf(run);
  const isBackground = patterns[run % LOOKS];
  const tile = document.createElement('canvas');
  tile.width = tile.height = TILE;
  const context = tile.getContext('2d');
  if (!context || !isBackground || run % LOOKS === 0) return colour;
  context.fillStyle = colour;
  context.fillRect(0, 0, TILE, TILE);
  context.fillStyle = theme.background;
  for (let y = 0; y < TILE; y++)
    for (let x = 0; x < TILE; x++) if (isBackground(x, y)) context.fillRect(x, y, 1, 1);
  return context.createPattern(tile, 'repeat') ?? colour;
}
