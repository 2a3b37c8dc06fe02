/** Bookmarks: a list to go to them, and a small form that names one. */
import type { Bookmark } from '../../src/protocol/choices';
import type { Explorer } from '../app/explorer';
import { readTime } from '../time/clock';
import { spanOf } from '../time/window';
import { h, icons } from '../ui/dom';
import { popover, type Popover } from '../ui/popover';
import { button, iconButton, textField } from '../ui/toolkit';

/** A bookmark nearer than this share of the window is the one that is meant. */
const SAME = 0.004;

/** The list. `edit` opens the form for a bookmark or a new time. */
export function bookmarkMenu(
  explorer: Explorer,
  anchor: () => HTMLElement,
  edit: (time: number) => void,
): Popover {
  const { model, marks } = explorer;
  return popover('Bookmarks', anchor, (room, close) => {
    const fill = (): HTMLElement[] =>
      model.bookmarks.value.map((bookmark) =>
        h(
          'div',
          { class: 'bookmark' },
          h(
            'button',
            {
              class: 'link bookmark-name',
              title: bookmark.note,
              attrs: { type: 'button' },
              on: {
                click: () => {
                  explorer.centre(bookmark.time);
                  close();
                },
              },
            },
            h('span', {
              class: 'number muted',
              text: readTime(model.clock, bookmark.time, spanOf(model.window.value) / 1000),
            }),
            h('span', { text: bookmark.name }),
            h('span', { class: 'muted bookmark-note', text: bookmark.note }),
          ),
          iconButton(icons.close, `Remove ${bookmark.name}`, () => {
            marks.remove(bookmark);
            show();
            add.focus();
          }),
        ),
      );
    const list = h('div', { class: 'bookmark-list' });
    const show = (): void => {
      const all = fill();
      list.replaceChildren(
        ...(all.length > 0 ? all : [h('p', { class: 'empty-note', text: 'No moment has a name yet.' })]),
      );
    };
    show();
    const { from, to } = model.window.value;
    const add = button('Add a bookmark here (M)', () => {
      close();
      edit((model.selection.value >= 0 ? model.details.value?.start : undefined) ?? (from + to) / 2);
    });
    room.append(list, add);
    return add;
  });
}

/** The form: a name and a note for a time. */
export function bookmarkForm(
  explorer: Explorer,
  anchor: () => HTMLElement,
): { element: HTMLElement; edit(time: number): void } {
  const { model, marks } = explorer;
  let at = 0;
  const form = popover('Bookmark', anchor, (room, close) => {
    const old = marks.bookmarkAt(at, spanOf(model.window.value) * SAME);
    const time = old?.time ?? at;
    let draft: Bookmark = old ?? { time, name: '', note: '' };
    const name = textField('Name', 'Name', (text) => (draft = { ...draft, name: text }));
    const note = textField('Note', 'Note (optional)', (text) => (draft = { ...draft, note: text }));
    name.value = draft.name;
    note.value = draft.note;
    const written = readTime(model.clock, time, spanOf(model.window.value) / 1000);
    const save = (): void => {
      marks.keep({ ...draft, name: draft.name.trim() === '' ? written : draft.name.trim() }, old);
      close();
    };
    room.append(
      h(
        'div',
        { class: 'popover-line' },
        h('span', { text: 'Bookmark at' }),
        h('span', { class: 'number', text: written }),
      ),
      name.element,
      note.element,
      h(
        'div',
        { class: 'popover-line' },
        button('Save', save, 'primary'),
        old
          ? button('Remove', () => {
              marks.remove(old);
              close();
            })
          : null,
      ),
    );
    room.onkeydown = (event) => {
      if (
        event.key === 'Enter' &&
        !(event.target instanceof Element && event.target.matches('vscode-button'))
      ) {
        event.preventDefault();
        save();
      }
    };
    return name;
  });
  return {
    element: form.element,
    edit(time) {
      at = time;
      form.open();
    },
  };
}
