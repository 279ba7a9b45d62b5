/** One kind of hardware in the panel: a line that opens, and below it each number with its source and age. */
import { h, name, say, show } from '../card/dom';
import type { Backend } from '../model/types';
import { bytes, heat, joined, known, power } from '../model/units';
import type { Trans } from '../model/words';
import { type Seen, whole } from './facts';

const MOST_SQUARES = 16;
const MARKS = { good: '●', waiting: '○', warned: '▲' };

/** Whether a target has nothing of it. */
export function isNone(backend: Backend): boolean {
  return backend.total === 0 || (backend.total === null && backend.free === null);
}

export class BackendRow {
  constructor(
    of: string,
    private _trans: Trans
  ) {
    const id = `jp-Sovlab-figures-${BackendRow._count++}`;
    this._facts = h('dl', { class: 'jp-Sovlab-figures', id });
    this._facts.hidden = true;
    this._title = name(of, 'jp-Sovlab-rowname');
    this._line = h(
      'button',
      { type: 'button', class: 'jp-Sovlab-backend', 'aria-expanded': 'false', 'aria-controls': id },
      this._mark,
      h('span', { class: 'jp-Sovlab-cell jp-mod-name' }, this._title, this._small, this._squares),
      h('span', { class: 'jp-Sovlab-cell jp-mod-number' }, this._watts, h('br'), this._celsius)
    );
    this._line.addEventListener('click', () => {
      show(this._facts, this._facts.hidden);
      this._line.setAttribute('aria-expanded', String(!this._facts.hidden));
    });
    this.node = h('li', {}, this._line, this._facts);
  }

  readonly node: HTMLElement;

  /** Show what is known now; what has not changed is not touched, so that the focus stays. */
  update(backend: Backend, seen: Seen): void {
    const trans = this._trans;
    const none = isNone(backend);
    const { slowed } = seen;
    const tone = none ? 'waiting' : slowed ? 'warned' : backend.free === 0 ? 'waiting' : 'good';
    this._line.dataset.tone = tone;
    say(this._mark, MARKS[tone]);
    const unit = backend.name === 'cpu' ? trans.__('cores ') : '';
    const memory = backend.memory && backend.name !== 'cpu' ? ` ${bytes(backend.memory).replace('.0 ', ' ')}` : '';
    const headroom = backend.headroom.value;
    const parts = none
      ? [trans.__('none on this target')]
      : [
          backend.models.length ? `${backend.models.slice(0, 2).join(', ')}${memory}` : '',
          known(backend.free) && known(backend.total)
            ? trans.__('%1 of %2 %3free', whole(backend.free), whole(backend.total), unit)
            : trans.__('%1 in all, free not known', whole(backend.total)),
          backend.queued ? trans._n('%1 waits', '%1 wait', backend.queued) : '',
          slowed ? trans.__('slowed') : '',
          known(headroom)
            ? headroom > 0
              ? trans.__('%1 of headroom', joined(power(headroom)))
              : trans.__('at its power limit')
            : ''
        ];
    say(this._small, parts.filter(Boolean).join(' · '));
    say(this._watts, joined(power(seen.watts)));
    say(this._celsius, joined(heat(seen.celsius)));
    this._square(backend, slowed);
    this._tell(backend, seen);
  }

  private _tell(backend: Backend, seen: Seen): void {
    const facts = [...seen.facts];
    if (backend.passed) {
      facts.push({ label: this._trans.__('Not auto'), value: '', note: backend.passed });
    }
    const labels = facts.map(fact => fact.label).join('\n');
    if (labels !== this._labels) {
      this._labels = labels;
      this._cells = facts.map(() => ({ value: h('b', {}), note: h('small', {}) }));
      this._facts.replaceChildren(
        ...facts.flatMap((fact, i) => [
          h('dt', {}, fact.label),
          h('dd', {}, this._cells[i].value, ' ', this._cells[i].note)
        ])
      );
    }
    facts.forEach((fact, i) => {
      say(this._cells[i].value, fact.value);
      say(this._cells[i].note, fact.note);
    });
  }

  private _square(backend: Backend, slowed: boolean): void {
    const { free, total } = backend;
    const drawn =
      backend.name !== 'cpu' && known(free) && known(total) && total >= 1 && total <= MOST_SQUARES
        ? `${free} ${total} ${slowed}`
        : '';
    show(this._squares, !!drawn);
    if (drawn && drawn !== this._drawn) {
      const used = Math.round(total! - free!);
      const squares = Array.from({ length: total! }, (_, i) =>
        h('i', { class: i < used ? (slowed ? 'jp-mod-hot' : 'jp-mod-used') : null })
      );
      this._squares.replaceChildren(...squares);
    }
    this._drawn = drawn;
  }

  private static _count = 0;
  private _cells: { value: HTMLElement; note: HTMLElement }[] = [];
  private _celsius = h('span', {});
  private _drawn = '';
  private _facts: HTMLElement;
  private _labels = '';
  private _line: HTMLButtonElement;
  private _mark = h('span', { class: 'jp-Sovlab-mark', 'aria-hidden': 'true' });
  private _small = h('small', {});
  private _squares = h('span', { class: 'jp-Sovlab-squares', 'aria-hidden': 'true' });
  private _title: HTMLElement;
  private _watts = h('span', {});
}
