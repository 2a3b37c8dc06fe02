/** Registers of the devices at the selected event of a trace, as its rows tell them: no machine runs for it. */
import {
  EventEmitter,
  MarkdownString,
  ThemeIcon,
  TreeItem,
  TreeItemCollapsibleState,
  l10n,
  window,
} from 'vscode';
import type { Disposable, TreeDataProvider, TreeView, Uri } from 'vscode';
import type { RegisterAccess, TrackRegisters } from '../../protocol/state';
import { formatTime } from '../../trace/vocabulary/format';
import { fieldText } from '../../debug/state-text';
import { DisposableStore } from '../disposables';
import type { TraceEditors } from '../editor/trace-editors';
import type { TracePanel } from '../editor/trace-panel';
import { stateView } from '../names';

/** A device, a register or a field of one. */
type StateItem =
  | { is: 'device'; device: TrackRegisters }
  /** Trace and path are what *Show History* goes by. */
  | { is: 'register'; trace: Uri; path: readonly string[]; device: TrackRegisters; register: RegisterAccess }
  | { is: 'field'; name: string; text: string };

/** What the view shows. */
interface Shown {
  trace: Uri;
  row: number;
  time: number;
  frequencyHz: number;
  devices: readonly TrackRegisters[];
}

export class StateView implements TreeDataProvider<StateItem>, Disposable {
  private readonly owned = new DisposableStore();
  private readonly changed = this.owned.add(new EventEmitter<undefined>());
  readonly onDidChangeTreeData = this.changed.event;
  private readonly view: TreeView<StateItem>;
  private shown: Shown | undefined;
  private selection: { panel: TracePanel; row: number } | undefined;

  constructor(editors: TraceEditors) {
    this.view = this.owned.add(
      window.createTreeView(stateView, { treeDataProvider: this, showCollapseAll: true }),
    );
    this.view.message = l10n.t('Select an event in a timeline to see the registers of the devices there.');
    this.owned.add(
      editors.onDidSelect(({ panel, row }) => {
        this.selection = { panel, row };
        void this.read();
      }),
    );
    this.owned.add(this.view.onDidChangeVisibility(() => void this.read()));
  }

  getTreeItem(item: StateItem): TreeItem {
    switch (item.is) {
      case 'device': {
        const { name, group } = item.device;
        const found = new TreeItem(name, TreeItemCollapsibleState.Collapsed);
        found.id = `${group}/${name}/${item.device.track}`;
        found.description = group;
        found.iconPath = new ThemeIcon('circuit-board');
        return found;
      }
      case 'register':
        return this.registerItem(item);
      case 'field': {
        const found = new TreeItem(item.name, TreeItemCollapsibleState.None);
        found.description = item.text;
        return found;
      }
    }
  }

  getChildren(item?: StateItem): StateItem[] {
    const { shown } = this;
    if (!shown) return [];
    if (!item) return shown.devices.map((device) => ({ is: 'device', device }));
    if (item.is === 'device') {
      const { device } = item;
      return device.registers.map((register) => ({
        is: 'register',
        trace: shown.trace,
        path: [device.group, device.name, register.name],
        device,
        register,
      }));
    }
    if (item.is === 'field') return [];
    const { fields = [], value } = item.register;
    return fields.map((field) => ({ is: 'field', name: field.name, text: fieldText(field, BigInt(value)) }));
  }

  dispose(): void {
    this.owned.dispose();
  }

  private registerItem({ device, register }: Extract<StateItem, { is: 'register' }>): TreeItem {
    const { name, value, row, time, written, fields = [] } = register;
    const hz = this.shown?.frequencyHz ?? 1;
    const found = new TreeItem(
      name,
      fields.length > 0 ? TreeItemCollapsibleState.Collapsed : TreeItemCollapsibleState.None,
    );
    found.id = `${device.group}/${device.name}/${device.track}/${name}`;
    const isNow = row === this.shown?.row;
    found.description = `0x${value.toString(16)}`;
    found.contextValue = 'register history';
    if (isNow) found.iconPath = new ThemeIcon('circle-small-filled');
    const when = formatTime(time, hz);
    const tooltip = new MarkdownString();
    tooltip.appendText(
      written
        ? l10n.t('Written at {0}. What the device made of it may be something else.', when)
        : l10n.t('Read at {0}.', when),
    );
    found.tooltip = tooltip;
    return found;
  }

  private async read(): Promise<void> {
    const { selection } = this;
    if (!selection || !this.view.visible) return;
    const { panel, row } = selection;
    const { uri, content } = panel.document;
    const { view } = content;
    const [event, devices] =
      row < 0 || !view
        ? []
        : await Promise.all([view.describe(row), view.registersAt(row)]).catch(() => [] as const);
    if (selection !== this.selection) return;
    this.shown =
      event && devices && view
        ? { trace: uri, row, time: event.start, frequencyHz: view.meta.frequencyHz, devices }
        : undefined;
    const { shown } = this;
    if (shown) {
      this.view.description = formatTime(shown.time, shown.frequencyHz);
      delete this.view.message;
      if (shown.devices.length === 0)
        this.view.message = l10n.t('No driver has accessed a register of a device by then.');
    } else {
      this.view.description = '';
      this.view.message = l10n.t('Select an event in a timeline to see the registers of the devices there.');
    }
    this.changed.fire(undefined);
  }
}
