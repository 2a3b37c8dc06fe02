/** Above each function of a driver: its exits, what they cost, and the longest. */
import { CodeLens, Disposable, EventEmitter, Range, l10n, languages, workspace } from 'vscode';
import type { CodeLensProvider, TextDocument } from 'vscode';
import type { FunctionFigures } from '../../trace/query/source-figures';
import { formatTime } from '../../trace/vocabulary/format';
import { DisposableStore } from '../disposables';
import { Command } from '../names';
import { costText } from './cost-hover';
import { functionLines } from './function-places';
import type { FileCosts, SourceCosts } from './source-costs';

const SELECTOR = [
  { language: 'c', scheme: 'file' },
  { language: 'cpp', scheme: 'file' },
];
const headers = /\.h(?:h|pp|xx)?$/i;

export class FunctionLenses implements CodeLensProvider, Disposable {
  private readonly owned = new DisposableStore();
  private readonly changed = this.owned.add(new EventEmitter<void>());
  readonly onDidChangeCodeLenses = this.changed.event;

  constructor(private readonly costs: SourceCosts) {
    this.owned.add(costs.onDidChange(() => this.changed.fire()));
    this.owned.add(
      workspace.onDidChangeConfiguration((event) => {
        if (event.affectsConfiguration('trapline.codeLens')) this.changed.fire();
      }),
    );
    this.owned.add(languages.registerCodeLensProvider(SELECTOR, this));
  }

  provideCodeLenses(document: TextDocument): CodeLens[] {
    if (!workspace.getConfiguration('trapline').get<boolean>('codeLens.enabled', true)) return [];
    const costs = this.costs.of(document.uri);
    if (!costs) return [];
    const own = costs.functions.filter((each) => mayBeOf(each, costs.file));
    const lines = functionLines(document.getText(), new Set(own.map(({ name }) => name)));
    return own.flatMap((figures) => {
      const line = lines.get(figures.name);
      return line === undefined ? [] : [lensOf(costs, figures, line)];
    });
  }

  dispose(): void {
    this.owned.dispose();
  }
}

/**
 * Whether a function may be defined in a file: its exits have lines there, or all of them have lines of headers, out of which
 * something was inlined into it.
 */
function mayBeOf({ files }: FunctionFigures, file: string): boolean {
  return files.includes(file) || files.every((each) => headers.test(each));
}

function lensOf(costs: FileCosts, figures: FunctionFigures, line: number): CodeLens {
  const longest = l10n.t('longest {0}', formatTime(figures.longest, costs.frequencyHz));
  return new CodeLens(new Range(line, 0, line, 0), {
    title: `$(graph-line) ${costText(costs, figures)}${figures.exits > 1 ? ` · ${longest}` : ''}`,
    tooltip: l10n.t('Show the exits of {0} in the timeline', figures.name),
    command: Command.revealLine,
    arguments: [costs.trace.toString(), figures.query],
  });
}
