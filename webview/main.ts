/** The page of the trace editor. */
import './main.css';
import { Explorer } from './app/explorer';
import { Finder } from './app/finder';
import { Model } from './app/model';
import { banner } from './chrome/banner';
import { helpOverlay } from './chrome/help';
import { matchMarks } from './chrome/match-marks';
import { minimap } from './chrome/minimap';
import { toolbar } from './chrome/toolbar';
import { viewButtons } from './chrome/view-buttons';
import { voice } from './chrome/voice';
import { HostClient, type VsCodeApi } from './host/client';
import { tellWindow } from './host/tell-window';
import { keep, restore } from './host/view-state';
import { panel } from './panel/panel';
import { timeline } from './timeline/timeline';
import { registerToolkit } from './ui/toolkit';
import { watchTheme } from './ui/theme';

declare function acquireVsCodeApi(): VsCodeApi;

function start(root: HTMLElement): void {
  const api = acquireVsCodeApi();
  const model = new Model();
  const kept = restore(model, api);
  const client = new HostClient(api, (notice) => {
    if (notice.type === 'init') {
      if (!kept.known && notice.meta.state === 'running') model.follow.value = true;
      explorer.start(notice, kept.window);
      root.removeAttribute('aria-busy');
    } else if (notice.type === 'grown') explorer.grow(notice);
    else if (notice.type === 'debugger') explorer.debuggerMoved(notice.position);
    else if (notice.type === 'find') {
      // From the first match on, wherever the reader is.
      explorer.select(-1);
      bar.find(notice.query);
    } else void explorer.reveal(notice.row);
  });
  const explorer = new Explorer(model, client);
  registerToolkit();
  const theme = watchTheme();

  const help = helpOverlay();
  const finder = new Finder(explorer);
  const view = viewButtons(explorer);
  const bar = toolbar(explorer, finder, () => help.open(), view.element);
  const lanes = timeline(explorer, theme, view.editBookmark);
  const lower = panel(explorer, finder, theme, bar.find);
  root.setAttribute('aria-busy', 'true');
  root.setAttribute('aria-label', 'Trace');
  root.replaceChildren(
    bar.element,
    banner(explorer),
    minimap(explorer, theme, matchMarks(explorer, finder, theme)),
    lanes.element,
    lower.splitter,
    lower.element,
    help.element,
    ...view.popovers,
    voice(explorer.announcement),
  );

  document.addEventListener('keydown', (event) => {
    const target = event.composedPath()[0];
    const typing = target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement;
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === 'Escape' && target instanceof Node && lower.element.contains(target)) lanes.focus();
    else if (event.key === '/') bar.focusFind();
    else if (event.key === '?') help.open();
    else return;
    event.preventDefault();
  });
  addEventListener('message', (event: MessageEvent<unknown>) => client.receive(event.data));
  addEventListener('error', (event) => client.notify({ type: 'failed', message: event.message }));
  addEventListener('unhandledrejection', (event) =>
    client.notify({ type: 'failed', message: String(event.reason) }),
  );
  keep(model, api);
  tellWindow(model, client);
  client.notify({ type: 'ready' });
}

const root = document.getElementById('app');
if (root) start(root);
