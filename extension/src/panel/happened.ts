/** What happened to a job, as a table: when, to what, and what. */
import { button, h, say, show } from '../card/dom';
import { ProblemError } from '../model/problems';
import type { Happening, Happenings } from '../model/types';
import { duration, known, time, utc } from '../model/units';
import type { Trans } from '../model/words';

/** Rows that are asked for at a time. */
export const PART = 100;

export class Happened {
  constructor(
    private _trans: Trans,
    private _ask: (page: number, size: number) => Promise<Happenings>
  ) {
    this._body = h('tbody', {});
    this._notes = h('div', { class: 'jp-Sovlab-empty' });
    this._more = button(_trans.__('Show more'), () => void this._fetch(this._page + 1));
    const heads = [_trans.__('When'), _trans.__('After'), _trans.__('Of'), _trans.__('What happened')];
    this._table = h(
      'table',
      { class: 'jp-Sovlab-table' },
      h('thead', {}, h('tr', {}, ...heads.map(each => h('th', { scope: 'col' }, each)))),
      this._body
    );
    this.node = h('div', { class: 'jp-Sovlab-said' }, this._table, this._more, this._notes);
    show(this._more, false);
    show(this._table, false);
  }

  readonly node: HTMLElement;

  /** Ask anew; what is shown stays until the answer comes. */
  async refresh(): Promise<void> {
    await this._fetch(0);
  }

  private async _fetch(page: number): Promise<void> {
    const asked = ++this._asked;
    if (!this._body.childElementCount) {
      say(this._notes, '…');
    }
    let notes = '';
    try {
      const told = await this._ask(page, PART);
      if (asked !== this._asked) {
        return;
      }
      this._page = page;
      if (page === 0) {
        this._first = told.happenings[0]?.time ?? null;
        this._body.replaceChildren();
      }
      this._body.append(...told.happenings.map(each => this._row(each)));
      show(this._more, this._body.childElementCount < told.total);
      notes = [...told.notes, told.total ? '' : this._trans.__('Nothing is known of it yet.')].filter(Boolean).join('\n');
    } catch (error) {
      if (asked !== this._asked) {
        return;
      }
      notes = error instanceof ProblemError ? `${error.problem.detail} ${error.problem.hint}` : String(error);
    }
    show(this._table, !!this._body.childElementCount);
    say(this._notes, notes);
    show(this._notes, !!notes);
  }

  private _row(each: Happening): HTMLElement {
    const trans = this._trans;
    const after = known(each.time) && known(this._first) ? duration(Math.max(each.time - this._first, 0)) : '';
    const times = each.count > 1 ? trans.__(' (%1 times)', each.count) : '';
    // A warning is a sign and a word, too, not only a colour.
    const mark = each.warning ? [h('span', { 'aria-hidden': 'true' }, '▲ '), h('b', {}, trans.__('warning: '))] : [];
    return h(
      'tr',
      { class: each.warning ? 'jp-mod-bad' : null },
      h('td', { title: utc(each.time) }, known(each.time) ? clock(each.time) : trans.__('now')),
      h('td', {}, after),
      h('td', {}, h('bdi', {}, each.of === 'job' ? trans.__('job') : each.of)),
      h('td', {}, ...mark, h('bdi', {}, each.text), times)
    );
  }

  private _asked = 0;
  private _body: HTMLElement;
  private _first: number | null = null;
  private _more: HTMLButtonElement;
  private _notes: HTMLElement;
  private _page = 0;
  private _table: HTMLElement;
}

/** With seconds: much happens in one minute. */
function clock(seconds: number): string {
  return `${time(seconds)}:${String(new Date(seconds * 1000).getSeconds()).padStart(2, '0')}`;
}
