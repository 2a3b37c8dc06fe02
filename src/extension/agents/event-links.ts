/** Opens events that links from agents lead to. The editor has asked its user by then whether the link may be followed. */
import { Uri, commands, l10n, window, type Disposable, type UriHandler } from 'vscode';
import { isAbsolute } from 'node:path';
import { Command, runScheme } from '../names';
import { eventOfQuery } from './event-link';

/** Path of the links that there are. */
const EVENT = '/event';
const TRACE_ENDING = '.arrow';

export class EventLinks implements UriHandler {
  /** Registers itself. */
  static register(): Disposable {
    return window.registerUriHandler(new EventLinks());
  }

  async handleUri({ path, query }: Uri): Promise<void> {
    const event = path === EVENT ? eventOfQuery(query) : undefined;
    const trace = event && traceOf(event.trace);
    if (!event || !trace) {
      void window.showWarningMessage(l10n.t('This link leads to no event of a trace.'));
      return;
    }
    await commands.executeCommand(Command.showEvent, trace.toString(), event.row);
  }
}

/** A trace file of this computer, or a run of this workspace; nothing else is opened for a link. */
function traceOf(text: string): Uri | undefined {
  if (!text.endsWith(TRACE_ENDING)) return undefined;
  if (text.startsWith(`${runScheme}:/`))
    return Uri.from({ scheme: runScheme, path: text.slice(runScheme.length + 1) });
  return isAbsolute(text) ? Uri.file(text) : undefined;
}
