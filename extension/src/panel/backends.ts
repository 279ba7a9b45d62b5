/** What a target has: devices free of all, who waits, how much they draw, how hot they are, and what `auto` takes. */
import { h, onFrame, say, show } from '../card/dom';
import type { Backend, Telemetry } from '../model/types';
import { duration } from '../model/units';
import type { Workbench } from '../model/workbench';
import type { Trans } from '../model/words';
import { BackendRow, isNone } from './backendrow';
import { seenOf } from './facts';

/** Seconds from which the age of a number is said. */
const OLD = 15;

export class BackendsSection {
  constructor(
    private _workbench: Workbench,
    private _trans: Trans
  ) {
    this._targets = h('select', { class: 'jp-Sovlab-select', 'aria-label': _trans.__('Target') });
    this._targets.addEventListener('change', () => {
      _workbench.target = this._targets.value;
      void _workbench.refreshBackends(_workbench.target);
    });
    this._targets.addEventListener('keydown', event => event.stopPropagation());
    this._where = h('div', { class: 'jp-Sovlab-where' });
    this._rows = h('ul', { class: 'jp-Sovlab-backends' });
    this._problem = h('div', { class: 'jp-Sovlab-empty' });
    this._auto = h('div', { class: 'jp-Sovlab-where jp-mod-auto' });
    this._age = h('div', { class: 'jp-Sovlab-where' });
    this.node = h(
      'section',
      { class: 'jp-Sovlab-section', 'aria-label': _trans.__('Backends') },
      h(
        'h3',
        {},
        h('span', {}, _trans.__('Backends')),
        h('span', { class: 'jp-Sovlab-space' }),
        this._targets
      ),
      this._where,
      this._rows,
      this._auto,
      this._problem,
      this._age
    );
    _workbench.changed.connect(this._update, this);
  }

  readonly node: HTMLElement;
  visible = false;

  paint(): void {
    const trans = this._trans;
    const { targets, target } = this._workbench;
    const names = (targets?.targets ?? []).map(each => each.name);
    if (this._offered !== names.join('\n')) {
      this._offered = names.join('\n');
      this._targets.replaceChildren(...names.map(each => h('option', { value: each }, each)));
    }
    if (target && this._targets.value !== target) {
      this._targets.value = target;
    }
    show(this._targets, names.length > 0);
    const where = targets?.targets.find(each => each.name === target)?.where ?? '';
    say(this._where, where);
    const told = this._workbench.backendsOf(target);
    const telemetry = this._workbench.telemetryOf(target);
    const problem = this._workbench.backendsProblemOf(target);
    show(this._problem, !told && !!problem);
    if (!told && problem) {
      const title = h('b', {}, trans.__('%1 cannot be asked', target));
      this._problem.replaceChildren(title, `${problem.detail} ${problem.hint}`);
    }
    const backends = (told?.backends ?? []).slice();
    // What is there comes first.
    backends.sort((a, b) => Number(!a.total) - Number(!b.total));
    const none = backends.filter(isNone);
    const now = Date.now() / 1000;
    const nodes = backends
      .filter(each => none.length < 2 || !isNone(each))
      .map(each => {
        const row = this._rowOf(each.name);
        row.update(each, seenOf(each, backends, telemetry, told!.time, now, trans));
        return row.node;
      });
    if (none.length > 1) {
      nodes.push(this._noneRow(none));
    }
    // Rows stay what they are while their order does: one of them may have the focus.
    if (nodes.length !== this._rows.children.length || nodes.some((node, i) => node !== this._rows.children[i])) {
      this._rows.replaceChildren(...nodes);
    }
    say(this._auto, told?.auto_why ? trans.__('auto takes %1', told.auto_why) : '');
    show(this._auto, !!this._auto.textContent);
    this._age.title = Object.values(telemetry?.unavailable ?? {}).join('\n');
    say(this._age, told ? this._sources(told.time, telemetry) : this._workbench.link === 'live' ? '…' : '');
    show(this._age, !!this._age.textContent);
  }

  dispose(): void {
    this._workbench.changed.disconnect(this._update, this);
  }

  private _update = onFrame(() => {
    if (this.visible) {
      this.paint();
    }
  });

  private _rowOf(name: string): BackendRow {
    const key = `${this._workbench.target}\n${name}`;
    let row = this._byName.get(key);
    if (!row) {
      this._byName.set(key, (row = new BackendRow(name, this._trans)));
    }
    return row;
  }

  /** Kinds of hardware that are not there stand in one line: why, the tooltip says. */
  private _noneRow(backends: readonly Backend[]): HTMLElement {
    const names = backends.map(each => each.name).join(', ');
    const why = backends.map(each => `${each.name}: ${each.why}`).join('\n');
    if (this._none?.names !== names) {
      const node = h(
        'li',
        { class: 'jp-Sovlab-backend', 'data-tone': 'waiting' },
        h('span', { class: 'jp-Sovlab-mark', 'aria-hidden': 'true' }, '○'),
        h(
          'span',
          { class: 'jp-Sovlab-cell jp-mod-name' },
          h('span', { class: 'jp-Sovlab-rowname jp-Sovlab-quiet' }, names),
          h('small', {}, this._trans.__('none on this target'))
        )
      );
      this._none = { names, node };
    }
    this._none.node.title = why;
    return this._none.node;
  }

  private _sources(asked: number, telemetry: Telemetry | null): string {
    const trans = this._trans;
    const now = Date.now() / 1000;
    const old = (at: number) => (now - at > OLD ? trans.__(', %1 ago', duration(now - at)) : '');
    const { target } = this._workbench;
    // Numbers of a target that does not answer are old from the first second on.
    const stale = !!this._workbench.backendsProblemOf(target) || this._workbench.jobs.health?.state === 'down';
    const counted = now - asked > 60 || stale ? trans.__('Counted %1 ago', duration(now - asked)) : '';
    const measured = telemetry?.devices.length
      ? trans.__('W and °C: %1', telemetry.where) + old(telemetry.time)
      : telemetry
        ? trans.__('W and °C are not measured here')
        : this._workbench.telemetryProblem(target);
    return [counted, measured].filter(Boolean).join(' · ');
  }

  private _age: HTMLElement;
  private _auto: HTMLElement;
  private _byName = new Map<string, BackendRow>();
  private _none: { names: string; node: HTMLElement } | null = null;
  private _offered = '';
  private _problem: HTMLElement;
  private _rows: HTMLElement;
  private _targets: HTMLSelectElement;
  private _where: HTMLElement;
}
