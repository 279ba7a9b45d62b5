/** The curves as a table: for those who do not see them, and to be copied. */
import { h, show } from '../card/dom';
import type { Drawn } from '../model/curves';
import { duration, heat, joined, power, time } from '../model/units';
import type { Trans } from '../model/words';

/** Rows at most: of more times, stretches of them. */
const MOST = 60;

/** A row: some neighbouring times. */
export interface Stretch {
  from: number;
  to: number;
  mean: number | null;
  peak: number | null;
  celsius: number | null;
  slowed: boolean;
}

/** What is drawn, in at most so many stretches of one length; those of which nothing is known are among them. */
export function stretches(drawn: Drawn, most = MOST): Stretch[] {
  const { times, watts, celsius, slowed, seconds } = drawn;
  if (!times.length) {
    return [];
  }
  const end = times.length - 1;
  const first = times[0] - seconds[0] / 2;
  const step = Math.max(Math.ceil((times[end] + Math.max(seconds[end] / 2, 1) - first) / most), 1);
  const rows: { stretch: Stretch; joules: number; weight: number }[] = [];
  const place = (at: number) => Math.min(Math.max(Math.floor((at - first) / step), 0), most - 1);
  times.forEach((at, i) => {
    const [from, to] = [at - seconds[i] / 2, at + seconds[i] / 2];
    const last = place(seconds[i] ? to - 0.001 : at);
    for (let n = rows.length; n <= last; n++) {
      const begin = first + n * step;
      const empty = { from: begin, to: begin + step, mean: null, peak: null, celsius: null, slowed: false };
      rows.push({ stretch: empty, joules: 0, weight: 0 });
    }
    // What is a mean of several stretches is in each of them.
    for (let n = place(from); n <= last; n++) {
      const row = rows[n];
      const drew = watts[i];
      if (drew !== null) {
        const weight = seconds[i] ? Math.min(to, row.stretch.to) - Math.max(from, row.stretch.from) : 1;
        row.joules += drew * weight;
        row.weight += weight;
        row.stretch.mean = row.joules / row.weight;
        row.stretch.peak = Math.max(row.stretch.peak ?? -Infinity, drew);
      }
      const hot = celsius[i];
      if (hot !== null) {
        row.stretch.celsius = Math.max(row.stretch.celsius ?? -Infinity, hot);
      }
      row.stretch.slowed ||= slowed.some(([begin, until]) => begin <= at && at <= until);
    }
  });
  return rows.map(row => row.stretch);
}

export class ChartTable {
  constructor(private _trans: Trans) {
    this._body = h('tbody', {});
    this._head = h('thead', {});
    this._caption = h('caption', {});
    this.node = h(
      'details',
      { class: 'jp-Sovlab-chart-table' },
      h('summary', {}, _trans.__('As a table')),
      h('div', { tabindex: 0 }, h('table', {}, this._caption, this._head, this._body))
    );
    this.node.addEventListener('toggle', () => this._paint());
  }

  readonly node: HTMLDetailsElement;

  set(drawn: Drawn, source: string): void {
    this._drawn = drawn;
    this._source = source;
    this._paint();
  }

  open(): void {
    this.node.open = true;
    this._paint();
  }

  private _paint(): void {
    const drawn = this._drawn;
    if (!this.node.open || !drawn) {
      return;
    }
    const trans = this._trans;
    const rows = stretches(drawn);
    const step = rows.length ? rows[0].to - rows[0].from : 0;
    this._caption.textContent = trans.__('Stretches of %1. Power: %2; temperature: sampled, the hottest.', duration(step), this._source || '—');
    const heads = [trans.__('From'), trans.__('Mean power'), trans.__('Highest in the curve'), trans.__('Temperature'), trans.__('Slowed')];
    this._head.replaceChildren(h('tr', {}, ...heads.map(head => h('th', { scope: 'col' }, head))));
    this._body.replaceChildren(
      ...rows.map(row => {
        const clock = step < 60 ? new Date(row.from * 1000).toLocaleTimeString([], { hour12: false }) : time(row.from);
        const cells = [joined(power(row.mean)), joined(power(row.peak)), joined(heat(row.celsius)), row.slowed ? trans.__('yes') : ''];
        return h('tr', {}, h('th', { scope: 'row' }, clock), ...cells.map(cell => h('td', {}, cell)));
      })
    );
    show(this.node, rows.length > 0);
  }

  private _body: HTMLElement;
  private _caption: HTMLElement;
  private _drawn: Drawn | null = null;
  private _head: HTMLElement;
  private _source = '';
}
