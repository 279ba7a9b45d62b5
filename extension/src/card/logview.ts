/** A log of any length: only the lines in view are in the page. Colours are classes, and text is text. */
import { plain, runs } from '../model/ansi';
import type { Line, LogStore, Missing } from '../model/log';
import { bytes } from '../model/units';
import type { Trans } from '../model/words';
import { button, h, onFrame, say, show } from './dom';
import { Filter } from './filter';

const HEIGHT = 17;
/** Lines that are drawn above and below of what is in view. */
const SPARE = 10;

/** Lines of which those in view are taken. */
interface Shown {
  readonly length: number;
  slice(from: number, to: number): Line[];
}

export interface LogViewOptions {
  trans: Trans;
  /** What the log is called for a screen reader, and the file that it is saved as. */
  name: string;
  /** Lines that are in view at most; as many as there is room for if it is not said. */
  rows?: number;
  /** Fetches what was left out; without it gaps cannot be opened. */
  fetch?: (missing: Missing) => Promise<void>;
}

export class LogView {
  constructor(private _options: LogViewOptions) {
    const { trans, rows } = _options;
    this._search = h('input', {
      type: 'search',
      class: 'jp-Sovlab-input',
      placeholder: trans.__('Find in log'),
      'aria-label': trans.__('Show only lines with this text')
    });
    this._search.addEventListener('input', () => this._refilter());
    this._ranks = h('select', { class: 'jp-Sovlab-select', 'aria-label': trans.__('Which ranks') });
    this._ranks.addEventListener('change', () => this._refilter());
    this._follow = button(trans.__('Follow'), () => this._setFollow(!this._following), {
      'aria-pressed': 'true'
    });
    this._matches = h('span', { class: 'jp-Sovlab-quiet', role: 'status' });
    this._tools = h(
      'div',
      { class: 'jp-Sovlab-log-tools', role: 'toolbar', 'aria-label': trans.__('Log') },
      this._ranks,
      this._search,
      this._matches,
      h('span', { class: 'jp-Sovlab-space' }),
      this._follow,
      button(trans.__('Copy'), () => void this._copy()),
      button(trans.__('Download'), () => this._download())
    );
    this._block = h('div', { class: 'jp-Sovlab-log-block' });
    this._space = h('div', { class: 'jp-Sovlab-log-space' }, this._block);
    this._scroll = h(
      'div',
      { class: 'jp-Sovlab-log', role: 'log', 'aria-live': 'off', 'aria-label': _options.name, tabindex: 0 },
      this._space
    );
    if (rows) {
      this._scroll.style.maxHeight = `${rows * HEIGHT + 12}px`;
    }
    this._scroll.addEventListener('scroll', () => this._scrolled(), { passive: true });
    this._scroll.addEventListener('keydown', event => event.stopPropagation());
    this._search.addEventListener('keydown', event => event.stopPropagation());
    this.node = h('div', { class: 'jp-Sovlab-log-view' }, this._tools, this._scroll);
    this._observer =
      typeof ResizeObserver === 'undefined' ? null : new ResizeObserver(() => this._resized());
    this._observer?.observe(this._scroll);
  }

  readonly node: HTMLElement;

  /** Paint at the next frame what has changed. */
  readonly update = onFrame(() => this.paint());

  /** The log that is shown. */
  set log(log: LogStore | null) {
    if (log !== this._log) {
      this._log = log;
      this._seen = -1;
      this.update();
    }
  }

  /** Lines at the end that are left out, because they are shown elsewhere. */
  set without(count: number) {
    if (count !== this._without) {
      this._without = count;
      this._seen = -1;
    }
  }

  get log(): LogStore | null {
    return this._log;
  }

  /** Whether there are the search, and what is beside it. */
  set tools(shown: boolean) {
    show(this._tools, shown);
  }

  dispose(): void {
    this._observer?.disconnect();
  }

  private _resized(): void {
    this._room = this._scroll.clientHeight;
    this.update();
  }

  private _refilter(): void {
    this._seen = -1;
    this.update();
  }

  private _scrolled(): void {
    const { scrollTop, scrollHeight, clientHeight } = this._scroll;
    const atEnd = scrollHeight - scrollTop - clientHeight < HEIGHT;
    // Where it was put by following it is not the user who scrolls.
    if (!this._moved || !atEnd) {
      this._mark(atEnd);
    }
    this._moved = false;
    this.update();
  }

  private _setFollow(follow: boolean): void {
    this._mark(follow);
    this.update();
  }

  private _mark(follow: boolean): void {
    this._following = follow;
    this._follow.setAttribute('aria-pressed', String(follow));
  }

  private _lines(): Shown {
    const log = this._log;
    if (!log) {
      return [];
    }
    if (this._seen !== log.version) {
      this._seen = log.version;
      const rank = this._ranks.value === '' ? null : Number(this._ranks.value);
      const query = this._search.value;
      const whole = rank === null && !query;
      this._shown = whole ? log : this._filter.apply(log, rank, query);
      if (whole && this._without) {
        const length = log.length - this._without;
        this._shown = { length, slice: (from, to) => log.slice(from, Math.min(to, length)) };
      }
      const trans = this._options.trans;
      say(this._matches, query ? trans._n('%1 line', '%1 lines', this._shown.length) : '');
      this._offerRanks(log.ranks);
    }
    return this._shown;
  }

  private _offerRanks(ranks: readonly number[]): void {
    show(this._ranks, ranks.length > 1);
    if (this._ranks.options.length !== ranks.length + 1) {
      const trans = this._options.trans;
      const chosen = this._ranks.value;
      this._ranks.replaceChildren(
        h('option', { value: '' }, trans.__('all ranks')),
        ...ranks.map(rank => h('option', { value: rank }, trans.__('rank %1', rank)))
      );
      this._ranks.value = chosen;
    }
  }

  paint(): void {
    const lines = this._lines();
    const height = lines.length * HEIGHT;
    const room = this._room || this._scroll.clientHeight || 15 * HEIGHT;
    const bottom = Math.max(height + 12 - room, 0);
    // What is read of the page is read before it is changed, or once at the end: each other time it is laid out anew.
    const top = this._following ? bottom : this._scroll.scrollTop;
    const first = Math.max(Math.floor(top / HEIGHT) - SPARE, 0);
    const end = Math.min(Math.ceil((top + room) / HEIGHT) + SPARE, lines.length);
    const ranks = this._log?.ranks ?? [];
    const width = ranks.length ? String(ranks[ranks.length - 1]).length : 0;
    const wanted = `${height}px`;
    if (this._space.style.height !== wanted) {
      this._space.style.height = wanted;
    }
    this._block.style.transform = `translateY(${first * HEIGHT}px)`;
    this._block.replaceChildren(...lines.slice(first, end).map(line => this._row(line, width)));
    if (this._following && Math.abs(this._scroll.scrollTop - bottom) > 1) {
      this._moved = true;
      this._scroll.scrollTop = bottom;
    }
  }

  private _row(line: Line, width: number): HTMLElement {
    if (line.gap) {
      return this._gap(line.gap);
    }
    const row = h('div', { class: 'jp-Sovlab-log-line', dir: 'ltr' });
    if (line.rank !== null && width) {
      row.append(h('span', { class: 'jp-Sovlab-log-rank' }, `${String(line.rank).padStart(width)} `));
    }
    for (const run of runs(line.text)) {
      if (!run.classes.length && !run.colour) {
        row.append(run.text);
        continue;
      }
      const classes = run.classes.map(each => `jp-mod-${each}`).join(' ');
      const span = h('span', { class: classes || null }, run.text);
      span.style.color = run.colour;
      row.append(span);
    }
    return row;
  }

  private _gap(missing: Missing): HTMLElement {
    const { trans, fetch } = this._options;
    const size = missing.end === null ? '' : bytes(missing.end - missing.start);
    const row = h('div', { class: 'jp-Sovlab-log-line jp-mod-gap' });
    if (missing.why !== 'skipped') {
      row.append(`— ${size ? `${size}: ` : ''}${missing.why} —`);
      return row;
    }
    row.append(size ? trans.__('— %1 not shown — ', size) : trans.__('— some lines not shown — '));
    if (fetch) {
      const load = button(trans.__('Load'), () => {
        load.disabled = true;
        fetch(missing).catch(error => {
          load.disabled = false;
          load.title = String(error.message ?? error);
          say(load, trans.__('Try again'));
        });
      });
      row.append(load);
    }
    return row;
  }

  private _text(): string {
    const rank = this._ranks.value === '' ? null : Number(this._ranks.value);
    const query = this._search.value;
    if (!query) {
      return this._log?.text(rank) ?? '';
    }
    const lines = this._lines();
    return lines
      .slice(0, lines.length)
      .map(line => `${plain(line.text)}\n`)
      .join('');
  }

  private async _copy(): Promise<void> {
    await navigator.clipboard?.writeText(this._text()).catch(() => undefined);
  }

  private _download(): void {
    const url = URL.createObjectURL(new Blob([this._text()], { type: 'text/plain' }));
    const link = h('a', { href: url, download: `${this._options.name.replace(/[^\w.-]+/g, '-')}.log` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  }

  private _block: HTMLElement;
  private _filter = new Filter();
  private _follow: HTMLButtonElement;
  private _following = true;
  private _log: LogStore | null = null;
  private _matches: HTMLElement;
  private _moved = false;
  private _observer: ResizeObserver | null;
  private _ranks: HTMLSelectElement;
  /** Pixels that are in view, as they were last told; 0 before. */
  private _room = 0;
  private _scroll: HTMLElement;
  private _search: HTMLInputElement;
  private _seen = -1;
  private _shown: Shown = [];
  private _space: HTMLElement;
  private _tools: HTMLElement;
  private _without = 0;
}
