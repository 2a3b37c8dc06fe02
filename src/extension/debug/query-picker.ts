/** Asks for a query with the same help as the find box: what may stand next, and what is wrong. */
import { window, l10n, type QuickPickItem } from 'vscode';
import type { Completions } from '../../protocol/completions';
import { QueryError, parseLiveQuery } from '../../trace/query/query';

/** What completes a query at a place. */
export type Complete = (query: string, cursor: number) => Completions | Promise<Completions>;

interface Choice extends QuickPickItem {
  /** The whole text once the item is taken; undefined: the query as it stands is taken. */
  becomes?: string;
}

function problemOf(query: string): QueryError | undefined {
  try {
    parseLiveQuery(query);
    return undefined;
  } catch (error) {
    if (error instanceof QueryError) return error;
    throw error;
  }
}

/** First the query itself, or what is wrong with it, then what may stand at its end. */
function choicesFor(query: string, { from, to, items }: Completions): Choice[] {
  const problem = problemOf(query);
  const own: Choice[] =
    query.trim() === '' || problem
      ? []
      : [
          {
            label: `$(debug-breakpoint) ${query}`,
            detail: l10n.t('Stop at events like this'),
            alwaysShow: true,
          },
        ];
  const written = query.slice(from, to);
  const rest = items
    .filter(({ insert }) => insert !== written)
    .map(({ insert, label, detail, is }): Choice => ({
      label: `${is === 'field' ? '$(symbol-field)' : '$(symbol-value)'} ${label}`,
      description: detail,
      becomes: `${query.slice(0, from)}${insert}${is === 'value' ? ' ' : ''}`,
      alwaysShow: true,
    }));
  const wrong: Choice[] =
    problem && rest.length === 0
      ? [{ label: `$(error) ${problem.message}`, becomes: query, alwaysShow: true }]
      : [];
  return [...own, ...wrong, ...rest];
}

/** The query that the reader writes; undefined: none. */
export function pickLiveQuery(complete: Complete): Promise<string | undefined> {
  const pick = window.createQuickPick<Choice>();
  pick.title = l10n.t('Stop at Events');
  pick.placeholder = l10n.t('A query as in the find box: exit:EPT_MISCONFIG reg:TDT');
  const show = async (): Promise<void> => {
    const { value } = pick;
    const completions = await complete(value, value.length);
    // What was written meanwhile is answered by itself.
    if (value === pick.value) pick.items = choicesFor(value, completions);
  };
  return new Promise((resolve) => {
    pick.onDidChangeValue(() => void show());
    pick.onDidAccept(() => {
      const [chosen] = pick.selectedItems;
      if (chosen?.becomes !== undefined && chosen.becomes !== pick.value) {
        pick.value = chosen.becomes;
        void show();
        return;
      }
      const query = pick.value.trim();
      if (query === '' || problemOf(query)) return;
      resolve(query);
      pick.hide();
    });
    pick.onDidHide(() => {
      resolve(undefined);
      pick.dispose();
    });
    void show();
    pick.show();
  });
}
