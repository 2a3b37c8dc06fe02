/** Which trace the figures beside the source are of: the one that was active last, for the stretch of time in sight. */
import { workspace, type Disposable, type Uri } from 'vscode';
import { DisposableStore } from '../disposables';
import { Throttle } from '../editor/throttle';
import type { TraceEditors } from '../editor/trace-editors';
import type { TracePanel } from '../editor/trace-panel';
import type { SourceCosts } from './source-costs';

/** Least milliseconds between two looks at the figures of a window that moves. */
const INTERVAL = 300;

export class ShownTrace implements Disposable {
  private readonly owned = new DisposableStore();
  private moved: Uri | undefined;
  private readonly throttle = this.owned.add(
    new Throttle(() => {
      if (this.moved) void this.show(this.moved);
    }, INTERVAL),
  );

  constructor(
    private readonly editors: TraceEditors,
    private readonly costs: SourceCosts,
  ) {
    this.owned.add(editors.onDidActivate((panel) => void this.show(panel.document.uri)));
    this.owned.add(editors.onDidShowSpan((panel) => this.follow(panel)));
  }

  /** Makes an open trace the one whose figures are shown. */
  async show(uri: Uri): Promise<void> {
    const document = this.editors.document(uri);
    const view = document?.content.view;
    if (!view) return;
    const written = document.session?.running === true ? 0 : await writtenAt(uri);
    const [panel] = this.editors.panelsOf(uri);
    await this.costs.show({ uri, scenario: document.scenario, view, written }, panel?.span);
  }

  dispose(): void {
    this.owned.dispose();
  }

  /** A window that moves by itself, as that of a run under way, does not make its trace the one that counts. */
  private follow({ document: { uri }, panel }: TracePanel): void {
    if (!panel.active && this.costs.trace?.toString() !== uri.toString()) return;
    this.moved = uri;
    this.throttle.request();
  }
}

/** When a trace was written, in milliseconds since 1970; 0 where that is not known. */
async function writtenAt(uri: Uri): Promise<number> {
  try {
    return (await workspace.fs.stat(uri)).mtime;
  } catch {
    return 0;
  }
}
