/** Hatching of roles, so that no meaning hangs on colour alone. */
import type { ColourRole } from '../../src/trace/vocabulary/events';
import type { Rgba, Theme } from '../ui/theme';

/** Edge of the repeated tile in pixels. */
const TILE = 6;

/** Whether a pixel is a line of the role's hatch. */
type Hatch = (x: number, y: number) => boolean;

const hatches: Partial<Record<ColourRole, Hatch>> = {
  kernel: (x, y) => (x + y) % TILE === 0,
  user: (x, y) => (x - y + 600) % 3 === 0,
  transition: (x) => x % 3 === 0,
  halted: (x, y) => x % 3 !== 0 || y % 3 !== 0,
  fault: (x, y) => (x + y) % 3 === 0 && (x - y + 600) % 3 === 0,
};

/** Whether a pixel is a line of a role's hatch; roles of plain colours have none. */
export function isHatchLine(role: ColourRole, x: number, y: number): boolean {
  return hatches[role]?.(x, y) ?? false;
}

/** Strength of hatch lines: how far they go towards the background. */
function strength(theme: Theme): number {
  return theme.highContrast ? 0.75 : 0.3;
}

/** Colour of one pixel of a role. */
export function hatched(
  role: ColourRole,
  colour: Rgba,
  background: Rgba,
  theme: Theme,
  x: number,
  y: number,
): Rgba {
  if (!hatches[role]?.(x, y)) return colour;
  const share = strength(theme) * (role === 'halted' ? 2 : 1);
  const mix = (a: number, b: number): number => a + (b - a) * Math.min(1, share);
  return [
    mix(colour[0], background[0]),
    mix(colour[1], background[1]),
    mix(colour[2], background[2]),
    colour[3],
  ];
}

/** A fill for a role; roles without a hatch are plain colours. */
export function fillOf(role: ColourRole, theme: Theme, background: Rgba): string | CanvasPattern {
  if (!hatches[role]) return theme.roles[role];
  const tile = document.createElement('canvas');
  tile.width = TILE;
  tile.height = TILE;
  const context = tile.getContext('2d');
  if (!context) return theme.roles[role];
  const image = context.createImageData(TILE, TILE);
  for (let y = 0; y < TILE; y++) {
    for (let x = 0; x < TILE; x++) {
      const [r, g, b, a] = hatched(role, theme.rolesRgba[role], background, theme, x, y);
      image.data.set([r, g, b, a], (y * TILE + x) * 4);
    }
  }
  context.putImageData(image, 0, 0);
  return context.createPattern(tile, 'repeat') ?? theme.roles[role];
}
