/** A list of any length as a grid: only the rows in view are in the page; one tab stop; several can be chosen. */
import { h, onFrame } from '../card/dom';

export interface ListOptions {
  label: string;
  /** Pixels of a row. */
  rowHeight: number;
  /** Fills a row; null in place of a key is one that is not known yet. */
  render: (row: HTMLElement, index: number) => void;
  /** What a row is known by while others come and go; null if it is not known yet. */
  keyOf: (index: number) => string | null;
  /** These rows are in view. */
  onWindow: (first: number, end: number) => void;
  onOpen: (key: string) => void;
  onChosen: (keys: ReadonlySet<string>) => void;
  onDelete?: () => void;
}

const SPARE = 5;
let lists = 0;

export class List {
  constructor(private _options: ListOptions) {
    this._body = h('div', { class: 'jp-Sovlab-list-body', role: 'rowgroup' });
    this.node = h(
      'div',
      {
        class: 'jp-Sovlab-list',
        role: 'grid',
        'aria-label': _options.label,
        'aria-multiselectable': 'true',
        tabindex: 0
      },
      this._body
    );
    this.node.addEventListener('scroll', () => this.update(), { passive: true });
    this.node.addEventListener('keydown', event => this._pressed(event));
    this._body.addEventListener('click', event => this._clicked(event));
    this._body.addEventListener('dblclick', () => this._open());
    this._observer =
      typeof ResizeObserver === 'undefined' ? null : new ResizeObserver(() => this.update());
    this._observer?.observe(this.node);
  }

  readonly node: HTMLElement;
  readonly update = onFrame(() => this.paint());

  get length(): number {
    return this._length;
  }

  set length(length: number) {
    this._length = length;
    this.update();
  }

  get chosen(): ReadonlySet<string> {
    return this._chosen;
  }

  choose(keys: Iterable<string>): void {
    this._chosen = new Set(keys);
    this._options.onChosen(this._chosen);
    this.update();
  }

  dispose(): void {
    this._observer?.disconnect();
  }

  paint(): void {
    const { rowHeight, render, keyOf, onWindow } = this._options;
    this.node.setAttribute('aria-rowcount', String(this._length));
    this._body.style.height = `${this._length * rowHeight}px`;
    const top = this.node.scrollTop;
    const room = this.node.clientHeight || 10 * rowHeight;
    const first = Math.max(Math.floor(top / rowHeight) - SPARE, 0);
    const end = Math.min(Math.ceil((top + room) / rowHeight) + SPARE, this._length);
    onWindow(first, end);
    const rows: HTMLElement[] = [];
    for (let index = first; index < end; index++) {
      const key = keyOf(index);
      const row = this._rows.get(index) ?? h('div', { class: 'jp-Sovlab-row', role: 'row' });
      row.id = `${this._id}-${index}`;
      row.style.top = `${index * rowHeight}px`;
      row.style.height = `${rowHeight}px`;
      row.dataset.index = String(index);
      row.setAttribute('aria-rowindex', String(index + 1));
      row.setAttribute('aria-selected', String(key !== null && this._chosen.has(key)));
      row.classList.toggle('jp-mod-active', index === this._active);
      render(row, index);
      rows.push(row);
    }
    this._rows = new Map(rows.map(row => [Number(row.dataset.index), row]));
    const same = rows.length === this._body.children.length && rows.every((row, i) => row === this._body.children[i]);
    if (!same) {
      this._body.replaceChildren(...rows);
    }
    if (this._rows.has(this._active)) {
      this.node.setAttribute('aria-activedescendant', `${this._id}-${this._active}`);
    } else {
      this.node.removeAttribute('aria-activedescendant');
    }
  }

  private _clicked(event: MouseEvent): void {
    const row = (event.target as Element).closest<HTMLElement>('.jp-Sovlab-row');
    if (!row) {
      return;
    }
    const index = Number(row.dataset.index);
    if (event.shiftKey) {
      this._extend(index);
    } else if (event.ctrlKey || event.metaKey || (event.target as Element).closest('.jp-Sovlab-check')) {
      this._toggle(index);
    } else {
      this._move(index, true);
      this._open();
    }
  }

  private _pressed(event: KeyboardEvent): void {
    const page = Math.max(Math.floor(this.node.clientHeight / this._options.rowHeight) - 1, 1);
    const to: Record<string, number> = {
      ArrowDown: this._active + 1,
      ArrowUp: this._active - 1,
      PageDown: this._active + page,
      PageUp: this._active - page,
      Home: 0,
      End: this._length - 1
    };
    if (event.key in to) {
      const index = Math.min(Math.max(to[event.key], 0), this._length - 1);
      if (event.shiftKey) {
        this._extend(index);
      } else {
        this._move(index, false);
      }
    } else if (event.key === ' ') {
      this._toggle(this._active);
    } else if (event.key === 'Enter') {
      this._open();
    } else if (event.key === 'Escape' && this._chosen.size) {
      this.choose([]);
    } else if (event.key === 'Delete' && this._options.onDelete) {
      this._options.onDelete();
    } else if (event.key === 'a' && (event.ctrlKey || event.metaKey)) {
      this._extend(this._length - 1, 0);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  private _open(): void {
    const key = this._active >= 0 ? this._options.keyOf(this._active) : null;
    if (key !== null) {
      this._options.onOpen(key);
    }
  }

  private _move(index: number, clear: boolean): void {
    if (index < 0) {
      return;
    }
    this._active = this._anchor = index;
    if (clear && this._chosen.size) {
      this.choose([]);
    }
    this._reveal();
  }

  private _toggle(index: number): void {
    const key = index >= 0 ? this._options.keyOf(index) : null;
    if (key !== null) {
      const keys = new Set(this._chosen);
      if (!keys.delete(key)) {
        keys.add(key);
      }
      this._active = this._anchor = index;
      this.choose(keys);
    }
  }

  private _extend(index: number, from = Math.max(this._anchor, 0)): void {
    const keys: string[] = [];
    for (let i = Math.min(from, index); i <= Math.max(from, index); i++) {
      const key = this._options.keyOf(i);
      if (key !== null) {
        keys.push(key);
      }
    }
    this._active = index;
    this._anchor = from;
    this.choose(keys);
    this._reveal();
  }

  private _reveal(): void {
    const { rowHeight } = this._options;
    const top = this._active * rowHeight;
    if (top < this.node.scrollTop) {
      this.node.scrollTop = top;
    } else if (top + rowHeight > this.node.scrollTop + this.node.clientHeight) {
      this.node.scrollTop = top + rowHeight - this.node.clientHeight;
    }
    this.paint();
  }

  private _active = -1;
  private _anchor = -1;
  private _body: HTMLElement;
  private _chosen: ReadonlySet<string> = new Set();
  private _id = `jp-Sovlab-list-${lists++}`;
  private _length = 0;
  private _observer: ResizeObserver | null;
  private _rows = new Map<number, HTMLElement>();
}
