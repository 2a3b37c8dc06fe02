/** The machine's inside in the side bar: what the run shows at the debugger's moment, with what has changed marked. */
import {
  EventEmitter,
  MarkdownString,
  ThemeIcon,
  TreeItem,
  TreeItemCollapsibleState,
  env,
  window,
  type Disposable,
  type TreeDataProvider,
} from 'vscode';
import type { StateNode } from '../../machine/inspect';
import { DisposableStore } from '../disposables';
import { machineView } from '../names';
import { DebugSessions, type DebuggedRun } from './debug-sessions';
import { fieldText, fieldsText, revived, valueText } from '../../debug/state-text';

/** A node by its path. */
export interface MachineItem {
  readonly path: readonly string[];
  readonly node: StateNode;
  /** Fields of a register stand below it as items of their own. */
  readonly field?: { readonly name: string; readonly text: string };
}

/** Nodes whose values are remembered, to mark what changes. */
const MOST_REMEMBERED = 20_000;

export class MachineView implements TreeDataProvider<MachineItem>, Disposable {
  private readonly owned = new DisposableStore();
  private readonly changed = this.owned.add(new EventEmitter<MachineItem | undefined>());
  readonly onDidChangeTreeData = this.changed.event;
  /** Values as they were shown at this stop and at the one before, by path. */
  private shown = new Map<string, string>();
  private before = new Map<string, string>();
  private run: DebuggedRun | undefined;
  private moment = '';

  constructor(sessions: DebugSessions) {
    this.owned.add(window.createTreeView(machineView, { treeDataProvider: this, showCollapseAll: true }));
    this.owned.add(sessions.onDidMove((run) => this.moved(run)));
  }

  refresh(): void {
    this.changed.fire(undefined);
  }

  getTreeItem({ path, node, field }: MachineItem): TreeItem {
    if (field) {
      const item = new TreeItem(field.name, TreeItemCollapsibleState.None);
      item.description = field.text;
      return item;
    }
    const fields = node.value?.kind === 'register' ? (node.value.fields ?? []) : [];
    const opens = node.more === true || (node.children?.length ?? 0) > 0 || fields.length > 0;
    const item = new TreeItem(
      node.name,
      opens ? TreeItemCollapsibleState.Collapsed : TreeItemCollapsibleState.None,
    );
    item.id = path.join('/');
    const text = valueText(node);
    if (text !== '') item.description = text;
    item.contextValue = contextOf(node);
    const key = item.id;
    const last = this.before.get(key);
    if (last !== undefined && last !== text) {
      item.iconPath = new ThemeIcon('circle-small-filled');
      item.description = `${text}  (${last})`;
    }
    if (this.shown.size < MOST_REMEMBERED) this.shown.set(key, text);
    const tooltip = new MarkdownString();
    tooltip.appendText(node.description ?? node.name);
    if (fields.length > 0) tooltip.appendText(`\n\n${fieldsText(node)}`);
    item.tooltip = tooltip;
    return item;
  }

  async getChildren(parent?: MachineItem): Promise<MachineItem[]> {
    const { run } = this;
    if (!run?.moment) return [];
    const path = parent?.path ?? [];
    let node = parent?.node;
    if (!node || node.more === true) {
      const body = await DebugSessions.request(run, 'trapline/inspect', { path: [...path] });
      node = revived(body.node);
    }
    if (!node) return [];
    const children = (node.children ?? []).map((child) => ({ path: [...path, child.name], node: child }));
    if (node.value?.kind !== 'register') return children;
    return [
      ...fieldItems(node).map((field) => ({
        path: [...path, `.${field.name}`],
        node: { name: field.name },
        field,
      })),
      ...children,
    ];
  }

  async copy(item: MachineItem): Promise<void> {
    await env.clipboard.writeText(item.field?.text ?? valueText(item.node));
  }

  dispose(): void {
    this.owned.dispose();
  }

  private moved(run: DebuggedRun): void {
    if (run.moment === undefined && this.run !== run) return;
    this.run = run.moment === undefined ? undefined : run;
    const moment = JSON.stringify(run.moment ?? '');
    if (moment !== this.moment) {
      this.before = this.shown;
      this.shown = new Map();
      this.moment = moment;
    }
    this.changed.fire(undefined);
  }
}

/** What the menu goes by: what has memory has writers; what is a register has a history in the trace, too. */
function contextOf({ memory, value }: StateNode): string {
  if (memory) return memory.space === 'physical' ? 'memory history' : 'memory';
  return value?.kind === 'register' ? 'register history' : 'value';
}

function fieldItems({ value }: StateNode): { name: string; text: string }[] {
  if (value?.kind !== 'register') return [];
  return (value.fields ?? []).map((field) => ({ name: field.name, text: fieldText(field, value.value) }));
}
