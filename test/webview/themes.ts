/** Variables that VS Code gives its pages, in the four kinds of themes. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export type ThemeName = 'dark' | 'light' | 'hc-dark' | 'hc-light';

type Variables = Record<string, string>;

const fonts: Variables = {
  'font-family': '"DejaVu Sans", sans-serif', 'font-size': '13px', 'font-weight': 'normal',
  'editor-font-family': '"DejaVu Sans Mono", monospace', 'editor-font-size': '13px',
};

const dark: Variables = {
  foreground: '#cccccc', descriptionForeground: '#9d9d9d', errorForeground: '#f85149', focusBorder: '#0078d4',
  'editor-background': '#1f1f1f', 'editor-foreground': '#cccccc', 'editorIndentGuide-background1': '#404040',
  'panel-background': '#181818', 'panel-border': '#2b2b2b', 'panelTitle-activeBorder': '#0078d4',
  'panelTitle-activeForeground': '#cccccc', 'panelTitle-inactiveForeground': '#9d9d9d', 'editorWidget-background': '#202020',
  'editorWidget-foreground': '#cccccc', 'widget-border': '#313131', 'widget-shadow': 'rgba(0,0,0,0.36)',
  'editorHoverWidget-background': '#202020', 'editorHoverWidget-border': '#454545', 'editorHoverWidget-foreground': '#cccccc',
  'editor-inactiveSelectionBackground': '#3a3d41', 'list-hoverBackground': '#2a2d2e', 'list-inactiveSelectionBackground': '#37373d',
  'list-activeSelectionBackground': '#04395e', 'list-activeSelectionForeground': '#ffffff',
  'textLink-foreground': '#4daafc', 'textLink-activeForeground': '#4daafc', 'button-background': '#0078d4', 'button-foreground': '#ffffff',
  'button-hoverBackground': '#026ec1', 'button-secondaryBackground': '#313131', 'button-secondaryForeground': '#cccccc',
  'button-secondaryHoverBackground': '#3c3c3c', 'button-border': '#ffffff12', 'input-background': '#313131', 'input-foreground': '#cccccc',
  'input-placeholderForeground': '#989898', 'dropdown-background': '#313131', 'dropdown-border': '#3c3c3c', 'dropdown-foreground': '#cccccc',
  'settings-dropdownListBorder': '#454545', 'badge-background': '#616161', 'badge-foreground': '#f8f8f8', 'icon-foreground': '#cccccc',
  'progressBar-background': '#0078d4', 'sideBarSectionHeader-background': '#181818', 'sideBarSectionHeader-foreground': '#cccccc',
  'inputValidation-errorBackground': '#5a1d1d', 'inputValidation-errorBorder': '#be1100', 'editorWarning-foreground': '#cca700',
  'editorError-foreground': '#f14c4c', 'inputOption-activeBackground': '#2489db82', 'inputOption-activeBorder': '#2488db',
  'scrollbarSlider-background': 'rgba(121,121,121,0.4)', 'charts-foreground': '#cccccc', 'charts-lines': 'rgba(204,204,204,0.5)',
  'charts-red': '#f14c4c', 'charts-blue': '#3794ff', 'charts-yellow': '#cca700', 'charts-orange': '#d18616',
  'charts-green': '#89d185', 'charts-purple': '#b180d7', 'terminal-ansiCyan': '#11a8cd', 'terminal-ansiBrightCyan': '#29b8db',
  'terminal-ansiBrightRed': '#f14c4c', 'terminal-ansiBrightBlue': '#3b8eea', 'terminal-ansiWhite': '#e5e5e5',
};

const light: Variables = {
  ...dark,
  foreground: '#3b3b3b', descriptionForeground: '#3b3b3b', errorForeground: '#f85149', focusBorder: '#005fb8',
  'editor-background': '#ffffff', 'editor-foreground': '#3b3b3b', 'editorIndentGuide-background1': '#d3d3d3',
  'panel-background': '#f8f8f8', 'panel-border': '#e5e5e5', 'panelTitle-activeBorder': '#005fb8', 'panelTitle-activeForeground': '#3b3b3b',
  'panelTitle-inactiveForeground': '#3b3b3b', 'editorWidget-background': '#f8f8f8', 'editorWidget-foreground': '#3b3b3b',
  'widget-border': '#e5e5e5', 'widget-shadow': 'rgba(0,0,0,0.16)', 'editorHoverWidget-background': '#f8f8f8',
  'editorHoverWidget-border': '#c8c8c8', 'editorHoverWidget-foreground': '#3b3b3b', 'editor-inactiveSelectionBackground': '#e5ebf1',
  'list-hoverBackground': '#f2f2f2', 'list-inactiveSelectionBackground': '#e4e6f1', 'list-activeSelectionBackground': '#e8e8e8',
  'list-activeSelectionForeground': '#000000', 'textLink-foreground': '#005fb8', 'textLink-activeForeground': '#005fb8',
  'button-background': '#005fb8', 'button-hoverBackground': '#0258a8', 'button-secondaryBackground': '#e5e5e5',
  'button-secondaryForeground': '#3b3b3b', 'button-secondaryHoverBackground': '#cccccc', 'button-border': '#0000001a',
  'input-background': '#ffffff', 'input-foreground': '#3b3b3b', 'input-border': '#cecece', 'input-placeholderForeground': '#767676',
  'dropdown-background': '#ffffff', 'dropdown-border': '#cecece', 'dropdown-foreground': '#3b3b3b', 'settings-dropdownListBorder': '#cecece',
  'badge-background': '#cccccc', 'badge-foreground': '#3b3b3b', 'icon-foreground': '#3b3b3b', 'progressBar-background': '#005fb8',
  'sideBarSectionHeader-background': '#f8f8f8', 'sideBarSectionHeader-foreground': '#3b3b3b', 'inputValidation-errorBackground': '#f2dede',
  'editorWarning-foreground': '#bf8803', 'editorError-foreground': '#e51400', 'charts-foreground': '#3b3b3b',
  'charts-lines': 'rgba(59,59,59,0.5)', 'charts-red': '#e51400', 'charts-blue': '#1a85ff', 'charts-yellow': '#bf8803', 'charts-green': '#388a34',
  'charts-purple': '#652d90', 'terminal-ansiCyan': '#0598bc', 'terminal-ansiBrightCyan': '#0598bc', 'terminal-ansiBrightRed': '#cd3131',
  'terminal-ansiBrightBlue': '#0451a5', 'terminal-ansiWhite': '#555555',
};

const hcDark: Variables = {
  ...dark,
  foreground: '#ffffff', descriptionForeground: 'rgba(255,255,255,0.7)', focusBorder: '#f38518', contrastBorder: '#6fc3df',
  contrastActiveBorder: '#f38518', 'editor-background': '#000000', 'editor-foreground': '#ffffff', 'panel-background': '#000000',
  'panel-border': '#6fc3df', 'editorIndentGuide-background1': '#ffffff55', 'panelTitle-activeBorder': '#6fc3df', 'panelTitle-activeForeground': '#ffffff',
  'panelTitle-inactiveForeground': '#ffffff', 'editorWidget-background': '#0c141f', 'editorWidget-foreground': '#ffffff', 'widget-border': '#6fc3df',
  'editorHoverWidget-background': '#0c141f', 'editorHoverWidget-border': '#6fc3df', 'editorHoverWidget-foreground': '#ffffff',
  'editor-inactiveSelectionBackground': 'rgba(255,255,255,0.25)', 'list-hoverBackground': 'rgba(255,255,255,0.1)',
  'list-inactiveSelectionBackground': 'transparent', 'textLink-foreground': '#21a6ff', 'textLink-activeForeground': '#21a6ff',
  'button-background': '#000000', 'button-foreground': '#ffffff', 'button-border': '#6fc3df', 'button-secondaryBackground': '#000000',
  'button-secondaryForeground': '#ffffff', 'input-background': '#000000', 'input-foreground': '#ffffff', 'dropdown-background': '#000000',
  'dropdown-border': '#6fc3df', 'dropdown-foreground': '#ffffff', 'input-placeholderForeground': '#ffffffb3', 'badge-background': '#000000', 'badge-foreground': '#ffffff',
  'icon-foreground': '#ffffff', 'sideBarSectionHeader-background': '#000000', 'sideBarSectionHeader-foreground': '#ffffff', 'inputValidation-errorBackground': '#5a1d1d',
};

const hcLight: Variables = {
  ...light,
  foreground: '#292929', descriptionForeground: 'rgba(41,41,41,0.7)', focusBorder: '#006bbd', contrastBorder: '#0f4a85',
  contrastActiveBorder: '#006bbd', 'panel-border': '#0f4a85', 'panel-background': '#ffffff', 'editor-foreground': '#292929', 'editorIndentGuide-background1': '#9b9b9b',
  'panelTitle-activeBorder': '#b5200d', 'panelTitle-activeForeground': '#292929', 'panelTitle-inactiveForeground': '#292929', 'editorWidget-background': '#ffffff',
  'widget-border': '#0f4a85', 'editorHoverWidget-border': '#0f4a85', 'editorHoverWidget-background': '#ffffff', 'list-inactiveSelectionBackground': 'rgba(15,74,133,0.1)',
  'editor-inactiveSelectionBackground': 'rgba(15,74,133,0.15)', 'textLink-foreground': '#0f4a85', 'textLink-activeForeground': '#0f4a85', 'button-background': '#0f4a85', 'button-border': '#0f4a85',
  'button-secondaryBackground': '#ffffff', 'button-secondaryForeground': '#292929', 'dropdown-border': '#0f4a85', 'badge-background': '#0f4a85', 'badge-foreground': '#ffffff',
  'sideBarSectionHeader-background': '#ffffff', 'icon-foreground': '#292929',
};

const sets: Record<ThemeName, { variables: Variables; bodyClass: string; column: string }> = {
  dark: { variables: dark, bodyClass: 'vscode-dark', column: 'dark' },
  light: { variables: light, bodyClass: 'vscode-light', column: 'light' },
  'hc-dark': { variables: hcDark, bodyClass: 'vscode-high-contrast', column: 'highContrast' },
  'hc-light': { variables: hcLight, bodyClass: 'vscode-high-contrast vscode-high-contrast-light', column: 'highContrastLight' },
};

interface Manifest {
  contributes?: { colors?: { id: string; defaults: Record<string, string> }[] };
}

/** The variables of a theme, with the colours that the extension contributes, and the class of the body. */
export function themeOf(name: ThemeName): { css: string; bodyClass: string } {
  const { variables, bodyClass, column } = sets[name];
  const manifest = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8')) as Manifest;
  const all: Variables = { ...fonts, ...variables };
  for (const { id, defaults } of manifest.contributes?.colors ?? []) {
    const value = defaults[column] ?? '';
    all[id.replace('.', '-')] = value.startsWith('#') ? value : (all[value.replace('.', '-')] ?? '');
  }
  const css = Object.entries(all).map(([key, value]) => `--vscode-${key}: ${value};`).join('\n');
  return { css, bodyClass };
}
