/** The colours of the editor's theme, resolved for canvases. */
import type { ColourRole } from '../../src/trace/vocabulary/events';
import { Signal } from '../host/signal';

/** 0…255 each. */
export type Rgba = readonly [number, number, number, number];

export interface Theme {
  roles: Record<ColourRole, string>;
  rolesRgba: Record<ColourRole, Rgba>;
  /** Text that is readable on a filled role. */
  onRole: Record<ColourRole, string>;
  foreground: string;
  muted: string;
  background: string;
  grid: string;
  /** Band of a group's heading. */
  heading: string;
  focus: string;
  selection: string;
  /** Where the debugger stands. */
  cursor: string;
  /** Drawn around everything in high contrast themes, else empty. */
  contrastBorder: string;
  highContrast: boolean;
  font: string;
  numberFont: string;
}

const roles: readonly ColourRole[] = [
  'guest',
  'halted',
  'kernel',
  'user',
  'transition',
  'exit',
  'interrupt',
  'device',
  'dma',
  'iommu',
  'network',
  'thread',
  'mark',
  'fault',
];

const probe = document.createElement('canvas').getContext('2d', { willReadFrequently: true });

/** What a CSS colour is in numbers. */
export function resolveColour(colour: string): Rgba {
  if (!probe) return [0, 0, 0, 255];
  probe.clearRect(0, 0, 1, 1);
  probe.fillStyle = '#808080';
  probe.fillStyle = colour;
  probe.fillRect(0, 0, 1, 1);
  const [r = 0, g = 0, b = 0, a = 255] = probe.getImageData(0, 0, 1, 1).data;
  return [r, g, b, a];
}

/** Relative luminance, WCAG 2. */
function luminance([r, g, b]: Rgba): number {
  const linear = (value: number): number => {
    const share = value / 255;
    return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
}

function readTheme(): Theme {
  const style = getComputedStyle(document.body);
  const token = (name: string): string => style.getPropertyValue(name).trim();
  const byRole = <T>(of: (role: ColourRole) => T): Record<ColourRole, T> =>
    Object.fromEntries(roles.map((role) => [role, of(role)])) as Record<ColourRole, T>;
  const css = byRole((role) => token(`--trapline-role-${role}`));
  const rgba = byRole((role) => resolveColour(css[role]));
  const highContrast =
    document.body.classList.contains('vscode-high-contrast') ||
    document.body.classList.contains('vscode-high-contrast-light');
  const size = parseFloat(token('--vscode-font-size')) || 13;
  return {
    roles: byRole(
      (role) => `rgba(${rgba[role][0]}, ${rgba[role][1]}, ${rgba[role][2]}, ${rgba[role][3] / 255})`,
    ),
    rolesRgba: rgba,
    onRole: byRole((role) => (luminance(rgba[role]) > 0.2 ? '#000000' : '#ffffff')),
    foreground: token('--trapline-foreground'),
    muted: token('--trapline-muted'),
    background: token('--trapline-background'),
    grid: token('--trapline-grid'),
    heading: token('--trapline-heading'),
    focus: token('--trapline-focus'),
    selection: token('--trapline-selection'),
    cursor: token('--trapline-cursor'),
    contrastBorder: highContrast ? token('--vscode-contrastBorder') || token('--trapline-foreground') : '',
    highContrast,
    font: `${Math.round(size * 0.87)}px ${token('--vscode-font-family') || 'sans-serif'}`,
    numberFont: `${Math.round(size * 0.85)}px ${token('--vscode-editor-font-family') || 'monospace'}`,
  };
}

/** The theme now; changes when the editor's theme does. */
export function watchTheme(): Signal<Theme> {
  const signal = new Signal(readTheme());
  const observer = new MutationObserver(() => {
    signal.value = readTheme();
  });
  observer.observe(document.documentElement, { attributes: true, attributeFilter: ['style', 'class'] });
  observer.observe(document.body, { attributes: true, attributeFilter: ['class', 'data-vscode-theme-kind'] });
  return signal;
}

/** Whether the reader asked for little motion. */
export function reducedMotion(): boolean {
  return (
    document.body.classList.contains('vscode-reduce-motion') ||
    matchMedia('(prefers-reduced-motion: reduce)').matches
  );
}
