/** What a target has: devices free of all, who waits, how much they draw, how hot they are, and how old that is. */
import { h, name, onFrame, say, show } from '../card/dom';
import { highest, total } from '../model/feed';
import type { Backend, Device, Telemetry } from '../model/types';
import { bytes, duration, heat, joined, known, power, provenance } from '../model/units';
import type { Workbench } from '../model/workbench';
import type { Trans } from '../model/words';

const MOST_SQUARES = 16;
/** Seconds from which the age of a number is said. */
const OLD = 15;

/** The devices of a backend among those that a target's telemetry tells of. */
export function devicesOf(backend: Backend, others: readonly Backend[], telemetry: Telemetry | null): Device[] {
  const devices = telemetry?.devices ?? [];
  if (backend.name === 'cpu') {
    return devices.filter(device => device.kind === 'cpu');
  }
  const gpus = devices.filter(device => device.kind === 'gpu');
  const present = others.filter(each => each.name !== 'cpu' && (each.total ?? 0) > 0);
  if (present.length === 1 && present[0].name === backend.name) {
    return gpus;
  }
  return gpus.filter(device => backend.models.includes(device.name));
}

function isNone(backend: Backend): boolean {
  return backend.total === 0 || (backend.total === null && backend.free === null);
}

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
    const problem = this._workbench.backendsProblem;
    show(this._problem, !told && !!problem);
    if (!told && problem) {
      const title = h('b', {}, trans.__('%1 cannot be asked', target));
      this._problem.replaceChildren(title, `${problem.detail} ${problem.hint}`);
    }
    const backends = (told?.backends ?? []).slice();
    // What is there comes first.
    backends.sort((a, b) => Number(!a.total) - Number(!b.total));
    const none = backends.filter(isNone);
    const rows = backends
      .filter(each => none.length < 2 || !isNone(each))
      .map(each => this._row(each, backends, telemetry));
    if (none.length > 1) {
      rows.push(this._noneRow(none));
    }
    this._rows.replaceChildren(...rows);
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

  private _row(backend: Backend, all: readonly Backend[], telemetry: Telemetry | null): HTMLElement {
    const trans = this._trans;
    const devices = devicesOf(backend, all, telemetry);
    const slowed = devices.some(device => (device.slowed ?? []).length > 0);
    const none = isNone(backend);
    const tone = none ? 'waiting' : slowed ? 'warned' : backend.free === 0 ? 'waiting' : 'good';
    const unit = backend.name === 'cpu' ? trans.__('cores ') : '';
    const free = known(backend.free) && known(backend.total);
    const whole = (value: number | null) => (known(value) ? Number(value.toFixed(1)).toLocaleString('en-US') : '—');
    const memory = backend.memory && backend.name !== 'cpu' ? ` ${bytes(backend.memory).replace('.0 ', ' ')}` : '';
    const parts = none
      ? [trans.__('none on this target')]
      : [
          backend.models.length ? `${backend.models.slice(0, 2).join(', ')}${memory}` : '',
          free
            ? trans.__('%1 of %2 %3free', whole(backend.free), whole(backend.total), unit)
            : trans.__('%1 in all, free not known', whole(backend.total)),
          backend.queued ? trans._n('%1 waits', '%1 wait', backend.queued) : '',
          slowed ? trans.__('slowed') : ''
        ];
    const watts = total(devices.map(device => device.power.value));
    const celsius = highest(devices.flatMap(device => Object.values(device.celsius)));
    const method = devices.find(device => device.power.value !== null)?.power;
    const marks = { good: '●', waiting: '○', warned: '▲' };
    return h(
      'li',
      { class: 'jp-Sovlab-backend', 'data-tone': tone, title: [backend.why, backend.source].filter(Boolean).join('\n') },
      h('span', { class: 'jp-Sovlab-mark', 'aria-hidden': 'true' }, marks[tone]),
      h(
        'span',
        { class: 'jp-Sovlab-cell jp-mod-name' },
        name(backend.name, 'jp-Sovlab-rowname'),
        h('small', {}, parts.filter(Boolean).join(' · ')),
        this._squares(backend, slowed)
      ),
      h(
        'span',
        { class: 'jp-Sovlab-cell jp-mod-number', title: method ? provenance(method) : null },
        h('span', {}, joined(power(watts))),
        h('br'),
        h('span', {}, joined(heat(celsius)))
      )
    );
  }

  /** Kinds of hardware that are not there stand in one line: why, the tooltip says. */
  private _noneRow(backends: readonly Backend[]): HTMLElement {
    const names = backends.map(each => each.name).join(', ');
    const why = backends.map(each => `${each.name}: ${each.why}`).join('\n');
    return h(
      'li',
      { class: 'jp-Sovlab-backend', 'data-tone': 'waiting', title: why },
      h('span', { class: 'jp-Sovlab-mark', 'aria-hidden': 'true' }, '○'),
      h(
        'span',
        { class: 'jp-Sovlab-cell jp-mod-name' },
        h('span', { class: 'jp-Sovlab-rowname jp-Sovlab-quiet' }, names),
        h('small', {}, this._trans.__('none on this target'))
      )
    );
  }

  private _squares(backend: Backend, slowed: boolean): HTMLElement | null {
    const { free, total: all } = backend;
    if (backend.name === 'cpu' || !known(free) || !known(all) || all < 1 || all > MOST_SQUARES) {
      return null;
    }
    const used = Math.round(all - free);
    const squares = Array.from({ length: all }, (_, i) =>
      h('i', { class: i < used ? (slowed ? 'jp-mod-hot' : 'jp-mod-used') : null })
    );
    return h('span', { class: 'jp-Sovlab-squares', 'aria-hidden': 'true' }, ...squares);
  }

  private _sources(asked: number, telemetry: Telemetry | null): string {
    const trans = this._trans;
    const now = Date.now() / 1000;
    const old = (at: number) => (now - at > OLD ? trans.__(', %1 ago', duration(now - at)) : '');
    const counted = now - asked > 60 ? trans.__('Counted %1 ago', duration(now - asked)) : '';
    const measured = telemetry?.devices.length
      ? trans.__('W and °C: %1', telemetry.where) + old(telemetry.time)
      : telemetry
        ? trans.__('W and °C are not measured here')
        : this._workbench.telemetryProblem(this._workbench.target);
    return [counted, measured].filter(Boolean).join(' · ');
  }

  private _age: HTMLElement;
  private _offered = '';
  private _problem: HTMLElement;
  private _rows: HTMLElement;
  private _targets: HTMLSelectElement;
  private _where: HTMLElement;
}
