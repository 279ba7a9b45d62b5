/** Tabs as they are meant to be: one tab stop, arrows between them. */
import { h, show } from '../card/dom';

export interface Tab {
  label: string;
  content: HTMLElement[];
  onShow?: () => void;
}

let count = 0;

export class Tabs {
  constructor(label: string, private _tabs: readonly Tab[]) {
    const id = `jp-Sovlab-tabs-${count++}`;
    this._buttons = _tabs.map((tab, i) => {
      const button = h(
        'button',
        { type: 'button', class: 'jp-Sovlab-tab', role: 'tab', id: `${id}-${i}`, 'aria-controls': `${id}-page-${i}` },
        tab.label
      );
      button.addEventListener('click', () => this.select(i));
      return button;
    });
    this._pages = _tabs.map((tab, i) =>
      h(
        'div',
        { class: 'jp-Sovlab-page', role: 'tabpanel', id: `${id}-page-${i}`, 'aria-labelledby': `${id}-${i}` },
        ...tab.content
      )
    );
    const bar = h('div', { class: 'jp-Sovlab-tabs', role: 'tablist', 'aria-label': label }, ...this._buttons);
    bar.addEventListener('keydown', event => {
      const steps: Record<string, number> = { ArrowRight: 1, ArrowLeft: -1 };
      if (event.key in steps) {
        const next = (this._selected + steps[event.key] + _tabs.length) % _tabs.length;
        this.select(next);
        this._buttons[next].focus();
        event.preventDefault();
        event.stopPropagation();
      }
    });
    this.node = h('div', { class: 'jp-Sovlab-page' }, bar, ...this._pages);
    this.select(0);
  }

  readonly node: HTMLElement;

  select(index: number): void {
    this._selected = index;
    this._buttons.forEach((button, i) => {
      button.setAttribute('aria-selected', String(i === index));
      button.tabIndex = i === index ? 0 : -1;
      show(this._pages[i], i === index);
    });
    this._tabs[index].onShow?.();
  }

  private _buttons: HTMLButtonElement[];
  private _pages: HTMLElement[];
  private _selected = 0;
}
